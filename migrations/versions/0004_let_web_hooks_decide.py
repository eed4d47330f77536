"""Adds the decisions that clients' web hooks make for waiting calls, and the secrets that sign the questions.

Deployment: pre. Safe on a live system: everything is new.
"""

from importlib.resources import files

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As it stands: no parameter is bound, so no character of it needs escaping.
    text = files("dialtrace.migrations").joinpath("sql", "0004_decisions.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

"""Keeps what reports go by and what advertising cost.

Deployment: pre.
"""

from importlib.resources import files

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0044_report.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

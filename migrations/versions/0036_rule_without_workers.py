"""Nodes know block lists, limits and where static numbers' callers come from, for the time without workers.

Deployment: pre.
"""

from importlib.resources import files

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0036_rule_without_workers.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

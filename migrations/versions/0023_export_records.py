"""Exports of calls, events and the audit log: what was asked for, by which schedule, with which columns.

Deployment: pre.
"""

from importlib.resources import files

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0023_exports.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

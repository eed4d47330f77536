"""Writes every change of what tenants have set up into the audit log, with what was there before and after.

Deployment: pre. A trigger that does nothing until a transaction names who acts, which the release before never does.
"""

from importlib.resources import files

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0033_audit_changes.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

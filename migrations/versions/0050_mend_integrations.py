"""Tells live calls before late ones, bounds what one system or agency takes, knows calls that prove a number.

Deployment: pre. Monitors and workers of the release before go on with it.
"""

from importlib.resources import files

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0050_mend_integrations.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

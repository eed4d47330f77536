"""Keeps who a visitor is to analytics systems, of whom consents to it.

Deployment: pre. The release before goes on writing visits without it.
"""

from importlib.resources import files

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0052_keep_analytics_ids.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

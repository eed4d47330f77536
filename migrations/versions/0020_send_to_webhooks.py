"""Keeps webhooks, and every message on its way to one; the sequencer makes them.

Deployment: pre. Nothing is sent until somebody makes a webhook.
"""

from importlib.resources import files

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0020_webhooks.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

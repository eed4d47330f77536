"""Keeps integrations, what each was told of a call, and what was made there.

Deployment: pre. Nothing is sent until somebody makes an integration.
"""

from importlib.resources import files

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0049_integrations.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

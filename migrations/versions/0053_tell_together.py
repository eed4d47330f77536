"""Tells some systems of many calls in one request.

Deployment: pre. Workers of the release before tell each call alone; no integration of theirs is told together.
"""

from importlib.resources import files

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0053_tell_together.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

"""Keeps how many calls stand beside their rows, so that no caller waits while thousands are counted.

Deployment: pre. The same answer, sooner.
"""

from importlib.resources import files

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0021_live_counts.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

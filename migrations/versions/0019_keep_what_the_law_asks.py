"""Adds retention, legal holds, requests of persons with signed receipts, and the proof of consent.

Deployment: pre. New tables; two new columns of calls, both empty.
"""

from importlib.resources import files

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0019_keep_what_the_law_asks.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

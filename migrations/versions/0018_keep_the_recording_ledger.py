"""Keeps the ledger of recordings from the first moment on; agencies have stores and keys of their own.

Deployment: pre. Columns and tables more; what was `stored` is `verified` from now on.
"""

from importlib.resources import files

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0018_recording_ledger.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

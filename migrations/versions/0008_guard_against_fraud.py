"""Adds destinations, trunks, and what callers' habits say of them under keyed hashes; spam scores become facts of a call.

Deployment: pre. Everything is new but one function, which goes on answering as before for flows that need no score.
"""

from importlib.resources import files

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0008_fraud.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

"""Adds limits of calls at a time and calls a second for agencies and clients; the call plane's one read applies them.

Deployment: pre. Everything is new but one function, which goes on answering as before where nobody has a limit.
"""

from importlib.resources import files

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0007_limits.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

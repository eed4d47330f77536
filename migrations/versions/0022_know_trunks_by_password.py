"""Lets trunks ask for a password, and bounds the calls that one takes in a second.

Deployment: pre. Bring workers and monitors up to date before the first such trunk is made.
"""

from importlib.resources import files

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0022_digest_trunks.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

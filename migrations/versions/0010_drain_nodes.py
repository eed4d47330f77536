"""Nodes are drained: what is wanted, and what they still hold.

Deployment: pre. Safe on a live system: two columns without a default, and a check on a table of a few rows. Older
monitors go on writing their states.
"""

from importlib.resources import files

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0010_drain.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

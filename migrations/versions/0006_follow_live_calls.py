"""Adds the calls that stand at this moment, as the nodes' monitors hear them, and the queues in which callers wait.

Deployment: pre. Safe on a live system: everything is new.
"""

from importlib.resources import files

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As it stands: no parameter is bound, so no character of it needs escaping.
    text = files("dialtrace.migrations").joinpath("sql", "0006_live_calls.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

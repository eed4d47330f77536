"""Gives a client a backup target, which is rung when a flow has rung all its targets in vain.

Deployment: pre. Safe on a live system: the column is empty at first, and the old release does not name it.
"""

from importlib.resources import files

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As it stands: no parameter is bound, so no character of it needs escaping.
    text = files("dialtrace.migrations").joinpath("sql", "0009_backup_targets.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

"""Adds the call plane's one read with the facts of a call: repeat callers, sticky and idle targets, turns, block lists.

Deployment: pre. `dialtrace_route` stays for workers of the release before. Two indexes on `calls` are built while calls
go on; only records wait for them, on the nodes' disks.
"""

from importlib.resources import files

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def run_sql(name: str) -> None:
    """Runs a file of `migrations/sql` as it stands: no parameter is bound, so no character of it needs escaping."""
    text = files("dialtrace.migrations").joinpath("sql", name).read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})


def upgrade() -> None:
    run_sql("0002_tables.sql")
    run_sql("0002_functions.sql")

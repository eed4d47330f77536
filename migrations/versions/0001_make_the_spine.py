"""Makes every table of the spine, its row-level security, its narrow functions and the operator's own agency.

Deployment: pre. Safe on a live system: everything is new.
"""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def run_sql(name: str) -> None:
    """Runs a file of `migrations/sql` as it stands: no parameter is bound, so no character of it needs escaping."""
    text = files("dialtrace.migrations").joinpath("sql", name).read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})


def upgrade() -> None:
    run_sql("0001_tables.sql")
    run_sql("0001_security.sql")
    run_sql("0001_functions.sql")
    run_sql("0001_operator.sql")

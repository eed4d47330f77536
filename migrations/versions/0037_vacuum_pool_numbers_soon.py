"""The numbers of pools are vacuumed soon.

Deployment: pre.
"""

from importlib.resources import files

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0037_vacuum_pool_numbers_soon.sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

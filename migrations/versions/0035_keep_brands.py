"""Keeps under which name, colours, domain and language an agency's people see the platform.

Deployment: pre. Two tables and two functions more.
"""

from importlib.resources import files

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0035_brands.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

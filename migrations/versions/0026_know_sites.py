"""Sites, visits, clicks on telephone links, own rules for sources, and the source of a static number.

Deployment: pre. New tables; new columns of numbers, all empty.
"""

from importlib.resources import files

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0026_sites.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

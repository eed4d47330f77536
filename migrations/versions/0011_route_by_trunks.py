"""Routes name the trunks for the telephone numbers in their flow, cheapest first, as far as the agency may call there.

Deployment: pre. Flows without telephone numbers are answered as before: workers of the release before see no difference.
"""

from importlib.resources import files

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0011_route_by_trunks.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

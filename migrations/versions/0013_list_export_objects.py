"""Lists the objects that hold copies of records, so that erasure reaches them.

Deployment: pre. New only.
"""

from importlib.resources import files

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0013_list_export_objects.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

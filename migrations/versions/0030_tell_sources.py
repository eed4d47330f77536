"""Decisions about calls tell the source of a static number, or of the visit that is shown the number.

Deployment: pre. A new function, and one that tells more.
"""

from importlib.resources import files

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0030_source_facts.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

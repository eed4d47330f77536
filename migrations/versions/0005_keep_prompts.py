"""Adds the table of prompts: texts that flows say, rendered ahead, and the operator's announcements.

Deployment: pre. Safe on a live system: everything is new.
"""

from importlib.resources import files

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0005_prompts.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

"""The queue of the business plane's jobs: procrastinate's tables, and how a transaction of ours puts a job into it.

Deployment: pre.
"""

from importlib.resources import files

from alembic import op

from dialtrace.db.job_schema import bring_job_schema_up

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    bring_job_schema_up(op.get_bind())
    text = files("dialtrace.migrations").joinpath("sql", "0016_jobs.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

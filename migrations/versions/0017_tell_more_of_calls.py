"""Records tell more: hold and queue time, loss, jitter and MOS, attestation, diversion, spam score, cost; of a leg who
ended it and its trunk.

Deployment: pre. Safe on a live system: empty columns without a default, nothing is read or rewritten.
"""

from importlib.resources import files

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = files("dialtrace.migrations").joinpath("sql", "0017_tell_more.sql").read_text(encoding="utf-8")
    # No parameter is bound, so no character needs escaping.
    op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

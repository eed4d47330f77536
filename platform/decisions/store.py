"""SQL of decisions and their secrets. Questions are claimed and settled across tenants, through the narrow functions of
the migrations and in one exchange each; a client's secrets inside a transaction of its tenant.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from ..db.engine import Database
from ..db.tables import hook_secrets
from .model import HookSecret, Question, Verdict


def claim_questions(database: Database, *, most: int, each: int) -> list[Question]:
    """Up to ``most``, of no client more than ``each`` at a time. Nobody else gets them."""
    statement = (
        "SELECT agency_id, id, client_id, call_id, step, url, choices, body, asked_at, waited_ms, left_ms, keys"
        " FROM dialtrace_decisions_claim(%s, %s)"
    )
    rows = database.look_up(statement, (most, each))
    return [Question(**{**row._mapping, "keys": [bytes(key) for key in row._mapping["keys"]]}) for row in rows]


def settle_question(database: Database, question: Question, verdict: Verdict) -> str | None:
    """Writes it down: `answered`, `failed` or `late`; None when the question is not ours any more."""
    statement = "SELECT dialtrace_decision_settle(%s::uuid, %s::uuid, %s, %s)"
    values = (str(question.agency_id), str(question.id), verdict.answer, verdict.fault)
    found: str | None = database.look_up(statement, values)[0][0]
    return found


def release_question(database: Database, question: Question) -> None:
    """Gives it back, for another process to ask."""
    database.look_up(
        "SELECT dialtrace_decision_release(%s::uuid, %s::uuid)", (str(question.agency_id), str(question.id))
    )


def tidy_questions(database: Database, *, most: int) -> tuple[int, int, int]:
    """How many nobody had taken up, how many nobody had answered, and how many old ones were removed."""
    row = database.look_up("SELECT unasked, unanswered, cleared FROM dialtrace_decisions_tidy(%s)", (most,))[0]
    return row.unasked, row.unanswered, row.cleared


def find_secret(connection: Connection, agency_id: UUID, client_id: UUID) -> HookSecret | None:
    """A client's current secret."""
    theirs = and_(hook_secrets.c.agency_id == agency_id, hook_secrets.c.client_id == client_id)
    until = (
        select(func.max(hook_secrets.c.expires_at))
        .where(theirs, hook_secrets.c.expires_at > func.now())
        .scalar_subquery()
    )
    query = select(hook_secrets.c.secret, hook_secrets.c.made_at, until.label("until"))
    row = connection.execute(query.where(theirs, hook_secrets.c.expires_at.is_(None))).one_or_none()
    return None if row is None else HookSecret(bytes(row.secret), row.made_at, row.until)


def insert_secret(connection: Connection, agency_id: UUID, client_id: UUID, secret_id: UUID, key: bytes) -> None:
    """Makes it the current one, unless somebody has just made another."""
    values = {"agency_id": agency_id, "id": secret_id, "client_id": client_id, "secret": key}
    connection.execute(
        insert(hook_secrets)
        .values(**values)
        .on_conflict_do_nothing(
            index_elements=["agency_id", "client_id"], index_where=hook_secrets.c.expires_at.is_(None)
        )
    )


def retire_secrets(connection: Connection, agency_id: UUID, client_id: UUID, *, until: datetime) -> None:
    """The current one signs until then; what was on its way out before it is gone at once."""
    theirs = and_(hook_secrets.c.agency_id == agency_id, hook_secrets.c.client_id == client_id)
    connection.execute(delete(hook_secrets).where(theirs, hook_secrets.c.expires_at.is_not(None)))
    connection.execute(update(hook_secrets).where(theirs).values(expires_at=until))

"""SQL of the API itself: answers kept for `Idempotency-Key`, and what readiness asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, null, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ..db.engine import Database
from ..db.prepared import Prepared, Ready
from ..db.tables import idempotency_keys, recordings

_SCOPE = ("agency_id", "key_id", "key")
_PURGE_ROWS = 500


@dataclass(frozen=True)
class Scope:
    """Whose key it is: the same text sent with another credential is another key."""

    agency_id: UUID
    key_id: UUID
    key: str

    def matches(self) -> Any:
        columns = idempotency_keys.c
        return (columns.agency_id == self.agency_id) & (columns.key_id == self.key_id) & (columns.key == self.key)


@dataclass(frozen=True)
class Kept:
    """A request that was made with a key before. ``status`` None: it has not finished."""

    digest: bytes
    status: int | None
    answer: Mapping[str, Any] | None
    created_at: datetime


def claim_key(
    connection: Connection,
    scope: Scope,
    *,
    request: str,
    digest: bytes,
    now: datetime,
    oldest: datetime,
    unfinished: datetime | None = None,
) -> Kept | None:
    """Takes the key for a request (None), or tells who has it. What is older than ``oldest`` counts as not there; so
    does what has no answer and is older than ``unfinished``."""
    row = {"agency_id": scope.agency_id, "key_id": scope.key_id, "key": scope.key}
    fresh = {"request": request, "body_digest": digest, "created_at": now, "status": None, "answer": null()}
    columns = idempotency_keys.c
    is_free = columns.created_at < oldest
    if unfinished is not None:
        is_free = or_(
            is_free, columns.status.is_(None) & (columns.created_at < unfinished) & (columns.body_digest == digest)
        )
    statement = (
        insert(idempotency_keys)
        .values(**row, **fresh)
        .on_conflict_do_update(index_elements=_SCOPE, set_=fresh, where=is_free)
        .returning(idempotency_keys.c.key)
    )
    if connection.execute(statement).first() is not None:
        return None
    kept = connection.execute(
        select(columns.body_digest, columns.status, columns.answer, columns.created_at).where(scope.matches())
    ).one()
    return Kept(bytes(kept.body_digest), kept.status, kept.answer, kept.created_at)


def keep_answer(
    connection: Connection, scope: Scope, *, claimed_at: datetime, status: int, answer: Mapping[str, Any]
) -> bool:
    """The request has finished, and this is what it is answered with from now on. False: somebody else has claimed the
    key after ``claimed_at``."""
    ours = scope.matches() & (idempotency_keys.c.created_at == claimed_at)
    return connection.execute(update(idempotency_keys).where(ours).values(status=status, answer=answer)).rowcount == 1


def release_key(connection: Connection, scope: Scope, *, claimed_at: datetime) -> None:
    """The request came to nothing: the same key may try again."""
    columns = idempotency_keys.c
    ours = scope.matches() & columns.status.is_(None) & (columns.created_at == claimed_at)
    connection.execute(delete(idempotency_keys).where(ours))


def purge_keys(connection: Connection, agency_id: UUID, oldest: datetime) -> int:
    """Removes some answers that are too old to be given again; returns how many."""
    columns = idempotency_keys.c
    some = (
        select(columns.key_id, columns.key)
        .where(columns.agency_id == agency_id, columns.created_at < oldest)
        .limit(_PURGE_ROWS)
        .cte("some")
    )
    statement = delete(idempotency_keys).where(
        columns.agency_id == agency_id, columns.key_id == some.c.key_id, columns.key == some.c.key,
        columns.created_at < oldest,
    )  # fmt: skip
    return connection.execute(statement).rowcount


#: Takes requests from a minute's quota: $4 of them, never more than $5 in all. What came of it: how many are taken now,
#: and how many of them by this statement.
_TAKE = Prepared(
    "dialtrace_take_requests",
    ("uuid", "uuid", "timestamptz", "int", "int"),
    """
    INSERT INTO request_windows AS held (agency_id, subject_id, began_at, taken, granted)
    VALUES ($1, $2, $3, least($4, $5), least($4, $5))
    ON CONFLICT (agency_id, subject_id) DO UPDATE SET
      granted = CASE WHEN held.began_at = excluded.began_at THEN greatest(least($4, $5 - held.taken), 0)
                     ELSE excluded.granted END,
      taken = CASE WHEN held.began_at = excluded.began_at THEN held.taken + greatest(least($4, $5 - held.taken), 0)
                   ELSE excluded.taken END,
      began_at = excluded.began_at
    RETURNING taken, granted
    """,
)


def take_requests(
    database: Database, agency_id: UUID, subject_id: UUID, began_at: datetime, most: int, quota: int
) -> tuple[int, int]:
    """How many requests of this minute are taken in all, and how many of them now."""
    values = (str(agency_id), str(subject_id), began_at, most, quota)
    ((taken, granted),) = database.at_once(agency_id, Ready(_TAKE, values), may_be_lost=True)
    return taken, granted


def current_migration(connection: Connection) -> str | None:
    """The migration that the database is at."""
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def recording_states(connection: Connection, agency_id: UUID, call_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The state of every recording segment of these calls; calls without any are left out."""
    columns = recordings.c
    found: dict[UUID, list[str]] = {}
    if call_ids:
        query = select(columns.call_id, columns.state).where(
            columns.agency_id == agency_id, columns.call_id.in_(call_ids)
        )
        for row in connection.execute(query):
            found.setdefault(row.call_id, []).append(row.state)
    return found

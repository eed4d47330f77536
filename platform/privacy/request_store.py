"""SQL of requests of persons, and of what is erased for them. Each function works in its caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from ..db.tables import (
    erasure_sweeps,
    legal_holds,
    live_calls,
    nodes,
    subject_calls,
    subject_requests,
)
from .model import SubjectRequest
from .store import page_of

#: A node that nobody has heard for so long is told in the receipt instead of being waited for.
UNREACHED_AFTER = timedelta(days=7)


def holds_on_person(connection: Connection, request: SubjectRequest) -> int:
    """Holds that keep everything of the person within the request's scope."""
    columns = legal_holds.c
    query = select(func.count()).where(
        columns.agency_id == request.agency_id,
        columns.lifted_at.is_(None),
        ((columns.kind == "caller") & (columns.person_key == request.person_key))
        | ((columns.kind == "client") & (columns.client_id == request.client_id)),
    )
    if request.client_id is not None:
        query = query.where(columns.client_id.is_(None) | (columns.client_id == request.client_id))
    return int(connection.execute(query).scalar_one())


# --- Requests of persons. ---


def request_of(row: RowMapping) -> SubjectRequest:
    values = {name: row[name] for name in SubjectRequest.__dataclass_fields__}
    return SubjectRequest(**values | {"person_key": bytes(row["person_key"])})


def insert_request(connection: Connection, row: Mapping[str, Any]) -> SubjectRequest | None:
    """None: the same is open already."""
    statement = upsert(subject_requests).values(**row).on_conflict_do_nothing().returning(subject_requests)
    found = connection.execute(statement).mappings().first()
    return request_of(found) if found else None


def find_open_request(
    connection: Connection, agency_id: UUID, scope_id: UUID, key: bytes, kind: str
) -> SubjectRequest | None:
    columns = subject_requests.c
    query = select(subject_requests).where(
        columns.agency_id == agency_id,
        columns.scope_id == scope_id,
        columns.person_key == key,
        columns.kind == kind,
        columns.state != "done",
    )
    row = connection.execute(query).mappings().first()
    return request_of(row) if row else None


def find_request(connection: Connection, agency_id: UUID, request_id: UUID) -> SubjectRequest | None:
    columns = subject_requests.c
    query = select(subject_requests).where(columns.agency_id == agency_id, columns.id == request_id)
    row = connection.execute(query).mappings().first()
    return request_of(row) if row else None


def find_requests(
    connection: Connection, agency_id: UUID, client_id: UUID | None, *, limit: int, after: UUID | None
) -> list[SubjectRequest]:
    """Oldest first."""
    return [request_of(row) for row in page_of(connection, subject_requests, agency_id, client_id, limit, after)]


def claim_request(
    connection: Connection, agency_id: UUID, request_id: UUID, *, now: datetime, until: datetime
) -> SubjectRequest | None:
    """Takes a request for a while; None: somebody else has it, or it is done."""
    columns = subject_requests.c
    statement = (
        update(subject_requests)
        .where(
            columns.agency_id == agency_id,
            columns.id == request_id,
            columns.state != "done",
            columns.claimed_until.is_(None) | (columns.claimed_until < now),
        )
        .values(state="running", claimed_until=until, attempts=columns.attempts + 1)
        .returning(subject_requests)
    )
    row = connection.execute(statement).mappings().first()
    return request_of(row) if row else None


def change_request(connection: Connection, request: SubjectRequest, **values: Any) -> SubjectRequest:
    columns = subject_requests.c
    statement = (
        update(subject_requests)
        .where(columns.agency_id == request.agency_id, columns.id == request.id)
        .values(**values)
        .returning(subject_requests)
    )
    return request_of(connection.execute(statement).mappings().one())


def forget_answers(connection: Connection, request: SubjectRequest) -> None:
    """The kept answer to the asking has a digest of what was sent: of a number, which is quickly guessed."""
    connection.execute(
        text(
            "DELETE FROM idempotency_keys WHERE agency_id = :agency AND request = 'POST /v1/subject-requests'"
            " AND position(:id IN answer::text) > 0"
        ),
        {"agency": request.agency_id, "id": str(request.id)},
    )


_TALLY = text(
    "UPDATE subject_requests SET counts = jsonb_set("
    " jsonb_set(counts, ARRAY[:what], to_jsonb(coalesce((counts ->> :what)::bigint, 0) + :count)),"
    " '{objects}', coalesce(counts -> 'objects', '[]') || CAST(:objects AS jsonb))"
    " WHERE agency_id = :agency AND id = :id"
)


def tally(
    connection: Connection, agency_id: UUID, request_id: UUID, what: str, count: int, objects: Sequence[str]
) -> None:
    """Adds to what a request has done, in the transaction that did it."""
    values = {"agency": agency_id, "id": request_id, "what": what, "count": count, "objects": json.dumps(list(objects))}
    connection.execute(_TALLY, values)


_LIST = text(
    "INSERT INTO erased_people (agency_id, id, client_id, person_key, before_at)"
    " VALUES (:agency, :id, :client, :key, :before) ON CONFLICT (agency_id, id) DO NOTHING"
)


def list_person(connection: Connection, request: SubjectRequest, before: datetime) -> SubjectRequest:
    """From the commit on whatever comes late is stored without the person."""
    connection.execute(
        _LIST,
        {
            "agency": request.agency_id,
            "id": request.id,
            "client": request.client_id,
            "key": request.person_key,
            "before": before,
        },
    )
    return change_request(connection, request, before_at=before, listed_xid=text("pg_current_xact_id()"))


def writers_from_before(connection: Connection, request: SubjectRequest) -> bool:
    """Whether a transaction still runs that may not have seen the person on the list."""
    columns = subject_requests.c
    query = select(columns.listed_xid >= func.pg_snapshot_xmin(func.pg_current_snapshot())).where(
        columns.agency_id == request.agency_id, columns.id == request.id
    )
    return bool(connection.execute(query).scalar_one())


_FOUND = (
    "INSERT INTO subject_calls (agency_id, request_id, call_id, call_started_at, client_id)"
    " SELECT c.agency_id, :request, c.id, c.started_at, c.client_id FROM calls c"
    " WHERE c.agency_id = :agency AND (CAST(:client AS uuid) IS NULL OR c.client_id = :client)"
    " AND c.started_at <= :before AND {which}"
    " AND NOT (:spare AND dialtrace_is_held(c.agency_id, c.client_id, c.id, c.caller, c.caller_key))"
    " ON CONFLICT DO NOTHING"
)
_KNOWN = text(_FOUND.format(which="(c.caller = :number OR c.caller_key = :key)"))
_WRITTEN = text(
    _FOUND.format(
        which="c.started_at >= :from AND c.started_at < :until AND c.caller IS NULL AND c.caller_raw ~ :pattern"
    )
)


def _scope(request: SubjectRequest, before: datetime, *, spare_held: bool) -> dict[str, Any]:
    return {
        "agency": request.agency_id,
        "request": request.id,
        "client": request.client_id,
        "before": before,
        "spare": spare_held,
    }


def find_calls(connection: Connection, request: SubjectRequest, before: datetime, *, spare_held: bool) -> int:
    """Lists the calls whose caller the person is known to be; returns how many are new. ``spare_held``: but those that
    a hold keeps."""
    values = _scope(request, before, spare_held=spare_held) | {"number": request.phone, "key": request.person_key}
    return connection.execute(_KNOWN, values).rowcount


def find_written_calls(
    connection: Connection,
    request: SubjectRequest,
    before: datetime,
    pattern: str,
    span: tuple[datetime, datetime],
    *,
    spare_held: bool,
) -> int:
    """The same of a span of time, where the number was received but withheld, or written in a way of its own."""
    values = _scope(request, before, spare_held=spare_held) | {"pattern": pattern, "from": span[0], "until": span[1]}
    return connection.execute(_WRITTEN, values).rowcount


_HELD = text(
    "SELECT count(*) FROM calls c WHERE c.agency_id = :agency AND (CAST(:client AS uuid) IS NULL OR"
    " c.client_id = :client) AND c.started_at <= :before AND (c.caller = :number OR c.caller_key = :key)"
    " AND dialtrace_is_held(c.agency_id, c.client_id, c.id, c.caller, c.caller_key)"
)


def count_held_calls(connection: Connection, request: SubjectRequest, before: datetime) -> int:
    values = _scope(request, before, spare_held=True) | {"number": request.phone, "key": request.person_key}
    return int(connection.execute(_HELD, values).scalar_one())


def first_call(connection: Connection, agency_id: UUID, since: datetime | None) -> datetime | None:
    """The start of the agency's first call at or after that moment."""
    found: datetime | None = connection.execute(
        text(
            "SELECT min(c.started_at) FROM calls c"
            " WHERE c.agency_id = :agency AND c.started_at >= coalesce(CAST(:since AS timestamptz), '-infinity')"
        ),
        {"agency": agency_id, "since": since},
    ).scalar_one()
    return found


def find_standing(connection: Connection, request: SubjectRequest) -> list[RowMapping]:
    """Calls of the person that stand at this moment: start and when their monitor spoke last."""
    columns = live_calls.c
    query = select(columns.call_id, columns.started_at, columns.seen_at).where(
        columns.agency_id == request.agency_id, columns.caller == request.phone
    )
    if request.client_id is not None:
        query = query.where(columns.client_id == request.client_id)
    return list(connection.execute(query).mappings())


def forget_dead_calls(connection: Connection, agency_id: UUID, call_ids: Sequence[UUID]) -> None:
    connection.execute(
        text("SELECT dialtrace_forget_dead_calls(:agency, CAST(:calls AS uuid[]))"),
        {"agency": agency_id, "calls": list(call_ids)},
    )


def find_nodes(connection: Connection, agency_id: UUID, request_id: UUID, *, now: datetime) -> dict[str, str]:
    """Node → `swept`, `waits`, or `unreached`."""
    columns = erasure_sweeps.c
    done = set(
        connection.execute(
            select(columns.node).where(columns.agency_id == agency_id, columns.erasure_id == request_id)
        ).scalars()
    )
    found = {}
    for name, seen in connection.execute(select(nodes.c.name, nodes.c.last_seen_at)):
        silent = seen is None or now - seen > UNREACHED_AFTER
        found[name] = "swept" if name in done else "unreached" if silent else "waits"
    return found


def request_calls(connection: Connection, request: SubjectRequest) -> list[tuple[UUID, datetime, UUID]]:
    """Call, start and client of what a request is about, in order."""
    columns = subject_calls.c
    query = select(columns.call_id, columns.call_started_at, columns.client_id).where(
        columns.agency_id == request.agency_id, columns.request_id == request.id
    )
    return [tuple(row) for row in connection.execute(query.order_by(columns.call_started_at, columns.call_id))]


def requests_due(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """(agency, request) of all agencies, oldest first. Needs no tenant."""
    rows = connection.execute(text("SELECT agency_id, id FROM dialtrace_subject_requests_due(:most)"), {"most": most})
    return [(row.agency_id, row.id) for row in rows]


def requests_open(connection: Connection) -> list[RowMapping]:
    """kind, open, oldest_s. Needs no tenant."""
    return list(connection.execute(text("SELECT * FROM dialtrace_subject_requests_open()")).mappings())


_MENTIONS = text(
    "SELECT dialtrace_erase_mentions(:agency, :client, :table, CAST(:columns AS text[]), :pattern, :replacement,"
    " :moment, :from, :until)"
)


def erase_mentions(
    connection: Connection,
    *,
    agency_id: UUID,
    client_id: UUID | None,
    table: str,
    columns: Sequence[str],
    pattern: str,
    replacement: str | None,
    span: tuple[str, datetime, datetime] | None = None,
) -> int:
    """Replaces a number in a table's texts, or (None) deletes the rows that hold it."""
    moment, since, until = span or (None, None, None)
    values = {
        "agency": agency_id,
        "client": client_id,
        "table": table,
        "columns": list(columns),
        "pattern": pattern,
        "replacement": replacement,
        "moment": moment,
        "from": since,
        "until": until,
    }
    return int(connection.execute(_MENTIONS, values).scalar_one())


_ROWS = text(
    "SELECT * FROM dialtrace_subject_rows(:agency, :client, :request, :table, :call, CAST(:columns AS text[]),"
    " :pattern)"
)


def subject_rows(
    connection: Connection,
    *,
    agency_id: UUID,
    client_id: UUID | None,
    request_id: UUID,
    table: str,
    call_column: str | None,
    columns: Sequence[str],
    pattern: str,
) -> Iterator[dict[str, Any]]:
    """What a table holds: of the request's calls, or (without ``call_column``) where the number stands."""
    values = {
        "agency": agency_id,
        "client": client_id,
        "request": request_id,
        "table": table,
        "call": call_column,
        "columns": list(columns),
        "pattern": pattern,
    }
    for row in connection.execute(_ROWS, values):
        yield row[0]

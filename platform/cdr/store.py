"""SQL of call records. One statement per kind for a whole batch; uniqueness is the database's job.

Rows travel as one JSON document and are unfolded by PostgreSQL into the table's own row type: one round trip and no
parameter limit whatever the batch's size. Must not know where facts come from.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy.exc
from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    Table,
    and_,
    literal,
    select,
    text,
    tuple_,
)

from ..db.prepared import Prepared
from ..db.tables import calls, clients, events, flows, legs, numbers, recordings, targets
from ..recording.model import BY_THE_RECORD, Recording
from .consent import UNKNOWN, ConsentFacts, Notices, consent_of
from .errors import CdrRefused
from .explain_facts import EventFacts, NumberFacts, Surroundings
from .explain_store import told_to_integrations
from .model import (
    Call,
    CallDetail,
    CallFacts,
    CallFilters,
    Facts,
    Leg,
    LegFacts,
    as_columns,
    as_json,
    digest_of_json,
)

_CALL_COLUMNS = tuple(
    name
    for name in CallFacts.__dataclass_fields__
    if name not in {"connected_leg_id", "segments"}
)  # fmt: skip
#: A call is told of a few times; one that was revised for ever is not read for ever.
_MOST_EVENTS = 200
_LEG_COLUMNS = tuple(LegFacts.__dataclass_fields__)
_KEYS = {"agency_id", "id", "started_at", "call_started_at"}

#: SQLSTATE classes and codes by which the database blames the values, not itself.
_VALUE_FAULTS = ("22", "23", "54")


def _document(rows: Sequence[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def refusal(error: sqlalchemy.exc.SQLAlchemyError) -> CdrRefused | None:
    """The database's complaint about a record as such; None if the record is not to blame."""
    if not isinstance(error, sqlalchemy.exc.DBAPIError) or error.connection_invalidated:
        return None
    state = getattr(error.orig, "pgcode", None) or ""
    if not state.startswith(_VALUE_FAULTS):
        return None
    return CdrRefused(f"the database refuses this record ({state}): {str(error.orig).strip().splitlines()[0][:300]}")


@contextmanager
def naming_refusals() -> Iterator[None]:
    """Turns the database's complaint about a record into CdrRefused; every other error passes."""
    try:
        yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        ours = refusal(error)
        if ours is None:
            raise
        raise ours from error


_TENANTS = text(
    "SELECT wanted.e164, route.agency_id, route.client_id FROM unnest(CAST(:numbers AS text[])) AS wanted (e164)"
    " CROSS JOIN LATERAL dialtrace_route(wanted.e164) AS route"
)


def tenants_of_numbers(connection: Connection, numbers: Sequence[str]) -> dict[str, tuple[uuid.UUID, uuid.UUID]]:
    """E.164 → agency and client, for numbers that somebody has."""
    found = connection.execute(_TENANTS, {"numbers": list(numbers)})
    return {row.e164: (row.agency_id, row.client_id) for row in found}


# --- Writing. ---


def _upsert(table: str, columns: Sequence[str], key: str, *, revise: bool) -> str:
    names = [*columns, "digest"]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in _KEYS)
    extra = ", target_id" if table == "calls" else ""
    if extra:
        changes += ", target_id = coalesce(excluded.target_id, calls.target_id)"
    conflict = (
        f"DO UPDATE SET {changes}, revision = {table}.revision + 1, updated_at = now() "
        f"WHERE {table}.digest <> excluded.digest"
        if revise
        else "DO NOTHING"
    )
    listed = ", ".join(names) + extra
    # Where all of them are new, which is nearly always, that is all that needs to be said.
    return (
        f"WITH done AS (INSERT INTO {table} ({listed}) SELECT {listed}"  # noqa: S608
        f" FROM json_populate_recordset(NULL::{table}, $1)"
        f" ON CONFLICT ({key}) {conflict} RETURNING id, revision)"
        " SELECT count(*) AS changed, CASE WHEN count(*) < $2 OR max(revision) > 1"
        " THEN json_object_agg(id, revision) END AS revisions FROM done"
    )


def _prepared(name: str, statement: str) -> Prepared:
    return Prepared(f"dialtrace_{name}", ("json", "integer"), statement)


_UPSERT_CALLS = _prepared("upsert_calls", _upsert("calls", _CALL_COLUMNS, "agency_id, id, started_at", revise=True))
_ADD_CALLS = _prepared("add_calls", _upsert("calls", _CALL_COLUMNS, "agency_id, id, started_at", revise=False))
_UPSERT_LEGS = _prepared("upsert_legs", _upsert("legs", _LEG_COLUMNS, "agency_id, id, call_started_at", revise=True))


def _row(facts: Facts, more: bytes = b"") -> bytes:
    """A row's JSON, made once for its digest and for the table. ``more``: members that the digest is not of."""
    told = as_json(facts)
    return b'%b,"digest":"\\\\x%b"%b}' % (told[:-1], digest_of_json(told).hex().encode(), more)


def _put(
    connection: Connection, upsert: Prepared, facts: Sequence[Facts], rows: Sequence[bytes]
) -> dict[uuid.UUID, int]:
    """Id → revision of those that are new or differ."""
    if not rows:
        return {}
    done = upsert.run(connection, f"[{b','.join(rows).decode()}]", len(rows)).one()
    if done.revisions is not None:
        return {uuid.UUID(fact_id): revision for fact_id, revision in done.revisions.items()}
    return dict.fromkeys((fact.id for fact in facts), 1) if done.changed else {}


def upsert_legs(connection: Connection, facts: Sequence[LegFacts]) -> set[uuid.UUID]:
    """Stores legs; returns those that are new or differ from what was there."""
    return set(_put(connection, _UPSERT_LEGS, facts, [_row(leg) for leg in facts]))


def upsert_calls(
    connection: Connection, facts: Sequence[CallFacts], targets: Mapping[uuid.UUID, uuid.UUID], *, revise: bool = True
) -> dict[uuid.UUID, int]:
    """Stores calls; returns id → revision of those that are new or differ. ``targets``: connected leg → target.

    ``revise`` False only adds: what is there already stays, whatever it says.
    """
    # What is no column is passed by where the document is unfolded.
    rows = [_call_row(call, targets) for call in facts]
    return _put(connection, _UPSERT_CALLS if revise else _ADD_CALLS, facts, rows)


#: Where `facts` begins: in no text can it stand so, for there a quotation mark has a backslash before it.
_FACTS = b'"facts":{'


def _call_row(call: CallFacts, targets: Mapping[uuid.UUID, uuid.UUID]) -> bytes:
    leg = call.connected_leg_id
    if leg is None:
        return _row(call)
    target = targets.get(leg)
    row = _row(call, b',"target_id":"%b"' % str(target).encode() if target else b"")
    connected = b'%b"connected_leg":"%b"' % (_FACTS, str(leg).encode())
    return row.replace(_FACTS, connected + b"," if call.facts else connected, 1)


# Not a join: a plan that is made while the tables are small, and kept, must not read them whole later.
_TARGETS_OF_LEGS = Prepared(
    "dialtrace_targets_of_legs",
    ("uuid", "json"),
    "SELECT key.id, (SELECT legs.target_id FROM legs WHERE legs.agency_id = $1 AND legs.id = key.id"
    " AND legs.call_started_at = key.started_at) FROM json_to_recordset($2) AS key (id uuid, started_at timestamptz)",
)


def targets_of_legs(
    connection: Connection, agency_id: uuid.UUID, calls_told: Sequence[CallFacts], legs_told: Sequence[LegFacts]
) -> dict[uuid.UUID, uuid.UUID]:
    """Connected leg → its target, for legs that are told of in the same batch or are stored already."""
    found = {leg.id: leg.target_id for leg in legs_told if leg.target_id}
    keys = [
        {"id": call.connected_leg_id, "started_at": call.started_at}
        for call in calls_told
        if call.connected_leg_id and call.connected_leg_id not in found
    ]
    if keys:
        stored = _TARGETS_OF_LEGS.run(connection, agency_id, _document(keys))
        found |= {leg_id: target_id for leg_id, target_id in stored if target_id}
    return found


_REVISE_FOR_LATE_LEGS = text(
    "WITH late AS (SELECT call_id, call_started_at, min(id::text) FILTER (WHERE target_id IS NOT NULL) AS any_leg,"
    " json_object_agg(id::text, target_id::text) AS targets"
    " FROM json_populate_recordset(NULL::legs, CAST(:rows AS json)) GROUP BY call_id, call_started_at)"
    " UPDATE calls SET revision = calls.revision + 1, updated_at = now(),"
    " target_id = coalesce(CAST(late.targets ->> (calls.facts ->> 'connected_leg') AS uuid), calls.target_id)"
    " FROM late WHERE calls.agency_id = :agency AND calls.id = late.call_id AND calls.started_at = late.call_started_at"
    " RETURNING calls.id, calls.client_id, calls.ended_at, calls.started_at, calls.revision"
)


def revise_for_late_legs(connection: Connection, agency_id: uuid.UUID, late: Sequence[LegFacts]) -> list[RowMapping]:
    """Legs whose call is stored already make a revision of it: the connected one tells its target."""
    if not late:
        return []
    rows = [as_columns(leg) for leg in late]
    found = connection.execute(_REVISE_FOR_LATE_LEGS, {"rows": _document(rows), "agency": agency_id})
    return list(found.mappings())


_LEDGER_COLUMNS = (
    "agency_id, id, client_id, call_id, call_started_at, segment, state, absence_reason, node, node_path, object_name"
)
_ADD_TO_LEDGER = text(
    f"INSERT INTO recordings ({_LEDGER_COLUMNS}) SELECT {_LEDGER_COLUMNS} FROM "  # noqa: S608
    "json_populate_recordset(NULL::recordings, CAST(:rows AS json))"
    " ON CONFLICT (agency_id, call_id, segment) DO UPDATE SET state = excluded.state,"
    " absence_reason = excluded.absence_reason, node = excluded.node, node_path = excluded.node_path,"
    " object_name = excluded.object_name, updated_at = now()"
    f" WHERE recordings.state IN ({', '.join(repr(state) for state in BY_THE_RECORD)})"
)


def add_to_ledger(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds recordings that are on the node, or whose absence is known. A row that is there moves on from what its
    monitor knew of the call (recording.life); any other stays as it is."""
    if rows:
        connection.execute(_ADD_TO_LEDGER, {"rows": _document(rows)})


_NOTICES = text(
    "SELECT n.flow_id, n.version, n.record, n.steps FROM flow_notices n WHERE n.agency_id = :agency"
    " AND (n.flow_id, n.version) IN (SELECT w.flow_id, w.version FROM"
    " json_to_recordset(CAST(:wanted AS json)) AS w (flow_id uuid, version integer))"
)
_PUT_CONSENTS = text(
    "INSERT INTO consents (agency_id, call_id, call_started_at, client_id, rule, step, notice, notice_sha256,"
    " played_at, answer, answered_at, flow_id, flow_version)"
    " SELECT :agency, w.call_id, w.call_started_at, w.client_id, w.rule, w.step, w.notice,"
    " dialtrace_prompt_digest(:agency, w.notice), w.played_at, w.answer, w.answered_at, w.flow_id, w.flow_version"
    " FROM json_populate_recordset(NULL::consents, CAST(:rows AS json)) AS w"
    " ON CONFLICT (agency_id, call_id) DO NOTHING"
)


def put_consents(connection: Connection, agency_id: uuid.UUID, facts: Sequence[CallFacts]) -> None:
    """Keeps how callers came to be recorded. What is kept once stays: a notice's sound may be another one later."""
    concerned = [call for call in facts if call.segments or call.should_record or "consent" in call.facts]
    if not concerned:
        return
    wanted = {(call.flow_id, call.flow_version) for call in concerned if call.flow_id and call.flow_version is not None}
    values = {
        "agency": agency_id,
        "wanted": _document([{"flow_id": flow_id, "version": version} for flow_id, version in wanted]),
    }
    notices = {
        (row.flow_id, row.version): Notices(record=row.record, steps=row.steps)
        for row in (connection.execute(_NOTICES, values) if wanted else ())
    }
    found = (consent_of(call, notices.get((call.flow_id, call.flow_version), UNKNOWN)) for call in concerned)
    rows = [
        {name: getattr(one, name) for name in ConsentFacts.__dataclass_fields__} for one in found if one is not None
    ]
    if rows:
        connection.execute(_PUT_CONSENTS, {"agency": agency_id, "rows": _document(rows)})


# --- Reading. ---


def call_of(row: RowMapping) -> Call:
    return Call(**{name: row[name] for name in Call.__dataclass_fields__})


def leg_of(row: RowMapping) -> Leg:
    return Leg(**{name: row[name] for name in Leg.__dataclass_fields__})


def recording_of(row: RowMapping) -> Recording:
    return Recording(**{name: row[name] for name in Recording.__dataclass_fields__})


def filtered_calls(agency_id: uuid.UUID, client_id: uuid.UUID | None, filters: CallFilters) -> Select[Any]:
    """The calls for which all filters hold, in no order; exports read by it too."""
    conditions = [calls.c.agency_id == agency_id]
    if client_id is not None:
        conditions.append(calls.c.client_id == client_id)
    for name in ("number", "caller", "outcome", "node"):
        value = getattr(filters, name)
        if value is not None:
            conditions.append(calls.c[name] == value)
    if filters.is_test is not None:
        conditions.append(calls.c.is_test == filters.is_test)
    if filters.started_from is not None:
        conditions.append(calls.c.started_at >= filters.started_from)
    if filters.started_until is not None:
        conditions.append(calls.c.started_at < filters.started_until)
    if filters.answered_only:
        conditions.append(calls.c.connected_at.is_not(None))
    if filters.min_talk_ms is not None:
        conditions.append(calls.c.talk_ms >= filters.min_talk_ms)
    return select(calls).where(and_(*conditions))


def find_calls(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID | None,
    filters: CallFilters,
    *,
    limit: int,
    before: tuple[datetime, uuid.UUID] | None,
) -> list[Call]:
    """Calls, the latest first; ``before`` (start, id) is where the page before this one ended."""
    query = filtered_calls(agency_id, client_id, filters)
    if before is not None:
        query = query.where(tuple_(calls.c.started_at, calls.c.id) < tuple_(literal(before[0]), literal(before[1])))
    query = query.order_by(calls.c.started_at.desc(), calls.c.id.desc()).limit(limit)
    return [call_of(row) for row in connection.execute(query).mappings()]


def find_call(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> Call | None:
    """One call by its id, in whatever month it lies."""
    query = select(calls).where(calls.c.agency_id == agency_id, calls.c.id == call_id)
    row = connection.execute(query.order_by(calls.c.started_at.desc()).limit(1)).mappings().first()
    return call_of(row) if row else None


def find_legs(connection: Connection, agency_id: uuid.UUID, call: Call) -> list[Leg]:
    query = select(legs).where(
        legs.c.agency_id == agency_id, legs.c.call_id == call.id, legs.c.call_started_at == call.started_at
    )
    return [leg_of(row) for row in connection.execute(query.order_by(legs.c.started_at, legs.c.id)).mappings()]


def find_recordings(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> list[Recording]:
    query = select(recordings).where(recordings.c.agency_id == agency_id, recordings.c.call_id == call_id)
    return [recording_of(row) for row in connection.execute(query.order_by(recordings.c.segment)).mappings()]


# --- What an explanation needs besides. ---


def find_surroundings(connection: Connection, agency_id: uuid.UUID, detail: CallDetail) -> Surroundings:
    """Names of what the call met, as they are now, and its events."""
    call = detail.call
    rung = {leg.target_id for leg in detail.legs if leg.target_id} | set(detail.attempts_without_leg)
    names = select(targets.c.id, targets.c.name).where(
        targets.c.agency_id == agency_id, targets.c.id.in_(rung | ({call.target_id} if call.target_id else set()))
    )
    number = connection.execute(
        select(numbers.c.kind, numbers.c.label, numbers.c.created_at).where(
            numbers.c.agency_id == agency_id, numbers.c.id == call.number_id
        )
    ).first()
    told = select(
        events.c.type, events.c.revision, events.c.occurred_at, events.c.recorded_at, events.c.position
    ).where(events.c.agency_id == agency_id, events.c.call_id == call.id)
    return Surroundings(
        client_name=_name_of(connection, clients, agency_id, call.client_id),
        number=NumberFacts(**number._mapping) if number else None,
        flow_name=_name_of(connection, flows, agency_id, call.flow_id),
        targets={row.id: row.name for row in connection.execute(names)},
        events=[
            EventFacts(**row._mapping)
            for row in connection.execute(told.order_by(events.c.recorded_at, events.c.revision).limit(_MOST_EVENTS))
        ],
        told=told_to_integrations(connection, agency_id, call.id),
    )


def _name_of(connection: Connection, table: Table, agency_id: uuid.UUID, row_id: uuid.UUID | None) -> str | None:
    query = select(table.c.name).where(table.c.agency_id == agency_id, table.c.id == row_id)
    found: str | None = connection.execute(query).scalar()
    return found

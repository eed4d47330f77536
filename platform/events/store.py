"""SQL of the event log. Every function takes a connection whose tenant is set already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Connection, Text, Uuid, any_, func, literal, select, text

from ..db.engine import Database
from ..db.tables import event_sequences, events
from ..ids import new_id
from .model import Event, NewEvent

#: Named although the policies filter by it too: on Citus it keeps the statement on one shard.
_OWN = events.c.agency_id == func.dialtrace_agency(type_=Uuid)

# One text whatever the number of rows, so that nothing is compiled for each batch.
_INSERT = """
INSERT INTO events (agency_id, id, client_id, type, call_id, revision, occurred_at, data)
SELECT %(agency)s::uuid, id, client_id, type, call_id, revision, occurred_at, data
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS new (id uuid, client_id uuid, type text, call_id uuid, revision integer, occurred_at timestamptz, data jsonb)
ON CONFLICT DO NOTHING
"""


# The numbers are those that this statement's snapshot knows: who was quicker has the same, and one of both inserts
# nothing.
_INSERT_NEXT = """
INSERT INTO events (agency_id, id, client_id, type, call_id, revision, occurred_at, data)
SELECT %(agency)s::uuid, n.id, n.client_id, n.type, n.call_id,
    coalesce((SELECT max(e.revision) FROM events e
              WHERE e.agency_id = %(agency)s::uuid AND e.call_id = n.call_id AND e.type = n.type), 0)
    + row_number() OVER (PARTITION BY n.call_id, n.type ORDER BY n.place), n.occurred_at, n.data
FROM jsonb_to_recordset(%(rows)s::jsonb) AS n
    (place integer, id uuid, client_id uuid, type text, call_id uuid, occurred_at timestamptz, data jsonb)
ON CONFLICT DO NOTHING RETURNING id
"""


def insert_events(connection: Connection, agency_id: UUID, new: Sequence[NewEvent]) -> int:
    """Returns how many were not there yet."""
    values = {"agency": agency_id, "rows": _document([_row(event) for event in new])}
    return connection.exec_driver_sql(_INSERT, values).rowcount


def insert_next(connection: Connection, agency_id: UUID, new: Sequence[NewEvent]) -> list[NewEvent]:
    """Each under the next revision of its call and type; returns those whose revision somebody else took meanwhile."""
    rows = [_row(event) | {"place": place} for place, event in enumerate(new)]
    values = {"agency": agency_id, "rows": _document(rows)}
    there = set(connection.exec_driver_sql(_INSERT_NEXT, values).scalars())
    return [event for event, row in zip(new, rows, strict=True) if row["id"] not in there]


def _row(event: NewEvent) -> dict[str, Any]:
    return {
        "id": new_id(),
        "client_id": event.client_id,
        "type": event.type,
        "call_id": event.call_id,
        "revision": event.revision,
        "occurred_at": event.occurred_at,
        "data": dict(event.data),
    }


def _document(rows: Sequence[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def give_positions(connection: Connection, agency_id: UUID, limit: int) -> int:
    """Returns how many got one."""
    statement = text("SELECT dialtrace_sequence_events(:agency, :most)")
    given: int = connection.execute(statement, {"agency": agency_id, "most": limit}).scalar_one()
    return given


def give_all_positions(database: Database, limit: int) -> int:
    """For every agency that waits; how many got one."""
    return int(database.look_up("SELECT dialtrace_sequence_waiting(%s)", (limit,))[0][0])


def find_after(connection: Connection, position: int, limit: int) -> list[Event]:
    statement = select(*events.c).where(_OWN, events.c.position > position).order_by(events.c.position).limit(limit)
    return [Event(**row._mapping) for row in connection.execute(statement)]


def last_position(connection: Connection, agency_id: UUID) -> int:
    query = select(event_sequences.c.last_position).where(event_sequences.c.agency_id == agency_id)
    return connection.execute(query).scalar() or 0


def first_after(connection: Connection, position: int, last: int, most: int) -> int:
    """The first position that is still there, looked for in one stretch; behind it where there is none."""
    inside = _OWN & events.c.position.between(position + 1, position + most)
    first = connection.execute(select(events.c.position).where(inside).order_by(events.c.position).limit(1)).scalar()
    if first is not None or position + most >= last:
        return first or position + 1
    beyond = select(events.c.position).where(_OWN, events.c.position > position + most)
    return connection.execute(beyond.order_by(events.c.position).limit(1)).scalar() or last


def find_between(
    connection: Connection, after: int, until: int, types: Sequence[str] | None, limit: int
) -> list[Event]:
    query = select(*events.c).where(_OWN, events.c.position > after, events.c.position <= until)
    if types is not None:
        query = query.where(events.c.type == any_(literal(list(types), ARRAY(Text))))
    return [Event(**row._mapping) for row in connection.execute(query.order_by(events.c.position).limit(limit))]


def find_event(connection: Connection, agency_id: UUID, event_id: UUID) -> Event | None:
    query = select(*events.c).where(
        events.c.agency_id == agency_id, events.c.id == event_id, events.c.position.is_not(None)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Event(**row._mapping)

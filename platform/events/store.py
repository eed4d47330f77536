"""SQL of the event log. Every function takes a connection whose tenant is set already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, select, text

from ..db.tables import events
from ..ids import new_id
from .model import Event, NewEvent

# One text whatever the number of rows, so that nothing is compiled for each batch.
_INSERT = """
INSERT INTO events (agency_id, id, client_id, type, call_id, revision, occurred_at, data)
SELECT %(agency)s::uuid, id, client_id, type, call_id, revision, occurred_at, data
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS new (id uuid, client_id uuid, type text, call_id uuid, revision integer, occurred_at timestamptz, data jsonb)
ON CONFLICT DO NOTHING RETURNING id
"""


def insert_events(connection: Connection, agency_id: UUID, new: Sequence[NewEvent]) -> list[UUID]:
    """Returns the ids of those that were not there yet."""
    rows = [
        {
            "id": str(new_id()),
            "client_id": _text(event.client_id),
            "type": event.type,
            "call_id": _text(event.call_id),
            "revision": event.revision,
            "occurred_at": event.occurred_at.isoformat(),
            "data": dict(event.data),
        }
        for event in new
    ]
    values = {"agency": agency_id, "rows": json.dumps(rows)}
    return list(connection.exec_driver_sql(_INSERT, values).scalars())


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def give_positions(connection: Connection, agency_id: UUID, limit: int) -> int:
    """Returns how many got one."""
    statement = text("SELECT dialtrace_sequence_events(:agency, :most)")
    given: int = connection.execute(statement, {"agency": agency_id, "most": limit}).scalar_one()
    return given


def agencies_waiting(connection: Connection, limit: int) -> list[UUID]:
    """Agencies that have events without a position. Needs the system role."""
    statement = select(events.c.agency_id).where(events.c.position.is_(None)).distinct().limit(limit)
    return list(connection.execute(statement).scalars())


def find_after(connection: Connection, position: int, limit: int) -> list[Event]:
    statement = select(*events.c).where(events.c.position > position).order_by(events.c.position).limit(limit)
    return [Event(**row._mapping) for row in connection.execute(statement)]

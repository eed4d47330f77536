"""SQL of the event log. Every function takes a connection whose tenant is set already."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import events
from ..ids import new_id
from .model import Event, NewEvent


def insert_events(connection: Connection, agency_id: UUID, new: Sequence[NewEvent]) -> list[UUID]:
    """Returns the ids of those that were not there yet."""
    rows = [
        {
            "agency_id": agency_id,
            "id": new_id(),
            "client_id": event.client_id,
            "type": event.type,
            "call_id": event.call_id,
            "revision": event.revision,
            "occurred_at": event.occurred_at,
            "data": dict(event.data),
        }
        for event in new
    ]
    statement = insert(events).values(rows).on_conflict_do_nothing().returning(events.c.id)
    return list(connection.execute(statement).scalars())


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

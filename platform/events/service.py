"""The event log: appended in the transaction of what happened, numbered after commit, read by position.

A number taken inside the writing transaction would lose the event of a slow commit behind a faster reader's cursor. So
events are written without one, and the sequencer gives the next positions to what is committed, one at a time for each
agency. Must not know who listens, nor what an event is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from ..db.engine import Database
from . import store
from .model import Event, NewEvent

__all__ = ["Event", "NewEvent", "append", "read_after", "sequence"]

MAX_READ = 1_000
MAX_AGENCIES = 1_000


def append(connection: Connection, agency_id: UUID | str, events: Sequence[NewEvent]) -> int:
    """Write events in the caller's transaction, whose tenant is ``agency_id``. One that is there already (same call,
    type and revision) changes nothing. Returns how many were new."""
    if not events:
        return 0
    return len(store.insert_events(connection, UUID(str(agency_id)), events))


def sequence(database: Database, agency_id: UUID | str | None = None, limit: int = 1_000) -> int:
    """Give positions to committed events that have none, at most ``limit`` for each agency (None: every agency that
    waits). Returns how many got one; ask again while it is not 0. A second sequencer waits for the first."""
    if agency_id is None:
        with database.system() as connection:
            waiting = store.agencies_waiting(connection, MAX_AGENCIES)
    else:
        waiting = [UUID(str(agency_id))]
    given = 0
    for agency in waiting:
        with database.tenant(agency) as connection:
            given += store.give_positions(connection, agency, limit)
    return given


def read_after(connection: Connection, position: int, limit: int = 100) -> list[Event]:
    """The tenant's events after ``position`` (0: from the start), in order. A client sees its own only: for it there
    may be gaps."""
    return store.find_after(connection, position, max(1, min(limit, MAX_READ)))

"""The event log: appended in the transaction of what happened, numbered after commit, read by position.

A number taken inside the writing transaction would lose the event of a slow commit behind a faster reader's cursor. So
events are written without one, and the sequencer gives the next positions to what is committed, one at a time for each
agency. Must not know who listens, nor what an event is about.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Connection

from ..db.engine import Database
from . import store
from .errors import EventRefused
from .model import Event, LogPage, NewEvent, types_of

__all__ = [
    "Event", "LogPage", "NewEvent", "append", "append_next", "find_event", "last_position", "read_after", "read_page",
    "sequence",
]  # fmt: skip

MAX_READ = 1_000
#: So often another transaction may be quicker with the same call's next event.
_MOST_NUMBERINGS = 20
#: Positions that one page looks at: what is filtered out costs time too.
MOST_LOOKED_AT = 20_000


def append(connection: Connection, agency_id: UUID | str, events: Sequence[NewEvent]) -> int:
    """Write events in the caller's transaction, whose tenant is ``agency_id``. One that is there already (same call,
    type and revision) changes nothing. Returns how many were new."""
    if not events:
        return 0
    return store.insert_events(connection, UUID(str(agency_id)), events)


def append_next(connection: Connection, agency_id: UUID | str, events: Sequence[NewEvent]) -> None:
    """As :func:`append`, for what is told again of a call and has no revision of its own: each event gets the next
    revision of its call and type, whoever else tells of the same call at the same moment."""
    left = list(events)
    for _ in range(_MOST_NUMBERINGS):
        if not left:
            return
        left = store.insert_next(connection, UUID(str(agency_id)), left)
    raise EventRefused(f"{len(left)} events found no revision that nobody else had taken")


def sequence(database: Database, agency_id: UUID | str | None = None, limit: int = 1_000) -> int:
    """Give positions to committed events that have none, at most ``limit`` for each agency. Returns how many got one;
    ask again while it is not 0. ``agency_id`` None: every agency that waits, in one exchange with the database; an
    agency that another sequencer has in hand is passed by. With an agency named, a second sequencer waits."""
    if agency_id is None:
        return store.give_all_positions(database, limit)
    agency = UUID(str(agency_id))
    with database.tenant(agency) as connection:
        return store.give_positions(connection, agency, limit)


def read_after(connection: Connection, position: int, limit: int = 100) -> list[Event]:
    """The tenant's events after ``position`` (0: from the start), in order. A client sees its own only: for it there
    may be gaps."""
    return store.find_after(connection, position, max(1, min(limit, MAX_READ)))


def last_position(connection: Connection, agency_id: UUID) -> int:
    """The position given last; 0: none yet."""
    return store.last_position(connection, agency_id)


def read_page(
    connection: Connection, agency_id: UUID, after: int, *, types: Collection[str] = (), limit: int = 100
) -> LogPage:
    """The tenant's events after a position, of these types (`model.matches`). Looks at a bounded stretch of the log: a
    page may be empty and have more behind it. Nothing is skipped: the end of the log is read before the events are, and
    whatever has a position by then is committed."""
    last = store.last_position(connection, agency_id)
    if after >= last:
        return LogPage([], after, has_more=False)
    # Old events may be gone: an agency's reader begins where the log does, one of a client's at the next stretch.
    first = store.first_after(connection, after, last, MOST_LOOKED_AT)
    until = min(last, max(after, first - 1) + MOST_LOOKED_AT)
    events = store.find_between(connection, after, until, types_of(types) if types else None, limit)
    if len(events) == limit:
        until = events[-1].position
    return LogPage(events, until, has_more=until < last)


def find_event(connection: Connection, agency_id: UUID, event_id: UUID) -> Event | None:
    """One event of the tenant that has its position."""
    return store.find_event(connection, agency_id, event_id)

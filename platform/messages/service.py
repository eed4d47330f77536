"""Use cases of messages: read the log as it leaves, and render what is to be sent.

Personal values are stored once, with their call; a message is made from them at the moment at which it is read, so an
erased person is in no message from then on. Must not know HTTP nor who is told.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..db.engine import Database
from ..events import service as log
from ..events.model import Event
from . import store
from .errors import CursorUnusable, EventUnknown
from .rendering import Around, render, wanted_by

MAX_PAGE = 500
#: A call whose event is read began at most so long before it.
LONGEST_CALL = timedelta(days=2)
#: Clocks of nodes and database may differ.
CLOCKS = timedelta(hours=1)


@dataclass(frozen=True)
class MessagePage:
    """Messages in the log's order. ``after``: the place to go on from, there even where nothing was found."""

    messages: Sequence[dict[str, Any]]
    after: int
    has_more: bool


class MessageService:
    """Messages of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_messages(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        *,
        after: int | None,
        types: Collection[str] = (),
        limit: int = 100,
    ) -> MessagePage:
        """What the log holds after a position (0: from its start; None: nothing, only where it ends now). ``types`` are
        as in `events.model.matches`."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            if after is None:
                return MessagePage([], log.last_position(connection, agency_id), has_more=False)
            page = log.read_page(connection, agency_id, after, types=types, limit=limit)
            messages = render_events(connection, agency_id, page.events, whole_agency=client_id is None)
        return MessagePage(messages, page.until, page.has_more)

    def get_message(self, agency_id: UUID, client_id: UUID | None, event_id: UUID) -> dict[str, Any]:
        """One event as it leaves. Raises EventUnknown, also for one that has no position yet or is somebody else's."""
        with self._database.tenant(agency_id, client_id) as connection:
            event = log.find_event(connection, agency_id, event_id)
            if event is None:
                raise EventUnknown
            return render_events(connection, agency_id, [event], whole_agency=client_id is None)[0]


def render_events(
    connection: Connection, agency_id: UUID, events: Sequence[Event], *, whole_agency: bool
) -> list[dict[str, Any]]:
    """Messages for events of one agency, in their order. The connection is that agency's."""
    around = _around(connection, agency_id, events)
    return [render(event, around, whole_agency=whole_agency) for event in events]


def _around(connection: Connection, agency_id: UUID, events: Sequence[Event]) -> Around:
    wanted = wanted_by(events)
    if not (wanted.calls or wanted.recordings or wanted.attributions):
        return Around()
    moments = [event.occurred_at for event in events]
    return Around(
        calls=store.find_calls(
            connection, agency_id, wanted.calls, since=min(moments) - LONGEST_CALL, until=max(moments) + CLOCKS
        ),
        live=store.find_live_calls(connection, agency_id, wanted.live),
        recordings=store.find_recordings(connection, agency_id, wanted.recordings),
        attributions=store.find_attributions(connection, agency_id, wanted.attributions),
    )


def write_cursor(agency_id: UUID, position: int) -> str:
    """A place in an agency's log as text. It holds for ever, with any filter: whoever keeps it misses nothing."""
    return "ev1_" + base64.urlsafe_b64encode(agency_id.bytes + struct.pack(">Q", position)).decode().rstrip("=")


def read_cursor(text: str, agency_id: UUID) -> int:
    """The position that a cursor names. Raises CursorUnusable for one of another agency."""
    body = text.removeprefix("ev1_")
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CursorUnusable from error
    if not text.startswith("ev1_") or len(raw) != 24 or raw[:16] != agency_id.bytes:
        raise CursorUnusable
    position: int = struct.unpack(">Q", raw[16:])[0]
    if position >= 2**63:
        raise CursorUnusable
    return position

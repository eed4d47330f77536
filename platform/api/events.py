"""`/v1/events`: the agency's log of what happened, to be read on from where one stopped; and `/v1/event-schemas`."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import Field

from ..events.errors import EventRefused
from ..events.model import RANKS, types_of
from ..messages.errors import CursorUnusable
from ..messages.model import BODIES, schema_of
from ..messages.service import MessagePage, read_cursor, write_cursor
from .auth import EVERYBODY, Asked
from .endpoint import endpoint, public
from .errors import Fault, Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment
from .problems import validation_problem
from .sparse import Fields

blueprint = APIBlueprint("events", __name__, tag="Events")

DEFAULT_LIMIT, MOST = 100, 500
LONGEST_WAIT_S = 20
#: Each who waits has a thread of the API's, so only a few of a process may; further ones are answered at once.
MOST_WAITING = 2
LOOK_EVERY_S = 0.5
FROM_NOW = "now"
_waiting = threading.BoundedSemaphore(MOST_WAITING)


class EventQuery(Body):
    """From where on, of what, and how many."""

    agency_id: AgencyId
    fields: Fields
    client_id: Annotated[UUID | None, Field(default=None, description="Only this client's.", examples=[EXAMPLE_ID])]
    after: Annotated[
        str | None,
        Field(
            default=None,
            max_length=100,
            description="`next_cursor` of the answer before; it holds for ever and with any filter. Left out: from the "
            "log's start. `now`: answers nothing but the cursor of this moment.",
            examples=["ev1_AZmjwn1AexGPKjxdngsaRwAAAAAAAAQS"],
        ),
    ]
    types: Annotated[
        str | None,
        Field(
            default=None,
            max_length=1000,
            description="Types with commas between; `call.*` is all that begin so. Left out: every type.",
            examples=["call.ended,recording.*"],
        ),
    ]
    limit: Annotated[int, Field(default=DEFAULT_LIMIT, ge=1, le=MOST, description="Events in an answer.")]
    wait: Annotated[
        int,
        Field(
            default=0,
            ge=0,
            le=LONGEST_WAIT_S,
            description="Seconds to wait for the next event where there is none. When too many wait already, the "
            "answer comes at once: ask again after a second.",
        ),
    ]


class EventAnswer(Answer):
    """An event as it is read and sent. `GET /v1/event-schemas/{type}` is the schema of each type."""

    id: Annotated[Id, Field(description="Also `webhook-id`, however often it is sent.")]
    type: Annotated[str, Field(description="One of: " + ", ".join(RANKS) + ".", examples=["call.ended"])]
    version: Annotated[int, Field(description="Of the type's schema.")]
    timestamp: Annotated[Moment, Field(description="When it happened.")]
    position: Annotated[
        int | None,
        Field(description="In the agency's log, which has no gaps; null for a client's key.", examples=[1042]),
    ]
    agency_id: Id
    client_id: UUID | None
    data: Annotated[dict[str, Any], Field(examples=[{"call_id": EXAMPLE_ID, "revision": 1, "rank": 4, "call": None}])]


class EventList(Answer):
    """A stretch of the log."""

    data: list[EventAnswer]
    next_cursor: Annotated[
        str,
        Field(
            description="Ask with it as `after` for what comes next, now or in a year.",
            examples=["ev1_AZmjwn1AexGPKjxdngsaRwAAAAAAAAQS"],
        ),
    ]
    has_more: Annotated[bool, Field(description="More is there already, even where `data` is empty.")]


class SchemaEntry(Answer):
    """A type of event."""

    type: Annotated[str, Field(examples=["call.ended"])]
    version: int
    description: str
    href: Annotated[str, Field(examples=["/v1/event-schemas/call.ended"])]


@endpoint(
    blueprint, "GET", "/v1/events", roles=EVERYBODY, query=EventQuery, answer=EventList, problems=("cursor_invalid",)
)
def list_events(asked: Asked, query: EventQuery) -> EventList:
    """Read the log

    In the order in which things were recorded, without gaps: keep `next_cursor` and ask on from there; nothing is
    skipped and nothing comes twice. A call's events carry `rank` and `revision`, since a node that was cut off may tell
    late. Personal values are read at this moment: what was erased is null.
    """
    types = _types(query.types)
    after = _place(query.after, asked.agency_id)
    page = _read(asked, after, types, query.limit)
    if not page.messages and not page.has_more and query.wait and query.after != FROM_NOW:
        page = _wait_for(asked, page, types, query)
    return EventList(
        data=[EventAnswer(**message) for message in page.messages],
        next_cursor=write_cursor(asked.agency_id, page.after),
        has_more=page.has_more,
    )


def _types(text: str | None) -> Sequence[str]:
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    try:
        types_of(words)
    except EventRefused as error:
        raise validation_problem([Fault(code="not_a_choice", detail=str(error), parameter="types")]) from error
    return words


def _place(text: str | None, agency_id: UUID) -> int | None:
    if text == FROM_NOW:
        return None
    try:
        return read_cursor(text, agency_id) if text else 0
    except CursorUnusable as error:
        raise Problem("cursor_invalid", str(error)) from error


def _read(asked: Asked, after: int | None, types: Sequence[str], limit: int) -> MessagePage:
    return asked.services.messages.list_messages(
        asked.agency_id, asked.client_id, after=after, types=types, limit=limit
    )


def _wait_for(asked: Asked, page: MessagePage, types: Sequence[str], query: EventQuery) -> MessagePage:
    """Looks again and again, holding a thread but no connection to the database."""
    if not _waiting.acquire(blocking=False):
        return page
    try:
        until_s = time.monotonic() + query.wait
        while not page.messages and not page.has_more and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(LOOK_EVERY_S, left_s))
            page = _read(asked, page.after, types, query.limit)
    finally:
        _waiting.release()
    return page


@endpoint(blueprint, "GET", "/v1/events/<uuid:event_id>", roles=EVERYBODY, answer=EventAnswer)
def get_event(asked: Asked, event_id: UUID) -> EventAnswer:
    """Read an event

    As it would be sent at this moment.
    """
    return EventAnswer(**asked.services.messages.get_message(asked.agency_id, asked.client_id, event_id))


@public(
    blueprint, "/v1/event-schemas", summary="Every type of event, and where its schema is", answers={200: "The list."}
)
def list_event_schemas() -> Response:
    entries = [
        SchemaEntry(type=type_, version=version, description=told, href=f"/v1/event-schemas/{type_}").model_dump()
        for type_, (version, _, told) in BODIES.items()
    ]
    return jsonify({"data": entries})


@public(
    blueprint,
    "/v1/event-schemas/<event_type>",
    summary="The JSON Schema of a type of event",
    answers={200: "JSON Schema, 2020-12.", 404: "There is no such type."},
    media_types=("application/schema+json",),
)
def get_event_schema(event_type: str) -> Response:
    if event_type not in BODIES:
        raise Problem("not_found", "There is no such type of event.")
    response = jsonify(schema_of(event_type))
    response.mimetype = "application/schema+json"
    return response

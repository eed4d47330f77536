"""What the monitor reads out of a switch's events and answers. Pure: text in, values out, and none of it is believed to
be well-formed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..esl.errors import UnsafeValue
from ..esl.events import Event
from ..esl.safe import call_uuid, printable
from ..journal.store import Started

#: Longer is no telephone number and no name, but what somebody sends to see what happens.
LONGEST_TEXT = 256


@dataclass(frozen=True, slots=True)
class Live:
    """A caller's channel as ``show channels`` tells it; the start only to the second."""

    call_id: str
    started_us: int
    dialled: str | None
    caller: str | None
    caller_name: str | None
    call_state: str = ""


def is_caller_leg(event: Event) -> bool:
    """Whether the event is about a call that came in, not about a leg that we placed."""
    return event.get("Call-Direction", event.get("Caller-Direction")) == "inbound"


def started_of(event: Event, *, now_us: int) -> Started | None:
    """The journal's row for a CHANNEL_CREATE of a caller's leg; None where the event lacks what a row needs."""
    created_us = _whole(event.get("Caller-Channel-Created-Time"))
    if event.core_id is None or not created_us:
        return None
    try:
        call_id = call_uuid(event.call_id or "")
    except UnsafeValue:
        return None
    return Started(
        call_id=call_id,
        core_uuid=event.core_id,
        started_us=created_us,
        dialled=_text(event.get("Caller-Destination-Number")),
        caller=_text(event.get("Caller-Caller-ID-Number")),
        caller_name=_text(event.get("Caller-Caller-ID-Name")),
        recorded_at_us=now_us,
    )


def event_json(event: Event) -> str:
    """The whole event, so that a record can be made of it should its file be lost. Never raises: what UTF-8 cannot hold
    is escaped."""
    return json.dumps(event.headers, separators=(",", ":"))


def live_calls(answer: str) -> list[Live]:
    """Callers' channels in the answer to ``show channels as json``. Raises ValueError when it is something else."""
    told = json.loads(answer, strict=False)
    rows = told.get("rows", []) if isinstance(told, dict) and "row_count" in told else None
    if not isinstance(rows, list):
        raise ValueError("not a list of channels")
    return [live for row in rows if isinstance(row, dict) and (live := _live(row)) is not None]


def _live(row: dict[str, Any]) -> Live | None:
    if row.get("direction") != "inbound":
        return None
    try:
        call_id = call_uuid(row.get("uuid", ""))
    except UnsafeValue:
        return None
    return Live(
        call_id=call_id,
        started_us=(_whole(row.get("created_epoch")) or 0) * 1_000_000,
        dialled=_text(row.get("initial_dest") or row.get("dest")),
        caller=_text(row.get("initial_cid_num") or row.get("cid_num")),
        caller_name=_text(row.get("initial_cid_name") or row.get("cid_name")),
        call_state=_text(row.get("callstate")) or "",
    )


def stamp_us(answer: str) -> int | None:
    """A variable that holds microseconds since 1970, as ``uuid_getvar`` answers."""
    return _whole(answer.strip())


def count_of(event: Event, header: str) -> int | None:
    """A whole number in a heartbeat."""
    return _whole(event.get(header))


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18 else None


def _text(value: Any) -> str | None:
    return printable(value)[:LONGEST_TEXT] if isinstance(value, str) and value else None

"""What an event tells of a call that lives. Pure: a switch's event in, values out, and none of it is believed to be
well-formed.

The events that are heard are few, for each costs the switch a copy of all variables: of a caller's leg only, and only
those that move a call on. Whose call it is stands in the variables of the first one after the plan was taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ..calls.carried import read_carried
from ..calls.live import Heard, Owner
from ..cdr.numbering import caller_e164
from ..esl.errors import UnsafeValue
from ..esl.events import Event
from ..esl.safe import call_uuid
from ..recording.model import parse_file_name

#: `CHANNEL_CREATE` begins a call and `CHANNEL_HANGUP_COMPLETE` ends it; the others come once or twice in between.
LIVE_EVENTS = (
    "CHANNEL_CREATE",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_ANSWER",
    "CHANNEL_BRIDGE",
    "CHANNEL_HOLD",
    "CHANNEL_UNHOLD",
    "CHANNEL_HANGUP_COMPLETE",
)
#: An event passes if one of these headers is so (mod_event_socket.c, event_handler): what is told of legs that we
#: placed is not copied, not written and not read.
FILTERS = (("Call-Direction", "inbound"), ("Event-Name", "HEARTBEAT"))

#: Variables that say whose call it is (docs/architecture.md, "Channel variables").
OWNER_VARIABLES = ("dialtrace_agency", "dialtrace_client", "dialtrace_number", "dialtrace_flow")
#: `true` where the dialplan knew the installation's own mark (docs/howto/prove-numbers.md).
TEST_VARIABLE = "dialtrace_test"
#: Source facts known so far, as far as the plan set them: name in the row → variable.
SOURCE_VARIABLES = {"source": "dialtrace_source", "campaign": "dialtrace_campaign", "visit": "dialtrace_visit"}

_OWNED = (*OWNER_VARIABLES, TEST_VARIABLE, *SOURCE_VARIABLES.values())
_DIALLED = re.compile(r"\+?([1-9][0-9]{4,14})", re.ASCII)
#: More than a flow can begin.
MOST_SEGMENTS = 64
_OLDEST_US = 1_000_000_000_000_000


def heard_of(event: Event) -> Heard | None:
    """What a caller's leg's event tells; None where it cannot be told whose event it is."""
    call_id = leg_of(event.call_id)
    if call_id is None:
        return None
    name, stamp_us = event.name, event.stamp_us
    return Heard(
        call_id=call_id,
        started_us=moment_us(event.variable("dialtrace_started"))
        or moment_us(event.get("Caller-Channel-Created-Time")),
        ringing_us=_moment(event, "Progress") or (stamp_us if name == "CHANNEL_PROGRESS" else None),
        early_media_us=_moment(event, "Progress-Media") or (stamp_us if name == "CHANNEL_PROGRESS_MEDIA" else None),
        answered_us=_moment(event, "Answered") or (stamp_us if name == "CHANNEL_ANSWER" else None),
        connected_us=stamp_us if name == "CHANNEL_BRIDGE" else None,
        bridged_to=leg_of(event.get("Bridge-B-Unique-ID")) if name == "CHANNEL_BRIDGE" else None,
        held={"CHANNEL_HOLD": True, "CHANNEL_UNHOLD": False}.get(name),
        ended=name == "CHANNEL_HANGUP_COMPLETE",
        dialled=number_text(event.variable("dialtrace_dialled") or event.get("Caller-Destination-Number")),
        caller=caller_e164(event.get("Caller-Caller-ID-Number")),
        segments=segments_of(call_id, event.variable("dialtrace_record"), event.variable("dialtrace_recordings")),
        owner=owner_of({name: event.variable(name) for name in _OWNED}),
    )


def owner_of(variables: Mapping[str, str | None]) -> Owner | None:
    """Whose call it is, from its variables; None if they do not say, or not properly."""
    agency, client, number, flow = (_uuid(variables.get(name)) for name in OWNER_VARIABLES)
    if agency is None or client is None:
        return None
    known = {name: read_carried(variables.get(variable)) for name, variable in SOURCE_VARIABLES.items()}
    words = {name: value for name, value in known.items() if value is not None}
    return Owner(agency, client, number, flow, words, is_test=variables.get(TEST_VARIABLE) == "true")


def segments_of(call_id: str, record: str | None, listed: str | None) -> tuple[int, ...]:
    """Numbers of the recordings that the plan has named; none where it says that nothing is recorded."""
    if record != "yes":
        return ()
    parsed = [parse_file_name(name) for name in (listed or "").split(",", MOST_SEGMENTS)[:MOST_SEGMENTS]]
    return tuple(sorted({one[1] for one in parsed if one is not None and str(one[0]) == call_id}))


def moment_us(value: Any) -> int | None:
    """A stamp of the switch; 0 where it has none."""
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18):
        return None
    return int(value) if int(value) >= _OLDEST_US else None


def number_text(raw: str | None) -> str | None:
    """What was dialled, in E.164 where it can be read so; nothing else is kept of it."""
    return "+" + match[1] if (match := _DIALLED.fullmatch(raw or "")) else None


def target_of(answer: str) -> UUID | None:
    """The target that a leg rings, as ``uuid_getvar`` answers."""
    return _uuid(answer.strip())


def leg_of(value: str | None) -> str | None:
    """A leg's UUID; None if it is none."""
    try:
        return call_uuid(value or "")
    except UnsafeValue:
        return None


def _moment(event: Event, what: str) -> int | None:
    return moment_us(event.get(f"Caller-Channel-{what}-Time"))


def _uuid(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None

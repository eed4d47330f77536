"""Calls whose CDR file never came: what the node's journal knows of them, in the form that the interpreter reads.

Two kinds of small files stand in for the switch's own (docs/architecture.md, "A node's spool"): `dialtrace_lost`, a
call that its node took with it, and `dialtrace_event`, the hang-up event that the monitor kept when the file was
refused by a full disk. Both only add a record, they never replace one. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import CdrUnreadable
from .fields import as_mapping, as_number, as_stamp, as_uuid
from .model import CallFacts
from .numbering import caller_e164, dialled_e164
from .text import clean_text

LOST = "dialtrace_lost"
EVENT = "dialtrace_event"

#: Caller profile and times of an event's headers (freeswitch.md 2: "Also in Caller-Channel-*-Time headers").
_PROFILE = {
    "caller_id_number": "Caller-Caller-ID-Number",
    "caller_id_name": "Caller-Caller-ID-Name",
    "destination_number": "Caller-Destination-Number",
}
_TIMES = {
    "created_time": "Caller-Channel-Created-Time",
    "answered_time": "Caller-Channel-Answered-Time",
    "progress_time": "Caller-Channel-Progress-Time",
    "progress_media_time": "Caller-Channel-Progress-Media-Time",
    "bridged_time": "Caller-Channel-Bridged-Time",
    "hangup_time": "Caller-Channel-Hangup-Time",
}
_STAMPS = {
    "start_uepoch": "created_time",
    "answer_uepoch": "answered_time",
    "progress_uepoch": "progress_time",
    "progress_media_uepoch": "progress_media_time",
    "bridge_uepoch": "bridged_time",
    "end_uepoch": "hangup_time",
}


def lost_document(
    *,
    call_id: str,
    core_uuid: str,
    started_us: int,
    dialled: str | None,
    caller: str | None,
    caller_name: str | None,
    segments: Sequence[int],
) -> dict[str, Any]:
    """The file's contents for a call that its node took with it; ``segments`` are the recordings found on the disk."""
    row = {
        "call_id": call_id,
        "core_uuid": core_uuid,
        "started_us": started_us,
        "dialled": dialled,
        "caller": caller,
        "caller_name": caller_name,
        "segments": list(segments),
    }
    return {LOST: row}


def event_document(event: Mapping[str, Any]) -> dict[str, Any]:
    """The file's contents for a call of which only the hang-up event was kept."""
    return {EVENT: dict(event)}


def interpret_lost(row: object, *, node: str) -> CallFacts:
    """A call that its node took with it: who called whom and when, and that nobody knows how it ended."""
    row = as_mapping(row)
    call_id, started = as_uuid(row.get("call_id")), as_stamp(row.get("started_us"))
    if call_id is None or started is None:
        raise CdrUnreadable("a lost call's record has no call or no start")
    caller, name = _text(row.get("caller")), _text(row.get("caller_name"))
    listed = row.get("segments")
    numbers = [as_number(item) for item in listed] if isinstance(listed, list) else []
    segments = tuple(sorted({number for number in numbers if isinstance(number, int) and 0 < number < 10_000}))
    return CallFacts(
        id=call_id,
        started_at=started,
        node=node,
        number=dialled_e164(_text(row.get("dialled")) or ""),
        caller=caller_e164(caller),
        caller_raw=clean_text(caller, limit=128) if caller else None,
        caller_name=clean_text(name, limit=128) if name else None,
        core_uuid=as_uuid(row.get("core_uuid")),
        outcome="node_lost",
        should_record=bool(segments),
        segments=segments,
        facts={"source": "journal"},
    )


def cdr_of_event(event: object) -> dict[str, Any]:
    """A hang-up event in the shape of a CDR file."""
    headers = as_mapping(event)
    variables = {
        name.removeprefix("variable_"): value for name, value in headers.items() if name.startswith("variable_")
    }
    times = {name: headers.get(header) for name, header in _TIMES.items()}
    for variable, time in _STAMPS.items():
        variables.setdefault(variable, times[time])
    for variable, header in (("uuid", "Unique-ID"), ("hangup_cause", "Hangup-Cause")):
        variables.setdefault(variable, headers.get(header))
    profile = {name: headers.get(header) for name, header in _PROFILE.items()}
    # A transfer of ours has changed the destination by the time of the hang-up; the request's own user stays.
    profile["destination_number"] = headers.get("variable_sip_req_user") or profile["destination_number"]
    return {
        "source": "event",
        "core-uuid": headers.get("Core-UUID"),
        "channel_data": {"direction": headers.get("Call-Direction")},
        "variables": variables,
        "callflow": [{"caller_profile": profile, "times": times}],
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

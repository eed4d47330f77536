"""Reads a call's facts out of its A leg's file (reference/call-setup.md, "What the CDR files hold"). Pure.

Answered is not connected: an announcement of ours answers the caller. A call is connected from the moment it was
bridged with somebody who had answered.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from ..recording.model import parse_file_name
from .attestation import Attested, read_attestation
from .causes import outcome_of, sip_status_of
from .fields import Fields, as_uuid
from .flow_facts import is_test, queue_ms, read_flow_facts
from .media import Heard, read_media
from .model import CallFacts, DecidedBy, HangupSide, Outcome
from .moments import (
    bridged_of,
    bridged_spans,
    codec_of,
    first_of,
    hold_ms_of,
    milliseconds,
    q850_of,
    ring_end,
    ringing_of,
    started_of,
)
from .numbering import caller_e164, dialled_e164, diverted_number
from .text import clean_text

MAX_LEGS = 200
MAX_SEGMENTS = 100

#: The kinds of privacy that hide who calls (RFC 3323, 4.2; RFC 3325, 9.3).
_PRIVATE = frozenset({"id", "user", "header"})
#: What we say when a number was refused on purpose (docs/architecture.md, `dialtrace_refused`).
_REFUSED: Mapping[str, Outcome] = {
    "unknown": "unallocated",
    "released": "unallocated",
    "suspended": "blocked",
    "no_flow": "unreachable",
    "loop": "blocked",
    "blocked_number": "blocked",
    "blocked_caller_id": "blocked",
    "client_calls": "congestion",
    "client_rate": "congestion",
    "agency_calls": "congestion",
    "agency_rate": "congestion",
    "node_calls": "congestion",
    "node_rate": "congestion",
}


def read_call(fields: Fields, call_id: uuid.UUID, node: str) -> CallFacts:
    started, ended, answered = started_of(fields), fields.stamp("end_uepoch"), fields.stamp("answer_uepoch")
    connected = _connected(fields, answered)
    ringing, cause, outcome = ringing_of(fields), fields.word("hangup_cause"), _call_outcome(fields, connected)
    raw_caller = fields.caller_profile("caller_id_number") or fields.text("sip_from_user")
    caller_name = fields.caller_profile("caller_id_name") or fields.text("sip_from_display")
    withheld = _is_withheld(fields)
    caller_raw = clean_text(raw_caller, limit=128) if raw_caller else None
    codec = codec_of(fields)
    heard, attested, diversion = read_media(fields, codec), read_attestation(fields), _diversion(fields)
    flow = read_flow_facts(fields)
    return CallFacts(
        id=call_id,
        agency_id=fields.uuid("dialtrace_agency"),
        client_id=fields.uuid("dialtrace_client"),
        number_id=fields.uuid("dialtrace_number"),
        started_at=started,
        number=dialled_e164(_dialled(fields)),
        caller=None if withheld else caller_e164(raw_caller),
        caller_raw=caller_raw,
        caller_name=clean_text(caller_name, limit=128) if caller_name and not withheld else None,
        node=fields.word("dialtrace_node") or node,
        core_uuid=as_uuid(fields.cdr.get("core-uuid")) or fields.uuid("core_uuid"),
        flow_id=fields.uuid("dialtrace_flow"),
        flow_version=fields.integer("dialtrace_flow_version"),
        decided_by=_decided_by(fields),
        fallback_reason=fields.word("dialtrace_fallback"),
        outcome=outcome,
        ringing_at=ringing,
        answered_at=answered,
        connected_at=connected,
        ended_at=ended,
        duration_ms=milliseconds(started, ended),
        ring_ms=milliseconds(ringing, ring_end(ringing, connected, answered, ended)),
        talk_ms=_talk_ms(fields, connected, ended),
        billed_ms=milliseconds(answered, ended),
        hangup_cause=cause,
        cause_q850=q850_of(fields, cause),
        sip_status=200 if answered else sip_status_of(cause),
        hangup_side=_call_hangup_side(fields, connected),
        codec=codec,
        sip_call_id=fields.text("sip_call_id", limit=256),
        pdd_ms=milliseconds(started, first_of(ringing, answered)),
        hold_ms=hold_ms_of(fields),
        queue_ms=queue_ms(fields, flow.get("trail", []), connected=connected, ended=ended),
        loss_percent=heard.loss_percent,
        jitter_ms=heard.jitter_ms,
        r_factor=heard.r_factor,
        mos=heard.mos,
        verstat=attested.verstat,
        attestation=attested.attestation,
        attested_by=attested.by,
        diversion=diversion,
        diverted_from=diverted_number(diversion),
        spam_score=fields.integer("dialtrace_spam"),
        should_record=fields.word("dialtrace_record") == "yes",
        legs_expected=len(_originated(fields)),
        connected_leg_id=_connected_leg(fields) if connected else None,
        segments=_segments(fields, call_id),
        is_test=is_test(fields),
        facts=_call_facts(fields, heard, attested) | flow,
    )


def _is_withheld(fields: Fields) -> bool:
    """Whether the caller asked that the callee does not learn the number (RFC 3323): the carrier's P-Asserted-Identity
    tells it to us all the same."""
    return not _PRIVATE.isdisjoint(re.findall(r"[a-z]+", (fields.text("sip_Privacy") or "").casefold()))


def _dialled(fields: Fields) -> str:
    """What was dialled when the call came in; transfers of ours change `destination_number` in later profiles only."""
    return (
        fields.text("dialtrace_dialled")
        or fields.caller_profile("destination_number")
        or fields.text("sip_to_user")
        or ""
    )


def _connected(fields: Fields, answered: datetime | None) -> datetime | None:
    """The bridge's moment if both sides had answered; a 183 bridges too (freeswitch.md 4.3), then the answer counts."""
    bridged = bridged_of(fields)
    if bridged is None or answered is None:
        return None
    causes = [cause for _, cause in _originate_causes(fields)]
    if causes and not {"NONE", "SUCCESS"} & set(causes):
        return None
    return max(bridged, answered)


def _talk_ms(fields: Fields, connected: datetime | None, ended: datetime | None) -> int | None:
    """From the connection to the end; of a caller who was moved to another target, the time with either."""
    if connected is None:
        return None
    spans = bridged_spans(fields)
    if len(spans) < 2:
        return milliseconds(connected, ended)
    return sum(milliseconds(max(begun, connected), max(until, connected)) or 0 for begun, until in spans)


def _moves(fields: Fields) -> list[dict[str, str]]:
    """When a caller who was connected was moved on (`uuid_transfer`): every bridge but the last ended so."""
    return [{"at": until.isoformat()} for _, until in bridged_spans(fields)[:-1]]


def _diversion(fields: Fields) -> str | None:
    """The switch keeps the last `Diversion` header of several (sofia.c, sofia_handle_sip_i_invite)."""
    return fields.text("sip_h_Diversion", limit=512)


def _decided_by(fields: Fields) -> DecidedBy:
    decided = fields.word("dialtrace_decided")
    return cast(DecidedBy, decided) if decided in {"worker", "fallback"} else "none"


def _originated(fields: Fields) -> list[uuid.UUID]:
    """Channel UUIDs of the legs that got a channel (`originated_legs`: `uuid;name;number`), each once."""
    found = [as_uuid(entry.split(";", 1)[0]) for entry in fields.list("originated_legs")[:MAX_LEGS]]
    return list(dict.fromkeys(leg for leg in found if leg))


def _originate_causes(fields: Fields) -> list[tuple[uuid.UUID | None, str]]:
    """(leg, cause) of every attempt; the winner's cause is NONE [T: call-setup.md]."""
    pairs = []
    for entry in fields.list("originate_causes")[:MAX_LEGS]:
        leg, _, cause = entry.partition(";")
        if re.fullmatch(r"[A-Z0-9_]{1,64}", cause):
            pairs.append((as_uuid(leg), cause))
    return pairs


def _connected_leg(fields: Fields) -> uuid.UUID | None:
    winners = [leg for leg, cause in _originate_causes(fields) if cause in {"NONE", "SUCCESS"} and leg]
    return winners[-1] if winners else fields.uuid("bridge_uuid") or fields.uuid("last_bridge_to")


def _last_target_cause(fields: Fields) -> str | None:
    """Why the last attempt at a target failed, if one was made."""
    disposition = fields.word("originate_disposition")
    if disposition and disposition.upper() not in {"SUCCESS", "FAILURE"}:
        return disposition
    causes = [cause for _, cause in _originate_causes(fields) if cause not in {"NONE", "SUCCESS", "LOSE_RACE"}]
    return causes[-1] if causes else None


def _call_outcome(fields: Fields, connected: datetime | None) -> Outcome:
    cause = fields.word("hangup_cause")
    refused = fields.word("dialtrace_refused")
    if connected:
        return "answered"
    if refused:
        return _REFUSED.get(refused, "unallocated")
    if "record" in fields.applications:
        # Voicemail is the only thing that our plans use `record` for (call-setup.md, "Recording").
        return "voicemail"
    if _caller_left(fields, cause):
        return "caller_cancelled"
    if _decided_by(fields) == "none":
        return "system_error"
    outcome = outcome_of(_last_target_cause(fields) or cause)
    # A target's number being unallocated says nothing of ours, which exists.
    return "unreachable" if outcome == "unallocated" else cast(Outcome, outcome)


def _caller_left(fields: Fields, cause: str | None) -> bool:
    """The caller gave up: CANCEL while it rang, or BYE while an announcement of ours had answered."""
    return cause == "ORIGINATOR_CANCEL" or fields.word("sip_hangup_disposition") in {"recv_cancel", "recv_bye"}


def _call_hangup_side(fields: Fields, connected: datetime | None) -> HangupSide:
    disposition, cause = fields.word("sip_hangup_disposition"), fields.word("hangup_cause")
    if disposition in {"recv_bye", "recv_cancel"} or cause == "ORIGINATOR_CANCEL":
        return "caller"
    if connected:
        # The far side's BYE ends the bridge and with it the call (hangup_after_bridge); any other cause is ours.
        far = fields.word("last_bridge_hangup_cause") or cause
        return "target" if disposition == "send_bye" and cause == far == "NORMAL_CLEARING" else "platform"
    if disposition is None and cause is None:
        return "unknown"
    return "target" if outcome_of(_last_target_cause(fields)) in {"busy", "rejected"} else "platform"


def _segments(fields: Fields, call_id: uuid.UUID) -> tuple[int, ...]:
    """Numbers of the recordings that the plan named; a name that is not this call's own is none of ours."""
    found = set()
    for name in (fields.text("dialtrace_recordings", limit=8192) or "").split(",")[:MAX_SEGMENTS]:
        parsed = parse_file_name(name.strip())
        if parsed and parsed[0] == call_id:
            found.add(parsed[1])
    # A flow of version 2 counts its segments: what it does not name was never begun (before consent, for example).
    counted = fields.integer("dialtrace_segments") is not None or fields.word("dialtrace_consent") == "refused"
    if not found and not counted and fields.word("dialtrace_record") == "yes":
        found = {1}
    return tuple(sorted(found))


def _call_facts(fields: Fields, heard: Heard, attested: Attested) -> dict[str, Any]:
    attempts = [as_uuid(item.strip()) for item in (fields.text("dialtrace_attempts", limit=8192) or "").split(",")]
    facts: dict[str, Any] = {
        "source": "event" if fields.cdr.get("source") == "event" else None,
        "attempts": [str(attempt) for attempt in attempts if attempt],
        "legs": [str(leg) for leg in _originated(fields)],
        "attempt_causes": [
            {"leg": str(leg) if leg else None, "cause": cause} for leg, cause in _originate_causes(fields)
        ],
        "refused": fields.word("dialtrace_refused"),
        "recording_rule": fields.word("dialtrace_record"),
        "hangup_disposition": fields.word("sip_hangup_disposition"),
        "target_cause": _last_target_cause(fields),
        "reason": fields.text("sip_reason", limit=256),
        "attestation_claimed": attested.claimed,
        "origid": attested.origid,
        "moves": _moves(fields),
        "record_ms": fields.integer("record_ms"),
        "record_completion": fields.word("record_completion_cause"),
        "network_address": fields.text("sip_network_ip", limit=64),
        "media": heard.counts,
    }
    return {name: value for name, value in facts.items() if value not in (None, [], {})}

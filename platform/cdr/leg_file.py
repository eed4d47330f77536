"""Reads a leg's facts out of its own file. Pure.

Answered is not connected: a whisper or a voicemail answers a leg. A leg is connected once it was bridged as well [T:
call-setup.md].
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any, cast

from .causes import outcome_of
from .errors import CdrUnreadable
from .fields import Fields
from .media import Heard, read_media
from .model import HangupSide, LegFacts, Outcome
from .moments import (
    bridged_of,
    codec_of,
    first_of,
    hold_ms_of,
    milliseconds,
    q850_of,
    ring_end,
    ringing_of,
)


def read_leg(fields: Fields, leg_id: uuid.UUID, call_id: uuid.UUID | None) -> LegFacts:
    call_started = fields.stamp("dialtrace_started")
    if call_id is None or call_started is None:
        raise CdrUnreadable("a leg's CDR does not say which call it belongs to (dialtrace_call, dialtrace_started)")
    answered, bridged, ended = fields.stamp("answer_uepoch"), bridged_of(fields), fields.stamp("end_uepoch")
    connected = max(answered, bridged) if answered and bridged else None
    ringing, cause, codec = ringing_of(fields), fields.word("hangup_cause"), codec_of(fields)
    started, heard = fields.stamp("start_uepoch"), read_media(fields, codec)
    return LegFacts(
        id=leg_id,
        call_id=call_id,
        call_started_at=call_started,
        agency_id=fields.uuid("dialtrace_agency"),
        client_id=fields.uuid("dialtrace_client"),
        target_id=fields.uuid("dialtrace_target"),
        address=_leg_address(fields),
        outcome=_leg_outcome(cause, answered, connected),
        started_at=started,
        ringing_at=ringing,
        answered_at=answered,
        connected_at=connected,
        ended_at=ended,
        ring_ms=milliseconds(ringing, ring_end(ringing, answered, ended)),
        talk_ms=milliseconds(connected, ended),
        hangup_cause=cause,
        cause_q850=q850_of(fields, cause),
        sip_status=200 if answered else _leg_sip_status(fields),
        hangup_side=_leg_hangup_side(fields, cause),
        codec=codec,
        sip_call_id=fields.text("sip_call_id", limit=256),
        trunk=fields.word("dialtrace_trunk"),
        pdd_ms=milliseconds(started, first_of(ringing, answered)),
        hold_ms=hold_ms_of(fields),
        loss_percent=heard.loss_percent,
        jitter_ms=heard.jitter_ms,
        r_factor=heard.r_factor,
        mos=heard.mos,
        facts=_leg_facts(fields, heard),
    )


def _leg_outcome(cause: str | None, answered: datetime | None, connected: datetime | None) -> Outcome:
    """`voicemail` is not claimed for a leg that answered unconnected: it may as well have been a whisper refused."""
    if connected:
        return "answered"
    if answered or cause == "LOSE_RACE":
        return "no_answer"
    return cast(Outcome, outcome_of(cause))


def _leg_hangup_side(fields: Fields, cause: str | None) -> HangupSide:
    """Who ended this leg. What the caller does reaches the leg through the bridge, with the caller's own cause; every
    other end that we sent is the platform's: a timer, another leg that was faster, the plan."""
    disposition = fields.word("sip_hangup_disposition")
    if disposition in {"recv_bye", "recv_refuse", "recv_cancel"}:
        return "target"
    if cause == "ORIGINATOR_CANCEL":
        return "caller"
    if disposition == "send_bye":
        return "caller" if cause == "NORMAL_CLEARING" and bridged_of(fields) else "platform"
    return "unknown" if cause is None else "platform"


def _leg_sip_status(fields: Fields) -> int | None:
    """The status that the target sent. Only from the leg itself: never derived from the cause (contracts/10 §2)."""
    specific = re.fullmatch(r"sip:([1-6][0-9]{2})", fields.word("proto_specific_hangup_cause") or "")
    status = (
        fields.integer("sip_term_status")
        or fields.integer("sip_invite_failure_status")
        or (int(specific[1]) if specific else None)
    )
    return status if status is not None and 100 <= status <= 699 else None


def _leg_address(fields: Fields) -> str | None:
    address = fields.text("sip_req_uri", limit=256) or fields.text("sip_to_uri", limit=256)
    return f"sip:{address}" if address and not address.startswith(("sip:", "sips:")) else address


def _leg_facts(fields: Fields, heard: Heard) -> dict[str, Any]:
    answered, bridged = fields.stamp("answer_uepoch"), bridged_of(fields)
    facts: dict[str, Any] = {
        "answered_not_connected": True if answered and not bridged else None,
        "hangup_disposition": fields.word("sip_hangup_disposition"),
        "reason": fields.text("sip_reason", limit=256),
        "failure_phrase": fields.text("sip_invite_failure_phrase", limit=128),
        "media": heard.counts,
    }
    return {name: value for name, value in facts.items() if value not in (None, [], {})}

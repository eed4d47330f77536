"""The ``bridge`` application: dial, connect the audio, wait for the end, decide whether the caller goes on.

Source: ``switch_ivr_bridge.c``, ``switch_channel.c`` (switch_channel_handle_cause); reference freeswitch 4.
"""

from __future__ import annotations

import logging

from .apps import app
from .causes import q850
from .channel import Channel, now_us
from .dialstring import parse
from .errors import BadDialString
from .originate import Originate
from .session import MAX_CALL_S, Session, flag
from .syntax import truth

log = logging.getLogger(__name__)

# What lets a caller go on after a failed bridge when continue_on_fail is not set (switch_channel_handle_cause).
_GO_ON = frozenset({"NO_ANSWER", "NO_USER_RESPONSE", "ORIGINATOR_CANCEL"})


@app("bridge")
def bridge(session: Session, data: str) -> None:
    """Dial and connect. Returns when the bridge is over and the caller goes on, or with the caller hung up."""
    caller = session.channel
    try:
        wanted = parse(data)
    except BadDialString as fault:
        log.warning("%s: %s", caller.uuid, fault)
        caller.set("originate_disposition", "DESTINATION_OUT_OF_ORDER")
        caller.set("DIALSTATUS", "INVALIDARGS")
        handle_failure(session, "DESTINATION_OUT_OF_ORDER")
        return
    outcome = Originate(session, wanted).run()
    if outcome.winner is None:
        if not session.interrupted:
            handle_failure(session, outcome.cause)
        return
    callee = outcome.winner
    try:
        _connect(session, callee)
    finally:
        callee.hang_up(_far_cause(callee))
        session.core.report(callee)
    _after(session, callee)


def handle_failure(session: Session, cause: str) -> None:
    """Failure hangs up the caller unless ``continue_on_fail`` lets it go on."""
    caller = session.channel
    wanted = caller.get("continue_on_fail")
    refused = caller.get("failure_causes")
    if wanted is not None:
        goes_on = truth(wanted) or _listed(cause, wanted)
    elif refused is not None:
        goes_on = not _listed(cause, refused)
    else:
        goes_on = cause in _GO_ON
    if not goes_on:
        caller.hang_up(cause)


def _listed(cause: str, text: str) -> bool:
    words = {word.strip().upper() for word in text.split(",")}
    return cause in words or str(q850(cause)) in words


def _connect(session: Session, callee: Channel) -> None:
    caller = session.channel
    _mark_pair(caller, callee)
    if callee.answered:
        session.answer()
    else:
        caller.pre_answer()
    if caller.down:
        return
    _begin(caller, callee)
    callee.waiters.append(caller)
    try:
        session.pause(MAX_CALL_S, lambda: _bridge_over(session, callee))
    finally:
        callee.waiters.remove(caller)
        _end(caller, callee)


def _bridge_over(session: Session, callee: Channel) -> bool:
    """Asked at every wake; also carries an answer through that came after early media."""
    if callee.answered and not session.channel.answered:
        session.answer()
    return callee.down


def _mark_pair(caller: Channel, callee: Channel) -> None:
    caller.partner, callee.partner = callee, caller
    for own, other in ((caller, callee), (callee, caller)):
        own.set("last_bridge_to", other.uuid)
        own.set("bridge_channel", other.name)
        own.set("bridge_uuid", other.uuid)
        own.set("signal_bond", other.uuid)
    caller.set("last_sent_callee_id_name", callee.profile.callee_id_name)
    caller.set("last_sent_callee_id_number", callee.profile.callee_id_number)
    callee.set("last_sent_callee_id_name", caller.profile.caller_id_name)
    callee.set("last_sent_callee_id_number", caller.profile.caller_id_number)
    caller.set("switch_m_sdp", callee.leg.remote_sdp)
    profile = caller.profile
    profile.originatees.append(callee.profile.seen_by_other(with_times=True))
    profile.callee_id_name, profile.callee_id_number = callee.profile.callee_id_name, callee.profile.callee_id_number


def _begin(caller: Channel, callee: Channel) -> None:
    stamp = now_us()
    for own, other in ((caller, callee), (callee, caller)):
        own.state = "CS_EXECUTE" if own is caller else "CS_EXCHANGE_MEDIA"
        own.call_state = "ACTIVE"
        own.profile.times.bridged = stamp
        own.leg.rtp.peer = other.leg.rtp
        own.bridged = True
    pair = (("Bridge-A-Unique-ID", caller.uuid), ("Bridge-B-Unique-ID", callee.uuid))
    caller.fire("CHANNEL_BRIDGE", *pair)


def _far_cause(callee: Channel) -> str:
    """Whatever ended the caller, an answered far leg is told only that it is over (audio_bridge_on_exchange_media)."""
    return "NORMAL_CLEARING" if callee.answered else "ORIGINATOR_CANCEL"


def _end(caller: Channel, callee: Channel) -> None:
    caller.set("bridge_hangup_cause", callee.hangup_cause or caller.hangup_cause or "NORMAL_CLEARING")
    callee.hang_up(_far_cause(callee))
    for own in (caller, callee):
        own.leg.rtp.peer = None
        own.bridged = False
    pair = (("Bridge-A-Unique-ID", caller.uuid), ("Bridge-B-Unique-ID", callee.uuid))
    caller.fire("CHANNEL_UNBRIDGE", *pair)


def _after(session: Session, callee: Channel) -> None:
    caller = session.channel
    caller.partner = None
    if session.interrupted:
        return
    if not callee.answered:
        # Early media counted as won, but nobody answered: as a failed attempt (reference freeswitch 4.3).
        caller.set("originate_disposition", callee.hangup_cause)
        handle_failure(session, callee.hangup_cause)
    elif flag(caller, "hangup_after_bridge"):
        caller.hang_up(callee.hangup_cause or "NORMAL_CLEARING")

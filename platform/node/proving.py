"""The telephone that proves numbers: it places one call at a time, speaks a tone and tells what it heard and when.

Where it is told to, it also plays a target that answers its own calls and gives back what it hears, so that a tone
travels both ways. It has the embedded node's SIP and RTP; SIPp is not needed. Must not know CDRs, numbers' owners or
what a proof is worth: to this telephone the edge is an address.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.pool import Group

from .audio import tone
from .causes import reason_header
from .errors import NodeError, NoPortLeft
from .faults import Faults
from .hearing import Echo, Hearing
from .phones_legs import Ear, KernelPorts, PlacedLeg, first_of
from .playout import Playout
from .sipleg import CallerLeg, Services
from .sipstack import SipStack

log = logging.getLogger(__name__)

#: Not a frequency of any dialling tone or of our own prompts (440, 425 Hz and their overtones).
TONE_HZ = 1130
MARK_HEADER = "X-Dialtrace-Test"
LISTEN_EVERY_S = 0.05
#: RFC 3261 timer B and F: how long the answer to our own BYE or CANCEL may take.
END_LIMIT_S = 35.0
#: An answered call lasts at least this long, so that its recording holds something to judge.
TALK_MS = 2_000
#: As a target: this long it rings before it answers.
RING_S = 0.3
#: As a target: no call of ours lasts longer.
TARGET_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCall:
    """One call to place. ``sign_limit_s``: until the edge must show a sign of life (18x or 200). ``listen_s``: how long
    it is listened to after that. ``echo_limit_s``: with a target of ours, until its echo must be heard."""

    edge: tuple[str, int]
    number: str
    caller: str
    token: str
    sign_limit_s: float = 10.0
    listen_s: float = 4.0
    echo_limit_s: float = 40.0


@dataclass(slots=True)
class Heard:
    """What came of a call: moments in ms from the INVITE, None for what never was."""

    sip_call_id: str = ""
    rang_ms: int | None = None
    answered_ms: int | None = None
    sound_ms: int | None = None
    echo_ms: int | None = None
    ended_ms: int = 0
    packets: int = 0
    outcome: str = ""
    began_s: float = field(default_factory=time.monotonic)

    def now_ms(self) -> int:
        return round((time.monotonic() - self.began_s) * 1000)


class ProofTelephone:
    """One SIP address. The process must be patched for gevent. Raises :class:`NodeError` when the address is taken."""

    def __init__(self, host: str, sip_port: int, *, caller: str, answers: bool) -> None:
        self._faults = Faults()
        self._caller = caller
        self._answers = answers
        stack = SipStack(host, sip_port, self._request, self._faults)
        self._services = Services(stack, KernelPorts(host), self._faults, host, sip_port)
        self._playout = Playout()
        self._calls = Group()
        spawn = self._faults.spawn
        self._own = [spawn("SIP timers", stack.run_timers), spawn("playout", self._playout.run)]

    def close(self) -> None:
        """Hang up what stands, and let the address go."""
        self._calls.kill(timeout=1)
        gevent.killall(self._own, timeout=1)
        self._services.stack.close()

    # --- the call that we place ---

    def place(self, call: ProofCall) -> Heard:
        """One call from its INVITE to the answer to its BYE or CANCEL. Raises :class:`NodeError` without a port."""
        ear, heard = Ear(), Heard()
        hearing = Hearing(TONE_HZ)
        leg = PlacedLeg(self._services, ear)
        leg.rtp.taps = (hearing,)
        player = self._playout.start(leg.rtp, tone(f"v=-8;loops=-1;%(2000,0,{TONE_HZ})", leg.rtp.codec), lambda: None)
        try:
            heard.began_s = time.monotonic()
            mark = {MARK_HEADER: call.token} if call.token else {}
            leg.invite(call.edge, call.number, caller=call.caller, caller_name="", headers=mark)
            heard.sip_call_id = leg.headers.call_id
            self._listen(call, leg, ear, hearing, heard)
            leg.end()
            first_of([ear.outcome], END_LIMIT_S)
        finally:
            leg.end()
            self._playout.stop(player)
            leg.close()
        heard.ended_ms, heard.packets = heard.now_ms(), hearing.packets
        heard.outcome = str(ear.outcome.get(block=False)) if ear.outcome.ready() else "no answer to CANCEL or BYE"
        return heard

    def _listen(self, call: ProofCall, leg: PlacedLeg, ear: Ear, hearing: Hearing, heard: Heard) -> None:
        """Until there is nothing more to hear that this call could tell."""
        until_s = heard.began_s + call.sign_limit_s
        signed = False
        while time.monotonic() < until_s and not ear.outcome.ready():
            gevent.sleep(LISTEN_EVERY_S)
            hearing.listen(leg.rtp.codec)
            if ear.rang.is_set() and heard.rang_ms is None:
                heard.rang_ms = heard.now_ms()
            if ear.picked_up.is_set() and heard.answered_ms is None:
                heard.answered_ms = heard.now_ms()
                # An answer is a new beginning: what there is to hear comes after it.
                signed = signed and self._answers
                until_s = max(until_s, time.monotonic() + call.listen_s)
            if hearing.hears_sound and heard.sound_ms is None:
                heard.sound_ms = heard.now_ms()
            if hearing.hears_tone and heard.echo_ms is None:
                heard.echo_ms = heard.now_ms()
            if not signed and (heard.rang_ms is not None or heard.answered_ms is not None):
                signed = True
                until_s = time.monotonic() + (call.echo_limit_s if self._answers else call.listen_s)
            enough = heard.echo_ms is not None or (heard.sound_ms is not None and not self._answers)
            if enough and heard.answered_ms is not None and heard.now_ms() > heard.answered_ms + TALK_MS:
                return

    # --- the calls that we take, as a target ---

    def _request(self, request: Any, transaction: Any) -> Any:
        """A request outside of a dialog; returns what sippy's transaction layer wants."""
        method = request.getMethod()
        if method == "INVITE":
            return self._take(request, transaction)
        if method == "ACK":
            return None
        status = (200, "OK") if method == "OPTIONS" else (481, "Call Does Not Exist")
        return (request.genResponse(*status), None, None)

    def _take(self, request: Any, transaction: Any) -> Any:
        """Only calls of our own: whoever else rings a target that is ours is sent on to the next one."""
        caller = request.getHFBody("from").getUrl().username or ""
        if not self._answers or caller.lstrip("+") != self._caller.lstrip("+"):
            return (request.genResponse(486, "Busy Here"), None, None)
        try:
            leg = CallerLeg(self._services)
        except NoPortLeft:
            return (request.genResponse(503, "Service Unavailable"), None, None)
        leg.listener = ear = Ear()
        answer = leg.receive(request, transaction)
        greenlet = gevent.Greenlet(self._faults.guarded("target", self._serve), leg, ear, request.getBody())
        self._calls.start(greenlet)
        return answer

    def _serve(self, leg: CallerLeg, ear: Ear, offer: Any) -> None:
        try:
            leg.take_offer(offer)
            leg.ring()
            if not first_of([ear.outcome], RING_S):
                leg.rtp.taps = (Echo(leg.rtp),)
                leg.answer()
                first_of([ear.outcome], TARGET_LIMIT_S)
        except NodeError as fault:
            log.warning("a call to our target cannot be taken: %s", fault)
            leg.hang_up("INCOMPATIBLE_DESTINATION", 488, reason_header("INCOMPATIBLE_DESTINATION"))
        finally:
            leg.hang_up("NORMAL_CLEARING", 480, reason_header("NORMAL_CLEARING"))
            leg.close()

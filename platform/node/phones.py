"""Telephones: a process that plays targets and places calls with the embedded node's own SIP and RTP.

It stands in for SIPp where that cannot be installed, and counts as SIPp does: a call is successful when it ended
exactly as its kind expects. Both sides send a tone and listen. Must not know the node's channels, dialplans or CDRs:
to a telephone a node is an address.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Group

from .audio import tone
from .causes import reason_header
from .errors import NodeError, NoPortLeft
from .faults import Faults
from .phones_counts import Tally
from .phones_legs import Ear, KernelPorts, PlacedLeg, first_of
from .phones_plan import CALL_ENDINGS, TARGET_ENDINGS, PhoneCall, PhonesPlan, PlannedTarget
from .playout import Playout
from .sipleg import CallerLeg, Leg, Services
from .sipstack import SipStack

log = logging.getLogger(__name__)

COUNT_EVERY_S = 0.5
#: How long a call may ring, and how long its end may take (RFC 3261 timer B and F are 32 s).
RING_LIMIT_S = 120.0
END_LIMIT_S = 35.0
#: How long a target stays on the line.
TALK_LIMIT_S = 3600.0
#: After the last call a repeated final response must still find its ACK.
LINGER_S = 0.3


class Phones:
    """All telephones of one plan. The process must be patched for gevent; raises :class:`NodeError` when the address is
    taken."""

    def __init__(self, plan: PhonesPlan) -> None:
        self.plan = plan
        self.faults = Faults()
        self.tally = Tally(plan.kinds)
        self._targets = {target.kind: target for target in plan.targets}
        stack = SipStack(plan.host, plan.sip_port, self._request, self.faults)
        self._services = Services(stack, KernelPorts(plan.host), self.faults, plan.host, plan.sip_port)
        self._playout = Playout()
        self._calls = Group()
        self._stop = Event()
        self._began_s = time.monotonic()

    # --- the process ---

    def run(self) -> None:
        """Until the last call has ended, or the limit, or :meth:`stop`. The first line of the counts file tells that
        the telephones can be called."""
        spawn = self.faults.spawn
        with Path(self.plan.counts).open("w", encoding="utf-8") as file:
            own = [
                spawn("SIP timers", self._services.stack.run_timers),
                spawn("playout", self._playout.run),
                spawn("counts", self._count, file),
                spawn("dialling", self._dial),
            ]
            if not self._stop.wait(self.plan.limit_s):
                log.warning("the telephones' time of %s s is over", self.plan.limit_s)
            self._calls.kill(timeout=1)
            gevent.sleep(LINGER_S)
            gevent.killall(own, timeout=1)
            self._write(file, done=True)
        self._services.stack.close()

    def stop(self) -> None:
        """Hang up whatever stands, then end."""
        self._stop.set()

    def _count(self, file: Any) -> None:
        parent = os.getppid()
        while True:
            self._write(file, done=False)
            gevent.sleep(COUNT_EVERY_S)
            if os.getppid() != parent:
                log.warning("whoever started the telephones is gone")
                self.stop()

    def _write(self, file: Any, *, done: bool) -> None:
        file.write(self.tally.line(time.monotonic() - self._began_s, done=done))
        file.flush()

    # --- calls that we place ---

    def _dial(self) -> None:
        began_s = time.monotonic()
        for call in sorted(self.plan.calls, key=lambda call: call.moment_ms):
            gevent.sleep(max(0.0, began_s + call.moment_ms / 1000 - time.monotonic()))
            self._spawn(f"{call.kind} call", self._place, call)
        if not self._targets:
            self._calls.join()
            self.stop()

    def _spawn(self, name: str, call: Any, *arguments: Any) -> None:
        """A greenlet of the group that ends with the process."""
        greenlet = gevent.Greenlet(self.faults.guarded(name, call), *arguments)
        greenlet.name = name
        self._calls.start(greenlet)

    def _place(self, call: PhoneCall) -> None:
        self.tally.begin(call.kind)
        outcome = "stopped"
        try:
            outcome = self._follow(call)
        except NodeError as fault:
            outcome = str(fault)
        finally:
            self._conclude(call.kind, CALL_ENDINGS, outcome, f"{call.caller} to {call.number}")

    def _follow(self, call: PhoneCall) -> str:
        """A call from its INVITE to the answer to its BYE; returns what it came to."""
        ear = Ear()
        leg = PlacedLeg(self._services, ear)
        address = (call.node_host, call.node_port)
        player = None
        try:
            leg.invite(address, call.number, caller=call.caller, caller_name=call.caller, headers={})
            gives_up = call.kind == "cancelled"
            first_of([ear.outcome, ear.picked_up, *([ear.rang] if gives_up else [])], RING_LIMIT_S)
            if ear.picked_up.is_set():
                player = self._speak(leg)
            if gives_up or player is not None:
                first_of([ear.outcome], call.hold_ms / 1000)
            leg.end()
            first_of([ear.outcome], END_LIMIT_S)
            return str(ear.outcome.get(block=False)) if ear.outcome.ready() else "no answer to CANCEL or BYE"
        finally:
            leg.end()
            if player is not None:
                self._playout.stop(player)
            leg.close()

    # --- calls that we take ---

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
        target = self._targets.get(request.getRURI().username)
        if target is None:
            return (request.genResponse(404, "Not Found"), None, None)
        try:
            leg = CallerLeg(self._services)
        except NoPortLeft:
            return (request.genResponse(503, "Service Unavailable"), None, None)
        leg.listener = ear = Ear()
        answer = leg.receive(request, transaction)
        self._spawn(f"{target.kind} target", self._play, target, leg, ear, request.getBody())
        return answer

    def _play(self, target: PlannedTarget, leg: CallerLeg, ear: Ear, offer: Any) -> None:
        self.tally.begin(target.kind)
        outcome = "stopped"
        try:
            outcome = self._serve(target, leg, ear, offer)
        except NodeError as fault:
            outcome = str(fault)
            leg.hang_up("INCOMPATIBLE_DESTINATION", 488, reason_header("INCOMPATIBLE_DESTINATION"))
        finally:
            leg.close()
            self._conclude(target.kind, TARGET_ENDINGS, outcome, f"target {target.kind}")

    def _serve(self, target: PlannedTarget, leg: CallerLeg, ear: Ear, offer: Any) -> str:
        """A call from its INVITE to its end; returns what it came to. Raises :class:`NodeError` for a bad offer."""
        leg.take_offer(offer)
        if target.kind == "busy":
            leg.hang_up("USER_BUSY", 486, reason_header("USER_BUSY"))
            return "486 sent"
        leg.ring()
        if target.kind == "answers" and not first_of([ear.outcome], target.ring_ms / 1000):
            leg.answer()
            player = self._speak(leg)
            try:
                first_of([ear.outcome], TALK_LIMIT_S)
            finally:
                self._playout.stop(player)
        elif not first_of([ear.outcome], TALK_LIMIT_S):
            leg.hang_up("NO_ANSWER", 480, reason_header("NO_ANSWER"))
        return str(ear.outcome.get(block=False)) if ear.outcome.ready() else "never ended by the caller"

    # --- both ---

    def _speak(self, leg: Leg) -> Any:
        """The plan's tone for ever; 2 s are whole periods, so that it loops without a click."""
        return self._playout.start(
            leg.rtp, tone(f"v=-8;loops=-1;%(2000,0,{self.plan.tone_hz})", leg.rtp.codec), lambda: None
        )

    def _conclude(self, kind: str, expected: dict[str, str], outcome: str, who: str) -> None:
        successful = outcome == expected[kind]
        self.tally.end(kind, successful=successful)
        if not successful:
            log.warning("%s: a call of kind %s came to %r, expected %r", who, kind, outcome, expected[kind])


def run_phones(plan: PhonesPlan) -> None:
    """The process: runs a plan to its end, or to SIGTERM or SIGINT."""
    phones = Phones(plan)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, phones.stop)
    phones.run()

"""Moves a call that waits: tells it what its step brought and lets it go on (call-setup.md, "Rules for plans").

A call is only moved while it waits at the very step that the answer is for: one that rings or talks meanwhile, by the
node's own fallback or because the flow went on, must never be torn out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from uuid import UUID

import gevent

from ..esl.errors import CommandRefused
from .live_asker import TIMEOUT_S, Switch

#: What a waiting call does: something sounds, or nothing. Everything else (bridge, socket, record, …) is left alone.
WAITING = frozenset(
    {"playback", "endless_playback", "loop_playback", "play_and_get_digits", "gentones", "sleep", "park", "ring_ready"}
)
#: The call may be between two sounds, or on its way to the step: a worker has joined it to a queue and is about to hand
#: its plan over.
LOOKS = 8
BETWEEN_LOOKS_S = 0.15

#: woken; gone: it has hung up or went on by itself; later: it could not be moved now; over: what it was to hear does
#: not hold any more.
Woken = Literal["woken", "gone", "later", "over"]


class Waker:
    """Wakes the calls of one node."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def wake(self, call_id: UUID, step: str, result: str, *, claim: Callable[[], bool]) -> Woken:
        """``claim`` is asked last, and the call is left alone if it says no. Raises the errors of the link."""
        call = str(call_id)
        try:
            waits = self._waits(call, step)
            if waits != "woken":
                return waits
            if not claim():
                return "over"
            self._switch.api("uuid_setvar", call, "dialtrace_result", result, timeout_s=TIMEOUT_S)
            self._switch.api("uuid_transfer", call, "resume", "XML", "flow", timeout_s=TIMEOUT_S)
        except CommandRefused:
            stands = self._switch.api("uuid_exists", call, timeout_s=TIMEOUT_S).strip() != "false"
            return "later" if stands else "gone"
        return "woken"

    def _waits(self, call: str, step: str) -> Woken:
        """`woken`: it may be."""
        for look in range(LOOKS):
            if look:
                gevent.sleep(BETWEEN_LOOKS_S)
            here, application = self._ask(call, "dialtrace_step") == step, self._ask(call, "current_application")
            if here and application in WAITING:
                return "woken"
        return "later" if here or application == "socket" else "gone"

    def _ask(self, call: str, name: str) -> str:
        return self._switch.api("uuid_getvar", call, name, timeout_s=TIMEOUT_S).strip()

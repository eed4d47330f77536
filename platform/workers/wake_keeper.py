"""Wakes the calls of one node that wait for the world: callers in a queue whose target has been found, and calls whose
web hook has answered. Two loops, so that neither waits for the other.

Which caller gets which target is the database's matter and the same for all nodes; a monitor only moves its own calls.
An answer that could not be delivered is given back at once, or falls back by its own time-out when this process dies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

import gevent
import structlog
from gevent.pool import Pool

from ..calls.live_rows import Decision, Offer, QueueRows
from ..db.errors import DatabaseError
from ..esl.errors import EslError
from ..metrics import CALLS_WOKEN, WAKE_FAILURES
from .waker import Waker

T = TypeVar("T")

log = structlog.get_logger("monitor")

PAIR_EVERY_S = 0.25
#: While a web hook is being asked for a call of this node.
DECISIONS_EVERY_S = 0.1
IDLE_DECISIONS_EVERY_S = 0.25
REST_S = 1.0
#: Calls that are being moved; each takes some milliseconds, or a second where it is not there yet.
MOST_AT_ONCE = 20
#: What a step brings whose web hook has failed: the same as the plan's own limit.
FAILED = "timeout"


class WakeKeeper:
    """The two loops of one node. ``is_up`` says whether calls can be moved at all."""

    def __init__(self, *, node: str, rows: QueueRows, waker: Waker, is_up: Callable[[], bool]) -> None:
        self._node = node
        self._rows = rows
        self._waker = waker
        self._is_up = is_up
        self._failing: set[str] = set()
        self._moving: set[UUID] = set()
        self._pool = Pool(MOST_AT_ONCE)

    def run_queue(self) -> None:
        """Until the greenlet is killed."""
        while True:
            gevent.sleep(self._guarded("queue", self.pair))

    def run_decisions(self) -> None:
        """Until the greenlet is killed."""
        while True:
            gevent.sleep(self._guarded("decision", self.decide))

    def finish(self, timeout_s: float) -> bool:
        """Waits until every call that is being moved has been; false: that took too long."""
        return bool(self._pool.join(timeout=timeout_s))

    def pair(self) -> float:
        """One look at the queues; returns after how many seconds to come again. Raises DatabaseError and EslError."""
        for offer in self._rows.pair(self._node):
            self._spawn("queue", offer.call_id, partial(self._move, offer))
        return PAIR_EVERY_S

    def decide(self) -> float:
        """One look at the decisions. Raises DatabaseError and EslError."""
        waiting = self._rows.decisions(self._node)
        for decision in waiting:
            if decision.state in ("answered", "failed"):
                self._spawn("decision", decision.call_id, partial(self._tell, decision))
        return DECISIONS_EVERY_S if waiting else IDLE_DECISIONS_EVERY_S

    def _move(self, offer: Offer) -> None:
        woken = self._waker.wake(
            offer.call_id,
            offer.step,
            f"target:{offer.target_id}",
            claim=lambda: self._rows.settle(offer, "woken"),
        )
        CALLS_WOKEN.labels(self._node, "queue", woken).inc()
        if woken in ("gone", "later"):
            self._rows.settle(offer, "gone" if woken == "gone" else "later")

    def _tell(self, decision: Decision) -> None:
        woken = self._waker.wake(
            decision.call_id, decision.step, decision.answer or FAILED, claim=lambda: self._rows.wake(decision)
        )
        CALLS_WOKEN.labels(self._node, "decision", woken).inc()
        if woken == "gone":
            self._rows.wake(decision)

    def _spawn(self, what: str, call_id: UUID, move: Callable[[], None]) -> None:
        """Moves one call beside the others; never one call twice at a time."""
        if call_id in self._moving:
            return

        def moving() -> None:
            try:
                self._guard(what, move)
            finally:
                self._moving.discard(call_id)

        self._moving.add(call_id)
        self._pool.spawn(moving)

    def _guarded(self, what: str, look: Callable[[], float]) -> float:
        """One look if the switch is heard; returns the pause after it."""
        if not self._is_up():
            return REST_S
        pause_s = self._guard(what, look)
        return REST_S if pause_s is None else pause_s

    def _guard(self, what: str, work: Callable[[], T]) -> T | None:
        """None: it failed in a way that a next look mends."""
        try:
            done = work()
        except (DatabaseError, EslError) as fault:
            WAKE_FAILURES.labels(self._node, what).inc()
            if what not in self._failing:
                self._failing.add(what)
                log.warning("waiting calls are not woken", node=self._node, what=what, fault=str(fault))
            return None
        self._failing.discard(what)
        return done

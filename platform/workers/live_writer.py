"""Brings the calls that stand on a node to the database, in batches, apart from everything that must not wait for one.

A batch that the database did not take is not lost: once it answers again the whole truth is written. Must not know the
switch: what stands is told by others.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import structlog

from ..calls.live import Batch, LiveCalls
from ..db.errors import DatabaseError
from ..metrics import LIVE_CALLS, LIVE_EVENTS, LIVE_EVENTS_DROPPED, LIVE_WRITE_FAILURES

log = structlog.get_logger("monitor")

#: What is heard is in the database within a second (FLOWS_DESIGN: batches at most a second apart).
WRITE_EVERY_S = 0.4
#: A row that nobody spoke for in half a minute is unknown to everybody who reads it.
SEEN_EVERY_S = 10.0
LONGEST_PAUSE_S = 5.0
MOST_AT_ONCE = 1_000


class LiveWriter:
    """The rows of one node. ``is_up`` says whether the switch itself is heard: if not, no row is spoken for."""

    def __init__(
        self,
        *,
        node: str,
        live: LiveCalls,
        put: Callable[[str, Batch], None],
        seen: Callable[[str], int],
        is_up: Callable[[], bool],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._live = live
        self._put = put
        self._seen = seen
        self._is_up = is_up
        self._monotonic_s = monotonic_s
        self._seen_at_s = float("-inf")
        self._failures = 0

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            gevent.sleep(self.write())

    def write(self) -> float:
        """One batch; returns after how many seconds to come again. Raises nothing that a next look could mend."""
        batch = self._live.take(now_us=time.time_ns() // 1_000, most=MOST_AT_ONCE)
        try:
            if batch:
                self._put(self._node, batch)
        except DatabaseError as fault:
            return self._failed(batch, fault)
        except BaseException:
            # Killed in the middle: whoever drains writes it again, which changes nothing if it was taken.
            self._live.put_back(batch)
            raise
        LIVE_CALLS.labels(self._node).set(len(self._live))
        LIVE_EVENTS.labels(self._node).inc(len(batch.events))
        return self._tell_seen()

    def _tell_seen(self) -> float:
        if self._is_up() and self._monotonic_s() >= self._seen_at_s + SEEN_EVERY_S:
            before = self._live.written
            try:
                rows = self._seen(self._node)
            except DatabaseError as fault:
                return self._failed(Batch([], [], []), fault)
            self._seen_at_s = self._monotonic_s()
            if rows != before and before == self._live.written:
                # Somebody emptied the table (a crash of the server does), or it holds what is long over.
                self._live.write_all()
        if self._failures:
            log.info("live calls are written again", node=self._node, calls=len(self._live))
        self._failures = 0
        return WRITE_EVERY_S

    def _failed(self, batch: Batch, fault: DatabaseError) -> float:
        self._live.put_back(batch)
        self._failures += 1
        LIVE_WRITE_FAILURES.labels(self._node).inc()
        LIVE_EVENTS_DROPPED.labels(self._node).set(self._live.dropped)
        if self._failures == 1:
            log.warning("live calls are not written; they are kept", node=self._node, fault=str(fault))
        return min(WRITE_EVERY_S * 2.0**self._failures, LONGEST_PAUSE_S)

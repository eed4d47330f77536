"""One look at the database for everybody who listens to the calls that stand, and a bound on how many may listen.

Knows no HTTP. What a listener is told is `live.stream`'s matter; who a listener is was checked before he came here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

import gevent
import structlog
from gevent.event import Event

from ..db.errors import DatabaseError
from ..errors import DialtraceError
from ..live.model import ShownCall
from ..live.stream import Listener, Reading
from ..metrics import LIVE_LISTENERS, LIVE_READS_FAILED

log = structlog.get_logger("live")

#: Rows are at most half a second behind the switches; with this, listeners are at most a second and a half.
READ_EVERY_S = 1.0
#: Who comes gets his first picture at once, unless everybody comes at once.
LEAST_PAUSE_S = 0.2
#: Calls of all agencies that are listened to. With more, listeners are told that their picture is stale.
MOST_CALLS = 50_000

Read = Callable[[Collection[UUID], int], list[ShownCall]]


class TooManyListeners(DialtraceError):
    """There are as many listeners as may be. Ask again later, or read `GET /v1/calls/live`."""


class Ear:
    """One connection: the listener, and the signal that there is something to tell."""

    def __init__(self, key_id: UUID, listener: Listener) -> None:
        self.key_id = key_id
        self.listener = listener
        self.fresh = Event()


class LiveHub:
    """All ears of this process."""

    def __init__(self, read: Read, *, most: int, most_of_a_key: int) -> None:
        self._read = read
        self._most = most
        self._most_of_a_key = most_of_a_key
        self._ears: set[Ear] = set()
        self._of_a_key: Counter[UUID] = Counter()
        self._came = Event()
        self._failing = False
        self.stopping = False

    @contextmanager
    def listening(self, key_id: UUID, agency_id: UUID, client_id: UUID | None) -> Iterator[Ear]:
        """An ear for as long as the block runs. Raises TooManyListeners."""
        if len(self._ears) >= self._most or self._of_a_key[key_id] >= self._most_of_a_key or self.stopping:
            raise TooManyListeners
        ear = Ear(key_id, Listener(agency_id, client_id))
        self._ears.add(ear)
        self._of_a_key[key_id] += 1
        LIVE_LISTENERS.set(len(self._ears))
        self._came.set()
        try:
            yield ear
        finally:
            self._ears.discard(ear)
            self._of_a_key[key_id] -= 1
            if not self._of_a_key[key_id]:
                del self._of_a_key[key_id]
            LIVE_LISTENERS.set(len(self._ears))

    def run(self) -> None:
        """Until the greenlet is killed: reads while anybody listens."""
        while True:
            self._came.wait()
            self._came.clear()
            while self._ears:
                began_s = time.monotonic()
                self.look()
                self._came.clear()
                gevent.sleep(LEAST_PAUSE_S)
                self._came.wait(max(0.0, READ_EVERY_S - (time.monotonic() - began_s)))

    def look(self) -> None:
        """One reading, and everybody is told who has something to hear."""
        try:
            calls = self._read({ear.listener.agency_id for ear in self._ears}, MOST_CALLS)
        except DatabaseError as fault:
            LIVE_READS_FAILED.inc()
            if not self._failing:
                self._failing = True
                log.warning("live calls cannot be read", fault=str(fault))
            self._tell([ear for ear in self._ears if ear.listener.miss()])
            return
        if len(calls) >= MOST_CALLS:
            log.error("more calls stand than a stream can show", most=MOST_CALLS)
            self._tell([ear for ear in self._ears if ear.listener.miss()])
            return
        self._failing = False
        reading = Reading(calls)
        self._tell([ear for ear in self._ears if ear.listener.look(reading)])

    def stop(self) -> None:
        """Everybody is told goodbye, and nobody comes in any more."""
        self.stopping = True
        self._tell(self._ears)

    def _tell(self, ears: Collection[Ear]) -> None:
        for ear in ears:
            ear.fresh.set()

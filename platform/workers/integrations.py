"""Tells integrations what happened (`dialtrace work integrations`).

Any number of these processes may run: each delivery is claimed by one. Nothing is held here that is not in the database
too, so it may be killed at any moment; what it had in hand is looked up on the other side before anything is made
again. An integration that is slow holds its own few places and nobody else's. Must not know any system.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool

from ..db.errors import DatabaseError
from ..integrations.claims import Claims, Result
from ..integrations.delivering import Deliverer
from ..integrations.errors import ClaimLost, Retry
from ..integrations.model import Claimed, Verdict
from ..integrations.reading import Look, Reader
from ..metrics import (
    INTEGRATION_BACKLOG,
    INTEGRATION_DELAY_SECONDS,
    INTEGRATION_DELIVERIES,
    INTEGRATION_OLDEST_SECONDS,
    INTEGRATION_PASSES_FAILED,
    INTEGRATION_SENDING,
    INTEGRATIONS_STOPPED,
)
from ..readiness import tell_ready

log = structlog.get_logger("integrations")

#: Deliveries that one process makes at a time.
MOST_AT_A_TIME = 256
#: With the sequencer's own pause a call that rings is told of within half a second.
LOOK_EVERY_S = 0.15
COUNT_EVERY_S = 10.0
TIDY_EVERY_S = 60.0
#: So often it is asked whose time to be looked at has come; so many looks at a time.
READ_EVERY_S = 5.0
MOST_LOOKS = 8
#: After the database failed.
REST_S = 1.0
#: Told to stop: so long for answers that are on their way; what is left is in doubt, and looked up by the next process.
STOP_TIMEOUT_S = 8.0
TIDY_AT_A_TIME = 2_000


class IntegrationWorker:
    """Claims deliveries, makes them side by side, and writes down in batches what became of them."""

    def __init__(
        self, claims: Claims, deliverer: Deliverer, reader: Reader, *, kept_s: float, most: int = MOST_AT_A_TIME
    ) -> None:
        self._claims = claims
        self._deliverer = deliverer
        self._reader = reader
        self._looking = Pool(MOST_LOOKS)
        self._kept_s = kept_s
        # A claim outlives whatever its holder may be doing, by enough to write it down.
        self._hold_s = round(deliverer.schedule.whole_s) + 20
        self._pool = Pool(most)
        self._sending: dict[Claimed, gevent.Greenlet[..., None]] = {}
        self._results: list[Result] = []
        self._stopping = Event()
        self._next: dict[str, float] = {}

    def run(self) -> None:
        """Until :meth:`stop`, then until what was begun is over or left in doubt."""
        while not self._stopping.is_set():
            try:
                busy = self.look()
            except DatabaseError as fault:
                INTEGRATION_PASSES_FAILED.inc()
                log.warning("deliveries wait", fault=str(fault))
                self._stopping.wait(REST_S)
                continue
            if not busy:
                self._stopping.wait(LOOK_EVERY_S)
        self._end()

    def stop(self) -> None:
        """Takes no new delivery."""
        self._stopping.set()

    def look(self) -> bool:
        """One pass: writes down, reads on in the log, takes what is due. Whether to look again at once."""
        self._settle()
        behind = self._claims.catch_up() > 0
        if self._is_time("count", COUNT_EVERY_S):
            self._count()
        if self._is_time("tidy", TIDY_EVERY_S) and self._claims.tidy(
            kept_s=self._kept_s, most=TIDY_AT_A_TIME
        ) >= TIDY_AT_A_TIME:  # fmt: skip
            self._next.pop("tidy", None)
        free = self._pool.free_count()
        taken = self._claims.claim(free, hold_s=self._hold_s) if free > 0 else []
        for group in self._deliverer.groups(taken):
            sending = self._pool.spawn(self._tell, group)
            self._sending |= dict.fromkeys(group, sending)
        INTEGRATION_SENDING.set(len(self._sending))
        if self._is_time("read", READ_EVERY_S) and self._looking.free_count() > 0:
            for one in self._reader.take(self._looking.free_count(), hold_s=self._hold_s):
                self._looking.spawn(self._read, one)
        return behind and bool(taken)

    def _tell(self, group: list[Claimed]) -> None:
        """The top of a greenlet: whatever happens, what is delivered in it is tried again."""
        about = {"integration": str(group[0].integration_id), "system": group[0].system}
        try:
            with gevent.Timeout(self._deliverer.schedule.whole_s):
                results = self._deliverer.deliver(group)
        except gevent.Timeout:
            log.warning("a delivery took too long", **about)
            results = [self._doubted(one, "overrun") for one in group]
        except ClaimLost:
            # Another process has it: nothing of it is ours to write down.
            return
        except DatabaseError as fault:
            log.warning("a delivery waits", fault=str(fault), **about)
            results = [self._doubted(one, "database") for one in group]
        except Exception:
            log.exception("a delivery failed", **about)
            results = [self._doubted(one, "unknown") for one in group]
        finally:
            for one in group:
                self._sending.pop(one, None)
        self._results += results

    def _read(self, look: Look) -> None:
        """The top of a greenlet: whatever happens, the look is taken again when its claim is over."""
        about = {"integration": str(look.integration_id), "system": look.system}
        try:
            with gevent.Timeout(self._deliverer.schedule.whole_s):
                self._reader.look(look)
        except gevent.Timeout:
            log.warning("a look at what changed took too long", **about)
        except (ClaimLost, DatabaseError) as fault:
            log.warning("a look at what changed waits", fault=str(fault), **about)
        except Exception:
            log.exception("a look at what changed failed", **about)

    def _doubted(self, delivery: Claimed, word: str) -> Result:
        failed = Retry(word, "it is looked up before anything is made again", in_doubt=True)
        schedule = self._deliverer.schedule
        verdict = schedule.after(failed, tries=delivery.tries, chance=0.5)
        return Result(delivery, verdict)

    def _settle(self) -> None:
        results, self._results = self._results, []
        if not results:
            return
        try:
            stopped = self._claims.settle(results)
        except BaseException:
            self._results = results + self._results
            raise
        for one in stopped:
            INTEGRATIONS_STOPPED.labels(one.system, one.reason).inc()
            log.warning(
                "an integration stopped", agency=str(one.agency_id), integration=str(one.integration_id), why=one.reason
            )
        now_s = time.time()
        for result in results:
            delivery = result.delivery
            INTEGRATION_DELIVERIES.labels(delivery.system, result.verdict.outcome).inc()
            if result.verdict.outcome == "done" and result.attempts and delivery.tries == 1 and not delivery.is_late:
                delay_s = max(0.0, now_s - delivery.occurred_at.timestamp())
                INTEGRATION_DELAY_SECONDS.labels(delivery.system, delivery.type).observe(delay_s)

    def _count(self) -> None:
        for found in self._claims.backlog():
            for state in ("due", "sent", "sending", "broken", "paused"):
                INTEGRATION_BACKLOG.labels(found.system, state).set(getattr(found, state))
            INTEGRATION_OLDEST_SECONDS.labels(found.system).set(found.oldest_s)

    def _is_time(self, what: str, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._next.get(what, 0.0):
            return False
        self._next[what] = now_s + every_s
        return True

    def _end(self) -> None:
        self._looking.kill(timeout=1.0)
        self._pool.join(timeout=STOP_TIMEOUT_S)
        left = dict(self._sending)
        gevent.killall(list(set(left.values())), timeout=1.0)
        verdict = Verdict("sent", self._deliverer.schedule.whole_s, "stopped", "the process was told to stop meanwhile")
        self._results += [Result(delivery, verdict) for delivery in left]
        try:
            self._settle()
        except DatabaseError as fault:
            log.warning("what became of deliveries is not written; they are looked up again", fault=str(fault))


def run_integration_worker(make: Callable[[], IntegrationWorker]) -> None:
    """Serves until SIGTERM or SIGINT. The process must be patched for gevent, its database driver too."""
    worker = make()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, worker.stop)
    log.info("ready to tell integrations")
    tell_ready()
    worker.run()

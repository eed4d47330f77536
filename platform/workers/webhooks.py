"""Sends messages to webhooks (`dialtrace work webhooks`).

Any number of these processes may run: each message is claimed by one. Nothing is held here that is not in the database
too, so it may be killed at any moment; what it had in hand is sent again, under the same id, when the claim is over. A
receiver that is slow holds its own few places and nobody else's. Must not know what messages say.
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
from ..metrics import (
    WEBHOOK_BACKLOG,
    WEBHOOK_BEHIND,
    WEBHOOK_DELAY_SECONDS,
    WEBHOOK_ENDPOINTS_STOPPED,
    WEBHOOK_OLDEST_SECONDS,
    WEBHOOK_PASSES_FAILED,
    WEBHOOK_SENDING,
    WEBHOOK_TRIES,
    WEBHOOKS_STOPPED,
)
from ..readiness import tell_ready
from ..webhooks.claims import Bounds, Claims, Result
from ..webhooks.model import Claimed, Verdict
from ..webhooks.sending import Sender

log = structlog.get_logger("webhooks")

#: Messages that one process sends at a time.
MOST_AT_A_TIME = 256
#: With the sequencer's own pause it makes `call.ended` come well within two seconds of the hang-up.
LOOK_EVERY_S = 0.15
CATCH_UP_EVERY_S = 2.0
COUNT_EVERY_S = 10.0
TIDY_EVERY_S = 60.0
#: After the database failed.
REST_S = 1.0
#: Told to stop: so long for answers that are on their way; what is left is given back.
STOP_TIMEOUT_S = 5.0
#: Nothing an outgoing request may do lasts longer than its own bound; if one did, this ends it.
GRACE_S = 5.0
TIDY_AT_A_TIME = 2_000


class WebhookWorker:
    """Claims messages, sends them side by side, and writes down in batches what became of them."""

    def __init__(
        self, claims: Claims, sender: Sender, *, kept_s: float, most: int = MOST_AT_A_TIME, bounds: Bounds | None = None
    ) -> None:
        self._claims = claims
        self._sender = sender
        self._kept_s = kept_s
        # A claim outlives whatever its holder may be doing, by enough to write it down.
        self._bounds = bounds or Bounds(hold_s=round(sender.schedule.timeout_s + GRACE_S) + 10)
        self._pool = Pool(most)
        self._sending: dict[Claimed, gevent.Greenlet[..., None]] = {}
        self._results: list[Result] = []
        self._stopping = Event()
        self._next: dict[str, float] = {}

    def run(self) -> None:
        """Until :meth:`stop`, then until what was sent is answered or given back."""
        while not self._stopping.is_set():
            try:
                busy = self.look()
            except DatabaseError as fault:
                WEBHOOK_PASSES_FAILED.inc()
                log.warning("messages wait", fault=str(fault))
                self._stopping.wait(REST_S)
                continue
            if not busy:
                self._stopping.wait(LOOK_EVERY_S)
        self._end()

    def stop(self) -> None:
        """Takes no new message."""
        self._stopping.set()

    def look(self) -> bool:
        """One pass: writes down, looks after the endpoints, takes what is due. Whether to look again at once."""
        self._settle()
        more = self._is_time("catch_up", CATCH_UP_EVERY_S) and self._claims.catch_up() > 0
        if self._is_time("count", COUNT_EVERY_S):
            self._count()
        if self._is_time("tidy", TIDY_EVERY_S):
            self._tidy()
        taken = self._take()
        if more:
            # There may be more of it in the log.
            self._next.pop("catch_up", None)
        WEBHOOK_SENDING.set(len(self._sending))
        # What was just sent may be answered in a moment: with a full claim there is more to take.
        return more or taken >= self._bounds.each * 4

    def _take(self) -> int:
        free = self._pool.free_count()
        if free <= 0:
            return 0
        taken = self._claims.claim(free, self._bounds)
        if taken:
            try:
                bodies = self._sender.render(taken)
            except BaseException:
                self._results += [Result(message, Verdict("released"), None) for message in taken]
                raise
            for message in taken:
                self._sending[message] = self._pool.spawn(self._one, message, bodies.get(message))
        return len(taken)

    def _one(self, message: Claimed, body: bytes | None) -> None:
        """The top of a greenlet: whatever happens, this one message is tried again."""
        try:
            with gevent.Timeout(self._sender.schedule.timeout_s + GRACE_S):
                result = self._sender.send(message, body)
        except gevent.Timeout:
            log.error(
                "a message was given up for now", webhook=str(message.webhook_id), message=str(message.message_id)
            )
            result = self._retried(message, "overrun")
        except Exception:
            log.exception(
                "a message could not be sent", webhook=str(message.webhook_id), message=str(message.message_id)
            )
            result = self._retried(message, "unknown")
        finally:
            self._sending.pop(message, None)
        self._results.append(result)

    def _retried(self, message: Claimed, fault: str) -> Result:
        verdict = self._sender.schedule.judge(
            tries=message.tries, status=None, fault=fault, retry_after_s=None, chance=0.5
        )
        return Result(message, verdict, None)

    def _settle(self) -> None:
        results, self._results = self._results, []
        if not results:
            return
        try:
            stopped = self._claims.settle(results, self._sender.schedule)
        except BaseException:
            self._results = results + self._results
            raise
        for one in stopped:
            WEBHOOKS_STOPPED.labels(one.reason).inc()
            log.warning("a webhook stopped", agency=str(one.agency_id), webhook=str(one.webhook_id), why=one.reason)
        now_s = time.time()
        for result in results:
            WEBHOOK_TRIES.labels(result.verdict.outcome).inc()
            if result.verdict.outcome == "delivered" and result.message.tries == 1:
                WEBHOOK_DELAY_SECONDS.observe(max(0.0, now_s - result.message.occurred_at.timestamp()))

    def _count(self) -> None:
        found = self._claims.backlog()
        for state in ("waiting", "blocked", "sending"):
            WEBHOOK_BACKLOG.labels(state).set(getattr(found, state))
        WEBHOOK_OLDEST_SECONDS.set(found.oldest_s)
        WEBHOOK_BEHIND.set(found.behind)
        for state in ("paused", "disabled"):
            WEBHOOK_ENDPOINTS_STOPPED.labels(state).set(getattr(found, state))

    def _tidy(self) -> None:
        removed, freed = self._claims.tidy(delivered_s=self._kept_s, failed_s=4 * self._kept_s, most=TIDY_AT_A_TIME)
        if freed:
            log.warning("followers waited for nobody", messages=freed)
        if removed >= TIDY_AT_A_TIME:
            self._next.pop("tidy", None)

    def _is_time(self, what: str, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._next.get(what, 0.0):
            return False
        self._next[what] = now_s + every_s
        return True

    def _end(self) -> None:
        self._pool.join(timeout=STOP_TIMEOUT_S)
        left = dict(self._sending)
        gevent.killall(list(left.values()), timeout=1.0)
        self._results += [Result(message, Verdict("released"), None) for message in left]
        try:
            self._settle()
        except DatabaseError as fault:
            log.warning("what became of messages is not written; they are sent again", fault=str(fault))


def run_webhook_worker(make: Callable[[], WebhookWorker]) -> None:
    """Serves until SIGTERM or SIGINT. The process must be patched for gevent, its database driver too."""
    worker = make()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, worker.stop)
    log.info("ready to send to webhooks")
    tell_ready()
    worker.run()

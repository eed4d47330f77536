"""Asks clients' web hooks what to do with the calls that wait for them (`dialtrace work hooks`).

Any number of these processes may run: each question is claimed by one. The caller's wait is bounded by the plan on the
switch, not by this process; killed in the middle, the flow's default applies when the time is over. Must not know
plans, switches or what a decision means.
"""

from __future__ import annotations

import signal
import time

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool

from ..db.errors import DatabaseError
from ..decisions.model import Question, Verdict
from ..decisions.service import DecisionService
from ..metrics import DECISION_PASSES_FAILED, DECISION_SECONDS, DECISIONS_ASKING, DECISIONS_SETTLED
from ..readiness import tell_ready

log = structlog.get_logger("hooks")

#: Questions that one process asks at a time, and of these at most so many for one client: a slow web hook keeps its own
#: client's callers waiting and nobody else's.
MOST_AT_A_TIME = 64
MOST_OF_A_CLIENT = 16
#: A caller hears ringback meanwhile; looking costs one short statement.
LOOK_EVERY_S = 0.1
TIDY_EVERY_S = 10.0
#: After the database failed.
REST_S = 1.0
#: Told to stop: so long for answers that are on their way; what is left is given to another process.
STOP_TIMEOUT_S = 2.0
#: A verdict that the database does not take is tried again; then the flow's default applies.
SETTLE_TRIES, SETTLE_PAUSE_S = 3, 0.3
#: Nothing an outgoing request may do lasts longer than its own bound; if one did, this ends it.
GRACE_S = 2.0


class HookAsker:
    """Claims questions and asks them side by side."""

    def __init__(self, decisions: DecisionService, *, most: int = MOST_AT_A_TIME, each: int = MOST_OF_A_CLIENT) -> None:
        self._decisions = decisions
        self._each = each
        self._pool = Pool(most)
        self._asking: dict[Question, gevent.Greenlet[..., None]] = {}
        self._stopping = Event()
        self._tidy_at_s = 0.0

    def run(self) -> None:
        """Until :meth:`stop`, then until what was asked is answered or given back."""
        while not self._stopping.is_set():
            try:
                taken = self._take()
                self._tidy()
            except DatabaseError as fault:
                DECISION_PASSES_FAILED.labels("database").inc()
                log.warning("the waiting questions cannot be read", fault=str(fault))
                self._stopping.wait(REST_S)
                continue
            if not taken:
                self._stopping.wait(LOOK_EVERY_S)
        self._pool.join(timeout=STOP_TIMEOUT_S)
        self._give_back()

    def stop(self) -> None:
        """Takes no new question."""
        self._stopping.set()

    def _take(self) -> int:
        free = self._pool.free_count()
        if not free:
            return 0
        taken = self._decisions.claim(most=free, each=self._each)
        for question in taken:
            self._asking[question] = self._pool.spawn(self._one, question)
        return len(taken)

    def _one(self, question: Question) -> None:
        """The top of a greenlet: whatever happens, this one question fails and the flow's default applies."""
        begun_s = time.monotonic()
        DECISIONS_ASKING.inc()
        try:
            with gevent.Timeout(question.left_ms / 1000 + GRACE_S):
                outcome = self._settle(question, self._ask(question))
        except gevent.Timeout:
            outcome = "overrun"
            log.error("a question was given up", call=str(question.call_id), step=question.step)
        finally:
            DECISIONS_ASKING.dec()
            self._asking.pop(question, None)
        DECISIONS_SETTLED.labels(outcome).inc()
        DECISION_SECONDS.observe(question.waited_ms / 1000 + time.monotonic() - begun_s)
        if outcome != "answered":
            log.info("a web hook did not decide", call=str(question.call_id), step=question.step, why=outcome)

    def _ask(self, question: Question) -> Verdict:
        try:
            return self._decisions.ask(question)
        except DatabaseError as fault:
            log.warning("a client's secret cannot be read", fault=str(fault))
            return Verdict(fault="no_secret")
        except Exception:
            log.exception("a question could not be asked", call=str(question.call_id), step=question.step)
            return Verdict(fault="unknown")

    def _settle(self, question: Question, verdict: Verdict) -> str:
        for last in (False,) * (SETTLE_TRIES - 1) + (True,):
            try:
                return self._decisions.settle(question, verdict)
            except DatabaseError as fault:
                log.warning("a decision is not stored", call=str(question.call_id), fault=str(fault))
                if not last:
                    gevent.sleep(SETTLE_PAUSE_S)
        return "not_stored"

    def _tidy(self) -> None:
        if time.monotonic() < self._tidy_at_s:
            return
        self._tidy_at_s = time.monotonic() + TIDY_EVERY_S
        for outcome, count in zip(("unasked", "unanswered"), self._decisions.tidy(), strict=True):
            DECISIONS_SETTLED.labels(outcome).inc(count)

    def _give_back(self) -> None:
        """Another process asks again, with the same message id, as long as the call waits."""
        left = dict(self._asking)
        gevent.killall(list(left.values()), timeout=1.0)
        for question in left:
            try:
                self._decisions.release(question)
            except DatabaseError as fault:
                log.warning("a question could not be given back", call=str(question.call_id), fault=str(fault))
                return


def run_hook_worker(decisions: DecisionService) -> None:
    """Serves until SIGTERM or SIGINT. The process must be patched for gevent, its database driver too."""
    asker = HookAsker(decisions)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, asker.stop)
    log.info("ready to ask web hooks")
    tell_ready()
    asker.run()

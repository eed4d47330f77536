"""The call worker: a switch asks what to do with a call, gets a plan, and goes on alone (call-setup.md).

Holds no call and no state; whatever goes wrong, it lets go of the socket, and the node's own fallback takes the call.
Several of these processes share one port. Must not know recordings, records or anything that waits on the world.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import gevent
import structlog

from ..calls.asking import WebHookQuestions, told_of, web_hook_at
from ..calls.errors import CallsError
from ..calls.model import Facts, Route
from ..calls.plan import START, handed_over, make_plan, point_of, refusal
from ..calls.queueing import QueueDoor, queue_at
from ..calls.routes import Decided, RouteStore
from ..cdr.numbering import caller_e164
from ..clock import Clock, SystemClock, from_microseconds
from ..db.engine import Database
from ..db.errors import DatabaseError
from ..errors import DialtraceError
from ..esl import commands
from ..esl.admission import Admission
from ..esl.errors import EslError, HandlerFailed, NobodySpoke, TurnedAway, UnsafeValue
from ..esl.outbound import AskedCall, AskingServer
from ..esl.safe import server_path
from ..metrics import (
    WORKER_ANSWER_SECONDS,
    WORKER_ANSWERS,
    WORKER_COPY_AGE_SECONDS,
    WORKER_FAILURES,
    WORKER_REFUSALS,
)
from ..prompts.service import PromptSounds
from ..readiness import tell_ready
from ..tracing import span
from .call_facts import ASKED, read_facts
from .prompt_files import PlanSounds
from .route_copy import RouteCopy
from .routes import FoundRoute, RouteNotKnown, RouteReader
from .rule_keeper import held_against, rules_here

log = structlog.get_logger("worker")

#: From the question to the last reply. The dialplan's guard fires after 1.2 s at the earliest (call-setup.md, 7).
BUDGET_S = 0.7
#: What is left at least for handing a plan over; on loopback it takes a millisecond.
HAND_OVER_S = 0.2
#: What leaving a question for a web hook may take; beside the read of the route it fits into the budget.
ASK_TIMEOUT_S = 0.15
#: A worker that was asked to stop is gone within two seconds, its last sockets included.
STOP_TIMEOUT_S = 1.5
#: Far above what a busy machine may do to a loop that is alive.
STANDSTILL_S, PULSE_EVERY_S = 10.0, 1.0
#: A worker does not keep calls waiting for a database that does not answer at its start.
WARM_UP_TIMEOUT_S = 2.0
#: On a machine that is busy with its own start the first reads take longer than a caller may wait. A worker says that
#: it is ready once so many side by side have taken so little, or when this much time is over.
WARM_READS, WARM_S, WARM_WITHIN_S = 4, 0.1, 15.0

_DIALLED = re.compile(r"[1-9][0-9]{4,14}")
_STAMP_US = re.compile(r"[1-9][0-9]{14,15}")


class BadQuestion(DialtraceError):
    """The switch asked without the facts that our dialplan gives; is freeswitch/dialplan/ the one that it runs?"""


class Decide(Protocol):
    """The one read: a number's route, and what the database knows of the call (RouteStore.decide)."""

    def __call__(self, e164: str, *, caller: str | None, call_id: str, step: str | None) -> Decided: ...


class CallWorker:
    """Answers the switch's questions. ``routes`` bounds the time that ``decide`` may take and knows older routes,
    ``sounds`` makes a plan playable, ``questions`` takes what web hooks are to decide (None: nobody is asked here), and
    ``queues`` callers who wait for a target (None: there is no waiting here)."""

    def __init__(
        self,
        routes: RouteReader,
        sounds: PlanSounds,
        decide: Decide,
        *,
        questions: WebHookQuestions | None = None,
        queues: QueueDoor | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._routes = routes
        self._sounds = sounds
        self._decide = decide
        self._questions = questions
        self._queues = queues
        self._clock = clock or SystemClock()

    def handle(self, call: AskedCall) -> None:
        """One question. Raises only what the server then tells :meth:`failed`."""
        # A greenlet of its own: whatever writes a line from here on, the line bears the call.
        structlog.contextvars.bind_contextvars(call=call.call_id)
        begun_s = time.monotonic()
        with span("answer the switch", call.call_id):
            plan = self._plan_or_none(call)
            blocks = [] if plan is None else [commands.execute(*handed_over(plan), lock=False)]
            left_s = BUDGET_S - (time.monotonic() - begun_s)
            call.run(*blocks, commands.exit_(), timeout_s=max(left_s, HAND_OVER_S))
        WORKER_ANSWER_SECONDS.observe(time.monotonic() - begun_s, {"call_id": call.call_id[:100]})

    def failed(self, fault: EslError) -> None:
        """A connection did not go well: its call is with the fallback, or had ended anyway."""
        if isinstance(fault, NobodySpoke):
            # A probe of the port, or a call that ended that very moment: nobody waits for an answer.
            log.debug("a connection was closed without a word")
            return
        if isinstance(fault, TurnedAway):
            # Under such a load a line each would be a load of its own.
            WORKER_FAILURES.labels("overload").inc()
            return
        what = "handler" if isinstance(fault, HandlerFailed) else "socket"
        WORKER_FAILURES.labels(what).inc()
        log.warning("a call was left to the node", fault=str(fault), cause=repr(fault.__cause__))

    def _plan_or_none(self, call: AskedCall) -> str | None:
        """None lets the dialplan go on to its fallback, which is quicker than any error."""
        try:
            return self._plan(call)
        except RouteNotKnown as fault:
            what = "database"
            log.warning("no route in time", call=call.call_id, fault=str(fault))
        except (BadQuestion, UnsafeValue) as fault:
            what = "question"
            log.error("a question makes no sense", call=call.call_id, fault=str(fault))
        except CallsError as fault:
            what = "plan"
            log.error("no plan could be made", call=call.call_id, fault=str(fault))
        WORKER_FAILURES.labels(what).inc()
        WORKER_ANSWERS.labels("none").inc()
        return None

    def _plan(self, call: AskedCall) -> str:
        dialled, started = (call.variable(name) or "" for name in ("dialtrace_dialled", "dialtrace_started"))
        for name, value, pattern in (("dialled", dialled, _DIALLED), ("started", started, _STAMP_US)):
            if not pattern.fullmatch(value):
                raise BadQuestion(f"{BadQuestion.__doc__} (dialtrace_{name})")
        spool = server_path(call.variable("dialtrace_spool") or "")
        found, facts = self._read(call, "+" + dialled)
        point = point_of(call.variable("dialtrace_step"), call.variable("dialtrace_result"))
        if found.source != "database" and found.route is not None and point == START:
            facts = held_against(rules_here(spool), found.route, facts)
        facts = self._asked(call, found, facts, point, "+" + dialled)
        facts = self._queued(call, found, facts, point)
        plan = make_plan(
            found.route,
            call_id=call.call_id,
            day=from_microseconds(int(started)).strftime("%Y%m%d"),
            spool=spool,
            decided="worker",
            point=point,
            facts=facts,
        )
        WORKER_ANSWERS.labels(found.source).inc()
        if found.source != "database":
            WORKER_COPY_AGE_SECONDS.observe(found.age_s)
        refused = refusal(found.route, facts)
        if refused is not None:
            WORKER_REFUSALS.labels(refused).inc()
        return self._sounds.ready(plan, spool)

    def _asked(self, call: AskedCall, found: FoundRoute, facts: Facts, point: str, e164: str) -> Facts:
        """Where a web hook decides, it is asked before the plan that waits for it is handed over. If that cannot be,
        the plan is made as if nobody could be asked: the flow's default applies at once."""
        hook = web_hook_at(found.route, point) if facts.asks and self._questions is not None else None
        if hook is None or found.route is None or self._questions is None:
            return facts
        deadline = gevent.Timeout.start_new(ASK_TIMEOUT_S)
        try:
            self._questions.ask(
                found.route, *hook, call_id=call.call_id, node=call.variable("dialtrace_node") or "",
                told=told_of(found.route, facts, number=e164),
            )  # fmt: skip
        except (DatabaseError, gevent.Timeout) as fault:
            if isinstance(fault, gevent.Timeout) and fault is not deadline:
                raise
            WORKER_FAILURES.labels("web_hook").inc()
            log.warning("a web hook could not be asked", call=call.call_id, fault=str(fault))
            return replace(facts, asks=False)
        finally:
            deadline.close()
        return facts

    def _queued(self, call: AskedCall, found: FoundRoute, facts: Facts, point: str) -> Facts:
        """Where callers wait for a target, this one is in the queue before his music begins. If that cannot be, the
        plan is made as if nobody could pair: the queue's targets ring."""
        at = queue_at(found.route, point) if facts.asks and self._queues is not None else None
        if at is None or found.route is None or self._queues is None:
            return facts
        deadline = gevent.Timeout.start_new(ASK_TIMEOUT_S)
        try:
            node = call.variable("dialtrace_node") or ""
            place = self._queues.pass_through(found.route, at, call_id=call.call_id, node=node)
        except (DatabaseError, gevent.Timeout) as fault:
            if isinstance(fault, gevent.Timeout) and fault is not deadline:
                raise
            WORKER_FAILURES.labels("queue").inc()
            log.warning("a caller could not be queued", call=call.call_id, fault=str(fault))
            return replace(facts, asks=False)
        finally:
            deadline.close()
        return replace(facts, queue=place)

    def _read(self, call: AskedCall, e164: str) -> tuple[FoundRoute, Facts]:
        """The route, and the facts where the database is there to tell them. Raises RouteNotKnown."""
        caller = caller_e164(call.variable("dialtrace_caller"))
        decided: list[Decided] = []

        def find_route(wanted: str) -> Route | None:
            step = call.variable("dialtrace_step")
            decided.append(self._decide(wanted, caller=caller, call_id=call.call_id, step=step))
            return decided[0].route

        found = self._routes.read(e164, find_route)
        known = decided[0].facts if decided and found.source == "database" else None
        facts = read_facts(call.variable, known, call_id=call.call_id, caller=caller, now=self._clock.now())
        return found, facts


def _begin_at_nothing() -> None:
    """Counters stand at nothing from the start: Prometheus sees a rise from 0 to 1 only so, and a ratio of sums needs
    every one of its parts."""
    for source in ("database", "copy", "disk", "none"):
        WORKER_ANSWERS.labels(source)
    for what in ("overload", "socket", "handler", "database", "question", "plan", "web_hook", "queue"):
        WORKER_FAILURES.labels(what)


def run_call_worker(*, listen: tuple[str, int], database: Database, route_copy: Path) -> None:
    """Serves until SIGTERM or SIGINT, then answers what it has and returns. ``route_copy`` is the machine's file of
    routes, for when the database is away. Raises BindFailed.

    The process must be patched for gevent, its database driver included (``__main__``).
    """
    _begin_at_nothing()
    routes = RouteStore(database)
    copy = RouteCopy(route_copy)
    reader = RouteReader(routes.find_route, find_on_disk=copy.find)
    sounds = PlanSounds(PromptSounds(database).rendered)
    worker = CallWorker(reader, sounds, routes.decide, questions=WebHookQuestions(database), queues=QueueDoor(database))
    server = AskingServer(listen, worker.handle, variables=ASKED, on_failure=worker.failed, admission=Admission())
    _warm_up(lambda: routes.find_route("+0"), sounds.warm_up)
    stopping: list[gevent.Greenlet[..., int]] = []

    def stop() -> None:
        if not stopping:
            stopping.append(gevent.spawn(server.stop, STOP_TIMEOUT_S))

    # Before the first call may come: who is told to stop answers what it has.
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop)
    server.start()
    pulse = gevent.spawn(_keep_pulse)
    _await_quick(lambda: routes.decide("+0", caller=None, call_id=str(uuid4()), step=None), lambda: bool(stopping))
    if not stopping:
        log.info("call worker ready", listen=server.address)
        tell_ready()
        server.serve_forever()
    gevent.joinall(stopping, timeout=1.0)
    pulse.kill(block=False)
    copy.close()
    database.dispose()


def _keep_pulse() -> None:
    """The kernel ends this process by SIGALRM once its loop has stood still for so long: calls would go on knocking at
    its door and wait for nothing, each until the dialplan's guard fires."""
    while True:
        signal.setitimer(signal.ITIMER_REAL, STANDSTILL_S)
        gevent.sleep(PULSE_EVERY_S)


def _await_quick(read: Callable[[], object], is_over: Callable[[], bool]) -> None:
    """Until reads are as quick as callers need them, or ``is_over``. Calls that come in the meantime are answered;
    without a database this is no use, and the nodes' fallback plans answer."""

    def is_there() -> bool:
        try:
            read()
        except DatabaseError:
            return False
        return True

    deadline_s = time.monotonic() + WARM_WITHIN_S
    while time.monotonic() < deadline_s and not is_over():
        begun_s = time.monotonic()
        reads = [gevent.spawn(is_there) for _ in range(WARM_READS)]
        gevent.joinall(reads, timeout=WARM_UP_TIMEOUT_S)
        if any(one.value is False for one in reads) or time.monotonic() - begun_s < WARM_S:
            return
    if not is_over():
        log.warning("the database is slow to answer")


def _warm_up(*looks: Callable[[], object]) -> None:
    """The first statement costs a connection and SQLAlchemy's first-time work: no caller should wait for that. A worker
    starts without its database too; the nodes' fallback plans answer until it is there."""
    deadline = gevent.Timeout.start_new(WARM_UP_TIMEOUT_S)
    try:
        for look in looks:
            look()
    except gevent.Timeout as fault:
        if fault is not deadline:
            raise
        log.warning("the database is slow to answer")
    except DatabaseError as fault:
        log.warning("the database is not there yet", fault=str(fault))
    finally:
        deadline.close()

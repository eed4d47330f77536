"""Runs jobs: procrastinate's worker under our rules of outcome, time and stopping. For an unpatched asyncio process.

Handlers are plain functions and run in threads. What each came to is said in one place (:meth:`Runner._settle`): done,
tried again, put off, given up. Must not know any job by name, nor the settings.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job as Row
from procrastinate.retry import BaseRetryStrategy, RetryDecision

from ..db.engine import APP_ROLE, libpq_url, session_options
from ..db.errors import DatabaseError
from ..metrics import JOB_SECONDS, JOBS_ENDED
from .errors import JobStopped
from .model import Done, GiveUp, Job, Kind, Later, Outcome, Retry, Schedule
from .service import JobQueue

log = structlog.get_logger("jobs")

#: A notification wakes a worker at once; looking is for what a lost notification left, and for pauses that are over.
LOOK_EVERY_S = 5.0
SIGN_OF_LIFE_EVERY_S = 10.0
#: What was missed while no worker ran is made up for if it is not older.
MAKE_UP_S = 86_400.0
#: A job of a name that this process does not know: a newer release put it there, and its worker is on its way.
UNKNOWN_PAUSE_S = 30.0
#: The end of a job is written down even if the database is away for a moment.
PERSIST_LIMIT_S, PERSIST_PAUSE_S = 60.0, 1.0
MOST_CONNECTIONS = 3


class _Unfinished(Exception):
    """How a handler's verdict reaches the library: a job that is not done ends by an exception there."""

    def __init__(self, outcome: Retry | Later | GiveUp) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


class _Verdict(BaseRetryStrategy):
    """Says when a job runs again, if it does."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def get_retry_decision(self, *, exception: BaseException, job: Row) -> RetryDecision | None:
        if isinstance(exception, JobAborted):
            return _again_in(0)
        outcome = exception.outcome if isinstance(exception, _Unfinished) else Retry("")
        if isinstance(outcome, Later):
            return _again_in(outcome.in_s)
        if isinstance(outcome, GiveUp) or job.attempts + 1 >= self._kind.tries:
            return None
        return _again_in(self._kind.pause_s(job.attempts + 1, random.random()))  # noqa: S311 (spreads load)


def _again_in(pause_s: float) -> RetryDecision:
    return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=pause_s))


class _Tasks(dict[str, Any]):
    """What the library finds its tasks in. A name that is not there is put off, not failed: while a new release rolls
    out, an old worker may meet its jobs."""

    unknown: Any = None

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, self.unknown if default is None else default)


class _PatientConnector(PsycopgConnector):
    """Writes down a job's end also when the connection breaks just then; without that the job would seem to run for as
    long as this process lives."""

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        until_s = time.monotonic() + PERSIST_LIMIT_S
        while True:
            try:
                await super().execute_query_async(query, **arguments)
                return
            except ConnectorException as error:
                broken = isinstance(error.__cause__, psycopg.OperationalError | psycopg.InterfaceError)
                if not broken or time.monotonic() > until_s:
                    raise
                log.warning("a job's end is not written down yet", fault=str(error.__cause__).strip()[:200])
                await asyncio.sleep(PERSIST_PAUSE_S)


class Runner:
    """The handlers, the jobs that run at this moment, and one procrastinate app a lane."""

    def __init__(self, queue: JobQueue, kinds: Sequence[Kind], schedules: Sequence[Schedule]) -> None:
        self._queue = queue
        self._kinds = {kind.name: kind for kind in kinds}
        assert len(self._kinds) == len(kinds), "two jobs have one name"
        self._schedules = schedules
        self._stopping = threading.Event()
        #: Job id → name, and since when (monotonic).
        self._running: dict[int, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Tells handlers that ask: finish, or leave the rest to another process."""
        self._stopping.set()

    def running(self) -> list[str]:
        """The jobs that run at this moment, by name."""
        with self._lock:
            return sorted(name for name, _ in self._running.values())

    def names(self) -> list[str]:
        """The jobs that there are."""
        return sorted(self._kinds)

    def astray(self) -> list[tuple[int, str, float]]:
        """Jobs that run for longer than they ever may: id, name, seconds."""
        now_s = time.monotonic()
        with self._lock:
            running = list(self._running.items())
        return [
            (job_id, name, now_s - since_s)
            for job_id, (name, since_s) in running
            if now_s - since_s > self._kinds[name].longest_run_s
        ]

    def app(self, database_url: str, *, lane: str) -> App:
        """Procrastinate for one lane: every handler, and the lane's schedules."""
        app = App(connector=connector(database_url), periodic_defaults={"max_delay": MAKE_UP_S})
        for kind in self._kinds.values():
            task = app.task(name=kind.name, queue=lane, pass_context=True, retry=_Verdict(kind))(self._bound(kind))
            for schedule in (one for one in self._schedules if one.job == kind.name and one.lane == lane):
                lock = f"schedule:{schedule.name}"
                app.periodic(cron=schedule.cron, periodic_id=schedule.name, lock=lock, queueing_lock=lock)(task)
        tasks = _Tasks(app.tasks)
        nobody = Kind(name="jobs.unknown", handler=lambda _: Later(UNKNOWN_PAUSE_S))
        tasks.unknown = app.task(name=nobody.name, pass_context=True, retry=_Verdict(nobody))(self._bound(nobody))
        app.tasks = tasks
        return app

    def _bound(self, kind: Kind) -> Any:
        def run(context: JobContext, **args: Any) -> None:
            self._run(kind, context, args)

        return run

    def _run(self, kind: Kind, context: JobContext, args: Mapping[str, Any]) -> None:
        """One run, in a thread of its own."""
        row_id = context.job.id
        assert row_id is not None
        job = Job(row_id, kind.name, context.job.attempts + 1, args, self._stopping.is_set)
        begun_s = time.monotonic()
        with self._lock:
            self._running[job.id] = (kind.name, begun_s)
        try:
            outcome = self._outcome(kind, job)
        finally:
            with self._lock:
                del self._running[job.id]
            JOB_SECONDS.labels(kind.name).observe(time.monotonic() - begun_s)
        self._settle(kind, job, outcome)

    def _outcome(self, kind: Kind, job: Job) -> Outcome:
        """The top of a job: whatever its handler does, only this job fails."""
        if job.attempt > kind.tries:
            # Each run ended with its process: it may be this job that ends them.
            return GiveUp("its worker died in every try")
        try:
            return kind.handler(job)
        except JobStopped:
            return Later(0)
        except DatabaseError as error:
            return Retry(f"{type(error).__name__}: {error}"[:300])
        except Exception as error:
            log.exception("a job failed in a way that nobody foresaw", job=kind.name, job_id=job.id)
            return Retry(type(error).__name__)

    def _settle(self, kind: Kind, job: Job, outcome: Outcome) -> None:
        last = isinstance(outcome, Retry) and job.attempt >= kind.tries
        word = "gave_up" if last else _WORDS[type(outcome)]
        JOBS_ENDED.labels(kind.name, word).inc()
        if isinstance(outcome, Done):
            return
        if isinstance(outcome, Later):
            self._uncount(job)
        else:
            say = log.error if word == "gave_up" else log.warning
            say("a job is not done", job=kind.name, job_id=job.id, attempt=job.attempt, how=word, why=outcome.why)
        raise _Unfinished(outcome)

    def _uncount(self, job: Job) -> None:
        try:
            self._queue.uncount_try(job.id)
        except DatabaseError as error:
            log.warning("a job that was only put off counts as tried", job_id=job.id, fault=str(error))


_WORDS: Mapping[type, str] = {Done: "done", Retry: "retry", Later: "later", GiveUp: "gave_up"}


def connector(database_url: str) -> PsycopgConnector:
    """Connections as `db.engine` makes them: in the application's role, bounded in every way."""
    return _PatientConnector(
        conninfo=libpq_url(database_url),
        kwargs={
            "application_name": "dialtrace jobs",
            "connect_timeout": 5,
            **session_options(APP_ROLE, statement_timeout_ms=10_000),
            "tcp_user_timeout": 15_000,
        },
        min_size=1,
        max_size=MOST_CONNECTIONS,
        timeout=5.0,
    )


def hush_library() -> None:
    """What became of each job is ours to say (:meth:`Runner._settle`); the library would say it again with a trace."""

    def is_ours(record: logging.LogRecord) -> bool:
        return not str(getattr(record, "action", "")).startswith("job_")

    logging.getLogger("procrastinate.worker").addFilter(is_ours)
    # The pool tells of each try to connect while the database is away; so do we, once a pass.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

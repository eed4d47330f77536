"""Runs the jobs of the business plane (`dialtrace work jobs`): asyncio, not patched.

Any number of these processes may run. SIGTERM: no new job; what runs may finish within a bound, and what does not is
run again by another process, which misses our sign of life. A database that is away only delays. Must not know any job
by name.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from procrastinate import App
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import DeleteJobCondition
from psycopg_pool import PoolTimeout

from ..db.errors import DatabaseError
from ..jobs.model import LANES, LONG, QUICK
from ..jobs.runner import LOOK_EVERY_S, SIGN_OF_LIFE_EVERY_S, Runner, hush_library
from ..jobs.service import JobQueue
from ..jobs.silence import Silence
from ..metrics import JOB_PASSES_FAILED, JOBS_FAILED, JOBS_OLDEST_SECONDS, JOBS_RESCUED, JOBS_RUNNING, JOBS_WAITING
from ..readiness import tell_ready

log = structlog.get_logger("jobs")

#: Jobs that one process runs at a time, by lane. Handlers wait for the database and for other machines; those of the
#: long lane also compute, and there are few processors.
PLACES: Mapping[str, int] = {QUICK: 4, LONG: 2}
CARE_EVERY_S = 15.0
FOREVER_S = 10 * 365 * 86_400.0
#: After the database failed.
REST_S = 2.0
#: Told to stop: so long may jobs that run go on.
STOP_TIMEOUT_S = 20.0
#: A job went astray; its process ends with this status and is started again.
ASTRAY_STATUS = 70


class JobProcess:
    """The lanes, and the care for the queue."""

    def __init__(self, *, runner: Runner, queue: JobQueue, database_url: str) -> None:
        self._runner = runner
        self._queue = queue
        self._database_url = database_url
        self._stop = asyncio.Event()
        self._silence = Silence()
        self._is_ready = False

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; then until what runs has ended, or its time is over."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=sum(PLACES.values()) + 2))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._begin_to_stop)
        care = asyncio.create_task(self._care(), name="care")
        lanes = [asyncio.create_task(self._serve(lane), name=lane) for lane in LANES]
        await self._stop.wait()
        care.cancel()
        for lane in lanes:
            lane.cancel()
        _, late = await asyncio.wait(lanes, timeout=STOP_TIMEOUT_S + 2)
        if late or self._runner.running():
            log.warning("stopping although jobs run; others will run them again", jobs=self._runner.running())
            # Their threads would hold this process for as long as they like.
            os._exit(0)

    def _begin_to_stop(self) -> None:
        self._runner.stop()
        self._stop.set()

    async def _serve(self, lane: str) -> None:
        """One lane, begun again whenever the database comes back."""
        while not self._stop.is_set():
            try:
                async with self._runner.app(self._database_url, lane=lane).open_async() as app:
                    await self._work(app, lane)
            except (ProcrastinateException, PoolTimeout) as fault:
                JOB_PASSES_FAILED.labels(lane).inc()
                log.warning("the queue cannot be read", lane=lane, fault=str(fault.__cause__ or fault).strip()[:200])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), REST_S)

    async def _work(self, app: App, lane: str) -> None:
        await app.check_connection_async()
        if not self._is_ready:
            self._is_ready = True
            log.info("ready to run jobs", jobs=self._runner.names())
            tell_ready()
        await app.run_worker_async(
            queues=[lane],
            name=lane,
            concurrency=PLACES[lane],
            install_signal_handlers=False,
            fetch_job_polling_interval=LOOK_EVERY_S,
            # Nobody aborts a job that runs: a handler is a thread, which cannot be ended from outside.
            abort_job_polling_interval=60.0,
            update_heartbeat_interval=SIGN_OF_LIFE_EVERY_S,
            # Who is gone is decided by :class:`Silence`, not by the library.
            stalled_worker_timeout=FOREVER_S,
            shutdown_graceful_timeout=STOP_TIMEOUT_S,
            delete_jobs=DeleteJobCondition.SUCCESSFUL,
        )

    async def _care(self) -> None:
        """Rescues what killed workers left, counts, and ends this process when a job went astray."""
        while True:
            self._end_when_astray()
            try:
                await asyncio.to_thread(self._look)
            except DatabaseError as fault:
                self._silence.forget()
                JOB_PASSES_FAILED.labels("care").inc()
                log.warning("the queue cannot be looked after", fault=str(fault)[:200])
            await asyncio.sleep(CARE_EVERY_S)

    def _look(self) -> None:
        for job_id, name in self._queue.rescue(self._silence):
            JOBS_RESCUED.labels(self._known(name)).inc()
            log.warning("a job whose worker is gone waits again", job=name, job_id=job_id)
        found = {entry.name: entry for entry in self._queue.backlog()}
        for name in self._runner.names():
            entry = found.get(name)
            JOBS_WAITING.labels(name).set(entry.waiting if entry else 0)
            JOBS_OLDEST_SECONDS.labels(name).set(entry.oldest_s if entry else 0)
            JOBS_RUNNING.labels(name).set(entry.running if entry else 0)
            JOBS_FAILED.labels(name).set(entry.failed if entry else 0)

    def _known(self, name: str) -> str:
        return name if name in self._runner.names() else "unknown"

    def _end_when_astray(self) -> None:
        for job_id, name, seconds in self._runner.astray():
            log.error("a job runs for longer than it ever may; this process ends", job=name, job_id=job_id, s=seconds)
            # A thread cannot be ended from outside. The job counts one try more and runs again in another process.
            os._exit(ASTRAY_STATUS)


def run_job_process(*, runner: Runner, queue: JobQueue, database_url: str) -> None:
    """Serves until SIGTERM or SIGINT. The process must not be patched for gevent."""
    hush_library()
    asyncio.run(JobProcess(runner=runner, queue=queue, database_url=database_url).run())

"""The agent: the process beside the nodes of a machine that brings their records and recordings home.

One greenlet for each node's records, one for its recordings, at most four uploads at a time; an upload never delays a
record. Events that are committed, its own and the monitors', get their positions here. It holds nothing that is not on
the node's disk too, so it may be killed at any moment. Must not know the event socket: what happens while a call lives
is the monitor's matter.
"""

from __future__ import annotations

import gc
import random
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import IO, Any

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool

from ..attribution.making import Attributor
from ..cdr.service import CdrService
from ..clock import Clock, SystemClock
from ..db.engine import Database
from ..db.errors import DatabaseError
from ..db.partitions import make_partitions
from ..errors import DialtraceError
from ..journal.errors import JournalError
from ..journal.store import Journal
from ..metrics import (
    CDR_PASSES_FAILED,
    EVENTS_UNSEQUENCED,
    RECORDINGS_ORPHANED,
    RECORDINGS_UNACCOUNTED,
    SPOOL_FREE_BYTES,
    SPOOL_FREE_FILES,
    SPOOL_FULL,
    SPOOL_SIZE_BYTES,
)
from ..nodesfile import NodeSettings
from ..objectstore.service import ObjectStore
from ..readiness import tell_ready
from ..recording.guard import EndpointGuard
from ..recording.service import RecordingService
from ..secrets_box.model import SecretsBox
from ..tracing import span
from ..watching.model import MinuteBook
from ..watching.service import WatchService
from .event_sequencer import sequence_events
from .homecoming import Homecoming
from .ingest import Ingest
from .noc_notes import NocNotes
from .reserve import Disk, Reserve
from .spool import DueFile, Spool, SpoolBusy
from .sweep import ErasureList, Sweep

log = structlog.get_logger("agent")

#: How often a spool is looked at. A transaction costs nearly the same for one call as for ten, and `call.ended` has two
#: seconds: a call waits 0.2 s on average and leaves the processors to those who ring.
POLL_S = 0.4
#: What is left over is looked at again, and the folder without any sign of a change.
LOOK_AGAIN_S = 2.0
RECORDINGS_POLL_S = 1.0
HABITS_EVERY_S = 1.0
UPLOADS_AT_A_TIME = 8
REBUILD_EVERY_S = 2.0
COUNT_EVERY_S = 30.0
CONVERT_POLL_S = 1.0
#: How often the erasure list is asked for: an index look-up while there is nothing new on it.
SWEEP_EVERY_S = 5.0
PARTITIONS_EVERY_S = 3600.0
LOCK_RETRY_S = 1.0
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
#: How long uploads that are under way may go on after a stop was asked for; what is cut off begins anew next time.
STOP_TIMEOUT_S = 8.0
#: New objects between two looks for circles among them.
_COLLECT_AFTER = 20_000
UNACCOUNTED_AFTER = timedelta(minutes=10)


class NodeAgent:
    """Records and recordings of one node."""

    def __init__(
        self,
        node: NodeSettings,
        *,
        records: CdrService,
        recordings: RecordingService,
        erasures: ErasureList,
        clock: Clock,
        stop: Event,
        book: MinuteBook | None = None,
    ) -> None:
        self.name = node.name
        self.spool = Spool(node.spool, clock)
        self._reserve = Reserve(node.spool)
        for what in ("records", "recordings"):
            # Prometheus sees a rise only from what was there before.
            CDR_PASSES_FAILED.labels(node.name, what)
        self.ingest = Ingest(
            node=node.name,
            spool=self.spool,
            service=records,
            journal=lambda: Journal(node.journal_path),
            clock=clock,
            begin=_beside,
            # Not `sleep(0)`: for that the hub waits its least time, a millisecond, also when nobody has anything to do.
            give_way=gevent.idle,
            book=book,
        )
        self.homecoming = Homecoming(node=node.name, spool=self.spool, service=recordings, clock=clock)
        self.sweep = Sweep(
            node=node.name, spool=self.spool, journal=lambda: Journal(node.journal_path), erasures=erasures
        )
        self.orphans = 0
        self.owns_spool = False
        self._records = records
        self._clock = clock
        self._stop = stop
        self._more_due = Event()
        self._next: dict[str, float] = {}
        self._disk: Disk | None = None

    def noc_note(self) -> dict[str, Any]:
        """What waits on this node, for whoever watches."""
        return {
            "cdr_files": self.ingest.waiting,
            "cdr_oldest_s": round(self.ingest.oldest_s, 1),
            "recordings_due": self.homecoming.due,
            "recordings_orphaned": self.orphans,
            "disk_free_bytes": self._disk.free_bytes if self._disk else None,
            "disk_size_bytes": self._disk.size_bytes if self._disk else None,
        }

    def run(self, uploads: Pool) -> None:
        """Works on the spool until told to stop; waits for another agent that has it."""
        lock = self._own_spool()
        if lock is None:
            return
        with lock:
            self.owns_spool = True
            bringing = gevent.spawn(self._bring_recordings, uploads)
            try:
                self._bring_records()
            finally:
                # It may stand in the queue for an upload place; uploads that have one are waited for by run_agent.
                bringing.kill()
                self._records.note_habits()
                self.ingest.close()
                self.owns_spool = False

    def _own_spool(self) -> IO[bytes] | None:
        told = False
        while not self._stop.is_set():
            try:
                return self.spool.lock()
            except SpoolBusy as error:
                if not told:
                    log.warning("waiting", node=self.name, why=str(error))
                    told = True
                self._stop.wait(LOCK_RETRY_S)
        return None

    def _bring_records(self) -> None:
        failures = 0
        while not self._stop.is_set():
            failures = self._guarded("records", self._pass_over_records, failures)
            self._stop.wait(_wait_s(failures) if failures else POLL_S)

    def _pass_over_records(self) -> None:
        must_look = self._is_time("look", LOOK_AGAIN_S) or not self.ingest.is_idle()
        if must_look and self.ingest.run_once(go_on=lambda: not self._stop.is_set()):
            self._more_due.set()
        if self._is_time("habits", HABITS_EVERY_S):
            self._records.note_habits()
        if self._is_time("rebuild", REBUILD_EVERY_S):
            # Before what needs it.
            self._look_at_disk()
            try:
                self.ingest.rebuild_lost()
            except JournalError as error:
                log.error("lost calls cannot be looked for", node=self.name, why=str(error))
        if self._is_time("sweep", SWEEP_EVERY_S):
            try:
                self.sweep.run()
            except JournalError as error:
                log.warning("the disk is looked through for erased people later", node=self.name, why=str(error))
        if self._is_time("count", COUNT_EVERY_S):
            self._count_orphans()

    def _look_at_disk(self) -> None:
        disk = self._disk = self._reserve.tend()
        SPOOL_FREE_BYTES.labels(self.name).set(disk.free_bytes)
        SPOOL_SIZE_BYTES.labels(self.name).set(disk.size_bytes)
        SPOOL_FREE_FILES.labels(self.name).set(disk.free_files)
        SPOOL_FULL.labels(self.name).set(disk.is_full)

    def _count_orphans(self) -> None:
        try:
            self.orphans = self.homecoming.count_orphans(self.ingest.standing_calls())
        except JournalError as error:
            log.error("orphaned recordings cannot be counted", node=self.name, why=str(error))
        else:
            RECORDINGS_ORPHANED.labels(self.name).set(self.orphans)

    def _bring_recordings(self, uploads: Pool) -> None:
        failures = 0
        while not self._stop.is_set():
            failures = self._guarded("recordings", lambda: self._pass_over_recordings(uploads), failures)
            if failures:
                self._stop.wait(_wait_s(failures))
            else:
                self._more_due.wait(RECORDINGS_POLL_S)
            self._more_due.clear()

    def _pass_over_recordings(self, uploads: Pool) -> None:
        for due in self.homecoming.ready(4 * UPLOADS_AT_A_TIME):
            # Waits while all places are taken, which bounds what is under way on all nodes together.
            self.homecoming.take(due)
            uploads.spawn(self._bring_home, due)
            if self._stop.is_set():
                return

    def _bring_home(self, due: DueFile) -> None:
        call_id = due.path.name.split("_", 1)[0]
        structlog.contextvars.bind_contextvars(call=call_id)
        try:
            with span("bring a recording home", call_id):
                self.homecoming.bring_home(due)
        except Exception as error:
            # Top of a greenlet: one recording must not stop the others.
            log.exception("a recording failed in a way that nobody foresaw", node=self.name, file=due.path.name)
            self.homecoming.postpone(due, error)

    def _guarded(self, what: str, work: Callable[[], None], failures: int) -> int:
        """Runs one pass; returns how many have failed in a row."""
        try:
            work()
        except DatabaseError as error:
            if failures == 0:
                log.error("the database does not take records; they wait on disk", node=self.name, why=str(error))
        except OSError as error:
            if failures == 0:
                log.error("the spool cannot be worked on", node=self.name, what=what, why=str(error))
        except Exception:
            # Top of a greenlet: whatever it is, the files are still there and the next pass begins from them.
            log.exception("a pass over the spool failed", node=self.name, what=what)
        else:
            if failures:
                log.info("the spool is worked on again", node=self.name, what=what)
            return 0
        CDR_PASSES_FAILED.labels(self.name, what).inc()
        return failures + 1

    def _is_time(self, what: str, every_s: float) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s < self._next.get(what, 0.0):
            return False
        self._next[what] = now_s + every_s
        return True


def run_agent(
    nodes: Sequence[NodeSettings],
    database: Database,
    store: ObjectStore,
    *,
    box: SecretsBox | None = None,
    guard: EndpointGuard | None = None,
    clock: Clock | None = None,
    stop: Event | None = None,
) -> None:
    """Works until SIGTERM or SIGINT (or ``stop``), finishes the batch that is under way, and returns.

    The process must be patched for gevent, its database driver included (``__main__``).
    """
    _collect_seldom()
    clock, stop = clock or SystemClock(), stop or Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    records = CdrService(database, Attributor(database))
    recordings = RecordingService(database, store, box=box, guard=guard)
    erasures = ErasureList(database)
    book = MinuteBook()
    agents = [
        NodeAgent(node, records=records, recordings=recordings, erasures=erasures, clock=clock, stop=stop, book=book)
        for node in nodes
    ]
    noc = NocNotes(
        WatchService(database), book=book,
        find_notes=lambda: {f"node:{agent.name}": agent.noc_note() for agent in agents if agent.owns_spool},
    )  # fmt: skip
    uploads = Pool(UPLOADS_AT_A_TIME)
    care = gevent.spawn(_care, database, recordings, agents, clock, stop)
    working = [gevent.spawn(agent.run, uploads) for agent in agents]
    sequencer = gevent.spawn(sequence_events, database, stop)
    converting = gevent.spawn(_convert, recordings, agents, stop)
    telling = gevent.spawn(noc.run)
    parts: list[gevent.Greenlet[..., None]] = [care, converting, sequencer, *working]
    for part in parts:
        part.link_exception(lambda dead: _report_death(dead, stop))
    log.info("agent ready", nodes=[node.name for node in nodes])
    tell_ready()
    stop.wait()
    gevent.joinall(parts, timeout=STOP_TIMEOUT_S)
    telling.kill(block=False)
    uploads.join(timeout=STOP_TIMEOUT_S)
    uploads.kill(block=False)
    database.dispose()
    if any(part.exception is not None for part in parts):
        raise SystemExit(1)


def _collect_seldom() -> None:
    """A file's contents are hundreds of objects that live for a moment and never in a circle: there is no need to look
    for circles each time seven hundred of them were made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)


def _care(
    database: Database, recordings: RecordingService, agents: Sequence[NodeAgent], clock: Clock, stop: Event
) -> None:
    """Partitions ahead of time, and the count of recordings that nobody accounts for."""
    names = [agent.name for agent in agents]
    next_partitions_s = 0.0
    while not stop.is_set():
        try:
            if clock.monotonic_s() >= next_partitions_s:
                make_partitions(database, clock.now())
                next_partitions_s = clock.monotonic_s() + PARTITIONS_EVERY_S
            recordings.settle_unspoken(names)
            waiting = recordings.count_unaccounted(names, now=clock.now(), older_than=UNACCOUNTED_AFTER)
            RECORDINGS_UNACCOUNTED.set(waiting + sum(agent.orphans for agent in agents))
            EVENTS_UNSEQUENCED.set(WatchService(database).unsequenced())
        except DatabaseError as error:
            log.warning("partitions and ledger are looked after later", why=str(error))
        stop.wait(COUNT_EVERY_S)


def _convert(recordings: RecordingService, agents: Sequence[NodeAgent], stop: Event) -> None:
    """Other forms of recordings that are safe already: one at a time on the whole machine, by a program that yields to
    everybody."""
    failures = 0
    while not stop.is_set():
        worked = False
        try:
            for agent in agents:
                worked = (agent.owns_spool and recordings.converter.convert_one(agent.spool.root)) or worked
            failures = 0
        except (DialtraceError, OSError) as error:
            failures += 1
            log.warning("recordings are converted later", why=str(error))
        if failures or not worked:
            stop.wait(_wait_s(failures) if failures else CONVERT_POLL_S)


def _report_death(dead: gevent.Greenlet[..., None], stop: Event) -> None:
    """A part that died takes the process with it; the supervisor starts it again from what is on disk."""
    log.error("a part of the agent died", part=dead.name, why=repr(dead.exception))
    stop.set()


def _beside(work: Callable[[], int]) -> Callable[[], int]:
    """The work waits for the database most of its time; its caller goes on meanwhile."""
    raised: list[BaseException] = []

    def run() -> int:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 (told to whoever waits, not to the hub, which would print it)
            raised.append(error)
            return 0

    greenlet = gevent.spawn(run)

    def end() -> int:
        done: int = greenlet.get()
        if raised:
            raise raised[0]
        return done

    return end


def _wait_s(failures: int) -> float:
    wait_s: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(failures - 1, 10))
    return wait_s * random.uniform(0.5, 1.0)  # noqa: S311 (so that agents do not come back in the same moment)

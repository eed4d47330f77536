"""Writes a node's journal off the hub: batches what the events bring, and commits before the next batch is taken.

The queue is bounded. When the disk cannot follow, putting waits, events pile up in the client, and in the end the link
is dropped and everything is asked anew: late, but never silently without a row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import gevent
import structlog
from gevent.queue import Empty, Queue
from gevent.threadpool import ThreadPool

from ..journal.errors import JournalError
from ..journal.store import Journal, Started
from ..metrics import JOURNAL_COMMIT_SECONDS, JOURNAL_FAILURES, JOURNAL_ROWS

log = structlog.get_logger("monitor")

MOST_QUEUED = 5_000
MOST_AT_ONCE = 500
RETRY_AFTER_S = 0.5

Entry = Started | tuple[str, str]


class JournalWriter:
    """The journal of one node, for greenlets. One thread of its own does all that waits for the disk."""

    def __init__(self, *, node: str, path: Path) -> None:
        self._node = node
        self._path = path
        self._journal: Journal | None = None
        self._thread = ThreadPool(1)
        self._queue: Queue[Entry] = Queue(maxsize=MOST_QUEUED)
        self._busy = False
        # Prometheus sees a rise only from what was there before.
        JOURNAL_FAILURES.labels(node)

    def began(self, row: Started) -> None:
        """A call began. Waits while the queue is full."""
        self._queue.put(row)

    def ended(self, call_id: str, event_json: str) -> None:
        """A call was hung up. Waits while the queue is full."""
        self._queue.put((call_id, event_json))

    def run(self) -> None:
        """Writes until the greenlet is killed. A commit that fails is tried again: the rows are not let go."""
        while True:
            batch = self._next_batch()
            self._busy = True
            while not self._write(batch):
                gevent.sleep(RETRY_AFTER_S)
            self._busy = False

    def drain(self, timeout_s: float) -> bool:
        """Waits until everything put so far is on the disk; False if that took too long."""
        until_s = time.monotonic() + timeout_s
        while self._busy or not self._queue.empty():
            if time.monotonic() >= until_s:
                return False
            gevent.sleep(0.01)
        return True

    def call(
        self, method: Literal["core", "known_core", "pending", "gone", "known"], *values: Any, **named: Any
    ) -> Any:
        """A method of :class:`Journal`, in the writer's thread. Raises JournalError."""
        return self._in_thread(lambda journal: getattr(journal, method)(*values, **named))

    def close(self) -> None:
        """Lets go of the file."""
        if self._journal is not None:
            self._thread.apply(self._journal.close)
            self._journal = None

    def _next_batch(self) -> list[Entry]:
        batch = [self._queue.get()]
        while len(batch) < MOST_AT_ONCE:
            try:
                batch.append(self._queue.get_nowait())
            except Empty:
                break
        return batch

    def _write(self, batch: Sequence[Entry]) -> bool:
        begun_s = time.monotonic()
        starts = [entry for entry in batch if isinstance(entry, Started)]
        ends = [entry for entry in batch if not isinstance(entry, Started)]
        try:
            self._in_thread(lambda journal: _write_both(journal, starts, ends))
        except JournalError as fault:
            JOURNAL_FAILURES.labels(self._node).inc()
            log.error("the journal is not written", node=self._node, waiting=len(batch), fault=str(fault))
            return False
        JOURNAL_COMMIT_SECONDS.labels(self._node).observe(time.monotonic() - begun_s)
        JOURNAL_ROWS.labels(self._node, "start").inc(len(starts))
        JOURNAL_ROWS.labels(self._node, "end").inc(len(ends))
        return True

    def _in_thread(self, use: Callable[[Journal], Any]) -> Any:
        """Raises JournalError."""
        found, fault = self._thread.apply(self._run, (use,))
        if fault is not None:
            raise fault
        return found

    def _run(self, use: Callable[[Journal], Any]) -> tuple[Any, JournalError | None]:
        """In the thread. The file is opened when it is first needed, and anew after it failed to open. A fault is
        returned: of one that is raised in its threads gevent prints a traceback, however foreseen it is."""
        try:
            if self._journal is None:
                self._journal = Journal(self._path)
            return use(self._journal), None
        except JournalError as fault:
            return None, fault


def _write_both(journal: Journal, starts: Sequence[Started], ends: Sequence[tuple[str, str]]) -> None:
    """Starts first: an end only finds a row that is there."""
    if starts:
        journal.begin(starts)
    if ends:
        journal.end_many(ends)

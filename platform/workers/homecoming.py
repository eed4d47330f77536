"""Brings a node's recordings home: one call at a time, with patience that grows, and an eye on files nobody speaks of.

The reminders in the spool are the work list; they survive this process, the database and the object store being away.
Must not know gevent; how many run at once is decided by who calls.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from ..cdr.errors import CdrError
from ..cdr.interpret import interpret
from ..cdr.model import CallFacts
from ..clock import Clock
from ..db.errors import DatabaseError
from ..errors import DialtraceError
from ..metrics import RECORDINGS_DUE, RECORDINGS_FAILED, RECORDINGS_SETTLED
from ..recording.errors import RecordingError
from ..recording.model import Due, parse_file_name
from ..recording.service import RecordingService
from .ingest import no_step
from .spool import DueFile, Spool

log = structlog.get_logger("agent")

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
#: A recording without a call's record is looked at by people after this long, and kept.
ORPHAN_AFTER_S = 600.0
#: What the switch says of a recording that it could not write: its disk was full, or the file could not be made.
WRITE_FAILED = frozenset({"uri-failure"})
#: Reminders looked at in one pass.
MAX_SEEN = 1_000


@dataclass
class _Patience:
    failures: int = 0
    next_try_s: float = 0.0


class Homecoming:
    """The recordings of one node."""

    def __init__(
        self,
        *,
        node: str,
        spool: Spool,
        service: RecordingService,
        clock: Clock,
        step: Callable[[str], None] = no_step,
    ) -> None:
        self._node = node
        self._spool = spool
        self._service = service
        self._clock = clock
        self._step = step
        self._patience: dict[str, _Patience] = {}
        self._taken: set[str] = set()
        #: Calls whose recordings were still here at the last look.
        self.due = 0
        # Prometheus sees a rise only from what was there before.
        RECORDINGS_FAILED.labels(node)

    def ready(self, limit: int) -> list[DueFile]:
        """Reminders whose turn it is and that nobody has taken; each is taken by :meth:`bring_home`'s caller."""
        now_s = self._clock.monotonic_s()
        chosen: list[DueFile] = []
        count = 0
        for due in self._spool.due_files():
            count += 1
            if len(chosen) >= min(limit, MAX_SEEN) or due.path.name in self._taken:
                continue
            patience = self._patience.get(due.path.name)
            if patience is None or patience.next_try_s <= now_s:
                chosen.append(due)
        self.due = count
        RECORDINGS_DUE.labels(self._node).set(count)
        return chosen

    def take(self, due: DueFile) -> None:
        """Nobody else may choose it until :meth:`bring_home` is through with it."""
        self._taken.add(due.path.name)

    def bring_home(self, due: DueFile) -> bool:
        """Settles all recordings of one call; False: not now, it is tried again later."""
        try:
            return self._bring_home(due)
        finally:
            self._taken.discard(due.path.name)

    def _bring_home(self, due: DueFile) -> bool:
        try:
            before = due.path.stat()
            for segment in self._segments(due):
                row = self._service.finish_recording(segment, folder=self._spool.recordings, node=self._node)
                if row is not None:
                    RECORDINGS_SETTLED.labels(self._node, row.state).inc()
                self._step("settled")
        except FileNotFoundError:
            # The reminder is gone: it was settled by the turn before.
            return True
        except (RecordingError, DatabaseError, CdrError, OSError) as error:
            self.postpone(due, error)
            return False
        # A revised record may have brought a reminder of the same name meanwhile: that one is not done.
        if _is_unchanged(due, before):
            due.path.unlink(missing_ok=True)
        self._patience.pop(due.path.name, None)
        self._step("unreminded")
        return True

    def _segments(self, due: DueFile) -> list[Due]:
        text = due.path.read_bytes().decode("utf-8", "replace")
        try:
            call = interpret(json.loads(text, strict=False), node=self._node)
        except ValueError as error:
            raise ReminderUnreadable(f"{due.path.name}: {error}") from error
        assert isinstance(call, CallFacts), "only a call's own file becomes a reminder"
        return [
            Due(
                agency_id=due.agency_id,
                client_id=due.client_id,
                call_id=call.id,
                started_at=call.started_at,
                segment=segment,
                answered=call.answered_at is not None,
                node_lost=call.outcome == "node_lost",
                write_failed=call.facts.get("record_completion") in WRITE_FAILED,
            )
            for segment in call.segments
        ]

    def postpone(self, due: DueFile, error: Exception) -> None:
        """Not now: it is tried again after a wait that grows with every failure."""
        patience = self._patience.setdefault(due.path.name, _Patience())
        patience.failures += 1
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(patience.failures - 1, 10))
        wait_s *= random.uniform(0.5, 1.0)  # noqa: S311 (so that many do not try in the same moment)
        patience.next_try_s = self._clock.monotonic_s() + wait_s
        RECORDINGS_FAILED.labels(self._node).inc()
        helps = getattr(error, "retry_helps", True)
        say = log.warning if helps else log.error
        say(
            "recordings stay on the node", node=self._node, file=due.path.name, why=str(error), again_in_s=round(wait_s)
        )

    def count_orphans(self, standing: Collection[str]) -> int:
        """Recordings of calls that no record waits for and that do not stand: kept, and counted for somebody to look
        at. ``standing``: calls that the journal knows."""
        known = set(standing)
        known |= {due.path.name.split("_", 1)[0] for due in self._spool.due_files()}
        now_s = self._clock.now().timestamp()
        orphans = 0
        for entry in self._spool.recording_files():
            parsed = parse_file_name(entry.name)
            call_id = str(parsed[0]) if parsed else None
            try:
                young = now_s - entry.stat().st_mtime < ORPHAN_AFTER_S
            except FileNotFoundError:
                continue
            if not young and not (call_id and (call_id in known or self._spool.has_cdr(call_id))):
                orphans += 1
        return orphans


def _is_unchanged(due: DueFile, before: os.stat_result) -> bool:
    try:
        return due.path.stat().st_ino == before.st_ino
    except FileNotFoundError:
        return False


class ReminderUnreadable(DialtraceError):
    """A reminder in `recordings-due` cannot be read any more; its recordings are still under `recordings`."""

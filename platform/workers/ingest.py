"""Brings a node's CDR files into the database: one pass over the spool, and what becomes of calls that left no file.

At-least-once from disk, exactly-once in effect (cdr.service). The order of steps is the promise: a file goes only after
the commit, the journal's row before the file. ``step`` is called between any two, so that a test can stop there. Must
not know gevent, sockets or the object store.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from .. import tracing
from ..cdr.errors import CdrError
from ..cdr.interpret import event_document, interpret, lost_document
from ..cdr.model import CallFacts, Facts, LegFacts, Stored
from ..cdr.service import MAX_BATCH, CdrService
from ..clock import Clock, to_microseconds
from ..journal.errors import JournalError
from ..journal.store import Journal, Started
from ..metrics import (
    CALLS_REBUILT,
    CDR_DELAY_SECONDS,
    CDR_FILES_BROKEN,
    CDR_FILES_SET_ASIDE,
    CDR_FILES_STORED,
    CDR_FILES_WAITING,
    CDR_OLDEST_SECONDS,
)
from ..recording.model import parse_file_name
from ..tracing import span, told
from ..watching.model import MinuteBook
from .call_figures import begin_at_nothing, count_call, count_leg
from .spool import Broken, CdrFile, HalfWritten, Spool

log = structlog.get_logger("agent")

#: How long a call's file waits for its legs' files, so that one record tells all; they come within milliseconds.
LEGS_GRACE_S = 0.6
#: A hang-up that was heard this long ago has no file coming: the disk was full, or the file was unreadable.
NO_FILE_AFTER_S = 10.0
_REMEMBERED_LEGS = 20_000
_REMEMBERED_CALLS = 50_000

#: With so many facts a batch goes to the database; the legs of one more call (at most 200) always fit.
FULL = MAX_BATCH - 202

#: Files read between two moments at which others have their turn: some milliseconds' work.
_READ_AT_ONCE = 50

#: File name → the file and its facts.
Batch = dict[str, tuple[CdrFile, Facts]]
#: Begins a piece of work; what it returns waits for its end and gives the result, or raises what the work raised.
Begin = Callable[[Callable[[], int]], Callable[[], int]]


def no_step(_: str) -> None:
    """Nothing happens between two steps."""


def at_once(work: Callable[[], int]) -> Callable[[], int]:
    """Nothing goes on beside the work."""
    done = work()
    return lambda: done


def nobody_waits() -> None:
    """There is nobody to give way to."""


class _OneAhead:
    """One batch at a time is under way, in the order in which they came."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._end: Callable[[], int] | None = None
        self.done = 0

    def go(self, work: Callable[[], int]) -> None:
        """Begins the work once the one before it has ended. Raises what that one raised."""
        self.wait()
        self._end = self._begin(work)

    def wait(self) -> None:
        """Until nothing is under way. Raises what the work raised."""
        end, self._end = self._end, None
        if end is not None:
            self.done += end()


class Ingest:
    """The CDR files of one node. ``journal`` opens the node's journal; it is asked for when it is needed, so that a
    journal that cannot be opened stops no record. ``begin``: how a batch is stored while the next is read;
    ``give_way``: lets others have their turn meanwhile; ``book``: where calls are counted for the
    NOC."""

    def __init__(
        self,
        *,
        node: str,
        spool: Spool,
        service: CdrService,
        journal: Callable[[], Journal],
        clock: Clock,
        step: Callable[[str], None] = no_step,
        begin: Begin = at_once,
        give_way: Callable[[], object] = nobody_waits,
        book: MinuteBook | None = None,
    ) -> None:
        self._node = node
        self._book = book or MinuteBook()
        #: Files that wait, and how old the oldest is, at the last pass.
        self.waiting, self.oldest_s = 0, 0.0
        self._spool = spool
        self._service = service
        self._begin = begin
        self._give_way = give_way
        #: What the pass has found in the folder, by name.
        self._listed: dict[str, CdrFile] = {}
        #: Names of the files that this pass has read into a batch.
        self._taken: set[str] = set()
        self._make_journal = journal
        self._journal: Journal | None = None
        self._clock = clock
        self._step = step
        self._left_over = True
        self._legs_seen: OrderedDict[str, None] = OrderedDict()
        self._to_forget: set[str] = set()
        self._calls_stored, self._legs_stored = (CDR_FILES_STORED.labels(node, kind) for kind in ("call", "leg"))
        begin_at_nothing(node)
        CDR_FILES_SET_ASIDE.labels(node).set(spool.count_set_aside())

    # --- Files. ---

    def run_once(self, *, go_on: Callable[[], bool] = lambda: True) -> int:
        """Stores what waits, at most some thousand files; returns how many were stored. ``go_on`` is asked between
        batches. Raises the errors of `db.errors`: everything that was not stored is still there then."""
        files, count = self._spool.waiting()
        oldest_s = min((file.modified_s for file in files), default=None)
        self.waiting, self.oldest_s = count, _age_s(oldest_s, self._clock)
        CDR_FILES_WAITING.labels(self._node).set(count)
        CDR_OLDEST_SECONDS.labels(self._node).set(self.oldest_s)
        self._left_over = True
        self._taken.clear()
        self._listed = {file.name: file for file in files}
        left = len(files) < count
        batch: Batch = {}
        stored = _OneAhead(self._begin)
        try:
            for number, file in enumerate(files):
                if number > 0 and number % _READ_AT_ONCE == 0:
                    # The database's answer to the batch before is taken up as soon as it is there.
                    self._give_way()
                left |= not (file.name in self._taken or self._take(file, batch))
                if len(batch) > FULL:
                    stored.go(partial(self._store, batch))
                    batch = {}
                    if not go_on():
                        left = True
                        break
            if batch:
                stored.go(partial(self._store, batch))
        finally:
            stored.wait()
            self._listed.clear()
        self._left_over = left
        return stored.done

    def is_idle(self) -> bool:
        """Whether a pass would find nothing new: no file came, and none was left to be looked at again."""
        return not self._left_over and not self._spool.changed()

    def _take(self, file: CdrFile, batch: Batch) -> bool:
        """Reads a file into the batch, a call's together with its legs', so that one record tells all; False: it is
        not its turn yet."""
        facts = self._read(file)
        if facts is None:
            return False
        if isinstance(facts, CallFacts) and not facts.is_stand_in:
            missing = [leg for leg in facts.facts.get("legs", []) if not self._take_leg(leg, batch)]
            # It may have come a moment before them. What is older, or from the future, waits for nobody.
            if missing and 0 <= self._spool.age_s(file) < LEGS_GRACE_S:
                return False
        self._put(file, facts, batch)
        return True

    def _put(self, file: CdrFile, facts: Facts, batch: Batch) -> None:
        batch[file.name] = file, facts
        self._taken.add(file.name)

    def _take_leg(self, leg_id: str, batch: Batch) -> bool:
        """Whether a leg is in a batch or stored already; False: its file cannot be read yet."""
        name = f"{leg_id}.cdr.json"
        if name in self._taken or leg_id in self._legs_seen:
            return True
        file = self._listed.get(name) or self._spool.find(name)
        facts = self._read(file) if file else None
        if file is None or facts is None:
            return False
        self._put(file, facts, batch)
        return True

    def _read(self, file: CdrFile) -> Facts | None:
        """The file's facts; None if it cannot be read yet, is gone, or was set aside."""
        try:
            return interpret(self._spool.read(file), node=self._node)
        except (HalfWritten, FileNotFoundError):
            pass
        except Broken as error:
            self._set_aside(file, "unreadable", str(error))
        except CdrError as error:
            self._set_aside(file, "no_cdr", str(error))
        return None

    def _store(self, taken: Batch) -> int:
        batch = list(taken.values())
        self._step("read")
        with span("store records", files=len(batch)):
            results = self._service.store_batch([facts for _, facts in batch])
        self._step("committed")
        kept = [(file, result) for (file, _), result in zip(batch, results, strict=True) if result.refused is None]
        self._forget({str(result.facts.id) for _, result in kept if isinstance(result.facts, CallFacts)})
        self._step("forgotten")
        for (file, _), result in zip(batch, results, strict=True):
            if result.refused is not None:
                self._set_aside(file, "refused", result.refused)
        for file, result in kept:
            self._let_go(file, result)
            self._step("let_go")
        return len(kept)

    def _let_go(self, file: CdrFile, result: Stored) -> None:
        facts = result.facts
        if isinstance(facts, LegFacts):
            self._remember_leg(str(facts.id))
        assert facts.client_id is not None
        try:
            if result.erased:
                # The record is kept without its caller; the file names him, and nobody may hear him any more.
                self._spool.remove_recordings(str(facts.id))
                self._spool.remove(file)
            elif isinstance(facts, CallFacts) and facts.segments:
                self._spool.keep_for_recordings(file, facts.id, result.agency_id, facts.client_id)
            else:
                self._spool.remove(file)
        except FileNotFoundError:
            # Somebody took it away by hand; its record is kept.
            log.warning("a stored CDR file is gone", node=self._node, file=file.name)
        (self._calls_stored if isinstance(facts, CallFacts) else self._legs_stored).inc()
        if isinstance(facts, CallFacts) and facts.ended_at is not None and result.changed:
            delay_s = max(0.0, (self._clock.now() - facts.ended_at).total_seconds())
            CDR_DELAY_SECONDS.observe(delay_s, {"call_id": str(facts.id)})
            if tracing.is_on():
                told("store the record", time.time_ns(), str(facts.id), outcome=facts.outcome, delay_s=delay_s)
        if isinstance(facts, LegFacts):
            # Legs have no revisions: one whose file comes again and tells something else counts twice, which is rare.
            if result.changed:
                count_leg(self._node, facts)
        elif result.changed and result.revision == 1 and not facts.is_test:
            count_call(self._node, facts)
            self._book.ended(self._node, facts.started_at, facts.outcome, facts.talk_ms)

    def _remember_leg(self, leg_id: str) -> None:
        self._legs_seen[leg_id] = None
        if len(self._legs_seen) > _REMEMBERED_LEGS:
            self._legs_seen.popitem(last=False)

    def _set_aside(self, file: CdrFile, why: str, words: str) -> None:
        try:
            target = self._spool.set_aside(file)
        except FileNotFoundError:
            return
        CDR_FILES_BROKEN.labels(self._node, why).inc()
        CDR_FILES_SET_ASIDE.labels(self._node).set(self._spool.count_set_aside())
        log.error("a CDR file is set aside", node=self._node, file=str(target), why=words)

    # --- The journal. ---

    def _forget(self, call_ids: set[str]) -> None:
        """A journal that is busy must not stop records: what could not be forgotten is tried again."""
        self._to_forget |= call_ids
        if not self._to_forget:
            return
        try:
            self._open_journal().forget(sorted(self._to_forget))
        except JournalError as error:
            log.warning("the journal keeps calls that are stored", node=self._node, why=str(error))
            if len(self._to_forget) > _REMEMBERED_CALLS:
                # A row that is never forgotten is looked at again and adds nothing (cdr.rebuild).
                self._to_forget.clear()
        else:
            self._to_forget.clear()

    def rebuild_lost(self) -> int:
        """Puts a record in the place of every file that will never come; returns how many. Raises JournalError."""
        now_us = to_microseconds(self._clock.now())
        journal = self._open_journal()
        lost = [row for row in journal.lost(now_us) if row.ended_event is None]
        ended = [row for row in journal.pending() if row.ended_event and _heard_ago_s(row, now_us) > NO_FILE_AFTER_S]
        wanted = [
            row
            for row in [*lost, *ended]
            if row.call_id not in self._to_forget and not self._spool.has_cdr(row.call_id)
        ]
        segments = self._segments_of({row.call_id for row in wanted if row.ended_event is None})
        for row in wanted:
            self._spool.put_stand_in(row.call_id, _stand_in(row, segments.get(row.call_id, [])))
            how = "event" if row.ended_event else "node_lost"
            CALLS_REBUILT.labels(self._node, how).inc()
            log.warning("a call left no CDR file", node=self._node, call=row.call_id, known_from=how)
            self._step("stood_in")
        return len(wanted)

    def standing_calls(self) -> set[str]:
        """Calls that began and are not stored. Raises JournalError."""
        return {row.call_id for row in self._open_journal().pending()}

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _open_journal(self) -> Journal:
        if self._journal is None:
            self._journal = self._make_journal()
        return self._journal

    def _segments_of(self, call_ids: set[str]) -> dict[str, list[int]]:
        """Recordings that lie on the disk, by call."""
        found: dict[str, list[int]] = {}
        if call_ids:
            for entry in self._spool.recording_files():
                parsed = parse_file_name(entry.name)
                if parsed and str(parsed[0]) in call_ids:
                    found.setdefault(str(parsed[0]), []).append(parsed[1])
        return found


def _age_s(since_s: float | None, clock: Clock) -> float:
    return 0.0 if since_s is None else max(0.0, clock.now().timestamp() - since_s)


def _heard_ago_s(row: Started, now_us: int) -> float:
    """Seconds since the hang-up; an event without a usable stamp counts from the call's beginning."""
    event = _event_of(row)
    stamp = str(event.get("Event-Date-Timestamp", ""))
    heard_us = int(stamp) if stamp.isascii() and stamp.isdecimal() else row.recorded_at_us
    return (now_us - heard_us) / 1_000_000


def _event_of(row: Started) -> dict[str, object]:
    try:
        event = json.loads(row.ended_event or "{}", strict=False)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _stand_in(row: Started, segments: Sequence[int]) -> dict[str, object]:
    event = _event_of(row)
    if event:
        return event_document(event)
    return lost_document(
        call_id=row.call_id,
        core_uuid=row.core_uuid,
        started_us=row.started_us,
        dialled=row.dialled,
        caller=row.caller,
        caller_name=row.caller_name,
        segments=sorted(segments),
    )

"""Looks through a node's disk for people on the erasure list, and says so once nothing of them is there.

What waits in `cdr/` is stored within a moment, without the person (cdr.erasure); a call that stands is in the journal
until it is. So this mostly watches them go. What stays is what nobody would come back to: a reminder whose recordings
are erased, a file that could not be read, the journal's freed pages. Only numbers that lie on this disk are ever asked
for, so nothing is learnt of anybody else. Must not know what a record means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import structlog

from ..clock import from_microseconds
from ..db.engine import Database
from ..journal.store import Journal
from ..metrics import ERASURES_SWEPT
from ..subjects import REPLACEMENT, numbers_in, pattern_of
from .spool import Spool

log = structlog.get_logger("agent")

#: Numbers asked for at a time.
BATCH = 500
#: `recording.files` puts them there.
CONVERSIONS = "conversions"
MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Erasure:
    """An entry of the list that this node has not swept for."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    before: datetime


class ErasureList:
    """The list as a node sees it: through narrow functions, for an agent serves all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, node: str) -> list[Erasure]:
        with self._database.directory() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM dialtrace_erasures_of_node(%s)", (node,)).all()
        return [Erasure(*row) for row in rows]

    def listed(self, erasures: Iterable[UUID], numbers: Iterable[str]) -> dict[str, set[UUID]]:
        """Number → entries that it is meant by; numbers that nobody listed have none."""
        found: dict[str, set[UUID]] = {}
        ids, wanted = [str(one) for one in erasures], sorted(numbers)
        for start in range(0, len(wanted), BATCH):
            with self._database.directory() as connection:
                for entry, number in connection.exec_driver_sql(
                    "SELECT * FROM dialtrace_erased_numbers(%s::uuid[], %s::text[])",
                    (ids, wanted[start : start + BATCH]),
                ):
                    found.setdefault(number, set()).add(entry)
        return found

    def absent(self, agency_id: UUID, recording_ids: Iterable[UUID]) -> set[UUID]:
        """Those of an agency's recordings that are not to be heard any more."""
        with self._database.tenant(agency_id) as connection:
            rows = connection.exec_driver_sql(
                "SELECT id FROM recordings WHERE agency_id = %s AND id = ANY (%s::uuid[]) AND state = 'absent'",
                (agency_id, [str(one) for one in recording_ids]),
            )
            return {row[0] for row in rows}

    def swept(self, node: str, erasures: Iterable[UUID]) -> None:
        with self._database.directory() as connection:
            connection.exec_driver_sql(
                "SELECT dialtrace_erasure_swept(%s, %s::uuid[])", (node, [str(one) for one in erasures])
            )


class Sweep:
    """One node's disk. ``journal`` opens its journal."""

    def __init__(self, *, node: str, spool: Spool, journal: Callable[[], Journal], erasures: ErasureList) -> None:
        self._node = node
        self._spool = spool
        self._journal = journal
        self._list = erasures

    def run(self) -> int:
        """Looks once; returns for how many entries nothing is left. Raises the errors of `db.errors`, JournalError."""
        due = self._list.due(self._node)
        if not due:
            return 0
        by_id = {erasure.id: erasure for erasure in due}
        left = self._left_in_journal(by_id) | self._left_in_files(self._spool.cdr, by_id)
        left |= self._clear_reminders(by_id)
        self._clear_broken(by_id)
        self._clear_conversions()
        done = [one for one in by_id if one not in left]
        if done:
            journal = self._journal()
            try:
                journal.forget_pages()
            finally:
                journal.close()
            self._list.swept(self._node, done)
            ERASURES_SWEPT.labels(self._node).inc(len(done))
            log.info("people were looked for on this disk", node=self._node, entries=len(done), left=len(left))
        return len(done)

    def _left_in_journal(self, erasures: dict[UUID, Erasure]) -> set[UUID]:
        """Calls that stand, or whose record is on its way."""
        journal = self._journal()
        try:
            rows = journal.pending()
        finally:
            journal.close()
        numbers = {row.call_id: numbers_in(f"{row.caller} {row.caller_name}") for row in rows}
        listed = self._list.listed(erasures, {number for some in numbers.values() for number in some})
        starts = {row.call_id: from_microseconds(row.started_us) for row in rows}
        return {
            entry
            for call_id, some in numbers.items()
            for number in some
            for entry in listed.get(number, ())
            if starts[call_id] <= erasures[entry].before
        }

    def _left_in_files(self, folder: Path, erasures: dict[UUID, Erasure]) -> set[UUID]:
        listed = self._list.listed(erasures, {number for _, text in _texts(folder) for number in numbers_in(text)})
        return {entry for entries in listed.values() for entry in entries}

    def _clear_reminders(self, erasures: dict[UUID, Erasure]) -> set[UUID]:
        """Recordings of an erased call do not go home: they go, and then the reminder, which names the caller. Returns
        the entries of which one is left: a call of the person that is not concerned."""
        left = set()
        for due in list(self._spool.due_files()):
            text = _text(due.path)
            entries = {
                entry
                for some in self._list.listed(erasures, numbers_in(text)).values()
                for entry in some
                if erasures[entry].agency_id == due.agency_id and erasures[entry].client_id in {None, due.client_id}
            }
            started = _started(text)
            if any(started is None or started <= erasures[entry].before for entry in entries):
                self._spool.remove_recordings(due.path.name.split("_", 1)[0])
                due.path.unlink(missing_ok=True)
            else:
                left |= entries
        return left

    def _clear_conversions(self) -> None:
        """Files that wait to be made into another form, of recordings that were erased."""
        folder = self._spool.root / CONVERSIONS
        for path in list(folder.glob("*_*.wav")) if folder.is_dir() else []:
            try:
                agency_id, recording_id = (UUID(part) for part in path.stem.split("_"))
            except ValueError:
                continue
            if self._list.absent(agency_id, [recording_id]):
                path.unlink(missing_ok=True)

    def _clear_broken(self, erasures: dict[UUID, Erasure]) -> None:
        """What could not be read is kept for people to look at, without the number."""
        for path, text in list(_texts(self._spool.broken)):
            numbers = self._list.listed(erasures, numbers_in(text))
            if not numbers:
                continue
            for number in numbers:
                text = re.sub(pattern_of(number), REPLACEMENT, text)
            fresh = path.with_name(f".{path.name}")
            fresh.write_text(text, encoding="utf-8", errors="surrogateescape")
            fresh.replace(path)


def _texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.is_symlink():
            try:
                yield path, _text(path)
            except FileNotFoundError:
                continue


def _text(path: Path) -> str:
    with open(path, "rb") as file:
        return file.read(MAX_FILE_BYTES).decode("utf-8", "surrogateescape")


_STARTED = re.compile(r'"dialtrace_started"\s*:\s*"([0-9]{16})"')


def _started(text: str) -> datetime | None:
    found = _STARTED.search(text)
    return from_microseconds(int(found[1])) if found else None

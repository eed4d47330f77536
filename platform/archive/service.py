"""Use cases of months: made ahead, listed, retired.

A month is exported while everybody can still read it, then goes with all its tables in one transaction, and only where
not a row of it has changed since: after a crash at any step it is wholly in the database, or wholly in the store. What
was written before the crash is written again under the same names.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from ..clock import Clock
from ..db.columns import metadata
from ..db.engine import Database
from ..db.errors import TransactionConflict
from ..db.partitions import make_partitions
from ..errors import DialtraceError
from ..jobs.model import Done, Job, Outcome, Retry
from ..metrics import PARTITION_STRAY_ROWS, PARTITIONS_AHEAD, PARTITIONS_RETIRED
from ..objectstore.model import ObjectStore
from . import store
from .errors import ArchiveBroken, MonthStays, MonthUnknown, RetireBusy
from .model import (
    ArchiveFile,
    Mark,
    Obstacle,
    Partition,
    RetiredMonth,
    begins_at,
    due_months,
    folder_of,
    month_text,
    next_month,
    object_id,
)
from .parquet import count_rows, write_parquet

log = structlog.get_logger("archive")

MONTHS_AHEAD = 3
CARE = "partitions.care"
MANIFEST = "manifest.json"
#: The moment in which a month goes is tried so often, so far apart: nobody is kept waiting for it.
TRIES, BETWEEN_TRIES_S = 20, 0.5


class ArchiveService:
    """Months of every partitioned table. ``step`` is called between any two steps."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        clock: Clock,
        *,
        keep_months: int = 0,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock
        self._keep_months = keep_months
        self._step = step

    # --- Looking. ---

    def list_partitions(self) -> tuple[list[Partition], list[RetiredMonth]]:
        """What stands in the database, and what has gone."""
        with self._database.directory() as connection:
            return store.find_partitions(connection), store.find_retired(connection)

    def list_obstacles(self, month: date) -> list[Obstacle]:
        """What stands in the way of a month's going."""
        with self._database.directory() as connection:
            return store.find_obstacles(connection, month)

    def months_due(self) -> list[date]:
        """Months that the policy lets go, rows that came after theirs had gone included; the oldest first."""
        with self._database.directory() as connection:
            known = [one.month for one in store.find_partitions(connection) if one.month is not None]
            known += [month for _, month, _ in store.find_strays(connection)]
        return due_months(known, self._clock.now(), self._keep_months)

    # --- Caring. ---

    def make_ahead(self, months_ahead: int = MONTHS_AHEAD) -> int:
        """Returns how many partitions were made."""
        return make_partitions(self._database, self._clock.now(), months_ahead=months_ahead)

    def care(self, job: Job) -> Outcome:
        """The job ``partitions.care``: months made ahead, those due retired. One that must stay does not hold up the
        others; it is looked at again by the next run."""
        self.make_ahead()
        self._count()
        failed = []
        for month in self.months_due():
            job.go_on()
            try:
                self.retire(month, go_on=job.go_on)
            except (MonthStays, MonthUnknown, RetireBusy) as error:
                PARTITIONS_RETIRED.labels("stays").inc()
                log.info("a month that is due stays", month=month_text(month), why=str(error))
            except DialtraceError as error:
                PARTITIONS_RETIRED.labels("failed").inc()
                log.error("a month could not go", month=month_text(month), why=str(error))
                failed.append(f"{month_text(month)}: {error}")
        self._count()
        return Retry("; ".join(failed)[:500]) if failed else Done()

    def _count(self) -> None:
        this_month = self._clock.now().date().replace(day=1)
        with self._database.directory() as connection:
            found, strays = store.find_partitions(connection), store.find_strays(connection)
        for parent in sorted({one.parent for one in found}):
            ahead = sum(one.parent == parent and one.month is not None and one.month > this_month for one in found)
            PARTITIONS_AHEAD.labels(parent).set(ahead)
            PARTITION_STRAY_ROWS.labels(parent).set(sum(count for name, _, count in strays if name == parent))

    # --- Retiring. ---

    def retire(self, month: date, *, go_on: Callable[[], None] = lambda: None) -> int:
        """Exports a month and lets it go; returns how many rows went. Raises MonthStays, MonthMoved, RetireBusy,
        ArchiveBroken, and the errors of `objectstore` and `db`; the month is then as it was."""
        turn = self._database.turn("retire")
        if not turn.is_ours():
            raise RetireBusy
        try:
            return self._retire(month, go_on)
        finally:
            turn.give_back()

    def _retire(self, month: date, go_on: Callable[[], None]) -> int:
        obstacles = self.list_obstacles(month)
        if obstacles:
            raise MonthStays(f"{month_text(month)}: " + "; ".join(map(str, obstacles)))
        # What came late stands in the default partition: it gets its month, which then goes as a further part.
        make_partitions(self._database, begins_at(month), months_ahead=0)
        self._step("made")
        with self._database.directory() as connection:
            marks = store.find_marks(connection, month)
            part = store.begin_part(connection, month)
            agencies = store.find_agencies(connection, month)
        self._step("begun")
        self._clear(month, part)
        for agency_id in agencies:
            go_on()
            files = [self._export(agency_id, parent, month, part) for parent in sorted(marks)]
            self._put_manifest(agency_id, month, part, [file for file in files if file is not None])
        rows = self._let_go(month, part, marks)
        self._step("gone")
        PARTITIONS_RETIRED.labels("retired").inc(len(marks))
        log.info("a month has gone", month=month_text(month), part=part, rows=rows, agencies=len(agencies))
        return rows

    def _clear(self, month: date, part: int) -> None:
        """What a run wrote that did not end may be of rows that are no more."""
        with self._database.system() as connection:
            listed = store.find_listed(connection, month, part)
        for agency_id, file_id, name in listed:
            self._objects.delete(name)
            with self._database.tenant(agency_id) as connection:
                store.unlist_file(connection, agency_id, file_id)

    def _export(self, agency_id: UUID, parent: str, month: date, part: int) -> ArchiveFile | None:
        """One agency's rows of one table: written, stored, read back, listed. None: it has none."""
        name = f"{folder_of(agency_id, month, part)}/{parent}.parquet"
        table = metadata.tables[parent]
        with tempfile.TemporaryDirectory(prefix="dialtrace-archive-") as folder:
            path = Path(folder) / "rows.parquet"
            pages = store.row_pages(self._database, parent, agency_id, month)
            rows = write_parquet(path, store.kinds_of(table), pages)
            if not rows:
                return None
            digest, size_bytes = _sha256(path), path.stat().st_size
            self._step(f"written {parent}")
            self._objects.put_file(name, path, sha256=digest)
            self._step(f"stored {parent}")
            self._read_back(name, digest, Path(folder) / "read.parquet", rows)
        file = ArchiveFile(name=name, parent=parent, row_count=rows, size_bytes=size_bytes, sha256=digest)
        with self._database.tenant(agency_id) as connection:
            store.list_file(connection, _row_of(agency_id, month, file))
        self._step(f"listed {parent}")
        return file

    def _read_back(self, name: str, digest: bytes, path: Path, rows: int) -> None:
        """The object itself, not what the store says of it. Raises ArchiveBroken."""
        with self._objects.open(name) as stream, open(path, "wb") as file:
            for chunk in stream:
                file.write(chunk)
        if _sha256(path) != digest or count_rows(path) != rows:
            raise ArchiveBroken(f"{name}: {ArchiveBroken.__doc__}")

    def _put_manifest(self, agency_id: UUID, month: date, part: int, files: Sequence[ArchiveFile]) -> None:
        name = f"{folder_of(agency_id, month, part)}/{MANIFEST}"
        body = json.dumps(manifest(agency_id, month, part, files), indent=1).encode()
        with tempfile.NamedTemporaryFile(prefix="dialtrace-archive-") as file:
            file.write(body)
            file.flush()
            self._objects.put_file(name, Path(file.name), sha256=hashlib.sha256(body).digest())
        self._step("manifest")

    def _let_go(self, month: date, part: int, marks: dict[str, Mark]) -> int:
        for number in range(1, TRIES + 1):
            try:
                with self._database.directory() as connection:
                    rows = store.retire_month(connection, month, part, marks)
                    self._step("going")
                return rows
            except TransactionConflict:
                if number == TRIES:
                    raise
            time.sleep(BETWEEN_TRIES_S)
        raise AssertionError("the last try returns or raises")


def manifest(agency_id: UUID, month: date, part: int, files: Sequence[ArchiveFile]) -> dict[str, Any]:
    """What an agency's month consists of, for whoever reads the store without us."""
    return {
        "agency_id": str(agency_id),
        "month": month_text(month),
        "part": part,
        "from": begins_at(month).isoformat(),
        "until": begins_at(next_month(month)).isoformat(),
        "files": [
            {
                "name": file.name.rpartition("/")[2],
                "table": file.parent,
                "rows": file.row_count,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256.hex(),
            }
            for file in files
        ],
    }


def _row_of(agency_id: UUID, month: date, file: ArchiveFile) -> dict[str, Any]:
    return {
        "agency_id": agency_id,
        "id": object_id(agency_id, file.name),
        "kind": "partition",
        "format": "parquet",
        "content": file.parent,
        "object_name": file.name,
        "from_at": begins_at(month),
        "until_at": begins_at(next_month(month)),
        "row_count": file.row_count,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
    }


def _sha256(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()

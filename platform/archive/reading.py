"""Months that have gone, read again: out of the store, row by row, as the tables held them.

A record that has gone is in no list of calls; whoever needs it is told the month, and reads it here. Nothing of it
comes back into the database. Must not know HTTP.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from ..db.columns import metadata
from ..db.engine import Database
from ..objectstore.model import CHUNK_BYTES, ObjectStore
from . import store
from .errors import ArchiveBroken, ArchiveUnknown
from .model import ArchivedTable, month_text
from .parquet import read_rows

#: What only the database uses: the key by which a caller is counted once he is forgotten, the mark of a file's facts.
_OURS = frozenset({"digest", "caller_key"})


class ArchiveReader:
    """What has gone of every agency in one database."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def list_tables(self, agency_id: UUID) -> list[ArchivedTable]:
        """An agency's tables of every month that has gone, by month, table and part."""
        with self._database.tenant(agency_id) as connection:
            return store.find_archived(connection, agency_id)

    def archived_until(
        self,
        agency_id: UUID,
        *,
        from_at: datetime | None = None,
        until_at: datetime | None = None,
        by: datetime | None = None,
    ) -> datetime | None:
        """Calls of a span (None: open) that began before this moment may have gone to the archive, ``by`` a moment or
        by now: the end of the last month of the agency that has. None: all that the span holds is here."""
        with self._database.tenant(agency_id) as connection:
            return store.find_archived_until(connection, from_at, until_at, by)

    def read(
        self,
        agency_id: UUID,
        month: date,
        table: str,
        *,
        client_id: UUID | None = None,
        call_id: UUID | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Rows of one table of a month, of one client or call where one is named, as plain JSON members. Raises
        ArchiveUnknown at once; ArchiveBroken and the errors of `objectstore.errors` also while it is read."""
        parts = [one for one in self.list_tables(agency_id) if (one.month, one.table) == (month, table)]
        if not parts:
            raise ArchiveUnknown(f"nothing of {table} of {month_text(month)} has gone to the archive")
        wanted = {"client_id": client_id, "id" if table == "calls" else "call_id": call_id}
        return self._rows(parts, {name: str(value) for name, value in wanted.items() if value is not None})

    def _rows(self, parts: Sequence[ArchivedTable], wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
        for part in parts:
            kinds = store.kinds_of(metadata.tables[part.table])
            with tempfile.TemporaryDirectory(prefix="dialtrace-archive-") as folder:
                path = Path(folder) / "rows.parquet"
                self._fetch(part, path)
                for row in read_rows(path, kinds, wanted):
                    yield {name: value for name, value in row.items() if name not in _OURS}

    def _fetch(self, part: ArchivedTable, path: Path) -> None:
        """The file, whole and as it was written: a span by itself could not be told from another's."""
        digest = hashlib.sha256()
        with self._objects.open(part.name) as stream, open(path, "wb", buffering=CHUNK_BYTES) as file:
            for chunk in stream:
                digest.update(chunk)
                file.write(chunk)
        if digest.digest() != part.sha256:
            raise ArchiveBroken(f"{part.name}: the store gives back something else than what was written")

"""Use cases of exports: ask for one, read it, fetch its files; calls at once; the columns of a client."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from ..cdr.model import CallFilters
from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..jobs.service import JobQueue
from ..objectstore.errors import ObjectMissing
from ..objectstore.model import ObjectStream
from ..paging import Page, cut
from . import store
from .columns import chosen, names_of
from .errors import ExportFileMissing, ExportTooLarge, ExportUnknown, ValueRefused
from .formats import Format, text_chunks, write_file
from .making import Part, defer_make
from .model import ON_DEMAND_KEPT, Export, ExportFile, NewExport, zone_of
from .places import ExportPlaces
from .rows import Tenant, call_pages, count_calls

#: Rows that are streamed at once; more than that is a job.
MOST_STREAMED = 100_000
MOST_STREAMED_SPAN = timedelta(days=31)
#: What a kept export may filter by: everything but the caller, who may ask to be forgotten.
KEPT_FILTERS = frozenset({"number", "outcome", "node", "answered_only", "min_talk_ms", "is_test"})


class ExportService:
    """Exports of every agency."""

    def __init__(self, database: Database, clock: Clock, jobs: JobQueue, places: ExportPlaces) -> None:
        self._database = database
        self._clock = clock
        self._jobs = jobs
        self._places = places

    # --- Asking. ---

    def create_export(self, agency_id: UUID, wanted: NewExport) -> Export:
        """Puts an export and its job into the database together. Raises ValueRefused."""
        chosen(wanted.content, wanted.columns)
        refused = set(wanted.filters) - KEPT_FILTERS
        if refused:
            raise ValueRefused("filters", f"cannot be kept: {', '.join(sorted(refused))}; see GET /v1/calls/export")
        now = self._clock.now()
        values = asdict(wanted) | {
            "agency_id": agency_id, "id": new_id(), "filters": dict(wanted.filters), "expires_at": now + ON_DEMAND_KEPT,
            "columns": list(wanted.columns) if wanted.columns is not None else None,
        }  # fmt: skip
        with self._database.tenant(agency_id, wanted.client_id) as connection:
            store.insert_export(connection, values)
            defer_make(connection, self._jobs, agency_id, values["id"])
            found = store.find_export(connection, agency_id, values["id"])
        assert found is not None
        return found

    def get_export(self, agency_id: UUID, client_id: UUID | None, export_id: UUID) -> tuple[Export, list[ExportFile]]:
        """An export with the files that it has by now. Raises ExportUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_export(connection, agency_id, export_id)
            if found is None:
                raise ExportUnknown
            return found, store.find_files(connection, agency_id, export_id)

    def list_exports(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Page[Export]:
        """The latest first."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_exports(connection, agency_id, client_id, limit=limit + 1, before=after)
        return cut(found, limit, "created_at", "id")

    def open_file(
        self, agency_id: UUID, client_id: UUID | None, export_id: UUID, name: str
    ) -> tuple[ExportFile, Callable[[int, int], ObjectStream]]:
        """A file's facts, and how its bytes from first to last are read. Raises ExportUnknown, ExportFileMissing and
        the errors of `objectstore`."""
        export, files = self.get_export(agency_id, client_id, export_id)
        if export.expires_at <= self._clock.now():
            raise ExportFileMissing("its time is over; ask for a new export")
        found = next((file for file in files if file.name == name), None)
        if found is None:
            raise ExportFileMissing
        objects = self._places.at(agency_id, found.place)

        def read(first: int, last: int) -> ObjectStream:
            try:
                return objects.open(f"{export.folder}/{name}", first=first, last=last)
            except ObjectMissing as error:
                raise ExportFileMissing("the store does not have it any more") from error

        return found, read

    # --- Streaming without a job. ---

    def stream_calls(
        self, agency_id: UUID, client_id: UUID | None, filters: CallFilters, form: Format, *, bom: bool
    ) -> Iterator[bytes]:
        """Calls at once, in the client's zone and with its columns. Raises ValueRefused and ExportTooLarge before the
        first byte."""
        ends = filters.started_until or self._clock.now()
        begins = filters.started_from or ends - MOST_STREAMED_SPAN
        if ends - begins > MOST_STREAMED_SPAN:
            raise ValueRefused("started_from", f"at most {MOST_STREAMED_SPAN.days} days before the end")
        filters = replace(filters, started_from=begins, started_until=ends)
        tenant = Tenant(self._database, agency_id, client_id, whole=True)
        if count_calls(tenant, filters, MOST_STREAMED + 1) > MOST_STREAMED:
            raise ExportTooLarge(f"there are more than {MOST_STREAMED} calls")
        part = self._part_of(agency_id, client_id, "calls")
        columns, pages = chosen("calls", part.columns), call_pages(tenant, filters)
        if form != "parquet":
            return text_chunks(form, columns, pages, part.zone, bom=bom)
        return _whole_file(lambda file: write_file("parquet", file, columns, pages, part.zone, bom=False))

    def _part_of(self, agency_id: UUID, client_id: UUID | None, content: str) -> Part:
        if client_id is None:
            return Part(None, ZoneInfo("UTC"), None)
        with self._database.tenant(agency_id, client_id) as connection:
            ((_, zone),) = store.find_clients(connection, agency_id, client_id)
            return Part(client_id, zone_of(zone), store.find_columns(connection, agency_id, client_id)[content])

    # --- Columns. ---

    def get_columns(self, agency_id: UUID, client_id: UUID) -> dict[str, list[str]]:
        """The columns that a client's exports have, by content."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_columns(connection, agency_id, client_id)
        return {content: names if names is not None else names_of(content) for content, names in found.items()}

    def put_columns(self, agency_id: UUID, client_id: UUID, wanted: Mapping[str, Sequence[str] | None]) -> None:
        """None: all columns, also those that come with later releases. Raises ValueRefused."""
        for content, names in wanted.items():
            chosen(content, names)
        with self._database.tenant(agency_id, client_id) as connection:
            store.put_columns(connection, agency_id, client_id, wanted)


def _whole_file(write: Callable[[Any], None]) -> Iterator[bytes]:
    """A format that is complete only at its end, through a file on the disk."""
    with tempfile.TemporaryFile(prefix="dialtrace-export-") as file:
        write(file)
        file.seek(0)
        while chunk := file.read(256 * 1024):
            yield chunk

"""Makes the files of an export, as a job.

A file is written to this machine's disk first, then stored and confirmed, then listed; the manifest comes last, so that
who waits for it never sees a part. Every step may be done twice: names and rows follow from the export's id.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ..cdr.model import CallFilters
from ..db.engine import Database
from ..jobs.model import LONG, Done, GiveUp, Job, Outcome, Request, Retry
from ..jobs.service import JobQueue
from ..metrics import EXPORT_BYTES, EXPORT_FILES, EXPORT_ROWS
from ..objectstore.errors import ObjectStoreError
from ..objectstore.model import ObjectStore
from ..secrets_box.errors import SecretsBoxError
from . import store
from .columns import chosen
from .formats import write_file
from .model import Export, ExportFile, object_id, zone_of
from .places import ExportPlaces
from .rows import Rows, Tenant, audit_pages, call_pages, event_pages

MAKE = "exports.make"
MAKE_TRIES = 8
MANIFEST = "manifest.json"


def defer_make(connection: Connection, jobs: JobQueue, agency_id: UUID, export_id: UUID) -> None:
    """Puts the job that makes an export into the queue, with the transaction that asks for it."""
    args = {"agency_id": str(agency_id), "export_id": str(export_id)}
    lock = f"export:{export_id}"
    jobs.defer(connection, Request(name=MAKE, args=args, lane=LONG, lock=lock, once=lock))


@dataclass(frozen=True)
class Part:
    """One file to be made: whose rows, in which zone, with which columns."""

    client_id: UUID | None
    zone: ZoneInfo
    columns: Sequence[str] | None


class ExportMaker:
    """Makes exports of every agency."""

    def __init__(self, database: Database, places: ExportPlaces) -> None:
        self._database = database
        self._places = places

    def make(self, job: Job) -> Outcome:
        """The job ``exports.make``."""
        agency_id, export_id = UUID(str(job.args["agency_id"])), UUID(str(job.args["export_id"]))
        with self._database.tenant(agency_id) as connection:
            export = store.begin(connection, agency_id, export_id)
            if export is None:
                return Done()
            parts = self._parts(connection, export)
            have = {file.name for file in store.find_files(connection, agency_id, export_id)}
        try:
            for part in parts:
                if export.file_name(part.client_id) not in have:
                    self._make_part(export, part, job)
            self._make_manifest(export, parts)
        except (ObjectStoreError, SecretsBoxError) as error:
            why = f"{type(error).__name__}: {error}"
            if job.attempt < MAKE_TRIES:
                return Retry(why)
            with self._database.tenant(agency_id) as connection:
                store.fail(connection, export, why)
            return GiveUp(why)
        return Done()

    def _parts(self, connection: Any, export: Export) -> list[Part]:
        parts = []
        for client_id, zone in store.find_clients(connection, export.agency_id, export.client_id):
            columns = store.find_columns(connection, export.agency_id, client_id)[export.content]
            parts.append(Part(client_id, zone_of(zone), export.columns or columns))
        if export.client_id is None and export.content != "calls":
            parts.append(Part(None, ZoneInfo("UTC"), export.columns))
        return parts

    def _make_part(self, export: Export, part: Part, job: Job) -> None:
        counted = 0

        def pages() -> Iterator[Rows]:
            nonlocal counted
            for rows in self._pages(export, part.client_id):
                job.go_on()
                counted += len(rows)
                yield rows

        name = export.file_name(part.client_id)
        with tempfile.NamedTemporaryFile(prefix="dialtrace-export-") as file:
            columns = chosen(export.content, part.columns)
            write_file(export.format, file, columns, pages(), part.zone, bom=export.bom)  # type: ignore[arg-type]
            file.flush()
            file.seek(0)
            digest = file_digest(file, "sha256").digest()
            size_bytes = Path(file.name).stat().st_size
            place, objects = self._place_of(export)
            objects.put_file(f"{export.folder}/{name}", Path(file.name), sha256=digest)
        values = {
            "agency_id": export.agency_id, "id": object_id(export.id, name), "client_id": part.client_id,
            "export_id": export.id, "kind": "export", "format": export.format, "content": export.content,
            "place": place,
            "object_name": f"{export.folder}/{name}", "until_at": export.until_at,
            # With late revisions in it, it holds calls of earlier days too: looked into always.
            "from_at": export.from_at if export.late_since is None else None,
            "row_count": counted, "size_bytes": size_bytes, "sha256": digest, "expires_at": export.expires_at,
        }  # fmt: skip
        with self._database.tenant(export.agency_id, part.client_id) as connection:
            store.put_file(connection, values)
        EXPORT_FILES.labels(export.content, export.format).inc()
        EXPORT_ROWS.labels(export.content).inc(counted)
        EXPORT_BYTES.labels(export.format).inc(size_bytes)

    def _pages(self, export: Export, client_id: UUID | None) -> Iterator[Rows]:
        tenant = Tenant(self._database, export.agency_id, client_id)
        if export.content == "events":
            return event_pages(tenant, export.from_at, export.until_at)
        if export.content == "audit":
            return audit_pages(tenant, export.from_at, export.until_at)
        kept = {"is_test": False} | dict(export.filters)
        filters = CallFilters(**kept, started_from=export.from_at, started_until=export.until_at)
        return call_pages(tenant, filters, late_since=export.late_since)

    def _place_of(self, export: Export) -> tuple[str, ObjectStore]:
        return self._places.current(export.agency_id, scheduled=export.schedule_id is not None)

    def _make_manifest(self, export: Export, parts: Sequence[Part]) -> None:
        zones = {part.client_id: part.zone.key for part in parts}
        with self._database.tenant(export.agency_id) as connection:
            files = store.find_files(connection, export.agency_id, export.id)
            gone = store.find_archived_until(connection, export) if export.content == "calls" else None
        text = json.dumps(manifest(export, files, zones, gone), indent=1).encode()
        with tempfile.NamedTemporaryFile(prefix="dialtrace-export-") as file:
            file.write(text)
            file.flush()
            file.seek(0)
            digest = file_digest(file, "sha256").digest()
            self._place_of(export)[1].put_file(f"{export.folder}/{MANIFEST}", Path(file.name), sha256=digest)
        with self._database.tenant(export.agency_id) as connection:
            store.finish(connection, export, row_count=sum(file.row_count for file in files))


def manifest(
    export: Export, files: Sequence[ExportFile], zones: Mapping[UUID | None, str], gone: datetime | None = None
) -> dict[str, Any]:
    """What an export consists of; where it is, all of it is there. ``gone``: calls of its span that began before may
    have gone to the archive."""
    return {
        "export_id": str(export.id),
        "agency_id": str(export.agency_id),
        "schedule_id": str(export.schedule_id) if export.schedule_id else None,
        "content": export.content,
        "format": export.format,
        "from": export.from_at.astimezone(UTC).isoformat(),
        "until": export.until_at.astimezone(UTC).isoformat(),
        "late_since": export.late_since.astimezone(UTC).isoformat() if export.late_since else None,
        "archived_until": gone.astimezone(UTC).isoformat() if gone else None,
        "files": [
            {
                "name": file.name,
                "client_id": str(file.client_id) if file.client_id else None,
                "time_zone": zones.get(file.client_id, "UTC"),
                "rows": file.row_count,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256.hex(),
            }
            for file in files
        ],
    }

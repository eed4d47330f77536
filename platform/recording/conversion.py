"""Makes the form that a client wants of recordings that are safe already.

The original is in the store and verified before this begins, and stays until the other form is verified too; so
whatever goes wrong here, nothing is lost and nobody waits. One recording at a time. Every step may be repeated after a
crash.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from pathlib import Path
from typing import Any

import structlog

from ..clock import Clock
from ..db.engine import Database
from ..events.service import append_next
from ..objectstore.sealing import SealedSource
from ..objectstore.service import FileSource, Source
from . import store
from .encoders import encode
from .errors import NotConverted, NotWav
from .files import CONVERSIONS
from .ledger import ready
from .model import Recording, object_name
from .places import KEY_BYTES, Places, wrap
from .store import Objects

log = structlog.get_logger("recording")

#: More than this many wait: the oldest stay as they are, for the node's disk is for calls.
MOST_WAITING = 500


class RecordingConverter:
    """Works on the folder `conversions` of spools."""

    def __init__(self, database: Database, places: Places, clock: Clock) -> None:
        self._database = database
        self._places = places
        self._clock = clock

    def convert_one(self, spool: Path) -> bool:
        """Settles the file that has waited longest; false: none waits. Raises the errors of `db.errors` and
        `objectstore.errors`: the file is still there then."""
        waiting = sorted((spool / CONVERSIONS).glob("*_*.wav"), key=lambda path: path.stat().st_mtime)
        if not waiting:
            return False
        path = waiting[0]
        agency_id, recording_id = (uuid.UUID(part) for part in path.stem.split("_"))
        found = self._find(agency_id, recording_id)
        if found is not None:
            row, objects = found
            if objects.convert_to is not None and len(waiting) <= MOST_WAITING:
                self._convert(path, row, objects, objects.convert_to)
            elif objects.convert_to is not None:
                self._leave(row, "too many recordings waited to be converted")
            self._let_original_go(agency_id, recording_id)
        path.unlink(missing_ok=True)
        return True

    def _find(self, agency_id: uuid.UUID, recording_id: uuid.UUID) -> tuple[Recording, Objects] | None:
        with self._database.tenant(agency_id) as connection:
            row = store.find_recording(connection, agency_id, recording_id)
            if row is None or row.state != "verified":
                return None
            return row, store.find_objects(connection, agency_id, recording_id)

    def _convert(self, path: Path, row: Recording, objects: Objects, form: str) -> None:
        made = path.with_suffix(f".{form}")
        try:
            encode(path, made, form)
            self._keep(made, row, objects, form)
        except (NotConverted, NotWav) as error:
            self._leave(row, str(error))
        finally:
            made.unlink(missing_ok=True)

    def _leave(self, row: Recording, why: str) -> None:
        log.error("a recording stays as it is", recording=str(row.id), why=why)
        with self._database.tenant(row.agency_id) as connection:
            store.change(connection, row.agency_id, row.id, {"convert_to": None, "last_error": why[:500]})

    def _keep(self, made: Path, row: Recording, objects: Objects, form: str) -> None:
        """Stores what was made, asks for it, and only then puts it in the original's place."""
        assert row.object_name is not None
        name = object_name(row.agency_id, row.call_started_at, row.call_id, row.segment, form=form)
        with open(made, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").digest()
        key, wrapped = self._new_key(row, name)
        source: Source = FileSource(made) if key is None else SealedSource(FileSource(made), key)
        kept_in = self._places.store_of(row.agency_id, row.store_id)
        receipt = kept_in.put(name, source, sha256=sha256 if key is None else None)
        kept_in.confirm(name, receipt)
        values: dict[str, Any] = {
            "object_name": name,
            "format": form,
            "size_bytes": made.stat().st_size,
            "sha256": sha256,
            "object_bytes": receipt.size_bytes,
            "object_checksum": receipt.checksum,
            "data_key": wrapped,
            "convert_to": None,
            "original_name": row.object_name,
            "original_bytes": row.size_bytes,
            "original_sha256": row.sha256,
            "original_key": objects.data_key,
        }
        with self._database.tenant(row.agency_id) as connection:
            replaced = store.replace_object(connection, row.agency_id, row.id, row.object_name, values)
            if replaced:
                # Size, form and checksum are others than those that were told.
                append_next(connection, row.agency_id, [ready(row, at=self._clock.now())])
        if not replaced:
            # It was erased meanwhile: nothing of it may stay.
            kept_in.delete(name)

    def _new_key(self, row: Recording, name: str) -> tuple[bytes | None, bytes | None]:
        """Under the agency's key that the original's is under, so that both go with it."""
        if row.key_id is None:
            return None, None
        key = secrets.token_bytes(KEY_BYTES)
        return key, wrap(self._places.agency_key(row.agency_id, row.key_id), key, name)

    def _let_original_go(self, agency_id: uuid.UUID, recording_id: uuid.UUID) -> None:
        """Unless it is to be kept. What it was stays in the ledger."""
        found = self._find(agency_id, recording_id)
        if found is None or found[1].original_name is None:
            return
        row, objects = found
        if self._places.of(row.agency_id, row.client_id).keep_original:
            return
        assert objects.original_name is not None
        self._places.store_of(agency_id, row.store_id).delete(objects.original_name)
        with self._database.tenant(agency_id) as connection:
            store.change(connection, agency_id, recording_id, {"original_name": None, "original_key": None})

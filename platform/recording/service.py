"""Use cases of recordings: bring one home from its node, and give it to who may hear it.

A local file is removed only after the object store, asked again, has confirmed its SHA-256 and the ledger says so.
Every step may be repeated after a crash at any point. Must not know CDR files or which process calls it.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from ..db.engine import Database
from ..db.errors import DatabaseError
from ..events.service import NewEvent, append
from ..ids import new_id
from ..objectstore.errors import ObjectStoreError
from ..objectstore.service import ObjectStore, ObjectStream
from . import store
from .errors import NotWav, RecordingAbsent, RecordingDiffers, RecordingPending, RecordingUnknown, UploadFailed
from .model import (
    EMPTY_WAV_BYTES,
    HEAD_BYTES,
    AbsenceReason,
    Due,
    Recording,
    WavShape,
    header_repair,
    node_path,
    object_name,
    read_wav,
)

log = structlog.get_logger("recording")


@dataclass(frozen=True)
class Audio:
    """A stored recording that may be read, as often and in whatever spans the reader likes."""

    recording: Recording
    _store: ObjectStore

    @property
    def size_bytes(self) -> int:
        return self.recording.size_bytes or 0

    def stream(self, *, first: int = 0, last: int | None = None) -> ObjectStream:
        """Bytes ``first`` to ``last``, inclusive. Raises the errors of `objectstore.errors`."""
        assert self.recording.object_name is not None
        return self._store.open(self.recording.object_name, first=first, last=last)


class RecordingService:
    """Recordings of one database and one object store."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._objects = store

    # --- Bringing home. ---

    def finish_recording(self, due: Due, *, folder: Path, node: str) -> Recording | None:
        """Settles one segment: the file under ``folder`` is stored and removed, or the ledger says why there is none.

        None if it was settled before. Raises UploadFailed when it must be tried again, RecordingDiffers, and the errors
        of `db.errors` when the database is away; the file is still there then.
        """
        path = find_file(folder, due)
        if path is None:
            return self._settle_absent(due, node, _reason_for_no_file(due))
        size_bytes = path.stat().st_size
        if size_bytes <= EMPTY_WAV_BYTES:
            row = self._settle_absent(
                due, node, "no_audio" if due.answered and not due.node_lost else _reason_for_no_file(due)
            )
            path.unlink(missing_ok=True)
            return row
        shape = mend_header(path)
        sha256 = _sha256_of(path)
        row = self._store_file(due, node, path, shape, sha256)
        path.unlink(missing_ok=True)
        return row

    def _store_file(self, due: Due, node: str, path: Path, shape: WavShape | None, sha256: bytes) -> Recording | None:
        with self._database.tenant(due.agency_id) as connection:
            before = store.find_stored(connection, due)
        if before is not None:
            if before[0] == sha256:
                return None
            raise RecordingDiffers(f"{path} is not what is stored as {before[1]}")
        name = object_name(due.agency_id, due.started_at, due.call_id, due.segment)
        try:
            self._objects.put_file(name, path, sha256=sha256)
        except ObjectStoreError as error:
            self._note_failure(due, str(error))
            raise UploadFailed(f"{name}: {error}") from error
        return self._settle(
            due,
            node,
            {
                "state": "stored",
                "absence_reason": None,
                "object_name": name,
                "node_path": None,
                "size_bytes": path.stat().st_size,
                "sha256": sha256,
                "duration_ms": shape.duration_ms if shape else None,
                "channels": shape.channels if shape else None,
            },
        )

    def _settle_absent(self, due: Due, node: str, reason: AbsenceReason) -> Recording | None:
        return self._settle(
            due, node, {"state": "absent", "absence_reason": reason, "node_path": None, "object_name": None}
        )

    def _settle(self, due: Due, node: str, values: dict[str, Any]) -> Recording | None:
        with self._database.tenant(due.agency_id) as connection:
            row = store.settle(connection, new_id(), due, node, values)
            if row is not None and row.state == "stored":
                append(connection, due.agency_id, [_ready(row)])
        return row

    def _note_failure(self, due: Due, reason: str) -> None:
        try:
            with self._database.tenant(due.agency_id) as connection:
                store.note_failure(connection, due, reason)
        except DatabaseError as error:
            # The upload's own failure matters more, and is logged by who tries again.
            log.warning("a failed upload could not be noted", reason=str(error))

    # --- Reading. ---

    def open_recording(
        self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID, segment: int | None = None
    ) -> Audio:
        """A call's recording; ``segment`` None takes the first that is stored.

        Raises RecordingPending, RecordingAbsent, or RecordingUnknown (also for a call that is somebody else's).
        """
        with self._database.tenant(agency_id, client_id) as connection:
            rows = store.find_recordings(connection, agency_id, call_id)
        rows = [row for row in rows if segment is None or row.segment == segment]
        stored = [row for row in rows if row.state == "stored"]
        if stored:
            return Audio(stored[0], self._objects)
        if any(row.state == "on_node" for row in rows):
            raise RecordingPending(f"the recording of call {call_id} is on its node still")
        if rows:
            reason = rows[0].absence_reason or "missing"
            raise RecordingAbsent(f"call {call_id} has no recording: {reason}", reason)
        raise RecordingUnknown(f"there is no recording of call {call_id}")

    def count_unaccounted(self, nodes: list[str], *, now: datetime, older_than: timedelta) -> int:
        """Recordings of these nodes that have been on the way home for longer than that."""
        with self._database.system() as connection:
            return store.count_on_nodes(connection, nodes, now - older_than)


def find_file(folder: Path, due: Due) -> Path | None:
    """A segment's file. A plan that was made ahead takes the day at which it ran, so the days beside the start's own
    are looked at too (a call at midnight). A link is no recording: whoever may write into a node's spool would choose
    with it which file of ours a client hears."""
    for days in (0, 1, -1):
        path = folder / node_path(due.started_at + timedelta(days=days), due.call_id, due.segment)
        if path.is_file() and not (path.is_symlink() or path.parent.is_symlink()):
            return path
    return None


def mend_header(path: Path) -> WavShape | None:
    """Makes the header tell the file's true lengths (a killed switch leaves zeros); None: no WAV, it stays as it is."""
    size_bytes = path.stat().st_size
    with open(path, "r+b") as file:
        try:
            shape = read_wav(file.read(HEAD_BYTES), size_bytes)
        except NotWav as error:
            log.warning("a recording is no WAV and is kept as it is", file=path.name, reason=str(error))
            return None
        changes = header_repair(shape, size_bytes)
        for offset, value in changes:
            file.seek(offset)
            file.write(value)
        if changes:
            file.flush()
            os.fsync(file.fileno())
    return shape


def _reason_for_no_file(due: Due) -> AbsenceReason:
    if due.node_lost:
        return "node_lost"
    return "missing" if due.answered else "not_answered"


def _sha256_of(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _ready(row: Recording) -> NewEvent:
    """The segment's number is the event's rank: each segment of a call becomes ready once."""
    assert row.stored_at is not None
    return NewEvent(
        type="recording.ready",
        occurred_at=row.stored_at,
        client_id=row.client_id,
        call_id=row.call_id,
        revision=row.segment,
        data={"recording_id": str(row.id), "segment": row.segment},
    )

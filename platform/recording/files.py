"""A recording's file on a node: finding it, mending its header, and reading it once for all that is to be known."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from ..objectstore.service import FileSource, LoadedSource, Source
from .errors import NotWav
from .model import HEAD_BYTES, Due, Recording, WavShape, header_repair, node_path, read_wav
from .peaks import PeakReader, Peaks

log = structlog.get_logger("recording")

#: Read at a time, and between two such pieces others have their turn: less than a millisecond's work each.
READ_BYTES = 256 * 1024
#: A file of this size is kept in memory from its reading until the store has it: what was hashed is then what is sent.
#: A longer one goes in parts, which are read again (objectstore.s3).
LOADED_BYTES = 8 * 1024 * 1024
#: Beside `recordings`: what is safe in the store and is yet to be made into another form.
CONVERSIONS = "conversions"


@dataclass(frozen=True, slots=True)
class Survey:
    """All that is to be known of a file, from one reading."""

    size_bytes: int
    sha256: bytes
    shape: WavShape | None
    peaks: Peaks | None
    #: The file for whoever sends it.
    source: Source = field(repr=False)

    def as_columns(self) -> dict[str, Any]:
        """Its part of a row."""
        return {
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "duration_ms": self.shape.duration_ms if self.shape else None,
            "channels": self.shape.channels if self.shape else None,
            "sample_rate": self.shape.sample_rate if self.shape else None,
        }


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


def survey_file(path: Path, shape: WavShape | None) -> Survey:
    """Hashes the file and reads its outline in one go."""
    digest, peaks, size_bytes = hashlib.sha256(), PeakReader(shape), 0
    body: list[bytes] | None = []
    with open(path, "rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
            peaks.take(chunk)
            size_bytes += len(chunk)
            if body is not None:
                body.append(chunk)
            if size_bytes > LOADED_BYTES:
                body = None
            # Records are brought home by the same process.
            time.sleep(0)
    sha256 = digest.digest()
    source: Source = FileSource(path) if body is None else LoadedSource(b"".join(body), sha256)
    return Survey(size_bytes, sha256, shape, peaks.finish(), source)


def put_by_for_conversion(path: Path, row: Recording) -> None:
    """The file is safe in the store and stays here for whoever makes another form of it."""
    folder = path.parents[2] / CONVERSIONS
    folder.mkdir(exist_ok=True)
    path.replace(folder / f"{row.agency_id}_{row.id}.wav")

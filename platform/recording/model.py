"""The recording ledger's values, and WAV headers as bytes. No I/O.

A ledger row says at every moment where a recording is, or why there is none. WAV files come from switches that may be
killed: after that the header's two lengths are wrong (RIFF 8, data 0: reference/freeswitch.md 5) and are rebuilt here
from the file's size.
"""

from __future__ import annotations

import re
import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from .errors import NotWav
from .life import BY_THE_RECORD, AbsenceReason, State

__all__ = [
    "BY_THE_RECORD",
    "AbsenceReason",
    "Due",
    "Recording",
    "State",
    "WavShape",
    "header_repair",
    "node_path",
    "object_name",
    "parse_file_name",
    "read_wav",
]

#: RIFF header, `fmt ` and `data` chunk headers: a file of this size holds no audio.
EMPTY_WAV_BYTES = 44
#: How much of a file's beginning is read to find its chunks.
HEAD_BYTES = 4096
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([1-9][0-9]{0,3})\.wav")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One row of the ledger."""

    agency_id: uuid.UUID
    id: uuid.UUID
    client_id: uuid.UUID
    call_id: uuid.UUID
    call_started_at: datetime
    segment: int
    state: str
    absence_reason: str | None
    node: str
    node_path: str | None
    object_name: str | None
    size_bytes: int | None
    sha256: bytes | None
    duration_ms: int | None
    channels: int | None
    attempts: int
    last_error: str | None
    stored_at: datetime | None
    #: Where it is kept; None: in the platform's own store.
    store_id: uuid.UUID | None = None
    format: str = "wav"
    sample_rate: int | None = None
    #: The agency's key under which the object's own is wrapped; None: the object is as the store got it.
    key_id: uuid.UUID | None = None

    @property
    def is_there(self) -> bool:
        """Whether it can be heard."""
        return self.state in {"stored", "verified"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A recording segment that is to be brought home: what is known of its call."""

    agency_id: uuid.UUID
    client_id: uuid.UUID
    call_id: uuid.UUID
    started_at: datetime
    segment: int
    answered: bool
    node_lost: bool = False
    #: The switch itself says that it could not write.
    write_failed: bool = False


@dataclass(frozen=True, slots=True)
class WavShape:
    """What a WAV header says, or should say: ``data_bytes`` is what the file really holds."""

    channels: int
    sample_rate: int
    bytes_per_frame: int
    data_offset: int
    data_bytes: int
    intact: bool

    @property
    def duration_ms(self) -> int:
        return self.data_bytes * 1000 // (self.bytes_per_frame * self.sample_rate)


def node_path(started_at: datetime, call_id: uuid.UUID, segment: int) -> PurePosixPath:
    """Where the switch writes a segment, below the spool's `recordings` (docs/architecture.md)."""
    return PurePosixPath(f"{started_at.astimezone(UTC):%Y%m%d}") / f"{call_id}-{segment}.wav"


def parse_file_name(name: str) -> tuple[uuid.UUID, int] | None:
    """(call, segment) of a recording's file name; None if it is not one of ours."""
    match = _NAME.fullmatch(name)
    return (uuid.UUID(match[1]), int(match[2])) if match else None


def object_name(
    agency_id: uuid.UUID, started_at: datetime, call_id: uuid.UUID, segment: int, *, form: str = "wav"
) -> str:
    """Where the object store keeps a segment: sorts by agency and day, tells no telephone number."""
    return f"{agency_id}/{started_at.astimezone(UTC):%Y/%m/%d}/{call_id}-{segment}.{form}"


def read_wav(head: bytes, file_bytes: int) -> WavShape:
    """The shape of a WAV file from its first :data:`HEAD_BYTES` and its size. Raises NotWav."""
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise NotWav("the file does not begin with a RIFF/WAVE header")
    riff_bytes = struct.unpack_from("<I", head, 4)[0]
    channels = sample_rate = frame_bytes = 0
    offset = 12
    while offset + 8 <= len(head):
        kind, size = head[offset : offset + 4], struct.unpack_from("<I", head, offset + 4)[0]
        if kind == b"data":
            break
        if kind == b"fmt " and offset + 24 <= len(head):
            channels, sample_rate, _, frame_bytes = struct.unpack_from("<HIIH", head, offset + 10)
        offset += 8 + size + size % 2
    else:
        raise NotWav("the file has no data chunk near its beginning")
    if not (channels and sample_rate and frame_bytes):
        raise NotWav("the file's format chunk is missing or says nothing")
    start = offset + 8
    intact = riff_bytes + 8 == file_bytes and 0 <= size <= file_bytes - start and (size > 0 or file_bytes == start)
    there = max(0, file_bytes - start)
    held = size if intact else there - there % frame_bytes
    return WavShape(channels, sample_rate, frame_bytes, start, held, intact)


def header_repair(shape: WavShape, file_bytes: int) -> list[tuple[int, bytes]]:
    """What to write where (offset, bytes) so that the header tells the truth; nothing for an intact one."""
    if shape.intact:
        return []
    return [
        (4, struct.pack("<I", min(file_bytes - 8, 0xFFFFFFFF))),
        (shape.data_offset - 4, struct.pack("<I", min(shape.data_bytes, 0xFFFFFFFF))),
    ]

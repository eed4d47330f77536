"""What an object store is, whichever kind is behind it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from .errors import ObjectNameFaulty, RangeNotSatisfiable

CHUNK_BYTES = 256 * 1024
_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_MAX_NAME = 512


def checked_name(name: str) -> str:
    """``name`` if it is a safe object name; raises ObjectNameFaulty. No name can leave the store's folder or prefix."""
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise ObjectNameFaulty(f"{name[:80]!r} is no object name: {ObjectNameFaulty.__doc__}")
    return name


def resolve_range(size_bytes: int, first: int, last: int | None) -> tuple[int, int]:
    """First and last byte of what is asked for, both inclusive, cut at the object's end. Raises RangeNotSatisfiable.

    A negative ``first`` asks for that many bytes from the end. Of an empty object everything is (0, -1).
    """
    if first < 0:
        first = max(0, size_bytes + first)
        last = None
    end = size_bytes - 1 if last is None else min(last, size_bytes - 1)
    if size_bytes == 0 and first == 0:
        return 0, -1
    if first > end:
        raise RangeNotSatisfiable(f"bytes from {first} are asked for, the object has {size_bytes}")
    return first, end


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the store says of an object. ``sha256`` is None where it knows none."""

    size_bytes: int
    sha256: bytes | None


class ObjectStream:
    """An object, or a span of it, as it is read. Iterate once, then close; a context manager does both ends."""

    def __init__(
        self, *, size_bytes: int, first: int, last: int, chunks: Iterator[bytes], close: Callable[[], None]
    ) -> None:
        self.size_bytes = size_bytes
        self.first = first
        self.last = last
        self._chunks = chunks
        self._close = close

    @property
    def length(self) -> int:
        """Bytes that will come."""
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def read(self) -> bytes:
        """All of it; for small spans."""
        return b"".join(self._chunks)

    def close(self) -> None:
        self._close()

    def __enter__(self) -> ObjectStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a store must say of an object that it has taken. ``checksum``: SHA-256 in base64, of the whole or, with
    `-<parts>` behind it, of its parts' checksums (S3's form)."""

    size_bytes: int
    checksum: str


class Source(Protocol):
    """Bytes that are to be stored, as often as they are asked for."""

    @property
    def size_bytes(self) -> int:
        """How many will come."""
        ...

    @property
    def known_sha256(self) -> bytes | None:
        """Their SHA-256 where it was taken of the very bytes that come, not of a file that may have changed since."""
        ...

    def parts(self, part_bytes: int) -> Iterator[bytes]:
        """All of them in pieces of that size; only the last one is shorter, and an empty source has one empty piece."""
        ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file that nobody changes meanwhile."""

    path: Path

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    @property
    def known_sha256(self) -> bytes | None:
        return None

    def parts(self, part_bytes: int) -> Iterator[bytes]:
        with open(self.path, "rb") as file:
            first = True
            while (part := file.read(part_bytes)) or first:
                first = False
                yield part


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """What was read, and hashed as it was read."""

    body: bytes = field(repr=False)
    sha256: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.body)

    @property
    def known_sha256(self) -> bytes | None:
        return self.sha256

    def parts(self, part_bytes: int) -> Iterator[bytes]:
        for start in range(0, max(1, len(self.body)), part_bytes):
            yield self.body[start : start + part_bytes]


class ObjectStore(Protocol):
    """Keeps objects under names. Every method has a bound on its time and raises the errors of this room."""

    def put(self, name: str, source: Source, *, sha256: bytes | None = None) -> Receipt:
        """Stores ``source`` under ``name``; the store has checked each part's SHA-256 when this returns. The same again
        is harmless. ``sha256``: of the whole, where it is known; it is noted beside the object, and other bytes raise
        NotConfirmed."""
        ...

    def confirm(self, name: str, receipt: Receipt) -> None:
        """Asks the store again what it has. Raises NotConfirmed unless it is what ``receipt`` says, encrypted as it was
        to be."""
        ...

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None:
        """Stores the file under ``name`` and returns only when the store, asked again, confirms size and SHA-256."""
        ...

    def describe(self, name: str) -> ObjectFacts:
        """Raises ObjectMissing."""
        ...

    def open(self, name: str, *, first: int = 0, last: int | None = None) -> ObjectStream:
        """The object from byte ``first`` (negative: counted from the end) to ``last``, inclusive. Raises ObjectMissing,
        RangeNotSatisfiable."""
        ...

    def delete(self, name: str) -> None:
        """Removes the object, in all the versions that the store keeps of it; one that is not there is none."""
        ...

    def signed_link(self, name: str, *, valid_s: int, media_type: str, file_name: str) -> str | None:
        """An address under which anybody may read the object for so long; None: this kind of store has none."""
        ...

    def check(self) -> None:
        """Whether the store is there and lets us in; raises what is wrong."""
        ...

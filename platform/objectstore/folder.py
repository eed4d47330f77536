"""An object store that is a folder: for one machine, and for tests. An object is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .errors import NotConfirmed, ObjectMissing, StoreRefuses, StoreUnavailable
from .model import CHUNK_BYTES, ObjectFacts, ObjectStream, checked_name, resolve_range

#: People speak in these files: they are no business of the machine's other users. The group may read, so that an API of
#: another user can be let in.
_FOLDER_MODE, _FILE_MODE = 0o750, 0o640


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _FILE_MODE)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> bytes:
    """SHA-256 of a file's contents."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _translated(error: OSError, root: Path) -> StoreUnavailable | StoreRefuses:
    case = StoreRefuses if isinstance(error, PermissionError) else StoreUnavailable
    return case(f"the folder {root}: {error.strerror or error}")


class FolderStore:
    """Objects as files below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None:
        target = self.root / checked_name(name)
        try:
            self._make_folder(target.parent)
            self._write(path, target)
            found = sha256_of(target)
        except OSError as error:
            raise _translated(error, self.root) from error
        if found != sha256:
            raise NotConfirmed(f"{name}: the file has SHA-256 {found.hex()} in the store, {sha256.hex()} was expected")

    def describe(self, name: str) -> ObjectFacts:
        path = self.root / checked_name(name)
        try:
            return ObjectFacts(size_bytes=path.stat().st_size, sha256=sha256_of(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(f"{name} is not in the store") from error
        except OSError as error:
            raise _translated(error, self.root) from error

    def open(self, name: str, *, first: int = 0, last: int | None = None) -> ObjectStream:
        try:
            file = open(self.root / checked_name(name), "rb")  # noqa: SIM115 (the stream closes it)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(f"{name} is not in the store") from error
        except OSError as error:
            raise _translated(error, self.root) from error
        try:
            size_bytes = os.fstat(file.fileno()).st_size
            first, last = resolve_range(size_bytes, first, last)
            file.seek(first)
        except BaseException:
            file.close()
            raise
        chunks = _chunks(file, last - first + 1)
        return ObjectStream(size_bytes=size_bytes, first=first, last=last, chunks=chunks, close=file.close)

    def check(self) -> None:
        try:
            self._make_folder(self.root)
        except OSError as error:
            raise _translated(error, self.root) from error
        if not os.access(self.root, os.W_OK):
            raise StoreRefuses(f"the folder {self.root} cannot be written to")

    def _make_folder(self, folder: Path) -> None:
        """Makes what is missing and syncs each parent, so that a power cut cannot take a confirmed object's folder."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            _sync_folder(one.parent)

    def _write(self, source: Path, target: Path) -> None:
        fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with open(source, "rb") as read, open(fresh, "xb", opener=_open_private) as written:
                while chunk := read.read(CHUNK_BYTES):
                    written.write(chunk)
                written.flush()
                os.fsync(written.fileno())
            fresh.replace(target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def _chunks(file: IO[bytes], length: int) -> Iterator[bytes]:
    with file:
        while length > 0:
            chunk = file.read(min(CHUNK_BYTES, length))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk

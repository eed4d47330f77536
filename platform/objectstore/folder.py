"""An object store that is a folder: for one machine, and for tests. An object is there whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .errors import NotConfirmed, ObjectMissing, StoreRefuses, StoreUnavailable
from .model import CHUNK_BYTES, FileSource, ObjectFacts, ObjectStream, Receipt, Source, checked_name, resolve_range

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

    def put(self, name: str, source: Source, *, sha256: bytes | None = None) -> Receipt:
        target = self.root / checked_name(name)
        try:
            self._make_folder(target.parent)
            receipt = self._write(source, target)
        except OSError as error:
            raise _translated(error, self.root) from error
        if sha256 is not None and receipt.checksum != _text_of(sha256):
            raise NotConfirmed(f"{name}: what was written has SHA-256 {receipt.checksum}, another one was expected")
        return receipt

    def confirm(self, name: str, receipt: Receipt) -> None:
        path = self.root / checked_name(name)
        try:
            found = Receipt(path.stat().st_size, _text_of(sha256_of(path)))
        except FileNotFoundError as error:
            raise NotConfirmed(f"{name} is not in the store") from error
        except OSError as error:
            raise _translated(error, self.root) from error
        if found != receipt:
            raise NotConfirmed(
                f"{name}: the store has {found.size_bytes} bytes with SHA-256 {found.checksum}, "
                f"{receipt.size_bytes} with {receipt.checksum} were expected"
            )

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None:
        self.confirm(name, self.put(name, FileSource(path), sha256=sha256))

    def delete(self, name: str) -> None:
        try:
            (self.root / checked_name(name)).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise _translated(error, self.root) from error

    def signed_link(self, name: str, *, valid_s: int, media_type: str, file_name: str) -> str | None:
        return None

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

    def _write(self, source: Source, target: Path) -> Receipt:
        fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        known = source.known_sha256
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with open(fresh, "xb", opener=_open_private) as written:
                for part in source.parts(CHUNK_BYTES):
                    if known is None:
                        digest.update(part)
                    size_bytes += len(part)
                    written.write(part)
                written.flush()
                os.fsync(written.fileno())
            fresh.replace(target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
        return Receipt(size_bytes, _text_of(known or digest.digest()))


def _text_of(sha256: bytes) -> str:
    return base64.b64encode(sha256).decode("ascii")


def _chunks(file: IO[bytes], length: int) -> Iterator[bytes]:
    with file:
        while length > 0:
            chunk = file.read(min(CHUNK_BYTES, length))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk

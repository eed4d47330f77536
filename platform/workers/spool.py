"""A node's spool as the agent sees it: which files wait, which are being written, which are set aside.

Files on the node's disk are the truth until the database has confirmed them; every change here is one rename or one
unlink, so that a stop between any two leaves a state from which the next start goes on. Must not know SQL, gevent, or
what a CDR says.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from ..clock import Clock
from ..errors import DialtraceError
from ..recording.model import parse_file_name

#: A file that cannot be read after this long is no longer being written.
BROKEN_AFTER_S = 60.0
#: … if nothing of it has changed while we looked, since clocks jump.
UNCHANGED_FOR_S = 2.0
#: Twenty thousand times what a CDR needs per transfer; a file above this is no CDR.
MAX_CDR_BYTES = 16 * 1024 * 1024
#: Files looked at in one pass, whatever the backlog.
MAX_SEEN = 20_000
#: Ten of the kernel's slowest ticks.
STAMP_COARSE_S = 0.1


class SpoolBusy(DialtraceError):
    """Another agent has this spool."""


class HalfWritten(DialtraceError):
    """The file cannot be read yet; it may still be being written."""


class Broken(DialtraceError):
    """The file cannot be read, and has not changed for a minute."""


@dataclass(frozen=True, slots=True)
class CdrFile:
    """One file in `cdr/`; ``modified_s`` is its modification time, seconds since 1970."""

    path: str
    modified_s: float
    size_bytes: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class DueFile:
    """A stored call whose recordings are still on the node; its name says whose it is."""

    path: Path
    agency_id: uuid.UUID
    client_id: uuid.UUID


class Spool:
    """The folders of one node. Makes those that the agent needs."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.cdr = root / "cdr"
        self.broken = root / "cdr-broken"
        self.due = root / "recordings-due"
        self.recordings = root / "recordings"
        self._clock = clock
        self._listed_ns = 0
        self._unreadable: dict[str, tuple[float, float, int]] = {}
        for folder in (self.cdr, self.broken, self.due, self.recordings):
            folder.mkdir(parents=True, exist_ok=True)

    def lock(self) -> IO[bytes]:
        """Holds the spool until the file that is returned is closed, or the process ends. Raises SpoolBusy."""
        file = open(self.root / "agent.lock", "ab")  # noqa: SIM115 (held for the process's life)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise SpoolBusy(f"another agent has the spool {self.root}; this one waits until it is gone") from error
        return file

    # --- CDR files. ---

    def changed(self) -> bool:
        """Whether `cdr/` may hold what :meth:`waiting` has not seen: asked many times a second, one call to the kernel.
        The folder's stamp is as coarse as the kernel's tick, so a stamp of the last moment proves nothing."""
        stamp_ns = os.stat(self.cdr).st_mtime_ns
        return stamp_ns != self._listed_ns or self._clock.now().timestamp() - stamp_ns / 1e9 < STAMP_COARSE_S

    def waiting(self) -> tuple[list[CdrFile], int]:
        """The files whose turn it is, and how many there are in all: the oldest first; of a backlog of more than
        :data:`MAX_SEEN` the first ones of the folder, in no order, since nothing of so many can be kept or sorted."""
        self._listed_ns = os.stat(self.cdr).st_mtime_ns
        with os.scandir(self.cdr) as entries:
            named = (one for one in entries if one.name.endswith(".json") and not one.name.startswith("."))
            files = [file for file in map(_cdr_file, islice(named, MAX_SEEN)) if file is not None]
            more = sum(1 for _ in named)
        files.sort(key=lambda file: (file.modified_s, file.path))
        return files, len(files) + more

    def find(self, name: str) -> CdrFile | None:
        """The file of this name, if it is there."""
        return _cdr_file(self.cdr / name)

    def read(self, file: CdrFile) -> Any:
        """The file's JSON. Raises HalfWritten, or Broken once nobody can be writing it any more, FileNotFoundError."""
        try:
            if file.size_bytes > MAX_CDR_BYTES:
                raise ValueError(f"{file.size_bytes} bytes are more than a CDR has")
            # Bytes of a caller's name are whatever he sent; json allows control characters when it is not strict.
            document = _parse(_contents(file.path, file.size_bytes))
        except (ValueError, RecursionError, PermissionError) as error:
            raise self._unreadable_error(file, error) from error
        self._unreadable.pop(file.name, None)
        return document

    def _unreadable_error(self, file: CdrFile, error: Exception) -> HalfWritten | Broken:
        now_s = self._clock.monotonic_s()
        first_s, modified_s, size = self._unreadable.get(file.name, (now_s, file.modified_s, file.size_bytes))
        if (modified_s, size) != (file.modified_s, file.size_bytes):
            first_s = now_s
        if len(self._unreadable) > MAX_SEEN:
            self._unreadable.clear()
        self._unreadable[file.name] = (first_s, file.modified_s, file.size_bytes)
        unchanged_s, age_s = now_s - first_s, self.age_s(file)
        if unchanged_s >= BROKEN_AFTER_S or (age_s >= BROKEN_AFTER_S and unchanged_s >= UNCHANGED_FOR_S):
            return Broken(f"{file.name} cannot be read: {error}")
        return HalfWritten(f"{file.name} cannot be read yet")

    def age_s(self, file: CdrFile) -> float:
        """Seconds since the file was written, by the wall clock; negative after that was set back."""
        return self._clock.now().timestamp() - file.modified_s

    def set_aside(self, file: CdrFile) -> Path:
        """Moves the file to `cdr-broken`, over nothing that lies there."""
        self._unreadable.pop(file.name, None)
        target = self.broken / file.name
        for number in range(1, 1000):
            if not target.exists():
                break
            target = self.broken / f"{file.name}.{number}"
        os.rename(file.path, target)
        return target

    def count_set_aside(self) -> int:
        with os.scandir(self.broken) as entries:
            return sum(1 for _ in entries)

    def has_cdr(self, call_id: str) -> bool:
        """Whether a call's record waits to be stored."""
        return any((self.cdr / name).exists() for name in (f"a_{call_id}.cdr.json", self._stand_in_name(call_id)))

    def put_stand_in(self, call_id: str, document: dict[str, Any]) -> None:
        """Puts a record in the place of the file that never came; whole or not at all."""
        target = self.cdr / self._stand_in_name(call_id)
        fresh = self.cdr / f".{target.name}"
        with open(fresh, "w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(target)

    @staticmethod
    def _stand_in_name(call_id: str) -> str:
        return f"lost_{call_id}.cdr.json"

    def remove(self, file: CdrFile) -> None:
        """The record is kept: the file may go."""
        with suppress(FileNotFoundError):
            os.unlink(file.path)

    # --- Recordings. ---

    def keep_for_recordings(
        self, file: CdrFile, call_id: uuid.UUID, agency_id: uuid.UUID, client_id: uuid.UUID
    ) -> None:
        """The record is kept, its recordings are still here: the file becomes the reminder to bring them home."""
        os.rename(file.path, self.due / f"{call_id}_{agency_id}_{client_id}.cdr.json")

    def remove_recordings(self, call_id: str) -> int:
        """Removes every recording of a call that lies here; returns how many."""
        removed = 0
        for entry in self.recording_files():
            parsed = parse_file_name(entry.name)
            if parsed and str(parsed[0]) == call_id:
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
        return removed

    def due_files(self) -> Iterator[DueFile]:
        """Stored calls whose recordings are to be brought home, in no order."""
        with os.scandir(self.due) as entries:
            for entry in entries:
                parts = entry.name.removesuffix(".cdr.json").split("_")
                try:
                    _, agency_id, client_id = (uuid.UUID(part) for part in parts)
                except ValueError:
                    continue
                if not entry.is_file(follow_symlinks=False):
                    continue
                yield DueFile(Path(entry.path), agency_id, client_id)

    def recording_files(self) -> Iterator[os.DirEntry[str]]:
        """Every file under `recordings/<day>/`."""
        with os.scandir(self.recordings) as days:
            for day in days:
                if day.is_dir(follow_symlinks=False):
                    with os.scandir(day.path) as entries:
                        yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def _contents(path: str, size_bytes: int) -> bytes:
    """Of a file that nobody writes any more by one call to the kernel; one that grows is read to its end."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = [os.read(opened, size_bytes + 1)]
        while len(pieces[-1]) > 0 and sum(map(len, pieces)) != size_bytes:
            pieces.append(os.read(opened, size_bytes + 1))
        return b"".join(pieces)
    finally:
        os.close(opened)


def _parse(body: bytes) -> Any:
    """Most files at twice the speed, and the others too. Raises ValueError, RecursionError."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return json.loads(body.decode("utf-8", "replace"), strict=False)


def _cdr_file(entry: os.DirEntry[str] | Path) -> CdrFile | None:
    """None: it is gone, or it is a folder, a pipe or a link and so no switch's CDR: reading it would stop all, or read
    somewhere else."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return CdrFile(os.fspath(entry), status.st_mtime, status.st_size) if stat.S_ISREG(status.st_mode) else None

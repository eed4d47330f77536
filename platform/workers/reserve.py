"""A piece of a spool's disk that is kept for the way out of a full one.

On a full disk everything waits for everything: recordings go once their call is stored, a call whose CDR could not be
written is stored from the journal, and the journal and the record that stands in for the file need some space
themselves. This file is that space; it is given up when the disk is full, and taken again when there is plenty. Must
not know what needs it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger("agent")

#: Some thousand hang-up events and stand-ins.
MOST_BYTES = 64 * 1024 * 1024
#: A small disk keeps such a part of itself.
_PART = 32


@dataclass(frozen=True, slots=True)
class Disk:
    """What a spool's disk has. ``is_full``: so little that the reserve is given up."""

    free_bytes: int
    size_bytes: int
    free_files: int
    is_full: bool


class Reserve:
    """The file `reserve` of one spool."""

    def __init__(self, root: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._root = root
        self._path = root / "reserve"
        self._most_bytes = most_bytes

    def tend(self) -> Disk:
        """Look at the disk and act; a few times a minute. Raises OSError when the spool cannot be looked at."""
        disk = os.statvfs(self._root)
        free = disk.f_bavail * disk.f_frsize
        size = min(self._most_bytes, disk.f_blocks * disk.f_frsize // _PART)
        if free < size // 4:
            self._give_up(free)
        elif free > 4 * size and not self._path.exists():
            self._take(size)
        return Disk(free, disk.f_blocks * disk.f_frsize, disk.f_favail, is_full=free < size // 4)

    def _give_up(self, free: int) -> None:
        try:
            self._path.unlink()
        except FileNotFoundError:
            return
        log.error("the spool's disk is full; its reserve is given up", spool=str(self._root), free_bytes=free)

    def _take(self, size: int) -> None:
        fresh = self._path.with_name(".reserve")
        try:
            with open(fresh, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
            fresh.replace(self._path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            log.warning("no reserve can be kept", spool=str(self._root), why=str(error))

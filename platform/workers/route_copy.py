"""The last-known copy of all routes on a machine's disk: one SQLite file that the monitor keeps and the workers read.

It is what a worker that starts while the database is away answers from. A row carries a digest of itself, so that a
file that something damaged gives no route instead of a wrong one; the file's size is bounded. It holds routes only: no
caller, no call. Must not know the database or what a route means to a call.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from ..calls.model import Route
from ..errors import DialtraceError

log = structlog.get_logger("routes")

#: More than a million routes of usual flows. A full copy stays as it is, and the monitor counts a failure.
MOST_BYTES = 1024**3
#: A worker's loop stands still while it reads; on a page that is in memory that is some 50 µs.
READER_BUSY_S = 0.05
WRITER_BUSY_S = 5.0
#: A worker does not look for a missing or damaged file at every call.
LOOK_AGAIN_AFTER_S = 1.0
_PAGE_BYTES = 4096
_FORMAT = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS routes (e164 TEXT PRIMARY KEY, body BLOB NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS synced (id INTEGER PRIMARY KEY CHECK (id = 1), at_s REAL NOT NULL);
PRAGMA user_version = {_FORMAT};
"""


class CopyUnusable(DialtraceError):
    """The copy of the routes on this machine's disk cannot be used."""


def route_copy_path(data_dir: Path) -> Path:
    """Where the machine's copy lies."""
    return data_dir / "routes.db"


class RouteCopyFile:
    """The file as its one writer sees it. Blocks on the disk: called in a thread. Raises CopyUnusable."""

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._connection: sqlite3.Connection | None = None

    def keep(self, routes: Mapping[str, Route], *, whole: bool, synced_at_s: float) -> int:
        """Takes over what changed, in one transaction; ``whole``: and forgets every other number. How many there are
        now. A file that is damaged is made anew the next time, which must then be a whole one."""
        try:
            return self._keep(self._open(), routes, whole=whole, synced_at_s=synced_at_s)
        except (sqlite3.Error, OSError) as fault:
            self.close()
            if not _is_passing(fault):
                self._remove()
            raise CopyUnusable(f"{self._path}: {fault}") from fault

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or not self._path.exists():
            self.close()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            made = sqlite3.connect(self._path, timeout=WRITER_BUSY_S, isolation_level=None, check_same_thread=False)
            self._connection = made
            if made.execute("PRAGMA user_version").fetchone()[0] not in (0, _FORMAT):
                raise sqlite3.DatabaseError("it has the form of another release")
            made.execute("PRAGMA journal_mode=WAL")
            # What a power cut takes is read again from the database.
            made.execute("PRAGMA synchronous=NORMAL")
            made.execute(f"PRAGMA max_page_count={max(1, self._most_bytes // _PAGE_BYTES)}")
            made.executescript(_SCHEMA)
        return self._connection

    def _keep(
        self, connection: sqlite3.Connection, routes: Mapping[str, Route], *, whole: bool, synced_at_s: float
    ) -> int:
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "INSERT INTO routes (e164, body, digest) VALUES (?, ?, ?) ON CONFLICT (e164) DO UPDATE SET"
                " body = excluded.body, digest = excluded.digest WHERE digest <> excluded.digest",
                ((e164, body, digest(e164, body)) for e164, body in _packed(routes.items())),
            )
            if whole:
                kept = connection.execute("SELECT e164 FROM routes").fetchall()
                strangers = [row for row in kept if row[0] not in routes]
                connection.executemany("DELETE FROM routes WHERE e164 = ?", strangers)
            connection.execute(
                "INSERT INTO synced (id, at_s) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at_s = excluded.at_s",
                (synced_at_s,),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return int(connection.execute("SELECT count(*) FROM routes").fetchone()[0])

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)


class RouteCopy:
    """The file as a worker reads it: never an error, only what it knows."""

    def __init__(
        self,
        path: Path,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._monotonic_s = monotonic_s
        self._now_s = now_s
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._look_at_s = float("-inf")

    def find(self, e164: str) -> tuple[Route, float] | None:
        """The route and how old the copy is, in seconds; None: it is not known here, or the copy is not usable."""
        if self._monotonic_s() < self._look_at_s:
            return None
        try:
            return self._find(e164)
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError, zlib.error) as fault:
            self._look_at_s = self._monotonic_s() + LOOK_AGAIN_AFTER_S
            self.close()
            log.warning("no route from the copy on disk", fault=str(fault))
            return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _find(self, e164: str) -> tuple[Route, float] | None:
        connection = self._open()
        row = connection.execute("SELECT body, digest FROM routes WHERE e164 = ?", (e164,)).fetchone()
        if row is None:
            return None
        if digest(e164, row[0]) != row[1]:
            raise ValueError("a row is damaged")
        synced = connection.execute("SELECT at_s FROM synced").fetchone()
        return _unpacked(row[0]), max(0.0, self._now_s() - float(synced[0]))

    def _open(self) -> sqlite3.Connection:
        """Anew when the monitor has replaced the file."""
        inode = os.stat(self._path).st_ino
        if self._connection is None or inode != self._inode:
            self.close()
            self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=READER_BUSY_S, isolation_level=None
            )
            self._inode = inode
            self._connection.execute("PRAGMA query_only=1")
            if self._connection.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
                raise ValueError("it has the form of another release")
        return self._connection


def digest(e164: str, body: bytes) -> bytes:
    """Tells a row from a damaged one, and one number's row from another's."""
    return blake2b(body, digest_size=8, key=e164.encode()).digest()


def _packed(routes: Iterable[tuple[str, Route]]) -> Iterable[tuple[str, bytes]]:
    for e164, route in routes:
        values = {field.name: getattr(route, field.name) for field in fields(Route)}
        text = json.dumps(values, default=str, separators=(",", ":"), sort_keys=True)
        yield e164, zlib.compress(text.encode(), 1)


def _unpacked(body: bytes) -> Route:
    values: dict[str, Any] = json.loads(zlib.decompress(body))
    for name, value in values.items():
        # Every member that names something is a UUID (calls/model.py, Route).
        if name.endswith("_id") and value is not None:
            values[name] = UUID(value)
    return Route(**values)


def _is_passing(fault: Exception) -> bool:
    """A full disk, a full copy or a lock: the file itself is in order."""
    return isinstance(fault, sqlite3.OperationalError | OSError)

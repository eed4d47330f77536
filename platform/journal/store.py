"""The journal of one node: which calls began there, kept so that a call whose switch died is still recorded.

The monitor writes it, the agent reads and clears it; both open the same SQLite file (docs/architecture.md, "The
journal"). Every method commits before it returns, and a commit has reached the disk (``synchronous=FULL``). A
:class:`Journal` belongs to one caller at a time, in whichever thread. Knows sqlite3 and nothing else: no event socket,
no gevent, no PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import JournalBusy, JournalError, JournalUnusable

#: A row younger than this may belong to a switch whose new Core-UUID we learned a moment ago.
LOST_AFTER_S = 5.0

#: How long one statement waits for the other process. Commits take milliseconds; this is for a stalled disk.
BUSY_TIMEOUT_S = 5.0

#: SQLite allows 999 placeholders in its older builds.
_AT_A_TIME = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS started (
  call_id TEXT PRIMARY KEY, core_uuid TEXT NOT NULL, started_us INTEGER NOT NULL,
  dialled TEXT, caller TEXT, caller_name TEXT, recorded_at_us INTEGER NOT NULL,
  ended_event TEXT
);
CREATE TABLE IF NOT EXISTS core (
  id INTEGER PRIMARY KEY CHECK (id = 1), core_uuid TEXT, seen_at_us INTEGER, state TEXT
);
"""

_COLUMNS = "call_id, core_uuid, started_us, dialled, caller, caller_name, recorded_at_us, ended_event"


@dataclass(frozen=True, slots=True)
class Started:
    """A call that began. ``started_us`` is the channel-created stamp, µs; ``dialled``, ``caller`` and ``caller_name``
    are what the caller sent, raw. ``ended_event`` is the hang-up event as JSON, once it was heard."""

    call_id: str
    core_uuid: str
    started_us: int
    dialled: str | None
    caller: str | None
    caller_name: str | None
    recorded_at_us: int
    ended_event: str | None = None


@dataclass(frozen=True, slots=True)
class Core:
    """What the monitor last knew of the switch: the run it is in, when (µs), and up, down or unknown."""

    core_uuid: str | None
    seen_at_us: int
    state: str


class Journal:
    """The journal in the file ``path``; made if it is missing. Raises :class:`JournalError` wherever it fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._faults():
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._faults():
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=FULL")
                # A row that goes is overwritten: it names a caller, who may have asked to be forgotten.
                self._connection.execute("PRAGMA secure_delete=ON")
                self._connection.executescript(_SCHEMA)
        except JournalError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def begin(self, rows: Iterable[Started]) -> None:
        """Adds calls that began, all in one commit. A call that is there already stays as it is."""
        values = [
            (r.call_id, r.core_uuid, r.started_us, r.dialled, r.caller, r.caller_name, r.recorded_at_us, r.ended_event)
            for r in rows
        ]
        with self._transaction():
            self._connection.executemany(
                f"INSERT INTO started ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (call_id) DO NOTHING",  # noqa: S608
                values,
            )

    def end(self, call_id: str, event_json: str) -> None:
        """Keeps a call's hang-up event on its row; without a row (the agent was quicker) nothing happens."""
        self.end_many([(call_id, event_json)])

    def end_many(self, ended: Iterable[tuple[str, str]]) -> None:
        """:meth:`end` for several calls in one commit."""
        values = [(event_json, call_id) for call_id, event_json in ended]
        with self._transaction():
            self._connection.executemany("UPDATE started SET ended_event = ? WHERE call_id = ?", values)

    def core(self, core_uuid: str | None, state: str, *, seen_at_us: int) -> None:
        """Notes the switch's run and state. ``core_uuid`` None keeps the run that was known last."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO core (id, core_uuid, seen_at_us, state) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " core_uuid = coalesce(excluded.core_uuid, core_uuid), seen_at_us = excluded.seen_at_us,"
                " state = excluded.state",
                (core_uuid, seen_at_us, state),
            )

    def known_core(self) -> Core | None:
        """What :meth:`core` noted last; None in a new journal."""
        rows = self._rows("SELECT core_uuid, coalesce(seen_at_us, 0), coalesce(state, 'unknown') FROM core")
        return Core(*rows[0]) if rows else None

    def pending(self) -> list[Started]:
        """Every call that began and whose record is not stored yet, oldest first."""
        return self._started("")

    def lost(self, now_us: int) -> list[Started]:
        """Calls that cannot stand any more: their switch is in another run since, or is known to be down.

        A switch that nobody could ask ("unknown") loses no call. A caller still has to look for a CDR file, since a
        call may have ended properly before its switch did.
        """
        return self._started(
            "WHERE recorded_at_us <= ? AND EXISTS (SELECT 1 FROM core WHERE core.core_uuid IS NOT NULL AND"
            " (core.core_uuid <> started.core_uuid OR (core.state = 'down' AND core.seen_at_us >= recorded_at_us)))",
            now_us - int(LOST_AFTER_S * 1_000_000),
        )

    def gone(self, call_ids: Iterable[str]) -> None:
        """Marks calls that the switch, asked, no longer knows and whose hang-up was not heard: no run has them."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE started SET core_uuid = '' WHERE call_id = ? AND ended_event IS NULL",
                [(call_id,) for call_id in call_ids],
            )

    def forget(self, call_ids: Iterable[str]) -> None:
        """Removes calls whose records are stored."""
        with self._transaction():
            self._connection.executemany("DELETE FROM started WHERE call_id = ?", [(one,) for one in call_ids])

    def forget_pages(self) -> None:
        """Nothing of removed rows stays in the file's log. Raises JournalBusy while somebody reads an older state."""
        with self._faults():
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise JournalBusy(
                f"journal {self.path}: its log is in use. {' '.join((JournalBusy.__doc__ or '').split())}"
            )

    def known(self, call_ids: Sequence[str]) -> set[str]:
        """Those of ``call_ids`` that have a row."""
        found: set[str] = set()
        for start in range(0, len(call_ids), _AT_A_TIME):
            part = call_ids[start : start + _AT_A_TIME]
            marks = ",".join("?" * len(part))
            found.update(row[0] for row in self._rows(f"SELECT call_id FROM started WHERE call_id IN ({marks})", *part))  # noqa: S608
        return found

    def _started(self, where: str, *values: object) -> list[Started]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM started {where} ORDER BY started_us, call_id", *values)  # noqa: S608
        return [Started(*row) for row in rows]

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._faults():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # IMMEDIATE takes the write lock at once, so that waiting for it is bounded by the busy time-out.
        with self._faults():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as fault:
            busy = getattr(fault, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            case = JournalBusy if busy else JournalUnusable
            raise case(f"journal {self.path}: {fault}. {' '.join((case.__doc__ or '').split())}") from fault

"""Draining a node: no new call comes in, and nobody is told that it is empty while anything on it would be missed.

What is wanted is in the node's row; a marker in the spool keeps it for when the database is away, so that a node that
was to drain does so again after its switch, this process or the machine were started anew. Must not end calls.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import gevent
import structlog
from gevent.threadpool import ThreadPool

from ..calls.nodes import NodeDirectory
from ..db.engine import Database
from ..db.errors import DatabaseError
from ..esl.errors import EslError
from ..journal.errors import JournalError
from ..metrics import NODE_DRAIN_WAITS, NODE_DRAINING
from ..nodesfile import NodeSettings
from ..recording.store import count_on_nodes
from .journal_writer import JournalWriter

log = structlog.get_logger("monitor")

LOOK_EVERY_S = 1.0
ASK_TIMEOUT_S = 3.0
#: The counter itself; `show channels` comes out of a database that lags behind.
_SESSIONS = re.compile(r"^(\d+) session\(s\) - peak", re.MULTILINE)
_FOLDERS = {"cdr_files": "cdr", "cdr_files_set_aside": "cdr-broken", "recordings_due": "recordings-due"}

#: Runs an API command on the switch; raises EslError.
Api = Callable[..., str]


class Drains(Protocol):
    """What is wanted of nodes, and where it is told how far they are (calls.nodes)."""

    def is_drain_wanted(self, name: str) -> bool: ...
    def tell_waits(self, name: str, waits: Mapping[str, int]) -> None: ...
    def tell_serving(self, name: str) -> None: ...


class NodeDrain:
    """One node. ``journal`` counts calls whose record is not stored, ``ledger`` recordings that are on the node."""

    def __init__(
        self,
        *,
        node: str,
        spool: Path,
        api: Api,
        state: Callable[[], str],
        drains: Drains,
        journal: Callable[[], int],
        ledger: Callable[[], int],
    ) -> None:
        self._node = node
        self._spool = spool
        self._marker = spool / "draining"
        self._api = api
        self._state = state
        self._drains = drains
        self._journal = journal
        self._ledger = ledger
        self._disk = ThreadPool(1)

    @property
    def is_wanted(self) -> bool:
        """As far as this machine knows."""
        return self._marker.exists()

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.look()
            gevent.sleep(LOOK_EVERY_S)

    def on_linked(self) -> None:
        """A switch that was just started takes calls until it is told otherwise: as soon as it can be. Raises
        EslError."""
        if self.is_wanted:
            self._pause()

    def look(self) -> None:
        """One look. Raises nothing that a next look could mend."""
        try:
            self._follow(self._drains.is_drain_wanted(self._node))
        except DatabaseError as fault:
            # What is known on this machine holds.
            log.warning("draining cannot be looked after", node=self._node, fault=str(fault))
        except OSError as fault:
            log.error("draining cannot be noted on disk", node=self._node, fault=str(fault))
        except EslError as fault:
            log.warning("the switch cannot be told to drain or to serve", node=self._node, fault=str(fault))

    def _follow(self, wanted: bool) -> None:
        NODE_DRAINING.labels(self._node).set(int(wanted or self.is_wanted))
        if wanted:
            if not self.is_wanted:
                _mark(self._marker)
                log.info("the node drains", node=self._node)
            self._drain()
        elif self.is_wanted:
            if self._state() != "down":
                self._api("fsctl", "resume", "inbound", timeout_s=ASK_TIMEOUT_S)
            self._marker.unlink()
            log.info("the node takes calls again", node=self._node)
            self._drains.tell_serving(self._node)
            self._show({})

    def _drain(self) -> None:
        waits = self._waits()
        self._drains.tell_waits(self._node, waits)
        self._show(waits)

    def _waits(self) -> dict[str, int]:
        """In the order in which a call passes these places: what moves on while we count is counted where it comes."""
        counted = {
            **self._on_switch(),
            "journal": self._journalled(),
            **self._disk.apply(counted_files, (self._spool,)),
            "ledger": self._ledger(),
        }
        return {what: count for what, count in counted.items() if count}

    def _on_switch(self) -> dict[str, int]:
        """A switch of which nobody can say how it is might have calls."""
        if self._state() == "down":
            return {}
        try:
            self._pause()
            found = _SESSIONS.search(self._api("status", timeout_s=ASK_TIMEOUT_S))
        except EslError:
            found = None
        return {"switch": 1} if found is None else {"calls": int(found[1])}

    def _journalled(self) -> int:
        try:
            return self._journal()
        except JournalError as fault:
            log.error("the journal cannot be counted", node=self._node, fault=str(fault))
            return 1

    def _pause(self) -> None:
        """Only inbound: calls that stand may still ring their targets (freeswitch.md 6.4)."""
        if self._api("fsctl", "pause_check", "inbound", timeout_s=ASK_TIMEOUT_S).strip() != "true":
            self._api("fsctl", "pause", "inbound", timeout_s=ASK_TIMEOUT_S)

    def _show(self, waits: Mapping[str, int]) -> None:
        NODE_DRAIN_WAITS.labels(self._node).set(sum(waits.values()))


def counted_files(spool: Path) -> dict[str, int]:
    """Files that nobody has confirmed, by where they lie. A folder that cannot be read counts as one file."""
    found = {what: _entries(spool / folder) for what, folder in _FOLDERS.items()}
    found["recordings"] = _recordings(spool / "recordings")
    return found


def _entries(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(1 for _ in entries)
    except FileNotFoundError:
        return 0
    except OSError:
        return 1


def _recordings(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(_entries(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else 1 for entry in entries)
    except FileNotFoundError:
        return 0
    except OSError:
        return 1


def _mark(path: Path) -> None:
    """On the disk before anybody is told that the node drains."""
    with path.open("wb") as file:
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Watched(Protocol):
    """The node's monitor: how its switch is, and the line to it."""

    @property
    def state(self) -> str: ...
    def api(self, name: str, *args: str, timeout_s: float | None = None) -> str: ...


def make_drain(node: NodeSettings, *, monitor: Watched, journal: JournalWriter, database: Database) -> NodeDrain:
    """One with everything that the monitor has."""

    def ledger() -> int:
        with database.system() as connection:
            # All of them, however young.
            return count_on_nodes(connection, [node.name], datetime.now(UTC) + timedelta(days=1))

    return NodeDrain(
        node=node.name,
        spool=node.spool,
        api=monitor.api,
        state=lambda: monitor.state,
        drains=NodeDirectory(database),
        journal=lambda: len(journal.call("pending")),
        ledger=ledger,
    )

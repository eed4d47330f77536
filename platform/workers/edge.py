"""Keeps an edge's tables (`dialtrace work edge`): files that Kamailio reads when it starts, brought up to date from the
database, and a word to Kamailio whenever they changed. The number map is two tables: `placements`, written whole, and
`moved`, what has changed since: of a million numbers one that moves costs a small file instead of a large one.

The files are the edge's memory: with the database, or this process, away Kamailio goes on with what it has, and starts
anew with it. Must not know calls.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog
from gevent.event import Event

from ..db.engine import Database
from ..db.errors import DatabaseError
from ..errors import DialtraceError
from ..metrics import EDGE_NUMBERS, EDGE_PASSES_FAILED
from ..pool.edge import VERSION, any_lists, digits_of, limit_table, node_list, placement_table, sets_of, with_ids
from ..readiness import tell_ready

log = structlog.get_logger("edge")

LOOK_EVERY_S = 1.0
RPC_TIMEOUT_S = 5.0
#: Reading a million numbers anew takes Kamailio most of a minute on a busy machine; calls go on meanwhile.
RELOAD_TIMEOUT_S = 300.0
#: Up to so many numbers are told one by one; more, and Kamailio reads the table anew.
MOST_TOLD = 200
#: Up to so many stand in the small table; more, and the map is written whole.
MOST_MOVED = 5_000


Nodes = tuple[str, ...]


class EdgeSilent(DialtraceError):
    """Kamailio does not answer; it reads the files when it starts."""


class EdgeFolder:
    """An edge's files. ``prepare`` makes what Kamailio needs to start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = folder / "tables"
        self.nodes = folder / "nodes.list"
        self.rpc = folder / "rpc.sock"
        self._ids = folder / "nodes.json"

    def prepare(self, *, listen: str, calls_per_s: int, limits: Mapping[str, int]) -> None:
        """Configuration and empty tables; tables that are there stay. Raises ValueRefused."""
        text = limit_table(limits)
        self.tables.mkdir(parents=True, exist_ok=True)
        self.write(self.tables / "version", [VERSION])
        self.write(self.tables / "limits", [text])
        for table in ("placements", "moved"):
            if not (self.tables / table).exists():
                self.write(self.tables / table, placement_table({}))
        if not self.nodes.exists():
            self.write(self.nodes, [""])
        define = {
            "EDGE_LISTEN": f"udp:{listen}",
            "EDGE_CALLS_PER_S": str(calls_per_s),
            "EDGE_RPC": f'"{self.rpc}"',
            "EDGE_TABLES": f'"text://{self.tables}"',
            "EDGE_NODES": f'"{self.nodes}"',
        }
        self.write(self.folder / "local.cfg", [f"#!define {name} {value}\n" for name, value in define.items()])
        configuration = files("dialtrace.freeswitch").joinpath("edge", "kamailio.cfg").read_text(encoding="utf-8")
        self.write(self.folder / "kamailio.cfg", [configuration])

    def ids(self) -> dict[str, int]:
        """Each node's set, as it was given once."""
        with suppress(FileNotFoundError):
            found: dict[str, int] = json.loads(self._ids.read_text(encoding="utf-8"))
            return found
        return {}

    def keep_ids(self, ids: Mapping[str, int]) -> None:
        """Before anything names them."""
        self.write(self._ids, [json.dumps(dict(ids))])

    @staticmethod
    def write(path: Path, lines: Iterable[str]) -> None:
        """Whole or not at all, also when the machine stops. Each time with a later second as its time: db_text looks at
        nothing else to know whether a file has changed (src/modules/db_text/dbt_file.c, dbt_check_mtime)."""
        before_s = int(path.stat().st_mtime) if path.exists() else 0
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).chmod(0o644)
        stamp_s = max(int(time.time()), before_s + 1)
        os.utime(file.name, (stamp_s, stamp_s))
        Path(file.name).replace(path)


class Kamailio:
    """Asks a running Kamailio by its datagram socket."""

    def __init__(self, folder: EdgeFolder) -> None:
        self._socket = folder.rpc
        self._own = folder.folder / f"asker-{os.getpid()}.sock"

    def ask(self, method: str, *parameters: Any, timeout_s: float = RPC_TIMEOUT_S) -> Any:
        """Raises EdgeSilent."""
        request = json.dumps({"jsonrpc": "2.0", "method": method, "params": list(parameters), "id": 1})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            self._own.unlink(missing_ok=True)
            try:
                asker.bind(str(self._own))
                asker.settimeout(timeout_s)
                asker.sendto(request.encode(), str(self._socket))
                answer = json.loads(asker.recv(1 << 20))
            except (OSError, ValueError) as error:
                raise EdgeSilent(f"Kamailio does not answer at {self._socket}: {error}") from error
            finally:
                self._own.unlink(missing_ok=True)
        if "error" in answer:
            raise EdgeSilent(f"Kamailio refuses {method}: {answer['error']}")
        return answer.get("result")


class EdgeKeeper:
    """Brings the files up to date, and says so."""

    def __init__(self, database: Database, folder: EdgeFolder) -> None:
        self._database = database
        self._folder = folder
        self._kamailio = Kamailio(folder)
        self._mark: str | None = None
        self._addresses: dict[str, str] = {}
        self._ids = folder.ids()
        self._lists: dict[str, Nodes] = {}
        #: What has changed since the map was written whole.
        self._moved: dict[str, Nodes] = {}
        #: A million numbers have a few orders of nodes: each is kept once.
        self._orders: dict[Nodes, Nodes] = {}
        #: What Kamailio may not have heard of.
        self._untold = False
        self._stopping = Event()

    def run(self) -> None:
        """Until :meth:`stop`."""
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """One pass; what fails is made up for by the next."""
        try:
            addresses, mark, changed = self._read()
        except DatabaseError as fault:
            EDGE_PASSES_FAILED.labels("database").inc()
            log.warning("the placement cannot be read; the edge goes on with what it has", fault=str(fault))
            return
        moved = addresses != self._addresses
        told = {number: nodes for number, nodes in changed.items() if self._lists.get(number) != nodes}
        self._lists |= told
        self._moved |= told
        whole = self._mark is None or len(self._moved) > MOST_MOVED
        if moved or told or whole:
            self._addresses = addresses
            self._store(whole=whole)
        self._mark = mark
        if moved or told or whole or self._untold:
            self._tell(told, whole=whole or self._untold, moved=moved or self._untold)

    def _read(self) -> tuple[dict[str, str], str, dict[str, Nodes]]:
        with self._database.directory() as connection:
            nodes = connection.exec_driver_sql("SELECT name, sip_address FROM nodes ORDER BY name").all()
            rows = connection.exec_driver_sql(
                "SELECT mark::text, e164, nodes FROM dialtrace_placements_changed(CAST(%s AS xid8))", (self._mark,)
            ).all()
        changed = {digits_of(e164): self._order(tuple(names)) for _, e164, names in rows if e164 is not None}
        return {row.name: row.sip_address for row in nodes}, rows[0][0], changed

    def _order(self, names: Nodes) -> Nodes:
        return self._orders.setdefault(names, names)

    def _store(self, *, whole: bool) -> None:
        """The large table before the small one: what stands in both is the same in both, or newer in the small one."""
        ids = with_ids(self._ids, self._addresses)
        if ids != self._ids:
            self._folder.keep_ids(ids)
            self._ids = ids
        self._folder.write(self._folder.nodes, [node_list(ids, self._addresses)])
        if whole:
            self._folder.write(self._folder.tables / "placements", placement_table(self._sets(self._lists)))
            self._moved = {}
        lists = self._sets(self._moved) | any_lists(ids, list(self._addresses))
        self._folder.write(self._folder.tables / "moved", placement_table(lists))
        EDGE_NUMBERS.set(len(self._lists))

    def _sets(self, lists: Mapping[str, Nodes]) -> dict[str, str]:
        written = {nodes: sets_of(nodes, self._ids) for nodes in self._orders}
        return {number: written[nodes] for number, nodes in lists.items()}

    def _tell(self, told: Mapping[str, Nodes], *, whole: bool, moved: bool) -> None:
        try:
            if moved:
                self._kamailio.ask("dispatcher.reload")
            if whole:
                self._kamailio.ask("htable.reload", "placements", timeout_s=RELOAD_TIMEOUT_S)
            if whole or moved or len(told) > MOST_TOLD:
                self._kamailio.ask("htable.reload", "moved")
            else:
                for number, nodes in told.items():
                    self._kamailio.ask("htable.sets", "moved", number, sets_of(nodes, self._ids))
        except EdgeSilent as fault:
            self._untold = True
            EDGE_PASSES_FAILED.labels("kamailio").inc()
            log.warning("the edge has not heard of a change", fault=str(fault))
        else:
            self._untold = False
            log.info("the edge knows", numbers=len(self._lists), changed=len(told), nodes=len(self._addresses))


def run_edge_keeper(keeper: EdgeKeeper) -> None:
    """Serves until SIGTERM or SIGINT. The process must be patched for gevent, its database driver too."""
    import gevent

    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, keeper.stop)
    tell_ready()
    keeper.run()

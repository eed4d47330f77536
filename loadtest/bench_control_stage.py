"""What bench_control.py measures on: a real PostgreSQL with numbers that are routed, and the processes that are asked.

All of it listens on loopback, writes into one temporary folder, and ends with the program.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil

from dialtrace.calls.plan import CALL_MARK
from dialtrace.calls.service import CallFlowService
from dialtrace.clock import SystemClock
from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database
from dialtrace.db.migrate import upgrade
from dialtrace.errors import DialtraceError
from dialtrace.launch import PROGRAM, is_listening, make_spool
from dialtrace.loadtest.bench_setup_stage import free_ports
from dialtrace.loadtest.eslsim import CapturedCall, EventLink, Switch, asked_of, calls_events, serve_link
from dialtrace.nodesfile import NodeSettings, write_nodes
from dialtrace.numbers.service import NumberService
from dialtrace.tenancy.service import TenancyService

HERE = Path(__file__).resolve().parent
#: Ofcom's range for drama reaches nobody.
NUMBERS = [f"+4416329602{place:02}" for place in range(50)]
EVENTS = ("CHANNEL_CREATE", "CHANNEL_HANGUP_COMPLETE")
START_TIMEOUT_S, EVENTS_TIMEOUT_S = 20.0, 40.0


class StageFailed(DialtraceError):
    """Something that the measurement needs does not work."""


@dataclass
class Stage:
    """A database with routed numbers, and the means to start contestants."""

    folder: Path
    url: str
    ports: Iterator[int] = field(repr=False)
    numbers: list[str] = field(repr=False, default_factory=lambda: list(NUMBERS))
    _running: dict[str, tuple[Switch, list[psutil.Process]]] = field(repr=False, default_factory=dict)
    _captured: CapturedCall = field(repr=False, default_factory=CapturedCall.read)

    def switch(self, contestant: str) -> Switch:
        """The simulated switch that asks this contestant."""
        return self._running[contestant][0]

    def cpu_seconds(self, contestant: str) -> float:
        """What its processes have used so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self._running[contestant][1])

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """So many call workers on one port."""
        port = next(self.ports)
        environment = {"DIALTRACE_WORKER_LISTEN": f"127.0.0.1:{port}"}
        with ExitStack() as stack:
            started = [
                stack.enter_context(self._process(f"worker-{place}", [*PROGRAM, "work", "calls"], environment))
                for place in range(count)
            ]
            for process in started:
                _await(partial(_listens, process, port), process)
            with self._as("worker", port, started):
                yield

    @contextmanager
    def stock(self, plan: str, *, hold_s: float) -> Iterator[None]:
        """A stock greenswitch server that runs the actions of this plan."""
        port, plan_file = next(self.ports), self.folder / "stock.plan"
        call_id = plan.partition("/recordings/")[2].partition("/")[2][:36]
        plan_file.write_text(plan.replace(call_id, CALL_MARK) if call_id else plan, encoding="utf-8")
        argv = [sys.executable, str(HERE / "bench_setup_stock.py"), str(port), str(plan_file)]
        with self._process("stock", argv, {}) as process:
            _await(lambda: is_listening(("127.0.0.1", port)), process)
            with self._as("stock", port, [process], hold_s=hold_s):
                yield

    @contextmanager
    def monitor(self, port: int) -> Iterator[None]:
        """A monitor of a node whose event socket is at that port."""
        write_nodes(self.folder / "nodes.json", [self._node(port)])
        more = {"DIALTRACE_NODES_FILE": str(self.folder / "nodes.json")}
        with (
            self._process("monitor", [*PROGRAM, "work", "nodes"], more) as process,
            self._as("monitor", port, [process]),
        ):
            yield

    def events_rate(self, contestant: str, calls: int) -> float:
        """Events a second: a monitor's with every call's row in its journal, or a stock client's that only counts."""
        port = next(self.ports)
        link = EventLink(core_uuid="00000000-0000-4000-8000-00000000c0de")
        events = calls_events(self._captured, EVENTS, core_uuid=link.core_uuid, dialled=NUMBERS[0][1:])
        node = self._node(port)
        argv = [sys.executable, str(HERE / "bench_control_stock.py"), str(port), str(calls * len(EVENTS))]
        if contestant == "monitor":
            write_nodes(self.folder / "nodes.json", [node])
            argv = [*PROGRAM, "work", "nodes"]
        seconds = asyncio.run(self._feed(contestant, argv, link, events, calls, node))
        return calls * len(EVENTS) / seconds

    async def _feed(
        self, contestant: str, argv: list[str], link: EventLink, events: Iterator[bytes], calls: int, node: NodeSettings
    ) -> float:
        feed, gone = await serve_link(link, node.event_socket_address, events, calls)
        with self._process(contestant, argv, {"DIALTRACE_NODES_FILE": str(self.folder / "nodes.json")}) as process:
            until_s = time.monotonic() + EVENTS_TIMEOUT_S
            while time.monotonic() < until_s:
                if contestant != "monitor" and process.poll() is not None:
                    break
                if contestant == "monitor" and _journalled(node) >= calls:
                    break
                await asyncio.sleep(0.02)
            else:
                raise StageFailed(f"{contestant} did not take {calls} calls' events within {EVENTS_TIMEOUT_S:.0f} s")
            ended_s = time.monotonic()
        await asyncio.wait_for(gone.wait(), 5)
        feed.close()
        return ended_s - link.began_s

    def _node(self, port: int) -> NodeSettings:
        return NodeSettings(
            name="node-1",
            kind="freeswitch",
            sip=f"127.0.0.1:{next(self.ports)}",
            event_socket=f"127.0.0.1:{port}",
            event_socket_password=f"bench-{time.time_ns()}",
            spool=make_spool(self.folder / "spool"),
        )

    @contextmanager
    def _as(
        self, contestant: str, port: int, started: Sequence[subprocess.Popen[bytes]], *, hold_s: float = 0.0
    ) -> Iterator[None]:
        dialplan = files("dialtrace.freeswitch").joinpath("dialplan", "inbound.xml").read_text(encoding="utf-8")
        spool = str(make_spool(self.folder / "spool"))
        switch = Switch(("127.0.0.1", port), asked_of(dialplan), spool, self._captured, hold_s)
        self._running[contestant] = (switch, [psutil.Process(process.pid) for process in started])
        try:
            yield
        finally:
            del self._running[contestant]

    @contextmanager
    def _process(self, name: str, argv: list[str], more: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DIALTRACE_")}
        environment |= {"DIALTRACE_DATABASE_URL": self.url, "DIALTRACE_DATA_DIR": str(self.folder / "data")} | more
        with (self.folder / f"{name}.log").open("wb") as output:
            process = subprocess.Popen(
                argv,
                env={**environment, "DIALTRACE_LOG_LEVEL": "warning"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait(5)


def _await(look: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + START_TIMEOUT_S
    while not look():
        if process.poll() is not None or time.monotonic() > until_s:
            raise StageFailed(f"a process did not start: {process.args!r}")
        time.sleep(0.05)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether that very process listens there: several may share the port."""
    try:
        found = psutil.Process(process.pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in found)


def _journalled(node: NodeSettings) -> int:
    """Calls whose beginning and end the journal holds."""
    if not node.journal_path.exists():
        return 0
    connection = sqlite3.connect(f"file:{node.journal_path}?mode=ro", uri=True, timeout=1.0)
    try:
        found = connection.execute("SELECT count(*) FROM started WHERE ended_event IS NOT NULL").fetchone()
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return int(found[0])


@contextmanager
def running_stage() -> Iterator[Stage]:
    """A database that is migrated and provisioned."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtrace-bench-control-")))
        folder.chmod(0o755)
        server = start_embedded(folder / "postgres")
        stack.callback(server.stop)
        upgrade(server.url)
        provision(server.url)
        yield Stage(folder, server.url, free_ports())


def provision(url: str) -> None:
    """One client whose numbers all have one flow, such as a business has."""
    database, clock = Database(url, pool_size=1), SystemClock()
    try:
        tenancy, calls = TenancyService(database, clock), CallFlowService(database, clock)
        numbers = NumberService(database, clock)
        agency = tenancy.create_agency("Bench").id
        client = tenancy.create_client(agency, "Bench", "Europe/London").id
        targets = [
            str(calls.create_target(agency, client, name=name, address=f"sip:{name}@127.0.0.1:5999").id)
            for name in ("first", "second")
        ]
        flow = calls.create_flow(agency, client, name="Bench", document=flow_document(targets)).id
        for number in NUMBERS:
            numbers.add_number(agency, client, number, flow_id=flow)
    finally:
        database.dispose()


def flow_document(targets: Sequence[str]) -> dict[str, Any]:
    """What a business has: hours, a notice, targets in turn with a memory of who answered last, a voicemail."""
    notice, closed = ({"kind": "file", "name": name} for name in ("this-call-is-recorded", "we-are-closed"))
    weekly = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    return {
        "version": 2,
        "record": True,
        "language": "en",
        "steps": [
            {"type": "schedule", "weekly": weekly, "open": "notice", "closed": "voicemail"},
            {"name": "notice", "type": "announce", "prompt": notice},
            {"type": "condition", "when": [{"fact": "repeat", "is": True}], "then": "again", "otherwise": "desk"},
            {"name": "again", "type": "tag", "tags": ["repeat"]},
            {
                "name": "desk",
                "type": "ring",
                "targets": list(targets),
                "strategy": "in_turn",
                "sticky_days": 30,
                "otherwise": "voicemail",
            },
            {"name": "voicemail", "type": "voicemail", "prompt": closed},
        ],
    }

"""The call plane as processes: workers on one port, a monitor, and the embedded switch between them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dialtrace.journal.store import Journal
from dialtrace.nodesfile import NodeSettings, write_nodes

from ..node.phone import HOST
from ..node.switch import PASSWORD, Switch
from .lines import free_port, own_ports

T = TypeVar("T")

_PATCHED = """
import sys
from gevent import monkey
monkey.patch_all()
from dialtrace.db.green import patch_psycopg
patch_psycopg()
from dialtrace.db.engine import Database
"""
_WORKER = (
    _PATCHED
    + """
import pathlib
from dialtrace.workers.call import run_call_worker
run_call_worker(
    listen=("127.0.0.1", int(sys.argv[1])),
    database=Database(sys.argv[2], statement_timeout_ms=250),
    route_copy=pathlib.Path(sys.argv[3]),
)
"""
)
_STANDING_STILL = (
    _PATCHED
    + """
import gevent
from dialtrace.workers import call
call.STANDSTILL_S = 1.0
gevent.spawn(call._keep_pulse)
gevent.sleep(0.1)
while True:
    pass
"""
)
_MONITOR = (
    _PATCHED
    + """
import pathlib
from dialtrace.nodesfile import read_nodes
from dialtrace.workers.monitor import run_monitor
run_monitor(
    read_nodes(pathlib.Path(sys.argv[1])),
    Database(sys.argv[2], statement_timeout_ms=2000),
    route_copy=pathlib.Path(sys.argv[3]),
    find_gateways=list,
)
"""
)

Process = subprocess.Popen[bytes]


def eventually(look: Callable[[], T | None], timeout_s: float = 45.0) -> T:
    """What ``look`` finds, as soon as it finds something; fails the test otherwise."""
    until_s = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until_s, f"waited {timeout_s} s in vain"
        time.sleep(0.05)


def listens(port: int, pid: int) -> bool:
    """Whether that very process listens: several may share the port."""
    inodes = set()
    with open("/proc/net/tcp") as table:
        for line in table:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}") and fields[3] == "0A":
                inodes.add(f"socket:[{fields[9]}]")
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{name}") in inodes for name in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


class Processes:
    """Starts what a test needs, and ends all of it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.worker_port = url, folder, free_port()
        self._started: list[Process] = []
        self._switches: list[Switch] = []

    def worker(self) -> Process:
        process = self._start(_WORKER, str(self.worker_port), self.url, str(self.folder / "routes.db"))
        eventually(lambda: process.poll() is not None or listens(self.worker_port, process.pid), 40.0)
        assert process.poll() is None, "the worker died"
        return process

    def standing_still(self) -> Process:
        """A process with a worker's pulse, and a loop that never turns again."""
        return self._start(_STANDING_STILL)

    def monitor(self, node: NodeSettings) -> Process:
        write_nodes(self.folder / "nodes.json", [node])
        return self._start(_MONITOR, str(self.folder / "nodes.json"), self.url, str(self.folder / "routes.db"))

    def switch(self, again: NodeSettings | None = None) -> tuple[Switch, NodeSettings]:
        """A new one, or one in the place of ``again`` after that was killed."""
        ports = {"rtp_first": own_ports()[0], "rtp_last": own_ports()[-1]}
        if again is not None:
            ports |= {"sip_port": again.sip_address[1], "event_socket_port": again.event_socket_address[1]}
        switch = Switch(self.folder, self.worker_port, **ports)
        if again is not None:
            switch.sip, switch.event_port = again.sip_address, again.event_socket_address[1]
        self._switches.append(switch)
        node = NodeSettings(
            name="node-1",
            kind="embedded",
            sip=f"{HOST}:{switch.sip[1]}",
            event_socket=f"{HOST}:{switch.event_port}",
            event_socket_password=PASSWORD,
            spool=switch.spool,
        )
        return switch, node

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(timeout=5)
        for switch in self._switches:
            switch.process.terminate()
            switch.process.wait(timeout=10)
            switch._log.close()
            if switch.process.stdout:
                switch.process.stdout.close()

    def _start(self, script: str, *arguments: str) -> Process:
        process = subprocess.Popen([sys.executable, "-c", script, *arguments])
        self._started.append(process)
        return process


def kill(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """kill -9."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=5)


def journal_rows(node: NodeSettings) -> dict[str, object]:
    """The journal's rows by call, read as the agent reads them."""
    if not node.journal_path.exists():
        return {}
    journal = Journal(node.journal_path)
    try:
        return {row.call_id: row for row in journal.pending()}
    finally:
        journal.close()

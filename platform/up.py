"""`dialtrace up`: the platform on one machine, empty at first, kept running until it is told to stop."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from types import FrameType

import click
import structlog

from .config import Settings
from .errors import DialtraceError
from .launch import plan_nodes, plan_platform, running_database
from .nodesfile import NodeSettings, read_nodes
from .supervisor import Supervisor

log = structlog.get_logger("up")
TEND_EVERY_S = 0.2
NOTES = {"embedded": "embedded switch: not for production", "freeswitch": "FreeSWITCH"}


class AlreadyRunning(DialtraceError):
    """Another `dialtrace up` uses this data folder."""


class Lock:
    """A file that holds the pid of the one `up` that uses a data folder; a file left by a dead one is taken over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        import fcntl

        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            raise AlreadyRunning(
                f"another `dialtrace up` (pid {self._file.read().strip()}) uses {self._path.parent}"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        self._file.close()


def kept_nodes(settings: Settings, count: int, first_sip_port: int, kind: str) -> list[NodeSettings]:
    """The nodes of the last start with their passwords; new ones where there were fewer. Their addresses are the
    command line's."""
    wanted = plan_nodes(settings, count, kind=kind, first_sip_port=first_sip_port)
    if not settings.nodes_file.exists():
        return wanted
    passwords = {node.name: node.event_socket_password for node in read_nodes(settings.nodes_file)}
    return [
        NodeSettings(
            name=node.name,
            kind=node.kind,
            sip=node.sip,
            event_socket=node.event_socket,
            spool=node.spool,
            event_socket_password=passwords.get(node.name, node.event_socket_password),
        )
        for node in wanted
    ]


def run_up(settings: Settings, count: int, first_sip_port: int, freeswitch: Path | None = None) -> None:
    """Start everything, keep it running, stop it on SIGINT or SIGTERM."""
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with Lock(settings.data_dir / "up.lock"), running_database(settings) as database_url:
        nodes = kept_nodes(settings, count, first_sip_port, "freeswitch" if freeswitch else "embedded")
        plan = plan_platform(settings, database_url, nodes, freeswitch=freeswitch)
        with Supervisor(log_folder=settings.data_dir / "logs") as supervisor:
            for group in plan.groups:
                supervisor.start(group)
            click.echo(f"platform is up\n  API        {plan.api_url}/v1/reference")
            for node in plan.nodes:
                click.echo(f"  {node.name:<10} sip:{node.sip} ({NOTES[node.kind]})")
            click.echo(f"  key        {settings.data_dir / 'operator-key'}\n  logs       {settings.data_dir / 'logs'}")
            click.echo("Ctrl-C stops all of it; the data stays")
            while not stop.wait(TEND_EVERY_S):
                supervisor.tend()
            restarts = {name: count for name, count in supervisor.restarts().items() if count}
            click.echo(f"stopping; started again while it ran: {json.dumps(restarts) if restarts else 'none'}")
    click.echo("stopped")

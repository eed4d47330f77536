"""`dialtrace up`: the platform on one machine, empty at first, kept running until it is told to stop. SIGHUP, or
`dialtrace restart`, restarts everything but the nodes, one process after another."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click
import structlog

from .config import Settings
from .errors import DialtraceError
from .launch import Plan, plan_nodes, plan_platform, running_database
from .nodesfile import NodeSettings, NodesFileFaulty, read_nodes
from .preflight import check_folder, check_ports, wanted_ports
from .rolling import Progress, ask_for_restart, restart_all
from .scraping import prometheus_spec
from .supervisor import Interrupted, Supervisor

log = structlog.get_logger("up")
TEND_EVERY_S = 0.2
#: The same at every start, as a firewall wants it.
FIRST_RTP_PORT = 20_000
NOTES = {"embedded": "embedded switch: not for production", "freeswitch": "FreeSWITCH"}


#: Where a rolling restart tells how far it is, beside the lock.
LOCK_FILE, RESTART_FILE = "up.lock", "up.restart.json"


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
    """The nodes of the last start with their passwords and event sockets; new ones where there were fewer. The rest is
    the command line's."""
    wanted = plan_nodes(settings, count, kind=kind, first_sip_port=first_sip_port)
    if not settings.nodes_file.exists():
        return wanted
    try:
        kept = {node.name: node for node in read_nodes(settings.nodes_file)}
    except NodesFileFaulty as error:
        mend = "mend it, or remove it: `dialtrace up` then writes a new one"
        raise NodesFileFaulty(settings.nodes_file, [*error.faults, mend]) from error
    return [
        replace(
            node,
            event_socket=kept.get(node.name, node).event_socket,
            event_socket_password=kept.get(node.name, node).event_socket_password,
        )
        for node in wanted
    ]


def run_up(
    settings: Settings,
    count: int,
    first_sip_port: int,
    freeswitch: Path | None = None,
    prometheus: tuple[str, int] | None = None,
) -> None:
    """Start everything, keep it running, stop it on SIGINT or SIGTERM. ``prometheus``: where one is to listen that
    reads all of it. Raises PrometheusMissing before anything has started."""
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    restart = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    signal.signal(signal.SIGHUP, lambda *_: restart.set())
    check_folder(settings.data_dir)
    supervisor = Supervisor(
        log_folder=settings.data_dir / "logs", record=settings.data_dir / "up.children", interrupted=stop.is_set
    )
    with Lock(settings.data_dir / LOCK_FILE), running_database(settings) as database_url:
        nodes = kept_nodes(settings, count, first_sip_port, "freeswitch" if freeswitch else "embedded")
        plan = plan_platform(settings, database_url, nodes, freeswitch=freeswitch, first_rtp_port=FIRST_RTP_PORT)
        _add_scraping(plan, settings, prometheus)
        with supervisor:
            try:
                _start(supervisor, plan, settings)
            except Interrupted:
                click.echo("stopping before everything had started")
            else:
                _run(supervisor, plan, settings, stop, restart)
    click.echo("stopped")


def _add_scraping(plan: Plan, settings: Settings, prometheus: tuple[str, int] | None) -> None:
    if settings.metrics_listen is not None and prometheus is not None:
        key_file = settings.data_dir / "operator-key"
        spec = prometheus_spec(settings.data_dir, api_url=plan.api_url, key_file=key_file, listen=prometheus)
        plan.groups.append([spec])


def _start(supervisor: Supervisor, plan: Plan, settings: Settings) -> None:
    going_on, ended = supervisor.settle_leftovers([spec for group in plan.groups for spec in group])
    if going_on or ended:
        click.echo(
            f"the former `dialtrace up` was killed. Ended: {', '.join(ended) or 'nothing'}; "
            f"goes on with its calls: {', '.join(going_on) or 'nothing'}"
        )
    check_ports(wanted_ports(settings, plan.nodes, going_on=going_on))
    for group in plan.groups:
        supervisor.start(group)


def _run(
    supervisor: Supervisor, plan: Plan, settings: Settings, stop: threading.Event, restart: threading.Event
) -> None:
    click.echo(f"platform is up\n  API        {plan.api_url}/v1/reference\n  NOC        {plan.api_url}/noc")
    for node in plan.nodes:
        click.echo(f"  {node.name:<10} sip:{node.sip} ({NOTES[node.kind]})")
    if plan.groups[-1][0].kind == "prometheus":
        click.echo(f"  prometheus {plan.groups[-1][0].argv[-1].removeprefix('--web.listen-address=')}")
    click.echo(f"  key        {settings.data_dir / 'operator-key'}\n  logs       {settings.data_dir / 'logs'}")
    click.echo("Ctrl-C stops all of it; the data stays")
    while not stop.wait(TEND_EVERY_S):
        supervisor.tend()
        if restart.is_set():
            restart.clear()
            _restart(supervisor, settings)
    restarts = {name: count for name, count in supervisor.restarts().items() if count}
    click.echo(f"stopping; started again while it ran: {json.dumps(restarts) if restarts else 'none'}")


def _restart(supervisor: Supervisor, settings: Settings) -> None:
    with suppress(Interrupted):
        progress = restart_all(supervisor, settings.data_dir / RESTART_FILE)
        click.echo(f"restarted one after another: {', '.join(progress.done)}")
        if progress.why:
            click.echo(f"and no further: {progress.why}")


def run_restart(settings: Settings, timeout_s: float) -> None:
    """`dialtrace restart`: ask the `up` of this data folder for a rolling restart and follow it. Raises NotRunning,
    RestartFailed."""
    told: set[str] = set()

    def tell(progress: Progress) -> None:
        for name in progress.done:
            if name not in told:
                told.add(name)
                click.echo(f"{len(told)} of {len(progress.wanted)}: {name} is ready again")

    folder = settings.data_dir
    ask_for_restart(folder / LOCK_FILE, folder / RESTART_FILE, timeout_s=timeout_s, tell=tell)
    click.echo("all restarted; the nodes and their calls were not touched")

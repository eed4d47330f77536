"""The stage of a demonstration: a running platform, telephones that answer, telephones that call."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..apiclient import ApiClient
from ..config import Settings, load_settings
from ..errors import DialtraceError
from ..launch import Plan, free_port, plan_nodes, plan_platform, running_database
from ..metrics import serve_metrics
from ..node.phones_plan import TARGET_ENDINGS, PhoneCall, PhonesPlan, PlannedTarget
from ..nodesfile import NodeSettings
from ..pool.placement import order_nodes
from ..scrape_files import announce
from ..scraping import prometheus_spec
from ..supervisor import ChildSpec, Supervisor
from .kills import Kill
from .mix import PlannedCall
from .phones import Phones, PhonesOfKind
from .sipp import Sipp, caller, free_media_port, target
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ, ulaw_tone

#: The machine is left to itself before the first call.
CALM_PERCENT, CALM_WITHIN_S = 40.0, 20.0

NODES_UP_WITHIN_S = 20.0
#: Ports for metrics: the supervisor's, and one for each process.
METRICS_PORTS = 20

RING_MS = 300
#: Targets end by themselves after this, should nobody stop them.
LONGEST_DEMO_S = 86_400
CANCEL_AFTER_MS = 800
#: So soon SIPp has ended where it cannot begin.
SIPP_BEGINS_S = 1.0


@dataclass(frozen=True)
class DemoOptions:
    """What the command line says."""

    calls: int
    rate: float
    nodes: int
    seed: int
    #: How long a connected caller talks, in seconds.
    talk_s: float = 3.0
    #: The binary of a real FreeSWITCH; None: the embedded switch.
    freeswitch: Path | None = None
    #: Who places the calls and answers them: sipp, own (the node's SIP stack) or auto (SIPp where it is installed).
    callers: str = "auto"
    #: What is killed with -9 while the calls run.
    kills: tuple[Kill, ...] = ()
    #: Whether the platform goes on after the books, until it is told to stop.
    keep: bool = False
    #: Where a Prometheus listens that reads all of it; None: there is none.
    prometheus: tuple[str, int] | None = None

    @property
    def switch(self) -> str:
        return "freeswitch" if self.freeswitch else "embedded"


@dataclass
class Demo:
    """A platform that runs for a demonstration; tests reach into it to kill its processes."""

    options: DemoOptions
    folder: Path
    plan: Plan
    supervisor: Supervisor


def demo_settings(folder: Path, database_url: str = "", more: Mapping[str, str] | None = None) -> Settings:
    """Settings of their own: no environment of the user's leaks in, every port is free. ``more``: others by name."""
    return load_settings(
        {
            "DIALTRACE_DATABASE_URL": database_url,
            "DIALTRACE_DATA_DIR": str(folder / "data"),
            "DIALTRACE_API_LISTEN": f"127.0.0.1:{free_port()}",
            "DIALTRACE_LIVE_LISTEN": f"127.0.0.1:{free_port()}",
            "DIALTRACE_WORKER_LISTEN": f"127.0.0.1:{free_port()}",
            # Web hooks of a demonstration have nowhere else to be.
            "DIALTRACE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
            "DIALTRACE_LOG_LEVEL": "info",
            # The telephones of the demonstration are on this machine.
            "DIALTRACE_TARGET_HOSTS_ALLOWED": "127.0.0.1",
            **(more or {}),
        }
    )


@contextmanager
def running_platform(
    options: DemoOptions,
    database: Callable[[Path], AbstractContextManager[str]] = lambda _: nullcontext(""),
    more_settings: Mapping[str, str] | None = None,
    disks: Callable[[Sequence[NodeSettings]], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> Iterator[Demo]:
    """The whole platform in a temporary folder; everything stops and goes at the end. ``database`` gives the address of
    another server than the one that is kept alive; it is handed the folder. ``disks`` may put something under the
    nodes' spools before anybody runs."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtrace-demo-")))
        folder.chmod(0o755)
        watched = watched_settings(options.prometheus) if options.prometheus else {}
        settings = demo_settings(folder, stack.enter_context(database(folder)), {**watched, **(more_settings or {})})
        database_url = stack.enter_context(running_database(settings))
        nodes = plan_nodes(settings, options.nodes, kind=options.switch)
        stack.enter_context(disks(nodes))
        plan = plan_platform(settings, database_url, nodes, freeswitch=options.freeswitch)
        stack.callback(plan.give_back)
        if options.prometheus:
            plan.groups.append([begin_watching(settings, plan, options.prometheus)])
        supervisor = stack.enter_context(Supervisor(log_folder=folder / "logs"))
        for group in plan.groups:
            supervisor.start(group)
        _await_nodes(plan)
        yield Demo(options, folder, plan, supervisor)


def watched_settings(prometheus: tuple[str, int]) -> dict[str, str]:
    """Every process serves metrics on a port of its own, one after another."""
    host, port = prometheus
    return {
        "DIALTRACE_METRICS_LISTEN": f"127.0.0.1:{free_ports(METRICS_PORTS)}",
        "DIALTRACE_PROMETHEUS_URL": f"http://{host}:{port}",
    }


class PortsTaken(DialtraceError):
    """So many free ports in a row were not found."""


def free_ports(count: int) -> int:
    """The first of so many TCP ports of 127.0.0.1 in a row that nobody has at this moment. Raises PortsTaken."""
    for _ in range(100):
        first = free_port()
        try:
            with ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise PortsTaken(f"no {count} free ports in a row on 127.0.0.1")


def begin_watching(settings: Settings, plan: Plan, prometheus: tuple[str, int]) -> ChildSpec:
    """Serves this process's metrics, which tell of children that died, and describes the Prometheus that reads all."""
    listen = settings.metrics_listen
    assert listen is not None, "a watched demonstration serves metrics"
    serve_metrics(*listen)
    announce(settings.data_dir, process="demo", kind="up", listen=listen)
    key_file = settings.data_dir / "operator-key"
    return prometheus_spec(settings.data_dir, api_url=plan.api_url, key_file=key_file, listen=prometheus)


def _await_nodes(plan: Plan) -> None:
    """Until the monitor has seen that its nodes are up: until then nobody would call through them on purpose."""
    operator = ApiClient(plan.api_url, plan.operator_token)
    deadline_s = time.monotonic() + NODES_UP_WITHIN_S
    while any(node["state"] != "up" for node in operator.get("/v1/nodes")["data"]) and time.monotonic() < deadline_s:
        time.sleep(0.2)


class SippMissing(DialtraceError):
    """SIPp is not installed."""


def choose_callers(wanted: str) -> str:
    """`sipp` or `own`; raises SippMissing where SIPp is asked for and absent."""
    installed = shutil.which("sipp") is not None
    if wanted == "sipp" and not installed:
        raise SippMissing("SIPp is not installed: apt-get install sip-tester, or use --callers own")
    if wanted == "auto":
        return "sipp" if installed else "own"
    return wanted


@contextmanager
def running_targets(folder: Path, callers: str = "auto") -> Iterator[dict[str, str]]:
    """The clients' telephones; their SIP URIs by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    phones, uris = _own_targets(folder) if choose_callers(callers) == "own" else _sipp_targets(folder)
    try:
        for phone in phones:
            phone.start()
        check_begun(phones)
        yield uris
    finally:
        for phone in phones:
            phone.stop()


def await_calm() -> None:
    """Until the platform's own start no longer takes the processors: its calls would be those of an overload."""
    deadline_s = time.monotonic() + CALM_WITHIN_S
    while _busy_percent() > CALM_PERCENT and time.monotonic() < deadline_s:
        pass


def _busy_percent() -> float:
    """Of the last second. What has a low priority is left out: it gives way (awake.py, priority.py)."""
    times = psutil.cpu_times_percent(interval=1.0)
    return 100.0 - times.idle - times.iowait - times.nice


def check_begun(phones: Sequence[Sipp | PhonesOfKind | Phones]) -> None:
    """Raises SippFailed where a SIPp could not begin; our own telephones say so when they are started."""
    begun = [phone for phone in phones if isinstance(phone, Sipp)]
    if begun:
        time.sleep(SIPP_BEGINS_S)
    for phone in begun:
        phone.check()


def _own_targets(folder: Path) -> tuple[Sequence[Phones], dict[str, str]]:
    """One process that plays every kind of target."""
    port = free_port(socket.SOCK_DGRAM)
    plan = PhonesPlan(
        host="127.0.0.1",
        sip_port=port,
        counts=str(folder / "targets.counts"),
        tone_hz=TARGET_TONE_HZ,
        limit_s=LONGEST_DEMO_S,
        targets=tuple(PlannedTarget(kind, RING_MS) for kind in TARGET_ENDINGS),
    )
    return [Phones("targets", folder, plan)], {kind: f"sip:{kind}@127.0.0.1:{port}" for kind in TARGET_ENDINGS}


def _sipp_targets(folder: Path) -> tuple[Sequence[Sipp], dict[str, str]]:
    """A SIPp for each kind of target."""
    audio = folder / "target.ulaw"
    audio.write_bytes(ulaw_tone(TARGET_TONE_HZ, 2.0))
    taken: set[int] = set()
    uris, phones = {}, []
    for kind in TARGET_ENDINGS:
        taken |= {port := free_port(socket.SOCK_DGRAM, avoid=taken), media := free_media_port(avoid=taken)}
        phones.append(
            target(
                f"target-{kind}",
                f"target_{kind}.xml",
                folder,
                audio,
                sip_port=port,
                media_port=media,
                ring_ms=RING_MS,
            )
        )
        uris[kind] = f"sip:{kind}@127.0.0.1:{port}"
    return phones, uris


#: A call with its moment, in ms after the first.
TimedCall = tuple[int, PlannedCall]


def make_callers(demo: Demo, folder: Path, calls: list[PlannedCall]) -> Sequence[tuple[str, Sipp | PhonesOfKind]]:
    """The callers by kind of call. A number's calls go to the first node of its placement, as the edge would send them;
    they come evenly, in the plan's order."""
    nodes = {node.name: node.sip_address for node in demo.plan.nodes}
    grouped: dict[tuple[str, str], list[TimedCall]] = defaultdict(list)
    for index, call in enumerate(calls):
        first = order_nodes(call.number, [(name, 100) for name in nodes])[0]
        grouped[first, call.kind].append((round(index * 1000 / demo.options.rate), call))
    timeout_s = round(len(calls) / demo.options.rate + demo.options.talk_s) + 60
    if choose_callers(demo.options.callers) == "own":
        return _own_callers(demo, folder, grouped, timeout_s)
    return _sipp_callers(demo, folder, grouped, timeout_s)


def _hold_ms(demo: Demo, kind: str) -> int:
    return CANCEL_AFTER_MS if kind == "cancelled" else round(demo.options.talk_s * 1000)


def _own_callers(
    demo: Demo, folder: Path, grouped: dict[tuple[str, str], list[TimedCall]], timeout_s: int
) -> list[tuple[str, PhonesOfKind]]:
    """One process that places all calls, seen once for each kind."""
    nodes = {node.name: node.sip_address for node in demo.plan.nodes}
    placed = tuple(
        PhoneCall(kind, call.number, call.caller, *nodes[node], moment_ms, _hold_ms(demo, kind))
        for (node, kind), own in sorted(grouped.items())
        for moment_ms, call in own
    )
    plan = PhonesPlan(
        host="127.0.0.1",
        sip_port=free_port(socket.SOCK_DGRAM),
        counts=str(folder / "callers.counts"),
        tone_hz=CALLER_TONE_HZ,
        limit_s=timeout_s,
        calls=placed,
    )
    phones = Phones("callers", folder, plan)
    return [(kind, PhonesOfKind(phones, kind)) for kind in plan.kinds]


def _sipp_callers(
    demo: Demo, folder: Path, grouped: dict[tuple[str, str], list[TimedCall]], timeout_s: int
) -> list[tuple[str, Sipp]]:
    """One SIPp for each node and kind of call."""
    audio = folder / "caller.ulaw"
    audio.write_bytes(ulaw_tone(CALLER_TONE_HZ, 2.0))
    nodes = {node.name: node.sip_address for node in demo.plan.nodes}
    taken: set[int] = set()
    callers = []
    for (node, kind), own in sorted(grouped.items()):
        taken |= {port := free_port(socket.SOCK_DGRAM, avoid=taken), media := free_media_port(avoid=taken)}
        process = caller(
            f"caller-{node}-{kind}",
            kind,
            folder,
            audio,
            own,
            node=nodes[node],
            ports=(port, media),
            hold_ms=_hold_ms(demo, kind),
            timeout_s=timeout_s,
        )
        callers.append((kind, process))
    return callers

"""The stage of a demonstration: a running platform, telephones that answer, telephones that call."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..config import Settings, load_settings
from ..launch import Plan, free_port, plan_nodes, plan_platform, running_database
from ..pool.placement import order_nodes
from ..supervisor import Supervisor
from .mix import PlannedCall
from .sipp import Sipp, caller, target
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ, ulaw_tone

RING_MS = 300
CANCEL_AFTER_MS = 800
#: Media of SIPp, above Linux' ephemeral ports (node.md 5.9).
TARGET_MEDIA_PORT = 61_000
CALLER_MEDIA_PORT = 62_600


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


def demo_settings(folder: Path) -> Settings:
    """Settings of their own: no environment of the user's leaks in, every port is free."""
    return load_settings(
        {
            "DIALTRACE_DATA_DIR": str(folder / "data"),
            "DIALTRACE_API_LISTEN": f"127.0.0.1:{free_port()}",
            "DIALTRACE_WORKER_LISTEN": f"127.0.0.1:{free_port()}",
            "DIALTRACE_LOG_LEVEL": "info",
        }
    )


@contextmanager
def running_platform(options: DemoOptions) -> Iterator[Demo]:
    """The whole platform in a temporary folder; everything stops and goes at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtrace-demo-")))
        folder.chmod(0o755)
        settings = demo_settings(folder)
        database_url = stack.enter_context(running_database(settings))
        nodes = plan_nodes(settings, options.nodes, kind=options.switch)
        plan = plan_platform(settings, database_url, nodes, freeswitch=options.freeswitch)
        supervisor = stack.enter_context(Supervisor(log_folder=folder / "logs"))
        for group in plan.groups:
            supervisor.start(group)
        yield Demo(options, folder, plan, supervisor)


@contextmanager
def running_targets(folder: Path) -> Iterator[dict[str, str]]:
    """SIPp processes that play the clients' telephones; their SIP URIs by kind."""
    audio = folder / "target.ulaw"
    folder.mkdir(parents=True, exist_ok=True)
    audio.write_bytes(ulaw_tone(TARGET_TONE_HZ, 2.0))
    taken: set[int] = set()
    uris, running = {}, []
    try:
        for index, kind in enumerate(("answers", "busy", "unanswered")):
            taken.add(port := free_port(avoid=taken))
            phone = target(
                f"target-{kind}",
                f"target_{kind}.xml",
                folder,
                audio,
                sip_port=port,
                media_port=TARGET_MEDIA_PORT if kind == "answers" else TARGET_MEDIA_PORT + 1500 + 4 * index,
                ring_ms=RING_MS,
            )
            phone.start()
            running.append(phone)
            uris[kind] = f"sip:{kind}@127.0.0.1:{port}"
        yield uris
    finally:
        for phone in running:
            phone.stop()


def make_callers(demo: Demo, folder: Path, calls: list[PlannedCall]) -> list[tuple[str, Sipp]]:
    """One SIPp for each node and kind of call: a number's calls go to the first node of its placement, as the edge
    would send them."""
    audio = folder / "caller.ulaw"
    audio.write_bytes(ulaw_tone(CALLER_TONE_HZ, 2.0))
    nodes = {node.name: node.sip_address for node in demo.plan.nodes}
    grouped: dict[tuple[str, str], list[PlannedCall]] = defaultdict(list)
    for call in calls:
        first = order_nodes(call.number, [(name, 100) for name in nodes])[0]
        grouped[first, call.kind].append(call)
    span_s = len(calls) / demo.options.rate
    taken: set[int] = set()
    callers = []
    for index, ((node, kind), own) in enumerate(sorted(grouped.items())):
        taken.add(port := free_port(avoid=taken))
        hold_ms = CANCEL_AFTER_MS if kind == "cancelled" else round(demo.options.talk_s * 1000)
        process = caller(
            f"caller-{node}-{kind}",
            kind,
            folder,
            audio,
            own,
            node=nodes[node],
            ports=(port, CALLER_MEDIA_PORT + index * (2800 // len(grouped)) // 4 * 4),
            span_s=span_s,
            hold_ms=hold_ms,
            timeout_s=round(span_s + demo.options.talk_s) + 60,
        )
        callers.append((kind, process))
    return callers

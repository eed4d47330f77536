"""The demonstration itself: bring up, provision, call, wait, compare, report."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..config import Settings, load_settings
from ..db.tables import OPERATOR_AGENCY
from ..launch import Plan, free_port, plan_nodes, plan_platform, running_database
from ..pool.placement import order_nodes
from ..supervisor import Supervisor
from .books import Line, Recording, as_json, balance
from .client import ApiClient
from .mix import PlannedCall, count_by_kind, plan_calls
from .provision import provision
from .sipp import Sipp, caller, target
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ, heard_on_both_sides, ulaw_tone

TALK_MS = 3_000
RING_MS = 300
CANCEL_AFTER_MS = 800
SETTLE_TIMEOUT_S = 60.0
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
        plan = plan_platform(settings, database_url, plan_nodes(settings, options.nodes))
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
    nodes = {node.name: node.sip_pair for node in demo.plan.nodes}
    grouped: dict[tuple[str, str], list[PlannedCall]] = defaultdict(list)
    for call in calls:
        first = order_nodes(call.number, [(name, 100) for name in nodes])[0]
        grouped[first, call.kind].append(call)
    span_s = len(calls) / demo.options.rate
    taken: set[int] = set()
    callers = []
    for index, ((node, kind), own) in enumerate(sorted(grouped.items())):
        taken.add(port := free_port(avoid=taken))
        hold_ms = CANCEL_AFTER_MS if kind == "cancelled" else TALK_MS
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
            timeout_s=round(span_s) + 60,
        )
        callers.append((kind, process))
    return callers


def make_calls(demo: Demo, callers: list[tuple[str, Sipp]], total: int, console: Console) -> dict[str, int]:
    """Run the callers to their end, with progress; returns how many calls of each kind went as they should."""
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    for _, process in callers:
        process.start()
    try:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("calls finished", total=total)
            while any(process.running for _, process in callers):
                demo.supervisor.tend()
                counts = [process.counts() for _, process in callers]
                progress.update(bar, completed=sum(count.successful + count.failed for count in counts))
                time.sleep(0.25)
            counts = [process.counts() for _, process in callers]
            progress.update(bar, completed=sum(count.successful + count.failed for count in counts))
    finally:
        for _, process in callers:
            process.stop()
    satisfied: dict[str, int] = defaultdict(int)
    for kind, process in callers:
        satisfied[kind] += process.counts().successful
    return dict(satisfied)


def await_records(read: Callable[[], list[dict[str, Any]]], expected: int, demo: Demo) -> list[dict[str, Any]]:
    """The CDRs, once all are there and every recording is settled, or what there is when time is up."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        demo.supervisor.tend()
        cdrs = read()
        settled = all(cdr["recording"] != "pending" for cdr in cdrs)
        if (len(cdrs) >= expected and settled) or time.monotonic() > deadline:
            return cdrs
        time.sleep(0.3)


def fetch_recordings(own: ApiClient, cdrs: list[dict[str, Any]]) -> list[Recording]:
    """Fetch and listen to the recording of every answered call."""
    found = []
    for cdr in cdrs:
        if cdr["outcome"] != "answered":
            continue
        got = own.download(f"/v1/calls/{cdr['id']}/recording")
        audio, headers = got or (b"", {})
        tag = headers.get("ETag", "").strip('"')
        found.append(
            Recording(
                call_id=cdr["id"],
                fetched=bool(audio),
                sha256_matches=bool(audio) and hashlib.sha256(audio).hexdigest() == tag,
                heard_on_both_sides=bool(audio) and heard_on_both_sides(audio),
            )
        )
    return found


def show_calls(console: Console, cdrs: list[dict[str, Any]], most: int = 25) -> None:
    """A table of the calls, the newest first."""
    table = Table(title=f"Calls ({min(most, len(cdrs))} of {len(cdrs)})", title_justify="left")
    for heading in ("started", "number", "caller", "outcome", "node", "ring s", "talk s", "cause", "recording"):
        table.add_column(heading, justify="right" if heading.endswith(" s") else "left")
    for cdr in cdrs[:most]:
        table.add_row(
            cdr["started_at"][11:23],
            cdr["number"],
            cdr["caller"] or "withheld",
            cdr["outcome"],
            cdr["node"],
            _seconds(cdr["ring_ms"]),
            _seconds(cdr["talk_ms"]),
            cdr["hangup_cause"] or "",
            cdr["recording"],
        )
    console.print(table)


def _seconds(duration_ms: int | None) -> str:
    return "" if duration_ms is None else f"{duration_ms / 1000:.1f}"


def show_books(console: Console, lines: list[Line]) -> None:
    """The books as a table."""
    table = Table(title="The books", title_justify="left")
    for heading in ("compared", "expected", "found", ""):
        table.add_column(heading, justify="right" if heading in {"expected", "found"} else "left")
    for line in lines:
        mark = "[green]balances" if line.balances else "[bold red]DOES NOT BALANCE"
        table.add_row(line.what, str(line.expected), str(line.found), mark)
    console.print(table)


def run_demo(options: DemoOptions, console: Console) -> int:
    """The whole demonstration; returns the exit status: 0 only if the books balance."""
    began_s = time.monotonic()
    with running_platform(options) as demo, running_targets(demo.folder / "sipp") as targets:
        console.print(
            f"platform is up after {time.monotonic() - began_s:.1f} s: {options.nodes} embedded node(s), "
            f"API at {demo.plan.api_url}"
        )
        operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
        own, provisioned = provision(operator, demo.plan.api_url, targets)
        calls = plan_calls(options.calls, options.seed, provisioned)
        callers = make_callers(demo, demo.folder / "sipp", calls)
        satisfied = make_calls(demo, callers, len(calls), console)

        def read() -> list[dict[str, Any]]:
            unknown = operator.read_all("/v1/calls", limit=200, agency_id=OPERATOR_AGENCY)
            return sorted(
                [*own.read_all("/v1/calls", limit=200), *unknown], key=lambda c: c["started_at"], reverse=True
            )

        cdrs = await_records(read, len(calls), demo)
        recordings = fetch_recordings(own, cdrs)
        lines = balance(count_by_kind(calls), satisfied, cdrs, recordings)
        show_calls(console, cdrs)
        show_books(console, lines)
        summary = as_json(
            lines,
            calls=len(calls),
            nodes=options.nodes,
            rate=options.rate,
            seed=options.seed,
            callers="sipp",
            restarts=sum(demo.supervisor.restarts().values()),
            seconds=round(time.monotonic() - began_s, 1),
        )
        print(json.dumps(summary), flush=True)  # noqa: T201 (the one line that machines read)
    return 0 if summary["demo"] == "balanced" else 1

"""The demonstration itself: provision, call, wait, compare, report."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..apiclient import ApiClient
from ..awake import awake
from ..db.tables import OPERATOR_AGENCY
from .books import Line, Recording, as_json, balance
from .kills import Killer
from .mix import count_by_kind, plan_calls
from .phones import PhonesOfKind
from .provision import provision
from .sipp import Sipp
from .sound import heard_on_both_sides
from .stage import (
    Demo,
    DemoOptions,
    await_calm,
    check_begun,
    choose_callers,
    make_callers,
    running_platform,
    running_targets,
)
from .visitors import Outcome, begin_browsing, show_visitors
from .webhooks import Told, await_all, show_webhooks, subscribed

SETTLE_TIMEOUT_S = 60.0
#: How long callers may need beyond the calls' own time.
CALLERS_GRACE_S = 45.0
#: Where no bar can be drawn, progress is a line now and then.
PLAIN_LINE_EVERY_S = 5.0

#: Called while the calls run, with the seconds since the first: tests break things with it.
During = Callable[[float], None]


@dataclass(frozen=True)
class Performance:
    """What came of the calls."""

    cdrs: list[dict[str, Any]]
    lines: list[Line]
    visitors: Outcome
    webhook: Told

    @property
    def balanced(self) -> bool:
        return all(line.balances for line in self.lines)


def make_calls(
    demo: Demo,
    callers: Sequence[tuple[str, Sipp | PhonesOfKind]],
    total: int,
    console: Console,
    during: During | None,
) -> dict[str, int]:
    """Run the callers to their end, with progress; returns how many calls of each kind went as they should."""
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        for _, process in callers:
            process.start()
        began_s = time.monotonic()
        check_begun([process for _, process in callers])
        # A caller whose call never ends is stopped and counts as not satisfied: the books then say so.
        next_line_s = began_s + PLAIN_LINE_EVERY_S
        deadline_s = began_s + total / demo.options.rate + demo.options.talk_s + CALLERS_GRACE_S
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("calls finished", total=total)
            while any(process.running for _, process in callers) and time.monotonic() < deadline_s:
                demo.supervisor.tend()
                if during is not None:
                    during(time.monotonic() - began_s)
                counts = [process.counts() for _, process in callers]
                finished = sum(count.successful + count.failed for count in counts)
                progress.update(bar, completed=finished)
                if not console.is_terminal and time.monotonic() > next_line_s:
                    next_line_s += PLAIN_LINE_EVERY_S
                    console.print(f"calls finished: {finished} of {total}")
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
    """The CDRs, once all are there and every recording is settled, or what there is when nothing comes any more."""
    seen, deadline = (-1, -1), 0.0
    while True:
        demo.supervisor.tend()
        cdrs = read()
        settled = sum(cdr["recording"] != "pending" for cdr in cdrs)
        if (len(cdrs), settled) != seen:
            # A busy machine takes long for what an accident has left behind; as long as it moves it is waited for.
            seen, deadline = (len(cdrs), settled), time.monotonic() + SETTLE_TIMEOUT_S
        if (len(cdrs) >= expected and settled == len(cdrs)) or time.monotonic() > deadline:
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
        tag = headers.get("etag", "").strip('"')
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
        table.add_column(heading, justify="right" if heading.endswith(" s") else "left", no_wrap=True)
    for cdr in cdrs[:most]:
        table.add_row(
            cdr["started_at"][11:19],
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


def perform(demo: Demo, targets: dict[str, str], console: Console, during: During | None = None) -> Performance:
    """Provision, call, wait until all records are there, and compare."""
    operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
    own, provisioned = provision(operator, demo.plan.api_url, targets)
    with subscribed(own) as receiver, begin_browsing(own, demo.plan.api_url) as browsing:
        planned = plan_calls(demo.options.calls, demo.options.seed, provisioned)
        calls = browsing.stand_in(planned, demo.options.seed)
        callers = make_callers(demo, demo.folder / "sipp", calls)
        await_calm()
        satisfied = make_calls(demo, callers, len(calls), console, during)

        def read() -> list[dict[str, Any]]:
            unknown = operator.read_all("/v1/calls", limit=200, agency_id=OPERATOR_AGENCY)
            return sorted(
                [*own.read_all("/v1/calls", limit=200), *unknown], key=lambda c: c["started_at"], reverse=True
            )

        cdrs = await_records(read, len(calls), demo)
        told = await_all(receiver, own, demo)
    lines = balance(count_by_kind(calls), satisfied, cdrs, fetch_recordings(own, cdrs))
    return Performance(cdrs, [*lines, told.line()], browsing.outcome(cdrs), told)


def say_who_calls(callers: str) -> str:
    """The console's line on who places the calls, and why."""
    if callers == "sipp":
        return "SIPp places the calls and answers them"
    why = "was not asked for" if shutil.which("sipp") else "is not installed"
    return f"SIPp {why}: the node's own SIP stack places the calls and answers them"


def keep_running(demo: Demo, console: Console) -> None:
    """Until Ctrl-C, or SIGTERM."""
    watched = demo.options.prometheus
    console.print(f"the platform goes on until Ctrl-C\n  API        {demo.plan.api_url}/v1/reference")
    console.print(f"  NOC        {demo.plan.api_url}/noc\n  key        {demo.folder / 'data' / 'operator-key'}")
    if watched:
        console.print(f"  prometheus http://{watched[0]}:{watched[1]}")
    with suppress(KeyboardInterrupt):
        while True:
            demo.supervisor.tend()
            time.sleep(0.25)


def run_demo(options: DemoOptions, console: Console) -> int:
    """The whole demonstration; returns the exit status: 0 only if the books balance."""
    began_s = time.monotonic()
    callers = choose_callers(options.callers)
    with awake(), running_platform(options) as demo, running_targets(demo.folder / "sipp", callers) as targets:
        console.print(
            f"platform is up after {time.monotonic() - began_s:.1f} s: {options.nodes} node(s), {options.switch}, "
            f"API at {demo.plan.api_url}"
        )
        console.print(say_who_calls(callers))
        killer = Killer(demo.supervisor, options.kills)
        done = perform(demo, targets, console, killer)
        show_calls(console, done.cdrs)
        show_visitors(console, done.visitors)
        show_webhooks(console, done.webhook)
        show_books(console, done.lines)
        summary = as_json(
            done.lines,
            calls=options.calls,
            nodes=options.nodes,
            rate=options.rate,
            seed=options.seed,
            switch=options.switch,
            callers=callers,
            killed=[kill.name for kill in killer.done],
            restarts=sum(demo.supervisor.restarts().values()),
            visitors=done.visitors.as_dict(),
            webhook=done.webhook.as_dict(),
            seconds=round(time.monotonic() - began_s, 1),
        )
        print(json.dumps(summary), flush=True)  # noqa: T201 (the one line that machines read)
        if options.keep:
            keep_running(demo, console)
    return 0 if done.balanced else 1

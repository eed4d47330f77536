"""Breaks a platform while it works, one thing at a time, and balances the books after each.

Run it by itself: ``python loadtest/chaos.py [--short] [--freeswitch PATH] [--nodes N] [--only NAME]``. It starts a
platform of its own, has SIPp place recorded calls, and for each drill compares what the callers saw with the call
records and with the recordings in the object store, byte for byte. What each drill is: docs/howto/chaos.md.

Prints a table and one line of JSON. Exit status: 0 if every drill balances, 1 if one does not, 2 if it could not be
run, 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dialtrace.apiclient import ApiClient
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.demo.provision import provision
from dialtrace.demo.run import await_records, fetch_recordings
from dialtrace.demo.stage import DemoOptions, choose_callers, running_platform, running_targets
from dialtrace.errors import DialtraceError
from dialtrace.loadtest.chaos_arena import Arena, DrillFailed, OwnDatabase, own_database
from dialtrace.loadtest.chaos_books import Result, count_up
from dialtrace.loadtest.chaos_disk import SmallDisk, small_disks
from dialtrace.loadtest.chaos_drills import DRILLS, Drill, max_rate
from dialtrace.loadtest.chaos_store import NodeCopies, compare, drilled_store
from dialtrace.logs import configure_logs

SHORT_S, FULL_S, LONGEST_S = 10.0, 60.0, 3600.0
_MAX_RATE = "DIALTRACE_NODE_MAX_RATE"
#: Fallback plans of all numbers, on every node.
PLANS_TIMEOUT_S = 30.0


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Break a platform while it works, and balance the books.")
    parser.add_argument("--freeswitch", type=Path, help="binary of a real FreeSWITCH; default: the embedded switch")
    parser.add_argument("--nodes", type=int, default=2, choices=range(1, 5), help="nodes to run (default 2)")
    parser.add_argument("--rate", type=float, default=5.0, help="calls a second (default 5)")
    parser.add_argument("--talk", type=float, default=4.0, help="seconds of conversation (default 4)")
    parser.add_argument("--short", action="store_true", help=f"what is away is away for {SHORT_S:g} s, not {FULL_S:g}")
    parser.add_argument(
        "--away", type=float, metavar="S", help="what is away is away for so many seconds, 3600 at most"
    )
    parser.add_argument("--only", action="append", metavar="NAME", choices=[drill.name for drill in DRILLS])
    parser.add_argument("--callers", choices=["auto", "sipp", "own"], default="auto", help="who places the calls")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same calls")
    parser.add_argument("--list", action="store_true", help="say what the drills are")
    asked = parser.parse_args(words)
    if asked.away is None:
        asked.away = SHORT_S if asked.short else FULL_S
    elif asked.short or not 1 <= asked.away <= LONGEST_S:
        parser.error(f"--away is 1 to {LONGEST_S:g}, and goes without --short")
    return asked


def chosen(only: Sequence[str] | None, nodes: int) -> list[Drill]:
    """The drills to run. Raises DrillFailed for one that needs more nodes."""
    drills = [drill for drill in DRILLS if only is None or drill.name in only]
    for drill in drills:
        if drill.least_nodes > nodes and only is not None:
            raise DrillFailed(f"{drill.name} needs --nodes {drill.least_nodes}: where would the calls go?")
    return [drill for drill in drills if drill.least_nodes <= nodes]


def run_drill(drill: Drill, arena: Arena, own: ApiClient, copies: NodeCopies) -> Result:
    """One drill with its books."""
    operator = ApiClient(arena.demo.plan.api_url, arena.demo.plan.operator_token)

    def all_calls() -> list[dict[str, Any]]:
        """What a node refuses by itself is nobody's call but the operator's."""
        refused = operator.read_all("/v1/calls", limit=200, agency_id=OPERATOR_AGENCY)
        return [*own.read_all("/v1/calls", limit=200), *refused]

    began_s = time.monotonic()
    arena.clear()
    before = {cdr["id"] for cdr in all_calls()}
    lost: int | None = None
    faults: list[str] = []
    try:
        lost = drill.play(arena)
    except DialtraceError as error:
        faults.append(str(error))
    satisfied = arena.finish_load()
    arena.await_platform()

    def read() -> list[dict[str, Any]]:
        return [cdr for cdr in all_calls() if cdr["id"] not in before]

    cdrs = await_records(read, sum(arena.sent.values()), arena.demo)
    recordings = fetch_recordings(own, cdrs)
    more = []
    if arena.store is not None:
        calls, heard = {cdr["id"] for cdr in cdrs}, sum(recording.fetched for recording in recordings)
        more = compare(copies.sha256_by_name(), arena.store.sha256_by_name(), calls, heard=heard)
    missed = why_absent(own, cdrs) if drill.needs_disks else None
    if missed is not None:
        arena.notes.append(f"{len(missed)} calls without a recording")
    return count_up(
        drill.name,
        more=more,
        missed=missed,
        sent=dict(arena.sent),
        satisfied=satisfied,
        cdrs=cdrs,
        recordings=recordings,
        seconds=time.monotonic() - began_s,
        lost=lost,
        faults=faults,
        notes=list(arena.notes),
    )


def why_absent(own: ApiClient, cdrs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Answered call → why it has no recording."""
    found = {}
    for cdr in cdrs:
        if cdr["outcome"] == "answered" and cdr["recording"] == "absent":
            parts = own.get(f"/v1/calls/{cdr['id']}")["recordings"]
            found[cdr["id"]] = next((str(part["absence_reason"]) for part in parts), "no row in the ledger")
    return found


def await_plans(arena: Arena) -> None:
    """Until a node could take calls of every number on its own."""
    wanted = sum(len(numbers) for kind, numbers in arena.provisioned.by_kind.items() if kind != "unknown")
    for node in arena.demo.plan.nodes:
        folder = node.spool / "plans"
        arena.until(
            lambda folder=folder: len(list(folder.rglob("*.plan"))) >= wanted,  # type: ignore[misc]
            f"the fallback plans of {node.name}",
            PLANS_TIMEOUT_S,
        )


@contextmanager
def bounded_nodes(rate: float, wanted: bool) -> Iterator[None]:
    """Nodes read from the environment how many calls they take in a second."""
    before = os.environ.get(_MAX_RATE)
    if wanted:
        os.environ[_MAX_RATE] = f"{max_rate(rate)}/1"
    try:
        yield
    finally:
        os.environ.pop(_MAX_RATE, None)
        if before is not None:
            os.environ[_MAX_RATE] = before


def run_all(options: DemoOptions, drills: Sequence[Drill], away_s: float, say: Callable[[str], None]) -> list[Result]:
    """Every drill: those that fill disks on a platform that stands on small ones, all others on another."""
    results = []
    for group in ([one for one in drills if not one.needs_disks], [one for one in drills if one.needs_disks]):
        if group:
            results += run_together(options, group, away_s, say)
    return results


def run_together(
    options: DemoOptions, drills: Sequence[Drill], away_s: float, say: Callable[[str], None]
) -> list[Result]:
    """Drills on one platform."""
    databases: list[OwnDatabase] = []
    results = []
    needs_disks = any(drill.needs_disks for drill in drills)
    with (
        bounded_nodes(options.rate, any(drill.needs_bound for drill in drills)),
        drilled_store(options.seed, any(drill.needs_store for drill in drills)) as store,
        running_platform(
            options,
            lambda folder: own_database(folder, databases),
            store.environment if store else None,
            small_disks if needs_disks else lambda _: nullcontext(),
        ) as demo,
        running_targets(demo.folder / "sipp", choose_callers(options.callers)) as targets,
    ):
        say(f"the platform is up: {options.nodes} node(s), {options.switch}")
        own, provisioned = provision(ApiClient(demo.plan.api_url, demo.plan.operator_token), demo.plan.api_url, targets)
        arena = Arena(demo, databases[0], provisioned, away_s, options.seed, store)
        arena.disks = [SmallDisk(node.spool) for node in demo.plan.nodes] if needs_disks else []
        watched = [node.spool for node in demo.plan.nodes] if store is not None else []
        copies = NodeCopies(demo.folder / "copies", watched)
        await_plans(arena)
        try:
            for drill in drills:
                say(f"{drill.name}: {drill.says} …")
                results.append(run_drill(drill, arena, own, copies))
                say(f"{drill.name}: {_verdict(results[-1])}")
        finally:
            arena.stop_callers()
            copies.close()
    return results


def _verdict(result: Result) -> str:
    if result.balanced:
        return "balances"
    wrong = [f"{line.what}: expected {line.expected}, found {line.found}" for line in result.lines if not line.balances]
    return "DOES NOT BALANCE: " + "; ".join([*result.faults, *wrong])


def show(results: Sequence[Result], console: Console) -> None:
    """All drills as a table."""
    table = Table(title="The books after each drill", title_justify="left")
    numbers = ("calls", "as expected", "CDRs", "by worker", "by fallback", "recordings", "s")
    for heading in ("drill", *numbers, "", "seen"):
        table.add_column(heading, justify="right" if heading in numbers else "left")
    for result in results:
        counts = (
            result.sent, result.satisfied, result.cdrs, result.decided.get("worker", 0),
            result.decided.get("fallback", 0), result.recordings, round(result.seconds),
        )  # fmt: skip
        mark = "[green]balances" if result.balanced else "[bold red]DOES NOT BALANCE"
        table.add_row(result.name, *map(str, counts), mark, "; ".join([*result.notes, *result.faults]))
    console.print(table)


def main(words: Sequence[str]) -> int:
    """The exit status."""
    asked = arguments(words)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 140)
    if asked.list:
        for drill in DRILLS:
            console.print(f"{drill.name:<18} {drill.says}")
        return 0
    configure_logs(process="chaos")
    # Ended politely, it ends what it started; the default would leave a platform running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = DemoOptions(
        calls=0, rate=asked.rate, nodes=asked.nodes, seed=asked.seed, talk_s=asked.talk, freeswitch=asked.freeswitch,
        callers=asked.callers,
    )  # fmt: skip
    began_s = time.monotonic()
    try:
        drills = chosen(asked.only, asked.nodes)
        results = run_all(options, drills, asked.away, console.print)
    except DialtraceError as error:
        console.print(f"chaos: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    show(results, console)
    balanced = all(result.balanced for result in results)
    summary = {
        "chaos": "balanced" if balanced else "not balanced", "switch": options.switch, "nodes": options.nodes,
        "rate": options.rate, "seconds": round(time.monotonic() - began_s, 1),
        "drills": [result.as_json() for result in results],
    }  # fmt: skip
    print(json.dumps(summary), flush=True)
    return 0 if balanced else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

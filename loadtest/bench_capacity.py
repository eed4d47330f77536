"""What a call costs: processor time of each kind of process for a call that comes, and for each second that it stands
with sound both ways and recorded; and what it leaves in the database.

Run it by itself: ``python loadtest/bench_capacity.py [--freeswitch PATH]``. It makes the same number of calls twice,
short and long: what the long ones cost more is their talk. Then it makes calls at another rate and length, and compares
what they took with what the two costs say (the ratio; 1 is right). `dialtrace capacity --figures FILE` takes its last
line.

Exit status: 0; 1 if calls failed or the ratio is off by more than a fifth; 2 if it could not measure; 130 if it was
stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import text

from dialtrace.awake import awake
from dialtrace.capacity.model import CONTROL, KINDS_OF_NODE, Cost
from dialtrace.db.engine import Database
from dialtrace.loadruns.standstill import MOST_DISTURBED, Watch, watching
from dialtrace.loadtest.bench_end import ended
from dialtrace.loadtest.bench_setup import switch_binary
from dialtrace.loadtest.bench_setup_stage import Stage, StageFailed, running_stage
from dialtrace.logs import configure_logs

KINDS = (*KINDS_OF_NODE, *CONTROL)
OFF_BY = 0.2
TRIES = 4


@dataclass(frozen=True)
class Load:
    """So many calls a second, each standing so long, for a time in which calls come."""

    rate: float
    hold_s: float
    seconds: float


SHORT, LONG, CHECK = Load(3, 2, 20), Load(3, 14, 20), Load(5, 7, 20)


@dataclass(frozen=True)
class Spent:
    """Processor seconds by kind of process, for so many calls; and how much the machine disturbed it."""

    used: Mapping[str, float]
    calls: int
    failed: int
    disturbed: float


def spend(stage: Stage, watch: Watch, load: Load) -> Spent:
    """The least disturbed of several tries; the first that was not disturbed ends them."""
    best: Spent | None = None
    for _ in range(TRIES):
        began_s = time.monotonic()
        stage.hold_s = load.hold_s
        before = stage.cpu_seconds()
        trial = stage.call("worker", load.rate, load.seconds)
        used = Counter(stage.cpu_seconds())
        used.subtract(before)
        spent = Spent(used, trial.asked, trial.failed, watch.disturbed(began_s))
        print(
            f"  {load.rate:g}/s for {load.hold_s:g} s: {trial.asked} calls, {trial.failed} failed, "
            f"{sum(used[kind] for kind in KINDS):.2f} s of processor, disturbed {spent.disturbed:.0%}",
            flush=True,
        )
        if best is None or spent.disturbed < best.disturbed:
            best = spent
        if spent.disturbed <= MOST_DISTURBED:
            break
    assert best is not None
    return best


def costs_of(short: Spent, long: Spent) -> dict[str, Cost]:
    """Two equations, two unknowns, for each kind. A kind that works as it did without calls may come out below 0: 0."""
    found = {}
    for kind in KINDS:
        a, b = short.used.get(kind, 0.0) / short.calls, long.used.get(kind, 0.0) / long.calls
        talk_s = max(0.0, (b - a) / (LONG.hold_s - SHORT.hold_s))
        found[kind] = Cost(max(0.0, a - talk_s * SHORT.hold_s), talk_s)
    return found


def database_bytes(url: str) -> int:
    """What stands there, dead rows and indexes too."""
    database = Database(url, pool_size=1)
    try:
        with database.directory() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    finally:
        database.dispose()


def measure(named: str) -> int:
    """The whole measurement; returns the exit status."""
    freeswitch = switch_binary(named)
    with (
        awake() as kept,
        watching() as watch,
        running_stage(freeswitch, hold_s=SHORT.hold_s, records=True, talks=True) as stage,
    ):
        stage.awake.extend(kept)
        stage.call("worker", 5, 1)  # what is slow only once: first connections, first pages
        print(f"switch: {stage.node.kind} {stage.version}")
        size = database_bytes(stage.database_url)
        short, long = spend(stage, watch, SHORT), spend(stage, watch, LONG)
        costs = costs_of(short, long)
        check = spend(stage, watch, CHECK)
        rows = (database_bytes(stage.database_url) - size) / (short.calls + long.calls + check.calls)
        on = f"{os.cpu_count()} cores, {machine.processor() or machine.machine()}, {stage.node.kind} {stage.version}"
    if not long.used.get("node"):
        raise StageFailed("the node used no processor time: nothing was measured")
    said = sum(cost.setup_s + cost.talk_s * CHECK.hold_s for cost in costs.values()) * check.calls
    ratio = round(sum(check.used.get(kind, 0.0) for kind in KINDS) / said, 2)
    for kind, cost in costs.items():
        print(f"  {kind:<9} {cost.setup_s * 1000:7.2f} ms a call, {cost.talk_s * 1000:7.3f} ms a second that it stands")
    failed = short.failed + long.failed + check.failed
    figures = {
        "costs": {
            kind: {name: round(value, 6) for name, value in asdict(cost).items()} for kind, cost in costs.items()
        },
        "row_bytes": round(rows),
        "measured_on": on,
        "calls": short.calls + long.calls + check.calls,
        "failed": failed,
        "disturbed": round(max(one.disturbed for one in (short, long, check)), 2),
    }
    print(json.dumps({"bench": "capacity", "figures": figures, "ratio": {"measured_vs_said": ratio}}))
    return int(bool(failed) or abs(ratio - 1) > OFF_BY)


def main(arguments: Sequence[str] | None = None) -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--freeswitch", default="", metavar="PATH", help="its binary, or `embedded`; default as bench_setup.py"
    )
    options = parser.parse_args(arguments)
    configure_logs(level="warning")
    if shutil.which("sipp") is None:
        print("SIPp is missing: apt-get install sip-tester", file=sys.stderr)
        return 2
    return ended(lambda: measure(options.freeswitch))


if __name__ == "__main__":
    sys.exit(main())

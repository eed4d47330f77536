"""What a worker in the path costs a call: INVITE → 200 and calls a second, against the switch's own dialplan.

Run it by itself: ``python loadtest/bench_setup.py [--freeswitch PATH] [--quick]``. Three contestants on one running
platform, called in turns: a number that the switch's dialplan routes alone, doing the same work (same variables, same
recording, same bridge); a number that our worker routes, with its look-up in PostgreSQL; and a number that a stock
greenswitch server connects. First the highest rate that each sustains is looked for; then all get the same calls at
half of what the plain dialplan sustained, and the distributions are shown. How to read it: loadtest/README.md.

Prints one line of JSON at the end. Exit status: 0; 1 if calls failed at half the rate, for then the figures say little;
2 if it could not measure; 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dialtrace.awake import awake
from dialtrace.errors import DialtraceError
from dialtrace.loadruns.search import RateSearch
from dialtrace.loadruns.standstill import MOST_DISTURBED, Watch, watching
from dialtrace.loadtest.bench_end import ended
from dialtrace.loadtest.bench_setup_stage import Stage, running_stage
from dialtrace.loadtest.bench_setup_trace import Trial, joined, percentile, shares
from dialtrace.logs import configure_logs

CONTESTANTS = {
    "plain": "the switch's dialplan alone",
    "worker": "through our worker",
    "stock": "stock greenswitch server",
}
GOALS = {"p50": ("at most", 1.5), "p99": ("at most", 2.0), "cps": ("at least", 0.9)}
#: The profile takes 1000 requests a second, of which a call is three to four, and the node 500 calls at a time.
MOST_RATE = 200.0
PERCENTILES = (50, 90, 99)
CORES = os.cpu_count() or 1
#: Beside the kinds of process, in seconds of processor time: what is not ours, all there was, what keeps it awake.
OTHERS, MACHINE, AWAKE = "others", "machine", "awake"
#: From this share of other programs on, the figures are not to be compared with those of another run.
NOISY = 0.1
#: A rate that failed while the machine stood still is tried again, of each contestant so often; and a turn at half the
#: rate in which it stood still is made up for by another, until there were so many times as many as are wanted.
EXCUSES, SPARE_TURNS = 6, 4


@dataclass(frozen=True)
class Pace:
    """How long things take."""

    hold_s: float
    search_turn_s: float
    #: So long after the start of the program the searches stop refining, so that the whole ends in time.
    search_until_s: float
    half_turn_s: float
    half_turns: int
    resolution: float
    #: So often a rate must fail to be too high: what else a machine does can only make one fail.
    attempts: int


FULL = Pace(hold_s=2, search_turn_s=6, search_until_s=620, half_turn_s=9, half_turns=3, resolution=1.06, attempts=4)
QUICK = Pace(hold_s=1, search_turn_s=2.5, search_until_s=50, half_turn_s=3, half_turns=2, resolution=1.2, attempts=2)


def find_rates(stage: Stage, watch: Watch, pace: Pace, *, first_rate: float, until_s: float) -> dict[str, RateSearch]:
    """The highest rate of each contestant, looked for in turns so that what else happens here meets all of them.
    ``until_s``, on the monotonic clock, is when no further rate is tried once each has had a turn."""
    searches = {
        name: RateSearch(first=first_rate, most=MOST_RATE, resolution=pace.resolution, attempts=pace.attempts)
        for name in CONTESTANTS
    }
    tried: set[str] = set()
    excused: Counter[str] = Counter()
    while True:
        rates = {name: rate for name, search in searches.items() if (rate := search.next_rate()) is not None}
        if not rates:
            return searches
        for name, rate in rates.items():
            if name in tried and time.monotonic() > until_s:
                return searches
            tried.add(name)
            began_s = time.monotonic()
            trial = stage.call(name, rate, pace.search_turn_s, until_lost=True)
            fault, disturbed = trial.fault(), watch.disturbed(began_s)
            words = fault or f"held, p99 {percentile(trial.setup_ms, 99):.0f} ms"
            if fault and disturbed > MOST_DISTURBED and excused[name] < EXCUSES:
                excused[name] += 1
                words += f"; not counted: the machine stood still for {disturbed:.0%} of it"
            else:
                searches[name].record(held=fault is None)
            print(f"  {name:<7} {rate:6.1f}/s  {words}", flush=True)


@dataclass(frozen=True)
class Turn:
    """The same calls to every contestant, one after another: what their callers saw, the processor's seconds by kind of
    process; and for what share of the worst one's time the machine stood still."""

    trials: Mapping[str, Trial]
    used: Mapping[str, Counter[str]]
    disturbed: float


def compare(stage: Stage, watch: Watch, pace: Pace, rate: float) -> Sequence[Turn]:
    """Turns in which the machine did not stand still, or if there are not enough, those in which it did so least."""
    turns: list[Turn] = []
    while len(turns) < pace.half_turns * SPARE_TURNS:
        turns.append(take_turn(stage, watch, pace, rate, backwards=len(turns) % 2 == 1))
        if turns[-1].disturbed > MOST_DISTURBED:
            print(f"  the machine stood still for {turns[-1].disturbed:.0%} of a turn: one more", flush=True)
        if sum(turn.disturbed <= MOST_DISTURBED for turn in turns) == pace.half_turns:
            break
    return sorted(turns, key=lambda turn: turn.disturbed)[: pace.half_turns]


def take_turn(stage: Stage, watch: Watch, pace: Pace, rate: float, *, backwards: bool) -> Turn:
    """The same calls to every contestant; in the other order every second time."""
    trials, used, disturbed = {}, {}, 0.0
    for name in reversed(CONTESTANTS) if backwards else CONTESTANTS:
        before, began_s = stage.cpu_seconds(), time.monotonic()
        trials[name] = stage.call(name, rate, pace.half_turn_s)
        used[name] = stage.cpu_seconds()
        used[name].subtract(before)
        used[name][MACHINE] += (time.monotonic() - began_s) * CORES
        disturbed = max(disturbed, watch.disturbed(began_s))
    return Turn(trials, used, disturbed)


def together(turns: Sequence[Turn]) -> tuple[dict[str, Trial], dict[str, Counter[str]]]:
    """Several turns as one: each contestant's calls, and its processor time."""
    trials = {name: joined([turn.trials[name] for turn in turns]) for name in CONTESTANTS}
    used = {name: sum((turn.used[name] for turn in turns), Counter()) for name in CONTESTANTS}
    return trials, used


def show(trials: Mapping[str, Trial], used: Mapping[str, Counter[str]]) -> None:
    """The distributions side by side, and where the processor's time went."""
    for name, trial in trials.items():
        found = "  ".join(f"p{percent} {percentile(trial.setup_ms, percent):.1f}" for percent in PERCENTILES)
        longest = trial.setup_ms[-1] if trial.setup_ms else math.nan
        print(
            f"\n{name}: {CONTESTANTS[name]}: {trial.asked} calls, {trial.failed} failed; ms: {found}  max {longest:.1f}"
        )
        for bucket, share in shares(trial.setup_ms):
            print(f"  {bucket:>15} {share:6.1%} {'#' * round(share * 60)}")
        per_call = [(kind, seconds * 1000 / trial.asked) for kind, seconds in used[name].most_common()]
        ours = ", ".join(
            f"{kind} {ms:.1f}" for kind, ms in per_call if ms >= 0.05 and kind not in (OTHERS, MACHINE, AWAKE)
        )
        print(f"  CPU ms a call: {ours}; meanwhile other programs had {others(used[name]):.0%} of the machine")


def others(used: Mapping[str, float]) -> float:
    """The share of the machine's processors that went to programs that are not ours."""
    return max(0.0, used[OTHERS] / used[MACHINE])


def ratios(trials: Mapping[str, Trial], searches: Mapping[str, RateSearch], name: str) -> dict[str, float | None]:
    """A contestant over plain; None where there is nothing to divide."""
    found = {
        f"p{percent}": percentile(trials[name].setup_ms, percent) / percentile(trials["plain"].setup_ms, percent)
        for percent in (50, 99)
    }
    found["cps"] = searches[name].held / searches["plain"].held
    return {key: round(value, 2) if math.isfinite(value) else None for key, value in found.items()}


def verdicts(found: Mapping[str, float | None]) -> list[str]:
    """Each ratio against its goal, in words."""
    lines = []
    for key, (bound, goal) in GOALS.items():
        value = found[key]
        met = value is not None and (value <= goal if bound == "at most" else value >= goal)
        lines.append(f"{key:<4} {value} (goal: {bound} {goal}): {'met' if met else 'MISSED'}")
    return lines


def figures(trial: Trial, search: RateSearch) -> dict[str, Any]:
    """One contestant's line in the JSON."""
    values = {f"p{percent}_ms": percentile(trial.setup_ms, percent) for percent in PERCENTILES}
    return {
        "cps": round(search.held, 1),
        "cps_failed": None if math.isinf(search.failed) else round(search.failed, 1),
        "calls": trial.asked,
        "failed": trial.failed,
        **{name: round(value, 1) if math.isfinite(value) else None for name, value in values.items()},
    }


def switch_binary(named: str) -> Path | None:
    """The switch to run: the path that is named, else FREESWITCH_BIN, else ``freeswitch`` on PATH. None, the embedded
    node, if there is none or ``embedded`` is named."""
    if named == "embedded":
        return None
    found = named or os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
    return Path(found) if found else None


def measure(freeswitch: Path | None, pace: Pace, *, records: bool) -> int:
    """The whole measurement; returns the exit status."""
    began_s = time.monotonic()
    load_before = [round(value, 2) for value in os.getloadavg()]
    busy = psutil.cpu_percent(interval=1.0) / 100
    print(f"machine: {CORES} cores, {busy:.0%} busy before, load before {load_before}")
    if busy > NOISY:
        print("NOTE: the machine is busy with something else; expect noise, and do not compare with other runs")
    with awake() as kept, watching() as watch, running_stage(freeswitch, hold_s=pace.hold_s, records=records) as stage:
        stage.awake.extend(kept)
        print(f"switch: {stage.node.kind} {stage.version}, up after {time.monotonic() - began_s:.0f} s")
        print(f"sustained rates, calls of {pace.hold_s:.0f} s, recorded:")
        for name in CONTESTANTS:
            stage.call(name, 5, 1)  # what is slow only once: first connections, first pages
        first_rate = 16 if freeswitch else 8
        searches = find_rates(stage, watch, pace, first_rate=first_rate, until_s=began_s + pace.search_until_s)
        rate = searches["plain"].held / 2
        if not rate:
            raise DialtraceError("the plain dialplan did not sustain a single call a second here")
        print(f"\nat {rate:.1f}/s, half of what the plain dialplan sustained:")
        turns = compare(stage, watch, pace, rate)
    trials, used = together(turns)
    show(trials, used)
    ratio = ratios(trials, searches, "worker")
    print("\nthrough our worker against the plain dialplan:", *verdicts(ratio), sep="\n  ")
    summary = {
        "switch": stage.node.kind,
        "version": stage.version,
        "records": records,
        "cores": CORES,
        "load_before": load_before,
        "busy_before": round(busy, 2),
        "others": round(max(others(used[name]) for name in CONTESTANTS), 2),
        "disturbed": round(max(turn.disturbed for turn in turns), 2),
        "rate": round(rate, 1),
        "at_ceiling": [name for name, search in searches.items() if search.at_ceiling],
        **{name: figures(trials[name], searches[name]) for name in CONTESTANTS},
        "stock_ratio": ratios(trials, searches, "stock"),
    }
    print(f"took {time.monotonic() - began_s:.0f} s")
    print(json.dumps({"bench": "setup", "figures": summary, "ratio": ratio}))
    return int(bool(trials["plain"].failed or trials["worker"].failed))


def main(arguments: Sequence[str] | None = None) -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--freeswitch",
        default="",
        metavar="PATH",
        help="its binary, or `embedded`; default: FREESWITCH_BIN, then `freeswitch` on PATH, then the embedded node",
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes, coarse")
    parser.add_argument("--call-plane-only", action="store_true", help="without monitor and agent")
    options = parser.parse_args(arguments)
    configure_logs(level="warning")
    if shutil.which("sipp") is None:
        print("SIPp is missing: apt-get install sip-tester", file=sys.stderr)
        return 2
    return ended(
        lambda: measure(
            switch_binary(options.freeswitch), QUICK if options.quick else FULL, records=not options.call_plane_only
        )
    )


if __name__ == "__main__":
    sys.exit(main())

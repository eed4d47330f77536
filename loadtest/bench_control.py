"""What the control plane carries without any media: calls a second and the time to an answer of one worker process, how
that grows with 2 and 4, and events a second of one monitor; beside stock greenswitch in the same harness.

Run it by itself: ``python loadtest/bench_control.py [--quick]``. A simulated switch (eslsim.py) opens sockets to real
``dialtrace work calls`` processes on a real PostgreSQL, and plays the switch's side of an inbound connection for a real
``dialtrace work nodes``. How to read it: loadtest/README.md. Prints one line of JSON at the end. Exit status: 0; 1 if
calls failed at half the rate; 2 if it could not measure; 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dialtrace.errors import DialtraceError
from dialtrace.loadtest.bench_control_stage import Stage, running_stage
from dialtrace.loadtest.bench_end import ended
from dialtrace.loadtest.bench_setup_trace import percentile
from dialtrace.loadtest.eslsim import Placed, place_calls

#: Calls that a switch has in workers' hands at a time: enough to keep a process busy, fewer than it would send away.
AT_A_TIME = 24
MORE_PROCESSES = (2, 4)


@dataclass(frozen=True)
class Pace:
    """How long things take."""

    turn_s: float
    stock_hold_s: float
    event_calls: int


FULL = Pace(turn_s=6, stock_hold_s=1.0, event_calls=6000)
QUICK = Pace(turn_s=1.2, stock_hold_s=0.5, event_calls=800)


@dataclass(frozen=True)
class Turn:
    """One contestant's calls, and the processor's time that its processes took for each."""

    placed: Placed
    cpu_ms: float

    def shown(self) -> dict[str, float | int]:
        """For the JSON."""
        ordered = sorted(self.placed.decided_ms)
        return {
            "cps": round(self.placed.rate, 1),
            "p50_ms": round(percentile(ordered, 50), 2),
            "p99_ms": round(percentile(ordered, 99), 2),
            "cpu_ms": round(self.cpu_ms, 2),
            "calls": self.placed.asked,
            "failed": self.placed.failed,
        }


def measured(stage: Stage, contestant: str, *, seconds: float, rate: float | None = None) -> Turn:
    """Calls to a contestant that is running: as many as it takes, or at a rate."""
    before_s = stage.cpu_seconds(contestant)
    placed = asyncio.run(
        place_calls(stage.switch(contestant), stage.numbers, seconds=seconds, at_a_time=AT_A_TIME, rate=rate)
    )
    used_ms = (stage.cpu_seconds(contestant) - before_s) * 1000
    return Turn(placed, used_ms / max(1, len(placed.decided_ms)))


def show(name: str, turn: Turn) -> None:
    """One line for people."""
    found = turn.shown()
    print(
        f"  {name:<12} {found['cps']:7.1f} calls/s  p50 {found['p50_ms']:7.2f}  p99 {found['p99_ms']:7.2f} ms  "
        f"CPU {found['cpu_ms']:5.2f} ms a call  {found['failed']} of {found['calls']} failed",
        flush=True,
    )


def measure_calls(stage: Stage, pace: Pace) -> dict[str, Turn]:
    """The highest rates, then both at half of what the slower one carried."""
    turns: dict[str, Turn] = {}

    def take(name: str, contestant: str, rate: float | None = None) -> None:
        turns[name] = measured(stage, contestant, seconds=pace.turn_s, rate=rate)
        show(name, turns[name])

    with stage.workers(1):
        measured(stage, "worker", seconds=0.5)  # what is slow only once
        take("worker x1", "worker")
        plan = turns["worker x1"].placed.plan
        if plan is None:
            raise DialtraceError("no call got a plan")
        with stage.stock(plan, hold_s=pace.stock_hold_s):
            measured(stage, "stock", seconds=0.5)
            take("stock", "stock")
            half = min(turns["stock"].placed.rate, turns["worker x1"].placed.rate) / 2
            print(f"at {half:.0f}/s, half of the lower rate:")
            take("stock half", "stock", half)
            take("worker half", "worker", half)
    print("more processes, calls as fast as they are answered:")
    for count in MORE_PROCESSES:
        with stage.workers(count):
            measured(stage, "worker", seconds=0.5)
            take(f"worker x{count}", "worker")
    return turns


def ratios(turns: dict[str, Turn], events: dict[str, float]) -> dict[str, float]:
    """Ours over stock's, and several processes over one."""
    one, stock = turns["worker half"].shown(), turns["stock half"].shown()
    rate = turns["worker x1"].placed.rate
    return {
        "cps": round(rate / turns["stock"].placed.rate, 2),
        "p50": round(one["p50_ms"] / stock["p50_ms"], 2),
        "p99": round(one["p99_ms"] / stock["p99_ms"], 2),
        "events": round(events["monitor"] / events["stock"], 2),
        "two": round(turns["worker x2"].placed.rate / rate, 2),
        "four": round(turns["worker x4"].placed.rate / rate, 2),
    }


def measure(pace: Pace) -> int:
    """The whole measurement; returns the exit status."""
    began_s = time.monotonic()
    print(f"machine: {os.cpu_count()} cores, load before {os.getloadavg()[0]:.2f}")
    with running_stage() as stage:
        print(f"up after {time.monotonic() - began_s:.0f} s; {AT_A_TIME} calls at a time:", flush=True)
        turns = measure_calls(stage, pace)
        events = {name: stage.events_rate(name, pace.event_calls) for name in ("monitor", "stock")}
        print(f"  events/s: monitor with its journal {events['monitor']:.0f}, stock reading {events['stock']:.0f}")
    figures: dict[str, Any] = {
        "cores": os.cpu_count(),
        "at_a_time": AT_A_TIME,
        **{name.replace(" ", "_"): turn.shown() for name, turn in turns.items()},
        "events_per_s": {name: round(value) for name, value in events.items()},
    }
    print(f"took {time.monotonic() - began_s:.0f} s")
    print(json.dumps({"bench": "control", "figures": figures, "ratio": ratios(turns, events)}))
    return int(turns["worker half"].placed.failed > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under half a minute, coarse")
    options = parser.parse_args(arguments)
    return ended(lambda: measure(QUICK if options.quick else FULL))


if __name__ == "__main__":
    sys.exit(main())

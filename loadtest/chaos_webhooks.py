"""A webhook receiver that is away for a day, then fails, is busy, is slow, and is well: nothing may be missing after.

Run it by itself: ``python loadtest/chaos_webhooks.py [--short] [--freeswitch PATH]``. It starts a platform of its own
and makes real calls through it while two processes send; the day and the schedule of tries are compressed by the
settings, everything else is as it runs in production. First, with a receiver that is well, it measures from hang-up to
the receiver's having `call.ended`.

Prints what happened and one line of JSON. Exit status: 0 if the books balance, 1 if not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from dialtrace.apiclient import ApiClient
from dialtrace.demo.mix import plan_calls
from dialtrace.demo.provision import provision
from dialtrace.demo.receiver import BUSY, FAILING, WELL, Receiver, slow
from dialtrace.demo.run import make_calls
from dialtrace.demo.stage import (
    Demo,
    DemoOptions,
    choose_callers,
    make_callers,
    running_platform,
    running_targets,
)
from dialtrace.demo.webhooks import await_all, percentile, subscribe
from dialtrace.launch import PROGRAM
from dialtrace.logs import configure_logs

#: 12 tries in 3 minutes instead of 72 hours.
DELAYS_S = "0.3,0.6,1,2,4,7,12,20,30,45,60"
TIMEOUT_S = "2"
DAY_S, SHORT_DAY_S = 60.0, 12.0
PHASE_S = 6.0


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A webhook receiver that is away for a compressed day.")
    parser.add_argument("--freeswitch", type=Path, help="binary of a real FreeSWITCH; default: the embedded switch")
    parser.add_argument("--calls", type=int, default=120, help="calls in each half (default 120)")
    parser.add_argument("--rate", type=float, default=5.0, help="calls a second (default 5)")
    parser.add_argument("--short", action="store_true", help=f"a day of {SHORT_DAY_S:g} s instead of {DAY_S:g}")
    parser.add_argument("--callers", choices=["auto", "sipp", "own"], default="auto", help="who places the calls")
    return parser.parse_args(words)


@contextlib.contextmanager
def second_sender(demo: Demo) -> Iterator[None]:
    """Another process that sends, beside the platform's own."""
    child = subprocess.Popen(
        [*PROGRAM, "work", "webhooks"], env={**os.environ, **demo.plan.environment}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        child.terminate()
        child.wait(20)


class Day:
    """What the receiver does while the calls run."""

    def __init__(self, receiver: Receiver, day_s: float, console: Console) -> None:
        self._receiver = receiver
        self._console = console
        self._plan = [(0.0, "away", None), (day_s, "fails (500)", FAILING), (day_s + PHASE_S, "is busy (429)", BUSY),
                      (day_s + 2 * PHASE_S, "is slow", slow(3.0)), (day_s + 3 * PHASE_S, "is well", WELL)]  # fmt: skip
        self.over_s = day_s + 3 * PHASE_S

    def __call__(self, elapsed_s: float) -> None:
        while self._plan and elapsed_s >= self._plan[0][0]:
            _, words, mood = self._plan.pop(0)
            self._console.print(f"{elapsed_s:5.1f} s: the receiver {words}")
            if mood is None:
                self._receiver.stop()
                continue
            self._receiver.mood = mood
            if words.startswith("fails"):
                self._receiver.start()


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Both halves; the figures."""
    demo_options = DemoOptions(
        calls=options.calls, rate=options.rate, nodes=1, seed=1, talk_s=1.5, freeswitch=options.freeswitch,
        callers=options.callers,
    )  # fmt: skip
    settings = {
        "DIALTRACE_WEBHOOK_DELAYS_S": DELAYS_S, "DIALTRACE_WEBHOOK_TIMEOUT_S": TIMEOUT_S,
        "DIALTRACE_WEBHOOK_PAUSE_AFTER_S": "3600",
    }  # fmt: skip
    callers = choose_callers(options.callers)
    receiver = Receiver().start()
    with (
        running_platform(demo_options, more_settings=settings) as demo,
        running_targets(demo.folder / "sipp", callers) as targets,
        second_sender(demo),
    ):
        own, provisioned = provision(ApiClient(demo.plan.api_url, demo.plan.operator_token), demo.plan.api_url, targets)
        webhook_id = subscribe(receiver, own)

        def call(folder: str, during: Any) -> None:
            (demo.folder / folder).mkdir()
            calls = plan_calls(options.calls, 1, provisioned)
            make_calls(demo, make_callers(demo, demo.folder / folder, calls), len(calls), console, during)

        call("well", None)
        told = await_all(receiver, own, demo)
        faults, delays = list(told.faults), told.ended_s
        console.print(f"with a receiver that is well: {faults or 'all there'}, p99 {percentile(delays, 0.99):.2f} s")
        day = Day(receiver, SHORT_DAY_S if options.short else DAY_S, console)
        began_s = time.monotonic()
        call("away", day)
        while (elapsed_s := time.monotonic() - began_s) < day.over_s + 0.5:
            demo.supervisor.tend()
            day(elapsed_s)
            time.sleep(0.1)
        told = await_all(receiver, own, demo, 120)
        faults += told.faults
        state = own.get(f"/v1/webhooks/{webhook_id}")["state"]
        if state != "active":
            faults.append(f"the webhook is {state}")
    receiver.stop()
    return {
        "bench": "chaos_webhooks", "switch": demo_options.switch, "balanced": not faults, "faults": faults,
        "figures": {
            "events": told.events, "requests": len(receiver.received), "repeats": receiver.repeats(),
            "ended_calls": len(delays), "ended_p50_s": round(percentile(delays, 0.5), 3),
            "ended_p99_s": round(percentile(delays, 0.99), 3), "ended_max_s": round(max(delays), 3),
        },
    }  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    configure_logs(level="error", form="text", process="chaos")
    done = run(arguments(sys.argv[1:] if words is None else words), Console(stderr=True))
    print(json.dumps(done), flush=True)
    return 0 if done["balanced"] else 1


if __name__ == "__main__":
    sys.exit(main())

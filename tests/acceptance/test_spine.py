"""From a SIP call to its CDR on the whole platform: real SIP, real audio, real processes, some of them killed.

Each test balances the books: what SIPp's callers counted against CDRs and recordings read through the API.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest
from rich.console import Console

from dialtrace.apiclient import ApiClient
from dialtrace.demo.kills import Kill, Killer
from dialtrace.demo.run import Performance, perform
from dialtrace.demo.stage import Demo, DemoOptions, running_platform, running_targets

QUIET = Console(quiet=True)


def run(
    options: DemoOptions, during: Callable[[Demo, float], None] | None = None
) -> tuple[Performance, dict[str, int]]:
    with running_platform(options) as demo, running_targets(demo.folder / "sipp") as targets:
        done = perform(demo, targets, QUIET, (lambda elapsed_s: during(demo, elapsed_s)) if during else None)
        return done, demo.supervisor.restarts()


def faults(done: Performance) -> list[str]:
    return [f"{line.what}: expected {line.expected}, found {line.found}" for line in done.lines if not line.balances]


@pytest.mark.timeout(180)
def test_given_a_fresh_platform_on_two_nodes_when_the_demo_runs_then_its_books_balance() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "dialtrace", "demo", "--calls", "20", "--rate", "5", "--nodes", "2", "--seed", "3"],
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    summary = json.loads(ran.stdout.strip().splitlines()[-1])
    assert summary["demo"] == "balanced"
    assert summary["calls"] == 20
    assert summary["restarts"] == 0


def killing(moments_s: dict[str, float]) -> Callable[[Demo, float], None]:
    """Kills the named children with -9, once each, at its moment."""
    killers: list[Killer] = []

    def during(demo: Demo, elapsed_s: float) -> None:
        if not killers:
            killers.append(Killer(demo.supervisor, [Kill(name, moment_s) for name, moment_s in moments_s.items()]))
        killers[0](elapsed_s)

    return during


@pytest.mark.timeout(240)
def test_given_fifty_calls_standing_when_worker_agent_and_monitor_are_killed_then_no_call_fails_and_none_is_lost() -> (
    None
):
    killer = killing({"worker-1": 6.0, "agent": 7.5, "monitor": 9.0, "worker-2": 10.5})
    done, restarts = run(DemoOptions(calls=140, rate=10, nodes=1, seed=5, talk_s=6.0), killer)
    assert faults(done) == []
    assert {name for name, count in restarts.items() if count} == {"worker-1", "worker-2", "agent", "monitor"}


@pytest.mark.timeout(240)
def test_given_calls_standing_when_their_node_is_killed_then_each_has_one_cdr_node_lost() -> None:
    options = DemoOptions(calls=40, rate=10, nodes=1, seed=6, talk_s=20.0)
    killed_s = 5.5
    killer = killing({"node-1": killed_s})
    with running_platform(options) as demo, running_targets(demo.folder / "sipp") as targets:
        lost = lost_calls(demo, targets, killer)
    assert len(lost) >= 15, "some twenty callers were talking when the node died"
    assert len({call["id"] for call in lost}) == len(lost)
    assert all(call["ended_at"] is None for call in lost), "nobody knows when it ended, and nobody pretends to"
    settled = Counter(call["recording"] for call in lost)
    assert settled["pending"] == 0
    assert settled["stored"] >= 12, "what was written until then is mended and kept"


def lost_calls(demo: Demo, targets: dict[str, str], killer: Callable[[Demo, float], None]) -> list[dict[str, object]]:
    """Make calls, let the node die, wait until the count of `node_lost` stands still."""

    class Enough(Exception):
        pass

    def during(elapsed_s: float) -> None:
        killer(demo, elapsed_s)
        if elapsed_s > 7:
            raise Enough

    with pytest.raises(Enough):
        perform(demo, targets, QUIET, during)
    operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
    agency = next(a for a in operator.read_all("/v1/agencies") if a["name"] == "Demo Agency")
    seen: list[int] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        demo.supervisor.tend()
        calls = list(operator.read_all("/v1/calls", agency_id=agency["id"], outcome="node_lost", limit=200))
        seen.append(sum(call["recording"] != "pending" for call in calls))
        if len(seen) > 10 and seen[-1] > 0 and len(set(seen[-10:])) == 1:
            return calls
        time.sleep(0.5)
    return calls

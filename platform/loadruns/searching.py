"""Steps of rising and falling rate until the highest one is found that keeps the limits.

A step counts only if the machine itself did not stand still meanwhile and our own generator kept its rate: a failure
that they explain is tried again, up to a bound. What one step leaves behind does not load the next: the search waits
until the system is idle.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..demo.stage import await_calm
from . import figures
from .idle import settle_node
from .plan import plan_calls
from .search import RateSearch
from .seen import SeenCall
from .stage import Offered, Stage
from .standstill import MOST_DISTURBED, Watch
from .tables import Search, Step

EXCUSES = 6
IDLE_S, HANG_UP_S = 20.0, 10.0


def search_rate(stage: Stage, watch: Watch, say: Callable[[str], None]) -> dict[str, Any]:
    """As often as the profile wants; the document's part with every step."""
    asked = stage.profile.search
    assert asked is not None
    _take(stage, watch, 2.0, asked, 3.0)  # what is slow only once: first connections, first pages
    rounds = []
    for place in range(asked.repeat):
        if asked.repeat > 1:
            say(f"search {place + 1} of {asked.repeat}")
        rounds.append(_search(stage, watch, asked, say))
    return told(asked, rounds)


@dataclass(frozen=True)
class Round:
    """One search, as it ended."""

    search: RateSearch
    steps: list[dict[str, Any]]


def told(asked: Search, rounds: Sequence[Round]) -> dict[str, Any]:
    """What was found: the median of the searches, and how far apart they are."""
    held = sorted(one.search.held for one in rounds)
    failed = [one.search.failed for one in rounds if math.isfinite(one.search.failed)]
    middle = held[len(held) // 2]
    apart = max(held[-1] - middle, middle - held[0]) / middle if middle else 1.0
    return {
        "held_cps": round(middle, 2),
        "failed_cps": round(min(failed), 2) if failed else None,
        "found_cps": [round(one.search.held, 2) for one in rounds],
        "apart": round(apart, 4),
        "agrees": middle > 0 and apart <= asked.agree,
        "at_ceiling": any(one.search.at_ceiling for one in rounds),
        "out_of_time": any(one.search.next_rate() is not None for one in rounds),
        "limits": {"setup_p99_ms": asked.setup_p99_ms, "failed": asked.failed},
        "steps": [step | {"search": place} for place, one in enumerate(rounds, start=1) for step in one.steps],
    }


def _search(stage: Stage, watch: Watch, asked: Search, say: Callable[[str], None]) -> Round:
    search = RateSearch(
        first=asked.first_cps, most=asked.most_cps, least=min(1.0, asked.first_cps),
        resolution=asked.resolution, attempts=asked.attempts,
    )  # fmt: skip
    steps: list[dict[str, Any]] = []
    ends_s, excused = time.monotonic() + asked.within_s, 0
    while (rate := search.next_rate()) is not None and time.monotonic() < ends_s:
        step = _take(stage, watch, rate, asked, asked.step_s)
        excuse = _excuse(step)
        if step["fault"] and excuse and excused < EXCUSES:
            excused += 1
            step["excused"] = excuse
        else:
            search.record(held=not step["fault"])
        steps.append(step)
        say(_said(step))
    return Round(search, steps)


def _said(step: dict[str, Any]) -> str:
    words = step["fault"] or f"held, set-up p99 {step['setup_p99_ms']:.0f} ms"
    return f"{step['cps']:7.1f}/s  {words}" + (f"; not counted: {step['excused']}" if step.get("excused") else "")


def _excuse(step: dict[str, Any]) -> str:
    if step["disturbed"] > MOST_DISTURBED:
        return f"the machine stood still for {step['disturbed']:.0%} of it"
    return ""


def _take(stage: Stage, watch: Watch, rate: float, asked: Search, seconds: float) -> dict[str, Any]:
    """One step at one rate."""
    plan = plan_calls(stage.profile, [Step(for_s=seconds, from_cps=rate)])
    began_s = time.monotonic()

    def lost(calls: Sequence[SeenCall], now_s: float) -> str:
        bad = sum(_is_bad(call, now_s, asked.setup_p99_ms) for call in calls)
        allowed = max(asked.failed, 0.01) * len(calls)
        return f"{bad} of {len(calls)} calls failed or were too slow already" if bad > allowed else ""

    offered = stage.offer(plan, lost=lost)
    disturbed = watch.disturbed(began_s)
    settle(stage)
    return {"cps": round(rate, 3), "disturbed": round(disturbed, 4), **_measured(offered, asked)}


def _is_bad(call: SeenCall, now_s: float, setup_ms: float) -> bool:
    if call.status is not None:
        return call.status != call.expected or (call.setup_ms or 0.0) > setup_ms
    return call.expected == 200 and (now_s - call.planned_s) * 1000 > setup_ms


def _measured(offered: Offered, asked: Search) -> dict[str, Any]:
    told = figures.signalling(offered.calls)
    p99_ms = told["setup_ms"].get("p99")
    fault = offered.stopped
    if not fault and (told["failed_share"] or 0.0) > asked.failed:
        fault = f"{told['failed']} of {told['asked']} calls failed ({told['statuses']})"
    if not fault and (p99_ms is None or p99_ms > asked.setup_p99_ms):
        fault = "no call was answered" if p99_ms is None else f"set-up p99 {p99_ms:.0f} ms"
    keys = ("asked", "sent", "failed", "failed_share", "late_share", "statuses")
    return {
        **{key: told[key] for key in keys},
        "setup_p50_ms": told["setup_ms"].get("p50"),
        "setup_p99_ms": p99_ms,
        "late_p99_ms": told["late_ms"].get("p99"),
        "fault": fault,
    }


def settle(stage: Stage) -> None:
    """Until no call is left on our own nodes; what an overload left standing is hung up. Of a platform that is not ours
    we only wait for what we can see: nothing."""
    demo = stage.system.demo
    if demo is None:
        time.sleep(2.0)
        return
    for node in demo.plan.nodes:
        settle_node(node, demo.supervisor.children[node.name], idle_s=IDLE_S, hang_up_s=HANG_UP_S)
    await_calm()

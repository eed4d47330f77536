"""A whole load run: from a profile to the document of its report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ..awake import awake
from . import figures, soaking
from .allow import AllowList
from .books import against_sipp, balance, told
from .compare import FORMAT
from .plan import plan_calls
from .profile import Profile
from .searching import search_rate
from .stage import Offered, Stage, running_stage, stop_when
from .standstill import Watch, watching
from .system import System
from .verdict import judge

RECORDS_WITHIN_S = 90.0
#: They are of the run itself: what they hold grows with what they have seen.
NOT_OURS = frozenset({"load run", "SIPp", "media"})
OpenSystem = Callable[[Profile, str, Sequence[str]], AbstractContextManager[System]]
Say = Callable[[str], None]


def run_profile(profile: Profile, allowed: AllowList, *, key: str, open_system: OpenSystem, say: Say) -> dict[str, Any]:
    """Runs it and tells everything that was measured, judged by the profile's limits (`report["verdicts"]`)."""
    began_s = time.monotonic()
    say(f"{profile.name}: bringing up what it needs")
    with awake(), watching() as watch, running_stage(profile, allowed, key, open_system) as stage:
        say(f"ready after {time.monotonic() - began_s:.0f} s; {stage.system.about['kind']}")
        report = _head(profile, stage)
        if profile.search is not None:
            report["search"] = search_rate(stage, watch, say)
        else:
            report |= _curve(profile, stage, watch, say)
        _judged(profile, report)
    report["took_s"] = round(time.monotonic() - began_s, 1)
    return report


def _judged(profile: Profile, report: dict[str, Any]) -> None:
    if "search" in report:
        report["verdicts"] = []
        report["kept"] = report["search"]["agrees"]
        return
    verdicts = judge(profile.limits, report)
    report["verdicts"] = [one.told() for one in verdicts]
    report["kept"] = all(one.kept for one in verdicts)


def _head(profile: Profile, stage: Stage) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "load_run": profile.name,
        "about": profile.about,
        "version": version("dialtrace"),
        "began_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "hosts": {host.name: host.address for host in profile.hosts}},
        "system": stage.system.about,
        "profile": profile.model_dump(),
    }


def _curve(profile: Profile, stage: Stage, watch: Watch, say: Say) -> dict[str, Any]:
    """The profile's rate curve, with everything that is measured beside it."""
    plan, watched_s = plan_calls(profile), time.monotonic()
    since = datetime.now(UTC).isoformat()
    offered = stage.offer(plan, floods=profile.floods, lost=stop_when(profile), say=say)
    disturbed = watch.disturbed(watched_s)
    say("waiting for the records")
    records = _records(profile, stage, offered, since)
    for media in stage.target_media:
        media.stop()
    judged = [call for call in offered.calls if not call.warm_up]
    lines, differs = balance(profile, offered.calls, records)
    first_s = offered.base_s + profile.rate.warm_up_s
    targets = [media.heard() for media in stage.target_media]
    return {
        "stopped": offered.stopped,
        "disturbed": round(disturbed, 4),
        "calls": {"planned": len(plan), "warm_up": len(plan) - len(judged)},
        "signalling": figures.signalling(judged),
        "kinds": figures.by_kind(judged),
        "seconds": figures.by_second(offered.calls, base_s=offered.base_s),
        "sound": _sound(offered, targets),
        "floods": offered.floods,
        "books": {
            "lines": [told(line) for line in lines],
            "against_sipp": [told(line) for line in against_sipp(offered.calls, list(offered.counted.values()))],
            "differs": differs,
        },
        "sipp": {name: vars(counted) for name, counted in offered.counted.items()},
        "processes": _processes(stage, first_s, offered),
        "soak": _soaked(profile, stage, offered),
    }


def _soaked(profile: Profile, stage: Stage, offered: Offered) -> list[dict[str, Any]]:
    """What was flat and what grew, where the profile asks; while the load was steady, the machine's own series only."""
    if profile.soak is None:
        return []
    planned = [call.planned_s for call in offered.calls]
    from_s, to_s = offered.base_s + profile.rate.warm_up_s + profile.soak.settle_s, max(planned, default=0.0)
    found = []
    for samples in [*(sampler.samples() for sampler in stage.samplers), stage.gauges]:
        series = soaking.series_of(samples, from_s=from_s, to_s=to_s)
        own = {key: points for key, points in series.items() if key[0] not in NOT_OURS}
        found += [one.told() for one in soaking.judge(own)]
    return sorted(found, key=lambda one: (one["flat"], one["kind"], one["measure"]))


def _records(profile: Profile, stage: Stage, offered: Offered, since: str) -> dict[str, Mapping[str, Any]]:
    """Once all are there and no recording is pending, or what there is when time is up."""
    wanted = {call.call_id for call in offered.calls if call.sent_s is not None}
    until_s = time.monotonic() + RECORDS_WITHIN_S
    while True:
        stage.system.tend()
        records = stage.system.records(wanted, since=since)
        settled = all(record["recording"] != "pending" for record in records.values())
        if (len(records) == len(wanted) and settled) or time.monotonic() > until_s:
            return dict(records)
        time.sleep(1.0)


Heard = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def _sound(offered: Offered, targets: Sequence[Heard]) -> dict[str, Any]:
    """Both sides, and the worse of them for the limits."""
    sides = {"callers": _side(offered.sound), "targets": _side(targets)}
    lost = [side["lost_share"] for side in sides.values() if side["lost_share"] is not None]
    jitter = [side["jitter_ms"]["p99"] for side in sides.values() if side["jitter_ms"]["count"]]
    return {**sides, "lost_share": max(lost, default=None), "jitter_p99_ms": max(jitter, default=None)}


def _side(heard: Sequence[Heard]) -> dict[str, Any]:
    return figures.sound([one for streams, _ in heard for one in streams], [one for _, ends in heard for one in ends])


def _processes(stage: Stage, first_s: float, offered: Offered) -> dict[str, Any]:
    """By machine: what each kind of process used from the end of the warm-up to the last call's end."""
    ended_s = max([call.ended_s or 0.0 for call in offered.calls] + [first_s + 2])
    found = {}
    for sampler in stage.samplers:
        samples = sampler.samples()
        found[sampler.machine.name] = {
            "machine": figures.machine(samples, from_s=first_s, to_s=ended_s),
            "kinds": figures.processes(samples, from_s=first_s, to_s=ended_s),
            "seconds": figures.process_seconds(samples, base_s=offered.base_s),
        }
    return found

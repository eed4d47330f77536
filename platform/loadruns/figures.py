"""From calls and streams to figures: ratios, percentiles, distributions. Pure.

Percentiles are values that occurred (nearest rank), over every judged call; none is averaged from parts.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .seen import LATE_S, SeenCall

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
#: What counts as delivered by the network (E.425; docs/glossary.md, NER).
DELIVERED = frozenset({200, 404, 480, 486, 487, 600, 603})
#: More rows of a series are only weight.
MOST_ROWS = 1000
#: Upper ends of the distribution, in ms: the same everywhere, so that two runs lie over each other.
EDGES_MS = (
    5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000,
    10_000, 20_000,
)  # fmt: skip


def percentile(ordered: Sequence[float], percent: float) -> float:
    """By the nearest rank, so that it is a value that occurred; NaN of nothing."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Count, percentiles, ends and mean, and how many lie in each bucket of EDGES_MS (the last: beyond all)."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}
    counts = [0] * (len(EDGES_MS) + 1)
    for value in ordered:
        counts[bisect_right(EDGES_MS, value)] += 1
    found = {f"p{percent:g}": round(percentile(ordered, percent), 2) for percent in PERCENTILES}
    ends = {"min": round(ordered[0], 2), "max": round(ordered[-1], 2), "mean": round(sum(ordered) / len(ordered), 2)}
    return {"count": len(ordered), **found, **ends, "buckets": counts}


def _of(calls: Sequence[SeenCall], what: Callable[[SeenCall], float | None]) -> dict[str, Any]:
    return spread([value for call in calls if (value := what(call)) is not None])


def signalling(calls: Sequence[SeenCall]) -> dict[str, Any]:
    """What the callers saw of these calls: the figures of a report's heart."""
    asked, sent = len(calls), [call for call in calls if call.sent_s is not None]
    statuses = Counter(call.status or 0 for call in sent)
    answered, good = statuses[200], sum(call.good for call in calls)
    late = sum((call.late_ms or 0) > LATE_S * 1000 for call in sent) + asked - len(sent)
    return {
        "asked": asked,
        "sent": len(sent),
        "never_sent": asked - len(sent),
        "good": good,
        "failed": asked - good,
        "failed_share": _share(asked - good, asked),
        "late": late,
        "late_share": _share(late, asked),
        "answered": answered,
        "asr": _share(answered, len(sent)),
        "ner": _share(sum(count for status, count in statuses.items() if status in DELIVERED), len(sent)),
        "statuses": {str(status or "none"): count for status, count in sorted(statuses.items())},
        "repeats": sum(call.repeats for call in calls),
        "setup_ms": _of(calls, lambda call: call.setup_ms),
        "setup_sent_ms": _of(calls, lambda call: call.setup_sent_ms),
        "post_dial_delay_ms": _of(calls, lambda call: call.post_dial_delay_ms),
        "late_ms": _of(calls, lambda call: call.late_ms),
        "acd_s": _mean([call.ended_s - call.answered_s for call in calls if call.ended_s and call.answered_s]),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 5) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def by_kind(calls: Sequence[SeenCall]) -> dict[str, dict[str, Any]]:
    """The same for each kind of call, shorter."""
    grouped: dict[str, list[SeenCall]] = defaultdict(list)
    for call in calls:
        grouped[call.kind].append(call)
    keys = ("asked", "sent", "good", "failed", "statuses", "setup_ms", "post_dial_delay_ms")
    told = {kind: signalling(own) for kind, own in grouped.items()}
    return {
        kind: {"expected": grouped[kind][0].expected, **{key: figures[key] for key in keys}}
        for kind, figures in told.items()
    }


def by_second(calls: Sequence[SeenCall], *, base_s: float) -> list[dict[str, Any]]:
    """Second by second of the run: planned, sent, answered, failed, standing at its end, and set-up p99 of those
    planned in it."""
    if not calls:
        return []
    last_s = max(max(call.planned_s, call.ended_s or 0, call.answered_s or 0) for call in calls)
    rows: list[dict[str, Any]] = [
        {"planned": 0, "sent": 0, "answered": 0, "failed": 0, "standing": 0, "setup_p99_ms": None}
        for _ in range(max(1, math.floor(last_s - base_s) + 1))
    ]
    setups: dict[int, list[float]] = defaultdict(list)

    def count(moment_s: float | None, what: str, by: int = 1) -> None:
        if moment_s is not None and 0 <= (place := math.floor(moment_s - base_s)) < len(rows):
            rows[place][what] += by

    for call in calls:
        count(call.planned_s, "planned")
        count(call.sent_s, "sent")
        count(call.answered_s, "answered")
        count(call.planned_s, "failed", int(not call.good))
        if call.answered_s is not None:
            count(call.answered_s, "standing")
            count((call.ended_s or last_s) + 1, "standing", -1)
        if call.setup_ms is not None:
            setups[math.floor(call.planned_s - base_s)].append(call.setup_ms)
    standing = 0
    for place, row in enumerate(rows):
        standing += row["standing"]
        row["standing"] = standing
        if place in setups:
            row["setup_p99_ms"] = round(percentile(sorted(setups[place]), 99), 1)
    return rows


def sound(streams: Sequence[Mapping[str, Any]], ends: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What media.py measured on one side: packets, loss, jitter; and how well it did its own part."""
    total: Counter[str] = Counter()
    for stream in streams:
        total.update(
            {key: stream[key] for key in ("sent", "dropped", "received", "expected", "lost", "reordered", "duplicates")}
        )
    heard = [stream for stream in streams if stream["received"]]
    return {
        "streams": len(streams),
        "deaf": len(streams) - len(heard),
        **{key: total[key] for key in ("sent", "dropped", "received", "expected", "lost", "reordered", "duplicates")},
        "lost_share": round(total["lost"] / total["expected"], 6) if total["expected"] else None,
        "jitter_ms": spread([stream["jitter_ms"] for stream in heard]),
        "own": {key: sum(int(end.get(key, 0)) for end in ends) for key in ("late", "strangers", "refused", "overflow")},
    }


def processes(samples: Sequence[Mapping[str, Any]], *, from_s: float, to_s: float) -> dict[str, dict[str, Any]]:
    """What each kind of process used between two moments: processors on average, memory at most, files at most."""
    within = [sample for sample in samples if from_s <= sample["at_s"] <= to_s]
    if len(within) < 2:
        return {}
    span_s = within[-1]["at_s"] - within[0]["at_s"]
    used: dict[str, float] = defaultdict(float)
    before: dict[tuple[str, int], float] = {}
    most: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for sample in within:
        now: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for kind, pid, cpu_s, rss, files, _threads in sample["processes"]:
            # A process that came meanwhile has used all that it says; one from before, what it has added.
            used[kind] += cpu_s - before.get((kind, pid), cpu_s if sample is within[0] else 0.0)
            before[kind, pid] = cpu_s
            now[kind][0] += rss
            now[kind][1] += max(0, files)
            now[kind][2] += 1
        for kind, values in now.items():
            most[kind] = [max(one, two) for one, two in zip(most[kind], values, strict=True)]
    return {
        kind: {
            "processors": round(used[kind] / span_s, 4),
            "memory_bytes": most[kind][0],
            "files": most[kind][1],
            "processes": most[kind][2],
        }
        for kind in sorted(most)
    }


def machine(samples: Sequence[Mapping[str, Any]], *, from_s: float, to_s: float) -> dict[str, float | None]:
    """The machine as a whole between two moments: share that was busy, and that its host took away (steal)."""
    within = [sample["machine"] for sample in samples if from_s <= sample["at_s"] <= to_s]
    if len(within) < 2 or within[-1][2] == within[0][2]:
        return {"busy": None, "stolen": None}
    whole = within[-1][2] - within[0][2]
    return {
        "busy": round((within[-1][0] - within[0][0]) / whole, 4),
        "stolen": round((within[-1][1] - within[0][1]) / whole, 4),
    }


def process_seconds(samples: Sequence[Mapping[str, Any]], *, base_s: float) -> dict[str, list[list[float]]]:
    """For the plots: by kind of process [second of the run, processors, megabytes]."""
    found: dict[str, list[list[float]]] = {}
    before: dict[str, tuple[float, dict[int, float]]] = {}
    for sample in samples:
        now: dict[str, tuple[dict[int, float], int]] = {}
        for kind, pid, cpu_s, rss, _files, _threads in sample["processes"]:
            used, memory = now.get(kind, ({}, 0))
            used[pid] = cpu_s
            now[kind] = (used, memory + rss)
        for kind, (used, memory) in now.items():
            if kind in before:
                past_s, past = before[kind]
                span_s = sample["at_s"] - past_s
                grown = sum(cpu_s - past[pid] for pid, cpu_s in used.items() if pid in past)
                if span_s > 0:
                    row = [round(sample["at_s"] - base_s, 1), round(grown / span_s, 3), round(memory / 1e6, 1)]
                    found.setdefault(kind, []).append(row)
            before[kind] = (sample["at_s"], used)
    return {kind: rows[:: math.ceil(len(rows) / MOST_ROWS)] for kind, rows in found.items()}

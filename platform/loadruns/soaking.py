"""Whether something grows: a robust slope over samples of a long run. Pure.

The slope is Theil and Sen's: the median of the slopes between all pairs, which a third of wild values cannot move. Its
band is by Kendall's test: with what certainty the true slope lies above 0. What a process holds at the start of a run
(caches that fill, pools that open) is left out by beginning after the warm-up.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: More points than this are thinned: pairs grow with the square.
MOST_POINTS = 300
#: Of fewer nothing is said; of few, growth is certain only if it is never interrupted.
LEAST_POINTS = 4
#: Normal quantile of a one-sided 99 %.
_CERTAIN = 2.326

Series = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Slope:
    """A series: its median, and how much an hour would add; ``at_least``: with 99 % certainty no less than that."""

    median: float
    per_hour: float
    at_least_per_hour: float
    points: int


def slope_of(series: Series) -> Slope | None:
    """Of (second, value); None of too little."""
    points = list(series[:: max(1, math.ceil(len(series) / MOST_POINTS))])
    count = len(points)
    if count < LEAST_POINTS:
        return None
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for place, earlier in enumerate(points)
        for later in points[place + 1 :]
        if later[0] > earlier[0]
    )
    if not slopes:
        return None
    # Sen (1968): the ranks between which the true slope lies, by the variance of Kendall's S.
    spread = _CERTAIN * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    values = sorted(value for _, value in points)
    return Slope(values[count // 2], statistics.median(slopes) * 3600, slopes[low] * 3600, count)


def series_of(samples: Sequence[Mapping[str, Any]], *, from_s: float, to_s: float) -> dict[tuple[str, str], Series]:
    """By kind of process and measure (`memory_bytes`, `files`, `threads`): a value a sample, all processes of the kind
    together; how many they are (of the database: its connections); and what a sample has beside them (`gauges`: kind,
    a slash, measure)."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for sample in samples:
        if not from_s <= sample["at_s"] <= to_s:
            continue
        now: dict[tuple[str, str], float] = defaultdict(float)
        for kind, _pid, _cpu_s, rss, files, threads in sample["processes"]:
            now[kind, "memory_bytes"] += rss
            now[kind, "files"] += max(0, files)
            now[kind, "threads"] += threads
            now[kind, "processes"] += 1
        for name, value in sample.get("gauges", {}).items():
            kind, _, measure = name.partition("/")
            now[kind, measure] = value
        for key, value in now.items():
            found[key].append((sample["at_s"], value))
    return dict(found)


#: What may be added in an hour, at most: a share of itself, or so much (in a shorter run: so much in the run). An
#: allocator that keeps a page for a while, a log file that is opened, are no leak; what adds a tenth an hour has
#: doubled by the evening. Of the database's processes each but a handful is a connection.
ALLOWED = {
    "memory_bytes": (0.10, 8e6),
    "files": (0.05, 4.0),
    "threads": (0.05, 3.0),
    "greenlets": (0.05, 5.0),
    "processes": (0.05, 2.0),
}


#: Not judged: a process of PostgreSQL keeps the file of every table that it has read, up to its max_files_per_process:
#: they grow with what is asked of it, not with time.
UNJUDGED = frozenset({("database", "files")})


@dataclass(frozen=True)
class Flatness:
    """One series, judged."""

    kind: str
    measure: str
    slope: Slope
    allowed_per_hour: float
    flat: bool

    def told(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "measure": self.measure,
            "median": round(self.slope.median, 1),
            "per_hour": round(self.slope.per_hour, 2),
            "at_least_per_hour": round(self.slope.at_least_per_hour, 2),
            "allowed_per_hour": round(self.allowed_per_hour, 2),
            "points": self.slope.points,
            "flat": self.flat,
        }


def judge(series: Mapping[tuple[str, str], Series]) -> list[Flatness]:
    """Every series that has enough points, those that grow first."""
    found = []
    for (kind, measure), points in series.items():
        slope = slope_of(points)
        if slope is not None and measure in ALLOWED and (kind, measure) not in UNJUDGED:
            share, floor = ALLOWED[measure]
            hours = min(1.0, (points[-1][0] - points[0][0]) / 3600)
            allowed = max(share * abs(slope.median), floor / hours)
            found.append(Flatness(kind, measure, slope, allowed, slope.at_least_per_hour <= allowed))
    return sorted(found, key=lambda one: (one.flat, one.kind, one.measure))

"""Learns a site's recency curve from its exposures and calls, without being told which call was whose.

Expectation and maximisation: with the rates so far every call is shared out among the ways in which it can have come
about (`matching.ways_of`); each rate is then what was shared out to it, over the time for which it was at risk. Old
holders of a number and strangers explain the same calls nearly equally well, so it takes hundreds of rounds until they
part; numpy makes a round a matter of a millisecond. What was seen seldom stays near what it was before. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .curve import AGAIN, CLICKED, GONE, LOOK_BACK, MOST_HOLDERS, SEEN, Curve, parts, time_in
from .matching import Way, again_weight, from_elsewhere, ways_of
from .model import CallSeen, Exposure

Numbers = NDArray[np.float64]

#: What the curve before counts for, in calls, for each of its rates.
PRIOR_CALLS = 0.5
#: How often the weights of region, device and person are learnt anew, and the rates between two of these.
TURNS, ROUNDS = 4, 500
#: The rates have settled when none moves by more than this share in a round.
SETTLED = 1e-4
#: Fewer calls than this teach nothing.
LEAST_CALLS = 50
_STEPS: Mapping[str, tuple[float, ...]] = {"seen": SEEN, "gone": GONE, "clicked": CLICKED, "again": AGAIN}


@dataclass(frozen=True, slots=True)
class Lesson:
    """One call with the exposures of its number, as `matching.match_call` gets them."""

    call: CallSeen
    exposures: Sequence[Exposure]


class AtRisk:
    """For how long each rate could have brought a call, in seconds, within the span that is learnt from: exposures by
    device, clicks, callers, numbers."""

    def __init__(self, since: datetime, until: datetime) -> None:
        self.since = since
        self.until = until
        self.seen: dict[str, list[float]] = {}
        self.gone: dict[str, list[float]] = {}
        self.clicked = [0.0] * len(CLICKED)
        self.again = [0.0] * len(AGAIN)
        self.again_stray = [0.0] * len(AGAIN)
        self.stray = 0.0

    def add_exposure(self, one: Exposure, watched: datetime) -> None:
        """``watched``: when it stops to be looked at; see :func:`watched_until`."""
        device = one.device or ""
        seen = self.seen.setdefault(device, [0.0] * len(SEEN))
        gone = self.gone.setdefault(device, [0.0] * len(GONE))
        self._add(seen, SEEN, one.shown_at, min(one.seen_until, watched))
        self._add(gone, GONE, one.seen_until, watched)
        if one.clicked_at is not None:
            self._add(self.clicked, CLICKED, one.clicked_at, watched)

    def add_caller(self, last_at: datetime, until: datetime, named: float) -> None:
        """A caller who may ring again, from one call to the next or to the end. ``named``: the probability that his
        first call was somebody's."""
        self._add(self.again, AGAIN, last_at, until, named)
        self._add(self.again_stray, AGAIN, last_at, until, 1.0 - named)

    def add_number(self, begin: datetime, until: datetime) -> None:
        """A number that could be called by mistake."""
        self.stray += max(0.0, (min(until, self.until) - max(begin, self.since)).total_seconds())

    def _add(
        self, sums: list[float], bounds: tuple[float, ...], begin: datetime, end: datetime, weight: float = 1.0
    ) -> None:
        """What lies between ``begin`` and ``end``, as far as it lies within the span, counted from ``begin``."""
        whole = time_in(bounds, (min(end, self.until) - begin).total_seconds())
        before = time_in(bounds, (min(end, self.since) - begin).total_seconds())
        for index, (late, early) in enumerate(zip(whole, before, strict=True)):
            sums[index] += (late - early) * weight


def watched_until(exposures: Sequence[Exposure], now: datetime) -> list[datetime]:
    """For each exposure of one number, in the order of ``shown_at``: until when a call would be looked at in its light;
    later ones push it out of sight."""
    ends = []
    for index, one in enumerate(exposures):
        last = one.seen_until + LOOK_BACK
        if index + MOST_HOLDERS < len(exposures):
            last = min(last, exposures[index + MOST_HOLDERS].shown_at)
        ends.append(max(one.shown_at, min(last, now)))
    return ends


#: Where the rates of each kind stand in one row of all.
_PLACES = {
    "seen": 0,
    "gone": len(SEEN),
    "clicked": len(SEEN) + len(GONE),
    "again": len(SEEN) + len(GONE) + len(CLICKED),
}
_STRAY = _PLACES["again"] + len(AGAIN)


def learn(lessons: Sequence[Lesson], at_risk: AtRisk, before: Curve, *, known_callers: int = 0) -> Curve:
    """The curve that explains these calls best. With fewer than LEAST_CALLS lessons it is the one before.
    ``known_callers``: how many callers are known by the end."""
    if len(lessons) < LEAST_CALLS:
        return before
    curve = replace(before, regions=spread_of(one.call.region for one in lessons))
    for _ in range(TURNS):
        ways = [ways_of(lesson.call, lesson.exposures, curve) for lesson in lessons]
        curve, shares = _settle_rates(ways, at_risk, before, curve)
        curve = replace(curve, **_weigh_facts(lessons, ways, shares, at_risk, curve, known_callers))
    ways = [ways_of(lesson.call, lesson.exposures, curve) for lesson in lessons]
    return _settle_rates(ways, at_risk, before, curve)[0]


def spread_of(regions: Iterable[str | None]) -> dict[str, float]:
    """How callers spread over regions; "" stands for each that was never seen."""
    return _spread(Counter(one for one in regions if one is not None))


def _spread(counts: Mapping[str, float]) -> dict[str, float]:
    total = sum(counts.values()) + len(counts) + 1
    return {"": 1 / total} | {name: (count + 1) / total for name, count in sorted(counts.items())}


def _row_of(curve: Curve) -> Numbers:
    return np.array([*curve.seen, *curve.gone, *curve.clicked, *curve.again, curve.stray])


def _with_row(curve: Curve, row: Numbers) -> Curve:
    def part(kind: str) -> tuple[float, ...]:
        begin = _PLACES[kind]
        return tuple(float(one) for one in row[begin : begin + len(_STEPS[kind])])

    rates = {kind: part(kind) for kind in _STEPS}
    return replace(curve, **rates, stray=float(row[_STRAY]))  # type: ignore[arg-type]


def _places(way: Way) -> list[tuple[int, float]]:
    """Which rates of the row make the rate of a way, and to what part."""
    if way.kind == "stray":
        return [(_STRAY, 1.0)]
    found = parts(_STEPS[way.kind], max(way.after_s, 0.0))
    return [(_PLACES[way.kind] + index, part) for index, part in found]


def _settle_rates(
    ways: Sequence[Sequence[Way]], at_risk: AtRisk, before: Curve, curve: Curve
) -> tuple[Curve, list[list[float]]]:
    """The rates that fit best where everything else is as in ``curve``; and what was shared out to each way."""
    row, prior = _row_of(curve), np.maximum(_row_of(before), 1e-15)
    called, numbered, places, weights, count = [], [], [], [], 0
    for index, of_call in enumerate(ways):
        for way in of_call:
            found = _places(way)
            base = sum(row[place] * part for place, part in found)
            for place, part in found:
                called.append(index)
                numbered.append(count)
                places.append(place)
                weights.append(part * way.rate / base if base > 0 else 0.0)
            count += 1
    of_call_, place_, weight_ = np.array(called), np.array(places), np.array(weights)
    risk = _risk(at_risk, curve) + PRIOR_CALLS / prior
    for _ in range(ROUNDS):
        rates = row[place_] * weight_
        total = np.maximum(np.bincount(of_call_, rates, len(ways)), 1e-300)
        share = rates / total[of_call_]
        after = (np.bincount(place_, share, len(row)) + PRIOR_CALLS) / risk
        settled = float(np.max(np.abs(after - row) / np.maximum(after, row))) < SETTLED
        row = after
        if settled:
            break
    rates = row[place_] * weight_
    total = np.maximum(np.bincount(of_call_, rates, len(ways)), 1e-300)
    flat = iter(np.bincount(np.array(numbered), rates / total[of_call_], count).tolist())
    return _with_row(curve, row), [[next(flat) for _ in of_call] for of_call in ways]


def _risk(at_risk: AtRisk, curve: Curve) -> Numbers:
    seen = _weighted("seen", at_risk.seen, curve.devices, len(SEEN))
    gone = _weighted("gone", at_risk.gone, curve.devices, len(GONE))
    again = np.array(at_risk.again) + np.array(at_risk.again_stray) * curve.stray_again
    return np.array([*seen, *gone, *at_risk.clicked, *again, at_risk.stray])


def _weighted(
    kind: str, by_device: Mapping[str, Sequence[float]], devices: Mapping[str, float], length: int
) -> list[float]:
    sums = [0.0] * length
    for device, spent in by_device.items():
        for index, seconds in enumerate(spent):
            sums[index] += seconds * devices.get(f"{kind}:{device}", 1.0)
    return sums


@dataclass(slots=True)
class _Shares:
    """What calls were shared out to, by the facts that tell visits apart."""

    devices: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    unexplained: float = 0.0
    of_known: float = 0.0
    region_told: float = 0.0
    region_same: float = 0.0
    elsewhere: dict[str, float] = field(default_factory=dict)
    again_by_stray: float = 0.0


def _weigh_facts(
    lessons: Sequence[Lesson],
    ways: Sequence[Sequence[Way]],
    shared: Sequence[Sequence[float]],
    at_risk: AtRisk,
    curve: Curve,
    known_callers: int,
) -> dict[str, Any]:
    """How much region, device and person count, given what every call was shared out to."""
    shares = _Shares()
    for lesson, of_call, own in zip(lessons, ways, shared, strict=True):
        for way, share in zip(of_call, own, strict=True):
            _note(shares, way, share, lesson.call, curve)
    known = (shares.of_known + 0.5) / (shares.unexplained + 10.0)
    return {
        "devices": _devices(curve, shares, at_risk),
        "elsewhere": _spread(shares.elsewhere),
        "same_region": (shares.region_same + 3.0) / (shares.region_told + 5.0),
        # On average over the time of learning half of them were known.
        "stray_again": _stray_again(curve, shares, at_risk),
        "known_person": known / max(known_callers / 2, 1.0) if known_callers else curve.known_person,
    }


def _note(shares: _Shares, way: Way, share: float, call: CallSeen, curve: Curve) -> None:
    one = way.exposure
    if way.kind == "again" and call.earlier is not None:
        stray = max(0.0, 1.0 - sum(part for _, part in call.earlier.holders)) * curve.stray_again
        shares.again_by_stray += share * stray / max(again_weight(call.earlier, curve), 1e-12)
    if way.kind != "again" and (one is None or one.callers_own < 0.5):
        shares.unexplained += share
        shares.of_known += share * call.is_known_caller
    if one is None:
        return
    if way.kind != "clicked":
        shares.devices[f"{way.kind}:{one.device or ''}"] += share
    if call.region is not None and one.region is not None:
        same = curve.same_region * (call.region == one.region)
        same = share * same / (same + (1.0 - curve.same_region) * from_elsewhere(call.region, curve))
        shares.region_told += share
        shares.region_same += same
        shares.elsewhere[call.region] = shares.elsewhere.get(call.region, 0.0) + share - same


def _stray_again(curve: Curve, shares: _Shares, at_risk: AtRisk) -> float:
    expected = sum(rate * seconds for rate, seconds in zip(curve.again, at_risk.again_stray, strict=True))
    return min((shares.again_by_stray + 1.0) / (expected + 2.0), 1.0)


def _devices(curve: Curve, shares: _Shares, at_risk: AtRisk) -> dict[str, float]:
    """How much more often visits of a device call than all visits do: what they got over what the curve expects."""
    told: dict[str, float] = {}
    for kind, rates, by_device in (("seen", curve.seen, at_risk.seen), ("gone", curve.gone, at_risk.gone)):
        expected = {
            f"{kind}:{device}": sum(rate * seconds for rate, seconds in zip(rates, spent, strict=True))
            for device, spent in sorted(by_device.items())
            if device
        }
        found = {name: (shares.devices[name] + PRIOR_CALLS) / (hoped + PRIOR_CALLS) for name, hoped in expected.items()}
        # Only how they stand to each other counts: their common part belongs to the rates.
        weight = sum(expected.values()) or 1.0
        mean = sum(factor * expected[name] for name, factor in found.items()) / weight
        told |= {name: factor / mean for name, factor in found.items()} if mean > 0 else {}
    return told

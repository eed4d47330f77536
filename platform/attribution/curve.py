"""How often a visit that saw a number calls it, by the time since: the recency curve of a site, as values.

Every way in which a call can come about is a rate, in calls per second: of one exposure while it is seen and after,
of one click on the number, of one caller who has called the number before, and of a number by itself (wrong numbers,
what a directory has printed). Rates add up, so the probability that a call came about in one of the ways is that
way's share of the sum: nothing else is needed to be calibrated, as long as the rates are right. They are learnt by
`learning`; what nobody has learnt yet is :data:`PRIOR`. Pure.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

#: Holders of a number that are looked at, the latest first: a pool's number has one at a time, a shared one a few.
MOST_HOLDERS = 30
#: Older exposures speak for nobody.
LOOK_BACK = timedelta(days=90)
#: A caller is remembered for as long.
REMEMBER_CALLERS = timedelta(days=365)

#: Upper bounds, in seconds, of stretches that each have a rate, from whose middle to the next one's it goes over evenly
#: (:func:`parts`). With steps two holders of a number in one stretch would be equally likely, one of them nine hours
#: gone and the other a day. Since the number came up while it is seen; since it was seen last; since the click; since
#: the caller's last call.
SEEN = (10.0, 30.0, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 90 * DAY)
GONE = (30.0, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR,
        8 * HOUR, DAY, 2 * DAY, 4 * DAY, 8 * DAY, 16 * DAY, 32 * DAY, 90 * DAY)  # fmt: skip
CLICKED = (5.0, 10.0, 20.0, 40.0, 2 * MINUTE, 10 * MINUTE)
AGAIN = (MINUTE, 10 * MINUTE, HOUR, 4 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 56 * DAY, 120 * DAY, 365 * DAY)

#: Calls of one exposure of a second, before anybody has learnt: some four visits of a hundred call, most of them while
#: they look at the page or within the hour.
_SEEN_RATES = (2e-4, 2e-4, 2e-4, 1.5e-4, 1e-4, 5e-5, 2e-5, 5e-6)
_GONE_RATES = (1e-4, 5e-5, 3e-5, 1.5e-5, 8e-6, 5e-6, 3e-6, 2e-6, 1e-6, 6e-7,
               3e-7, 1.2e-7, 5e-8, 2.5e-8, 1.2e-8, 6e-9, 3e-9, 1e-9)  # fmt: skip
#: Of one click: six of ten lead to a call, nearly all within half a minute.
_CLICKED_RATES = (0.05, 0.03, 8e-3, 1.5e-3, 2e-4, 2e-5)
#: Of one caller: three of ten ring again.
_AGAIN_RATES = (3e-4, 1e-4, 2.5e-5, 6e-6, 2e-6, 6e-7, 2.5e-7, 1.2e-7, 5e-8, 2e-8, 6e-9, 1e-9)
#: Of one number: once in forty days.
_STRAY_RATE = 1 / (40 * DAY)
_NO_WORDS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The rates of one site, and how much the other facts weigh.

    ``devices``: how much more often visits of that device call, while they see the number ("seen:mobile") and after
    ("gone:mobile"); those that are not named: 1. ``same_region``: the share of callers whose number is of the region
    of their visit; ``regions``: how all callers spread over regions, ``elsewhere``: those whose number is not.
    ``own_telephone``: the share of a visitor's calls that come from the same telephone. ``known_person``: the
    probability that a call which no earlier one explains comes from this one known caller. ``stray_again``: how much
    more seldom somebody rings again whose first call was nobody's.
    """

    seen: tuple[float, ...] = _SEEN_RATES
    gone: tuple[float, ...] = _GONE_RATES
    clicked: tuple[float, ...] = _CLICKED_RATES
    again: tuple[float, ...] = _AGAIN_RATES
    stray: float = _STRAY_RATE
    devices: Mapping[str, float] = field(default_factory=lambda: _NO_WORDS)
    same_region: float = 0.6
    regions: Mapping[str, float] = field(default_factory=lambda: _NO_WORDS)
    elsewhere: Mapping[str, float] = field(default_factory=lambda: _NO_WORDS)
    own_telephone: float = 0.95
    known_person: float = 1e-4
    stray_again: float = 0.5

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON; :func:`curve_of` reads it back."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }


PRIOR = Curve()


def curve_of(document: Mapping[str, Any]) -> Curve:
    """A curve as it was kept. Members of a later version are passed by, those it lacks are the prior's; a curve with
    other stretches than ours would be read wrongly, so its rates are the prior's too."""
    values: dict[str, Any] = {}
    for one in fields(Curve):
        if one.name not in document:
            continue
        value, prior = document[one.name], getattr(PRIOR, one.name)
        if isinstance(prior, tuple):
            if len(value) == len(prior):
                values[one.name] = tuple(map(float, value))
        else:
            values[one.name] = value
    return Curve(**values)


@cache
def _knots(bounds: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where each stretch has its own rate: its middle, as far as ratios go; and their logarithms."""
    lows = (bounds[0] / 4, *bounds[:-1])
    found = tuple(math.sqrt(low * high) for low, high in zip(lows, bounds, strict=True))
    return found, tuple(map(math.log, found))


def parts(bounds: tuple[float, ...], after_s: float) -> tuple[tuple[int, float], ...]:
    """Which stretches' rates make the rate of a moment, and to what part: between the middles of two stretches it goes
    over from one to the other, evenly as the logarithm of time does. Empty: behind the last."""
    if after_s > bounds[-1]:
        return ()
    knots, logs = _knots(bounds)
    index = bisect_left(knots, after_s)
    if index in {0, len(knots)}:
        return ((min(index, len(knots) - 1), 1.0),)
    late = (math.log(after_s) - logs[index - 1]) / (logs[index] - logs[index - 1])
    return (index - 1, 1.0 - late), (index, late)


def rate_at(bounds: tuple[float, ...], rates: Sequence[float], after_s: float) -> float:
    """Calls a second; 0 behind the last stretch."""
    return sum(rates[index] * part for index, part in parts(bounds, max(after_s, 0.0)))


def time_in(bounds: tuple[float, ...], until_s: float) -> list[float]:
    """How many seconds of a span each stretch's rate counts for: the parts of :func:`parts`, over its moments."""
    knots, logs = _knots(bounds)
    spent = [0.0] * len(bounds)
    end = min(until_s, bounds[-1])
    if end <= 0.0:
        return spent
    spent[0] = min(end, knots[0])
    for index in range(1, len(knots)):
        begin, stop = knots[index - 1], min(end, knots[index])
        if stop <= begin:
            return spent
        # The integral of (ln t - ln begin) / (ln next - ln begin).
        late = (stop * (math.log(stop) - logs[index - 1]) - stop + begin) / (logs[index] - logs[index - 1])
        spent[index - 1] += stop - begin - late
        spent[index] += late
    spent[-1] += max(0.0, end - knots[-1])
    return spent

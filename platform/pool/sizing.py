"""How many numbers a pool needs: it is a loss system, and Erlang's formula tells its loss. Pure.

A visit that finds no number free is lost to its pool (it shares, or sees a reserve); a number is held from the lease
until tail and rest are over. With visits that come by chance the share that is lost depends on the load alone, whatever
the visits' lengths (A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in
automatic telephone exchanges", 1917). Checked against the usual table of Erlang B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

HOURS_OF_WEEK = 168
#: More numbers than any pool has.
MOST = 1_000_000
#: Growth in one step, Invoca's own bound: a fifth, fifty at most.
STEP_SHARE, STEP_MOST = 0.2, 50
#: A pool shrinks only when it is so much larger than its busiest hour asks for, and by a tenth at a time.
SPARE_SHARE, SHRINK_SHARE = 0.25, 0.1


def erlang_b(load: float, servers: int) -> float:
    """The share of arrivals that find all ``servers`` taken at a ``load`` in erlang. Jagerman's recurrence: exact, and
    it neither overflows nor loses digits."""
    if load <= 0:
        return 0.0 if servers > 0 or load < 0 else 1.0
    inverse = 1.0
    for count in range(1, servers + 1):
        inverse = 1.0 + inverse * count / load
        if inverse > 1e12:
            return 0.0
    return 1.0 / inverse


def numbers_for(load: float, loss: float) -> int:
    """The fewest numbers that lose no more than ``loss`` at ``load``."""
    if load <= 0:
        return 0
    inverse, servers = 1.0, 0
    while 1.0 / inverse > loss and servers < MOST:
        servers += 1
        inverse = 1.0 + inverse * servers / load
    return servers


@dataclass(frozen=True)
class Hour:
    """What a pool has seen in one hour (UTC). ``held_s``: how long numbers were held in all that were leased in it."""

    hour: datetime
    visits: int
    shared: int
    source: int
    site: int
    held_s: float
    numbers: int

    @property
    def lost(self) -> int:
        return self.shared + self.source + self.site

    @property
    def own(self) -> int:
        """Visits that had a number of their own."""
        return self.visits - self.lost


@dataclass(frozen=True)
class HourForecast:
    """One hour of the week, 0 is Monday 00:00 UTC."""

    hour_of_week: int
    visits: float
    load: float
    loss: float
    measured_loss: float | None


@dataclass(frozen=True)
class Forecast:
    """What ``numbers`` would do for a pool, and how many it would take for the loss that it is to keep to."""

    numbers: int
    hold_s: float
    loss: float
    worst_loss: float
    worst_hour: int | None
    advised: int
    advised_worst_loss: float
    measured_loss: float | None
    hours: Sequence[HourForecast]


def hour_of_week(moment: datetime) -> int:
    """0 is Monday 00:00, in the moment's own zone."""
    return moment.weekday() * 24 + moment.hour


def mean_hold_s(hours: Sequence[Hour], *, least_s: float) -> float:
    """How long a number is held, on average of all visits that had one; never less than tail and rest."""
    own = sum(hour.own for hour in hours)
    return max(least_s, sum(hour.held_s for hour in hours) / own) if own else least_s


def profile(hours: Sequence[Hour]) -> dict[int, tuple[float, int]]:
    """Hour of the week → visits in it on average of its weeks, and how many of all those were lost."""
    seen: dict[int, list[Hour]] = {}
    for hour in hours:
        seen.setdefault(hour_of_week(hour.hour), []).append(hour)
    return {
        key: (sum(one.visits for one in rows) / len(rows), sum(one.lost for one in rows)) for key, rows in seen.items()
    }


def forecast(hours: Sequence[Hour], *, numbers: int, loss_target: float, tail_s: int, rest_s: int) -> Forecast:
    """From whole hours that the pool has seen. The target holds in the busiest hour, not on average of the week."""
    hold_s = mean_hold_s(hours, least_s=float(tail_s + rest_s))
    table = []
    weeks: dict[int, int] = {}
    for hour in hours:
        weeks[hour_of_week(hour.hour)] = weeks.get(hour_of_week(hour.hour), 0) + 1
    for key, (visits, lost) in sorted(profile(hours).items()):
        load = visits * hold_s / 3600
        total = visits * weeks[key]
        table.append(HourForecast(key, visits, load, erlang_b(load, numbers), lost / total if total else None))
    worst = max(table, key=lambda one: one.load, default=None)
    visits = sum(one.visits for one in table)
    advised = numbers_for(worst.load, loss_target) if worst else 0
    came = sum(hour.visits for hour in hours)
    return Forecast(
        numbers=numbers,
        hold_s=hold_s,
        loss=sum(one.visits * one.loss for one in table) / visits if visits else 0.0,
        worst_loss=worst.loss if worst else 0.0,
        worst_hour=worst.hour_of_week if worst else None,
        advised=advised,
        advised_worst_loss=erlang_b(worst.load, advised) if worst else 0.0,
        measured_loss=sum(hour.lost for hour in hours) / came if came else None,
        hours=table,
    )


@dataclass(frozen=True)
class Bounds:
    """What a pool may become. ``affordable`` None: there is no budget."""

    fewest: int
    most: int | None
    affordable: int | None

    @property
    def ceiling(self) -> int:
        return min(bound for bound in (self.most, self.affordable, MOST) if bound is not None)


def affordable(price: Decimal | None, budget: Decimal | None) -> int | None:
    """How many numbers the budget buys; None: there is none."""
    if budget is None or price is None:
        return None
    return MOST if price == 0 else int((budget / price).to_integral_value(ROUND_DOWN))


def wanted_change(size: int, needed: int, bounds: Bounds, *, may_shrink: bool) -> int:
    """By how many numbers the pool should change now: a step at most, within its bounds. ``needed``: for the load that
    is here and the busiest that is foreseen."""
    target = max(bounds.fewest, min(needed, bounds.ceiling))
    if target > size:
        return min(target - size, max(1, math.ceil(size * STEP_SHARE)), STEP_MOST) if size else min(target, STEP_MOST)
    if size > bounds.ceiling:
        return -min(size - bounds.ceiling, STEP_MOST)
    if may_shrink and size > math.ceil(target * (1 + SPARE_SHARE)):
        return -min(size - target, max(1, int(size * SHRINK_SHARE)))
    return 0


def needed_now(forecast_loads: Mapping[int, float], now: datetime, present_load: float, loss_target: float) -> int:
    """For the load of this moment and of the two hours that come."""
    ahead = [forecast_loads.get((hour_of_week(now) + step) % HOURS_OF_WEEK, 0.0) for step in range(3)]
    return numbers_for(max(present_load, *ahead), loss_target)

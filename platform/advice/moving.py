"""Where a budget brings most, as far as the curves tell: what would be moved, what is expected of it, how sure. Pure.

The sum stays the same; no channel changes by more than a share, and none goes far beyond what was ever spent on it: of
what was never tried nobody knows anything. The mean of a channel's curves bends downwards everywhere, so that moving
small parts, each from where it is missed least to where it brings most, ends at the best there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from .curves import Curve, Floats

#: A budget is moved in such parts.
PARTS: Final = 200
#: Beyond what was ever spent in a week.
MOST_BEYOND: Final = 1.25
#: What an interval says it holds.
CONFIDENCE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Expected:
    """A number of calls a week that is not known: its mean, and between what it lies with :data:`CONFIDENCE`."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that can be judged. ``now``: spend of a week at present; ``most_spent``: of any week."""

    curve: Curve
    now: float
    most_spent: float


@dataclass(frozen=True, slots=True)
class Move:
    """One channel in the plan; spend of a week."""

    now: float
    then: float
    expected_now: Expected
    expected_then: Expected
    #: What one more call would cost at present; None where nothing can be bought.
    next_call_cost: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """``probability``: that the moves bring anything at all."""

    moves: Mapping[str, Move]
    gain: Expected
    probability: float
    expected_now: Expected


def best_plan(channels: Mapping[str, Channel], most_change: float) -> Plan:
    """The plan with the most expected calls. ``most_change``: a channel's spend changes by that share of it at most."""
    spends = _best_spends(channels, most_change)
    before = {name: one.curve.at(one.now) for name, one in channels.items()}
    after = {name: one.curve.at(spends[name]) for name, one in channels.items()}
    gain = np.sum([after[name] - before[name] for name in channels], axis=0)
    moves = {
        name: Move(
            now=one.now,
            then=spends[name],
            expected_now=expected(before[name]),
            expected_then=expected(after[name]),
            next_call_cost=_next_call_cost(one),
        )
        for name, one in channels.items()
    }
    together = np.sum(list(before.values()), axis=0)
    return Plan(moves, expected(gain), float((gain > 0).mean()), expected(together))


def expected(draws: Floats) -> Expected:
    """Mean and interval of draws."""
    edge = (1.0 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [edge, 1.0 - edge])
    return Expected(float(draws.mean()), float(low), float(high))


def _best_spends(channels: Mapping[str, Channel], most_change: float) -> dict[str, float]:
    part = sum(one.now for one in channels.values()) / PARTS
    spends = {name: one.now for name, one in channels.items()}
    if part <= 0:
        return spends
    least = {name: one.now * (1.0 - most_change) for name, one in channels.items()}
    most = {
        name: max(one.now, min(one.now * (1.0 + most_change), one.most_spent * MOST_BEYOND))
        for name, one in channels.items()
    }
    means: dict[tuple[str, int], float] = {}

    def mean(name: str, parts: int) -> float:
        if (name, parts) not in means:
            means[name, parts] = float(channels[name].curve.at(channels[name].now + parts * part).mean())
        return means[name, parts]

    moved = dict.fromkeys(channels, 0)
    for _ in range(PARTS):
        gains = {
            name: mean(name, moved[name] + 1) - mean(name, moved[name])
            for name in channels
            if channels[name].now + (moved[name] + 1) * part <= most[name] + 1e-9
        }
        losses = {
            name: mean(name, moved[name]) - mean(name, moved[name] - 1)
            for name in channels
            if channels[name].now + (moved[name] - 1) * part >= least[name] - 1e-9
        }
        pairs = [(gains[to] - losses[away], to, away) for to in gains for away in losses if to != away]
        best = max(pairs, default=(0.0, "", ""))
        if best[0] <= 1e-9:
            break
        moved[best[1]] += 1
        moved[best[2]] -= 1
    return {name: channels[name].now + moved[name] * part for name in channels}


def _next_call_cost(channel: Channel) -> float | None:
    step = channel.now * 0.01
    brings = float((channel.curve.at(channel.now + step) - channel.curve.at(channel.now)).mean())
    return step / brings if step > 0 and brings > 0 else None

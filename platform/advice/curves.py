"""What is known of how a channel's weekly calls answer to what is spent on it. Pure.

The model of one channel: in a week with the spend s the expected number of calls is

    A · (ρ + (1 − ρ) · x ^ γ · (1 + κ) / (κ + x ^ γ)),   x = s / s̄

s̄ is the channel's mean spend, A what that brings, ρ the share that comes without spend; γ and κ say how much more spend
brings: with γ 1 and a large κ as much again for as much again, less with a smaller γ, and the smaller κ the sooner the
channel has no more to give (a Hill curve). Weeks vary more than by chance alone (a negative binomial of size r).
Everything about the five is kept as a probability over a grid, so that weeks which say little leave much open; nothing
is a single best guess.

Before any week is seen most channels are held to bring less for each further coin. What nobody can see in these
numbers: whether spend was raised because callers were coming anyway (docs/howto/advice.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: γ, and how likely each is before anything is seen: a Beta(3, 2), whose mean is 0.6.
_GAMMAS: Final[Floats] = np.linspace(0.1, 1.0, 10)
_GAMMA_WEIGHTS: Final[Floats] = _GAMMAS**2 * np.clip(1.1 - _GAMMAS, 0.1, None)
#: κ: from channels that are soon exhausted to those that bend by γ alone.
_KAPPAS: Final[Floats] = np.array([0.7, 2.0, 1e6])
_KAPPA_WEIGHTS: Final[Floats] = np.array([0.4, 0.35, 0.25])
#: ρ: most advertised channels bring little without money.
_RHOS: Final[Floats] = np.array([0.01, 0.05, 0.15, 0.3, 0.5])
_RHO_WEIGHTS: Final[Floats] = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
#: r: from weeks that vary wildly to weeks that vary by chance alone.
_SIZES: Final[Floats] = np.array([4.0, 12.0, 40.0, 1e5])
#: A, in standard deviations around what fits.
_STEPS: Final[Floats] = np.linspace(-3.5, 3.5, 25)
#: Draws from the grid.
DRAWS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Weeks:
    """One channel's past: the same weeks in both, the oldest first. ``spend`` in money, ``calls`` counted."""

    spend: Sequence[float]
    calls: Sequence[int]

    def __post_init__(self) -> None:
        assert len(self.spend) == len(self.calls) > 0
        assert sum(self.spend) > 0


class Curve:
    """A channel's response as draws of (A, ρ, γ, κ), each as likely as any other."""

    def __init__(self, mean_spend: float, level: Floats, floor: Floats, power: Floats, room: Floats) -> None:
        self._mean_spend, self._level, self._floor, self._power, self._room = mean_spend, level, floor, power, room

    def at(self, spend: float) -> Floats:
        """Expected calls of a week with that spend, one for each draw."""
        bent = _bent(spend / self._mean_spend, self._power, self._room)
        return np.asarray(self._level * (self._floor + (1.0 - self._floor) * bent))


def learn(weeks: Weeks, rng: np.random.Generator, draws: int = DRAWS) -> Curve:
    """The curve of a channel, as ``draws`` equally likely ones."""
    spend, calls = np.asarray(weeks.spend, dtype=np.float64), np.asarray(weeks.calls, dtype=np.float64)
    mean_spend = float(spend.mean())
    # Axes: γ, κ, ρ, week; then γ, κ, ρ, r, A.
    bent = _bent(spend / mean_spend, _GAMMAS[:, None, None], _KAPPAS[None, :, None])
    floor = _RHOS[None, None, :, None]
    shape = floor + (1.0 - floor) * bent[:, :, None, :]
    centre, deviation = _level(shape, calls)
    levels = centre[..., None, None] * np.exp(deviation[:, None] * _STEPS)
    likely = _log_likelihood(calls, shape, levels)
    # Steps of A are as wide as its deviation: where it is wide each stands for more.
    likely += np.log(deviation)[:, None]
    likely += np.log(_GAMMA_WEIGHTS)[:, None, None, None, None] + np.log(_KAPPA_WEIGHTS)[:, None, None, None]
    likely += np.log(_RHO_WEIGHTS)[:, None, None]
    weights = np.exp(likely - likely.max()).ravel()
    picked = rng.choice(weights.size, size=draws, p=weights / weights.sum())
    gamma, kappa, rho, _, _ = np.unravel_index(picked, likely.shape)
    return Curve(mean_spend, levels.ravel()[picked], _RHOS[rho], _GAMMAS[gamma], _KAPPAS[kappa])


def _bent(relative: Any, power: Floats, room: Floats) -> Floats:
    """1 at the mean spend, 0 without spend."""
    raised = np.where(np.asarray(relative) > 0, np.maximum(relative, 1e-12) ** power, 0.0)
    return np.asarray(raised * (1.0 + room) / (room + raised))


def _level(shape: Floats, calls: Floats) -> tuple[Floats, Floats]:
    """The A that fits best for each shape, and how far from it others are still likely (in logarithms), by r."""
    total = float(calls.sum()) + 0.5
    centre = total / shape.sum(axis=-1)
    deviation = np.sqrt(1.0 / total + 1.0 / (_SIZES * calls.size))
    return centre, deviation


def _log_likelihood(calls: Floats, shape: Floats, levels: Floats) -> Floats:
    """Of all weeks together, by a negative binomial; shape (γ, κ, ρ, r, A)."""
    made = np.zeros(levels.shape)
    for week, count in enumerate(calls):
        means = levels * shape[..., week][..., None, None]
        made += count * np.log(means)
        for place, size in enumerate(_SIZES):
            by_size = math.lgamma(count + size) - math.lgamma(size) + size * math.log(size)
            made[..., place, :] += by_size - (size + count) * np.log(size + means[..., place, :])
    return made

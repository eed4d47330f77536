"""Finds the highest rate that something sustains: climbs by half while it holds, then halves the gap. Pure: it says
which rate to try next and is told how that went; it knows neither calls nor a clock.

Other work on the machine can make a rate fail that would hold, and never the other way round: so a rate counts as too
high only when it has failed as often as ``attempts`` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: Gentle on purpose: a rate far above what is sustained leaves a wreck behind, on the switch and on the machine.
STEP = 1.5


@dataclass
class RateSearch:
    """One contestant's search, in calls a second. Ends once the gap between what held and what failed is small enough:
    their quotient at most ``resolution``."""

    first: float
    most: float
    least: float = 1.0
    resolution: float = 1.08
    attempts: int = 2
    #: The highest rate that held and the lowest that failed for good; 0 and infinity before there is one.
    held: float = 0.0
    failed: float = math.inf
    #: How often the rate that is being tried has failed.
    failures: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.first <= self.most or self.resolution <= 1 or self.attempts < 1:
            raise ValueError(f"not a search: {self}")

    @property
    def at_ceiling(self) -> bool:
        """Whether the highest rate that may be tried held: the true limit lies there or above."""
        return self.held >= self.most

    def next_rate(self) -> float | None:
        """The rate to try now; None when the search is over."""
        if self.at_ceiling or (not self.held and self.failed <= self.least):
            return None
        if self.held and self.failed / self.held <= self.resolution:
            return None
        if math.isinf(self.failed):
            return min(self.held * STEP, self.most) if self.held else self.first
        if not self.held:
            return max(self.failed / STEP, self.least)
        return math.sqrt(self.held * self.failed)

    def record(self, *, held: bool) -> None:
        """How the rate that :meth:`next_rate` named went."""
        rate = self.next_rate()
        if rate is None:
            raise RuntimeError("the search is over")
        if held:
            self.held, self.failures = rate, 0
            return
        self.failures += 1
        if self.failures >= self.attempts:
            self.failed, self.failures = rate, 0

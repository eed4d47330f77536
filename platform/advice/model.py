"""What is asked and what is advised, as values, and which channels can be judged at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal

from ..reports.dictionary import SOURCE_DIMENSIONS
from .curves import Weeks
from .errors import AdviceRefused
from .moving import Plan

#: What may be made more of.
Goal = Literal["calls", "target_calls", "leads", "sales"]
GOALS: Final[tuple[Goal, ...]] = ("calls", "target_calls", "leads", "sales")
Verdict = Literal["move", "stay", "nothing_to_judge"]
Reason = Literal["too_few_calls", "too_few_weeks", "spend_never_varied", "not_spent_on_now", "no_spend"]

#: The trade's rule of thumb: of fewer calls a month nobody can tell a channel's worth (50 to 100).
LEAST_CALLS: Final = 50
#: Weeks in which something was spent.
LEAST_WEEKS: Final = 8
#: Spread of the weekly spend over its mean, below which a channel's spend is said never to have varied.
LEAST_SPREAD: Final = 0.1
#: What "now" is: the mean of so many weeks.
RECENT_WEEKS: Final = 4
DAYS_OF_A_MONTH: Final = 365.25 / 12
MOST_WEEKS: Final = 104
#: A plan that gains less than this share of the calls, or gains with less than that probability, is not advised.
LEAST_GAIN, LEAST_PROBABILITY = 0.01, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What advice is wanted for. ``last`` is a day; whole weeks (Monday to Sunday) before its end are looked at.
    ``most_change``: by which share of its spend a channel may change."""

    last: date
    weeks: int = 26
    by: str = "channel"
    goal: Goal = "target_calls"
    most_change: float = 0.3
    least_calls: int = LEAST_CALLS
    currency: str | None = None

    def __post_init__(self) -> None:
        if self.by not in SOURCE_DIMENSIONS:
            raise AdviceRefused("by", f"is one of {', '.join(SOURCE_DIMENSIONS)}")
        if self.goal not in GOALS:
            raise AdviceRefused("goal", f"is one of {', '.join(GOALS)}")
        if not LEAST_WEEKS <= self.weeks <= MOST_WEEKS:
            raise AdviceRefused("weeks", f"is from {LEAST_WEEKS} to {MOST_WEEKS}")
        if not 0.05 <= self.most_change <= 0.5:
            raise AdviceRefused("most_change", "is from 0.05 to 0.5")
        if not LEAST_CALLS <= self.least_calls <= 10_000:
            raise AdviceRefused("least_calls", f"is from {LEAST_CALLS} to 10000")

    @property
    def days(self) -> tuple[date, date]:
        """The first Monday and the last Sunday."""
        sunday = self.last - timedelta(days=(self.last.weekday() + 1) % 7)
        return sunday - timedelta(days=7 * self.weeks - 1), sunday

    @property
    def mondays(self) -> list[date]:
        return [self.days[0] + timedelta(days=7 * week) for week in range(self.weeks)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A channel's weeks: spend, calls of any kind, and those that are to become more."""

    spend: Sequence[float]
    calls: Sequence[int]
    wanted: Sequence[int]

    @property
    def now(self) -> float:
        """Spend of a week at present."""
        recent = self.spend[-RECENT_WEEKS:]
        return sum(recent) / len(recent)

    @property
    def calls_a_month(self) -> float:
        return sum(self.calls) / (7 * len(self.calls)) * DAYS_OF_A_MONTH

    @property
    def weeks(self) -> Weeks:
        return Weeks(self.spend, self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotJudged:
    """A channel of which nothing can be said, and why."""

    name: str | None
    reason: Reason
    calls_a_month: float
    weekly_spend: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """``plan`` None: there were fewer than two channels to judge. It is there too when it is not advised."""

    wish: Wish
    currency: str
    verdict: Verdict
    plan: Plan | None
    not_judged: Sequence[NotJudged]


def why_not(past: Past, least_calls: int) -> Reason | None:
    """Why a channel cannot be judged; None: it can."""
    spent = [one for one in past.spend if one > 0]
    if not spent:
        return "no_spend"
    if past.now <= 0:
        return "not_spent_on_now"
    if past.calls_a_month < least_calls:
        return "too_few_calls"
    if len(spent) < LEAST_WEEKS:
        return "too_few_weeks"
    mean = sum(past.spend) / len(past.spend)
    spread = (sum((one - mean) ** 2 for one in past.spend) / len(past.spend)) ** 0.5 / mean
    return "spend_never_varied" if spread < LEAST_SPREAD else None


def verdict_of(plan: Plan | None) -> Verdict:
    """Whether the plan is worth doing."""
    if plan is None:
        return "nothing_to_judge"
    worth = plan.gain.mean >= LEAST_GAIN * plan.expected_now.mean and plan.probability >= LEAST_PROBABILITY
    return "move" if worth else "stay"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordCalls:
    """What came of a keyword, in one campaign. ``cost`` None: nobody told it."""

    campaign: str | None
    keyword: str
    calls: int
    target_calls: int
    clicks: int | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsuitable:
    """A keyword whose calls are seldom wanted. ``probability``: that its share of target calls is below ``below``."""

    keyword: KeywordCalls
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeKeywords:
    """``usual_share``: of target calls, over all keywords. ``expected_wrong``: how many of these are not below."""

    first: date
    last: date
    currency: str
    usual_share: float | None
    below: float | None
    looked_at: int
    keywords: Sequence[Unsuitable]

    @property
    def expected_wrong(self) -> float:
        return sum(1.0 - one.probability for one in self.keywords)

    @property
    def cost(self) -> Decimal:
        return sum((one.keyword.cost or Decimal(0) for one in self.keywords), start=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What advertising cost and brought on some days."""

    first: date
    last: date
    cost: Decimal
    target_calls: int

    @property
    def cost_per_target_call(self) -> Decimal | None:
        return self.cost / self.target_calls if self.target_calls else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """What tracking cost on the later days, and what the same target calls cost less than they did before."""

    before: Span
    now: Span
    currency: str
    tracking_cost: Decimal

    @property
    def saved(self) -> Decimal | None:
        """None where either span has no target call or no spend; negative where calls became dearer."""
        before, now = self.before.cost_per_target_call, self.now.cost_per_target_call
        if not before or not now:
            return None
        return (before - now) * self.now.target_calls

    @property
    def ratio(self) -> Decimal | None:
        """Saved for each unit of money that tracking cost."""
        return self.saved / self.tracking_cost if self.saved is not None and self.tracking_cost > 0 else None

"""The reports that the trade asks for by name: what each of them is composed of. Pure.

A report is sections, each a question to the metric dictionary, so that nothing in it means anything else here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal

from ..attribution.models import ModelName
from .model import Compare, MissedCaller, Question, Report

_NO_FILTERS: Mapping[str, tuple[str | None, ...]] = MappingProxyType({})
Kind = Literal["daily", "weekly", "monthly"]
KINDS: tuple[Kind, ...] = ("daily", "weekly", "monthly")
TITLES: Mapping[Kind, str] = {"daily": "Daily report", "weekly": "Weekly report", "monthly": "Monthly report"}
#: Of a trend: this month and those before it.
TREND_MONTHS = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one section is made. ``trend``: over the months before too, compared with nothing."""

    name: str
    title: str
    metrics: tuple[str, ...]
    by: tuple[str, ...] = ()
    trend: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section, answered."""

    name: str
    title: str
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReport:
    """``missed``: who has not been called back, of a daily report. ``answer_norm_s``: the client's norm, where the
    report is one client's."""

    kind: Kind
    first: date
    last: date
    compared: tuple[date, date] | None
    currency: str
    sections: Sequence[Section]
    missed: Sequence[MissedCaller] = ()
    answer_norm_s: int | None = None
    model: ModelName | None = None


_HANDLING = Recipe(
    name="handling",
    title="Handling by target",
    metrics=("calls", "answered", "missed", "answer_share", "time_to_answer", "slow_answers", "mean_talk_time"),
    by=("target",),
)
RECIPES: Mapping[Kind, tuple[Recipe, ...]] = {
    "daily": (
        Recipe(
            name="total",
            title="The day",
            metrics=(
                "calls", "unique_callers", "first_time_calls", "repeat_calls", "answered", "missed", "blocked",
                "answer_share", "time_to_answer", "slow_answers", "talk_time", "target_calls", "target_share", "leads",
                "spam_calls", "visits", "cost", "cost_per_call",
            ),
        ),
        Recipe(
            name="channels",
            title="Channels",
            metrics=("calls", "unique_callers", "answered", "missed", "target_calls", "cost", "cost_per_call"),
            by=("channel",),
        ),
        Recipe(
            name="hours",
            title="Hours",
            metrics=("calls", "answered", "missed", "time_to_answer", "slow_answers"),
            by=("hour",),
        ),
        _HANDLING,
    ),
    "weekly": (
        Recipe(
            name="total",
            title="The week",
            metrics=(
                "calls", "unique_callers", "first_time_calls", "answered", "missed", "answer_share", "time_to_answer",
                "slow_answers", "target_calls", "target_share", "leads", "sales", "sale_conversion", "revenue",
                "visits", "call_conversion", "cost", "cost_per_call", "cost_per_target_call", "spam_share",
                "confident_share",
            ),
        ),
        Recipe(name="days", title="Days", metrics=("calls", "unique_callers", "answered", "missed", "target_calls"),
               by=("date",)),
        Recipe(name="weekday_hours", title="Weekdays and hours",
               metrics=("calls", "answered", "missed", "slow_answers", "target_calls"), by=("weekday", "hour")),
        Recipe(
            name="channel_quality",
            title="Quality of channels",
            metrics=(
                "calls", "unique_callers", "target_calls", "target_share", "mean_talk_time", "first_time_calls",
                "spam_share", "confident_share", "sales", "sale_conversion", "cost", "cost_per_target_call",
            ),
            by=("channel",),
        ),
        Recipe(
            name="conversion",
            title="From impression to sale",
            metrics=(
                "impressions", "clicks", "click_rate", "visits", "calls", "call_conversion", "target_calls", "sales",
                "sale_conversion", "revenue",
            ),
            by=("channel", "source"),
        ),
        _HANDLING,
    ),
    "monthly": (
        Recipe(
            name="total",
            title="The month",
            metrics=(
                "calls", "unique_callers", "first_time_calls", "answered", "missed", "target_calls", "leads", "sales",
                "revenue", "average_order", "visits", "cost", "cost_per_call", "cost_per_target_call", "cost_per_lead",
                "cost_per_sale", "roi", "roas", "spam_share", "confident_share",
            ),
        ),
        Recipe(
            name="channels",
            title="What channels cost and bring",
            metrics=(
                "calls", "target_calls", "leads", "sales", "revenue", "cost", "cost_per_call", "cost_per_target_call",
                "cost_per_lead", "cost_per_sale", "roi", "roas",
            ),
            by=("channel",),
        ),
        Recipe(
            name="campaigns",
            title="Campaigns",
            metrics=("calls", "target_calls", "leads", "sales", "revenue", "cost", "cost_per_target_call", "roi"),
            by=("channel", "source", "campaign"),
        ),
        Recipe(name="days", title="Days", metrics=("calls", "target_calls", "sales", "cost"), by=("date",)),
        Recipe(
            name="trend",
            title="Months",
            metrics=("calls", "unique_callers", "target_calls", "sales", "revenue", "cost", "cost_per_target_call"),
            by=("month",),
            trend=True,
        ),
        _HANDLING,
    ),
}  # fmt: skip


def days_of(kind: Kind, day: date) -> tuple[date, date]:
    """The day, its ISO week or its month."""
    if kind == "daily":
        return day, day
    if kind == "weekly":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def compared_days(
    kind: Kind, first: date, compare: Compare, compare_day: date | None = None
) -> tuple[date, date] | None:
    """What the days are compared with: the day, week or month before, or those of a year ago: the same month, or the
    day or week 52 weeks before, so that weekdays meet. ``compare_day``: the one in which that day lies, whatever else
    is said."""
    if compare_day is not None:
        return days_of(kind, compare_day)
    if compare == "none":
        return None
    if compare == "previous":
        return days_of(kind, first - timedelta(days=1))
    if kind == "monthly":
        return days_of(kind, first.replace(year=first.year - 1))
    return days_of(kind, first - timedelta(weeks=52))


def question_of(
    recipe: Recipe,
    first: date,
    last: date,
    compared: tuple[date, date] | None,
    currency: str,
    filters: Mapping[str, tuple[str | None, ...]] = _NO_FILTERS,
    model: ModelName | None = None,
) -> Question:
    """What a section asks."""
    begin = first
    if recipe.trend:
        for _ in range(TREND_MONTHS - 1):
            begin = (begin - timedelta(days=1)).replace(day=1)
    return Question(
        first=begin,
        last=last,
        metrics=recipe.metrics,
        by=recipe.by,
        filters=filters,
        currency=currency,
        against=None if recipe.trend else compared,
        model=model,
    )

"""A report's question and its answer as values, and the rules of both. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from ..attribution.models import ModelName
from .dictionary import DIMENSIONS, MEASURES, METRICS, SOURCE_DIMENSIONS, Family, Unit
from .errors import QuestionRefused, SettingsRefused

MOST_DAYS, MOST_METRICS, MOST_DIMENSIONS, MOST_FILTERS = 800, 40, 6, 10
#: Rows of one report; beyond them the smallest are gathered in one line, so that sums stay right.
MOST_ROWS = 5_000
Compare = Literal["none", "previous", "last_year"]
_CURRENCY = re.compile(r"[A-Z]{3}")
_EIGHT_DIGITS = Decimal("0.00000001")

#: What a figure is: a count, a decimal (of a model, a count may have parts too), or null where it cannot be told.
Figure = int | Decimal | None
Key = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``first`` and ``last`` are days where each client is. ``filters``: dimension → the values that are let through;
    None among them lets through what is not known."""

    first: date
    last: date
    metrics: tuple[str, ...]
    by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    currency: str = "EUR"
    compare: Compare = "none"
    most: int = 500
    #: Days to compare with, whatever ``compare`` says.
    against: tuple[date, date] | None = None
    #: By which a call is shared out over the sources that led to it; None: it is wholly of the one that its record has.
    model: ModelName | None = None

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise QuestionRefused("to", f"lies before `from` ({self.first})")
        if (self.last - self.first).days >= MOST_DAYS:
            raise QuestionRefused("to", f"at most {MOST_DAYS} days at a time")
        _check_words("metrics", self.metrics, METRICS, MOST_METRICS)
        _check_words("by", self.by, DIMENSIONS, MOST_DIMENSIONS)
        if not self.metrics:
            raise QuestionRefused("metrics", "names one at least")
        _check_words("filter", tuple(self.filters), DIMENSIONS, MOST_FILTERS)
        if not _CURRENCY.fullmatch(self.currency):
            raise QuestionRefused("currency", "must be three capital letters (ISO 4217), such as EUR")
        if not 1 <= self.most <= MOST_ROWS:
            raise QuestionRefused("limit", f"is from 1 to {MOST_ROWS}")
        if self.against is not None:
            _check_against(*self.against)

    @property
    def is_shared_out(self) -> bool:
        """Whether its calls are told in parts: only where sources are asked for does a model say anything."""
        return self.model is not None and any(name in SOURCE_DIMENSIONS for name in (*self.by, *self.filters))

    @property
    def measures(self) -> dict[Family, tuple[str, ...]]:
        """What has to be added up, by family; a family that does not know one of the dimensions is left out."""
        wanted = dict.fromkeys(name for metric in self.metrics for name in METRICS[metric].measures)
        found: dict[Family, tuple[str, ...]] = {}
        for family in ("calls", "visits", "spend"):
            names = tuple(name for name in wanted if MEASURES[name].family == family and self._adds_up(name))
            if names and self.is_known_to(family):
                found[family] = names
        return found

    def _adds_up(self, measure: str) -> bool:
        """A caller is somebody, and not a part of one."""
        return MEASURES[measure].adds_up or not self.is_shared_out

    def is_known_to(self, family: Family) -> bool:
        """Whether the family has every dimension that is asked for."""
        return all(family in DIMENSIONS[name].families for name in (*self.by, *self.filters))

    def compared(self) -> tuple[date, date] | None:
        """The days that these are compared with."""
        if self.against is not None:
            return self.against
        days = (self.last - self.first).days + 1
        if self.compare == "previous":
            return self.first - timedelta(days=days), self.first - timedelta(days=1)
        if self.compare == "last_year":
            return _year_before(self.first), _year_before(self.last)
        return None


def _check_against(first: date, last: date) -> None:
    if last < first:
        raise QuestionRefused("compare_to", f"lies before `compare_from` ({first})")
    if (last - first).days >= MOST_DAYS:
        raise QuestionRefused("compare_to", f"at most {MOST_DAYS} days at a time")


def _year_before(day: date) -> date:
    """29 February has none: the day before stands for it."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def _check_words(name: str, words: Sequence[str], known: Mapping[str, Any], most: int) -> None:
    unknown = [word for word in words if word not in known]
    if unknown:
        raise QuestionRefused(name, f"{', '.join(unknown)} is not known; there are: {', '.join(known)}")
    if len(words) > most:
        raise QuestionRefused(name, f"names {most} at most")
    if len(set(words)) < len(words):
        raise QuestionRefused(name, "names one of them twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRule:
    """Which calls a client wants: all that is set must hold. ``tags_any``: one of them; ``tags_none``: none of them,
    whether a flow or a person tagged the call."""

    answered: bool = True
    min_talk_s: int = 30
    min_score: int | None = None
    tags_any: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    without_spam: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.min_talk_s <= 86_400:
            raise SettingsRefused("target/min_talk_s", "is from 0 to 86400")
        if self.min_score is not None and not 0 <= self.min_score <= 100:
            raise SettingsRefused("target/min_score", "is from 0 to 100")
        for name in ("tags_any", "tags_none"):
            tags = getattr(self, name)
            if len(tags) > 50 or any(not tag or len(tag) > 60 for tag in tags):
                raise SettingsRefused(f"target/{name}", "has at most 50 tags of 1 to 60 characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What a client's reports go by. ``version`` 0: nobody has set anything."""

    target: TargetRule = TargetRule()
    answer_norm_s: int = 20
    confidence: float = 0.8
    spam_from: int = 70
    currency: str = "EUR"
    version: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.answer_norm_s <= 3600:
            raise SettingsRefused("answer_norm_s", "is from 1 to 3600")
        if not 0 < self.confidence <= 1:
            raise SettingsRefused("confidence", "is above 0 and at most 1")
        if not 1 <= self.spam_from <= 100:
            raise SettingsRefused("spam_from", "is from 1 to 100")
        if not _CURRENCY.fullmatch(self.currency):
            raise SettingsRefused("currency", "must be three capital letters (ISO 4217), such as EUR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row. ``before``: the same of the days that it is compared with. ``is_rest``: all groups beyond the limit."""

    key: Key
    figures: Mapping[str, Figure]
    before: Mapping[str, Figure] | None = None
    is_rest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``total``: of everything that was asked, made from the rows themselves and not from the lines. ``unknown``:
    metrics that cannot be told by these dimensions. ``other_currencies``: sales and spend that were left out."""

    question: Question
    lines: Sequence[Line]
    total: Line
    unknown: Sequence[str]
    other_currencies: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCall:
    """One of the calls that a figure counts: nothing of the caller, who is read with the call."""

    id: UUID
    client_id: UUID
    started_at: datetime
    number: str
    outcome: str
    talk_ms: int | None
    channel: str | None
    source: str | None
    campaign: str | None
    keyword: str | None
    target_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendRow:
    """What advertising of one kind cost on one day."""

    day: date
    channel: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    content: str | None = None
    keyword: str | None = None
    impressions: int = 0
    clicks: int = 0
    cost: Decimal = Decimal(0)
    currency: str = "EUR"

    @property
    def words(self) -> tuple[str | None, ...]:
        return tuple(getattr(self, name) for name in SOURCE_DIMENSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedCaller:
    """Somebody whom nobody has called back. ``calls``: how often he was missed since the last conversation."""

    client_id: UUID
    caller: str
    calls: int
    first_at: datetime
    last_at: datetime
    last_call_id: UUID
    number: str


def figures_of(metrics: Sequence[str], sums: Mapping[str, int | Decimal | None]) -> dict[str, Figure]:
    """The metrics from their measures. A measure that is missing or null makes null of all that is made of it; so does
    a division by nought."""
    return {name: _figure(name, sums) for name in metrics}


def _figure(name: str, sums: Mapping[str, int | Decimal | None]) -> Figure:
    metric = METRICS[name]
    parts = {one: sums.get(one) for one in metric.measures}
    if any(value is None for value in parts.values()):
        return None
    value = parts[metric.of]
    assert value is not None
    if metric.less:
        value = Decimal(value) - Decimal(parts[metric.less] or 0)
    if not metric.over:
        return value
    by = parts[metric.over]
    return (Decimal(value) / Decimal(by)).quantize(_EIGHT_DIGITS) if by else None


def unit_of(metric: str) -> Unit:
    """Of a metric's figures."""
    return METRICS[metric].unit

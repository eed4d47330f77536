"""Which sums of days there are, and what of a question they can answer. Pure.

A **cut** is a choice of dimensions by which every day of a client is summed up. A client's days are covered until some
moment; what is younger, and days that have changed since, are read from the records: a report's figures are the same
whichever way they came.

Callers do not add up, so of them is kept how many had last called on which day before. Who calls for the first time
within a span, or within a week of it, is then a sum again: those whose last call before lies before the span. It holds
within a cut (a channel's callers are those new to the channel), so there is a table for each of CALLER_CUTS.

A month that is over is added up once more, so that a year is read as some dozens of sums: a span of days falls into
**units**, whole months as far as may be and days at its ends. The days on which callers had called before are gathered
by month in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from .dictionary import MEASURES, SOURCE_DIMENSIONS, Family
from .model import Question

#: Raised whenever a measure or a cut is told otherwise than before: all sums are made anew.
EDITION = 2
#: Nothing younger is summed up. Together with the triggers' hour (migration 0048) this leaves half an hour for the
#: longest transaction that writes a record: what is written later than an hour after its call is noted as a change.
SETTLE = timedelta(minutes=90)
#: Coverage moves in steps of it, so that a day's sums are not made anew each minute.
STEP = timedelta(minutes=15)

#: Lightest first: the first that has all dimensions of a question answers it.
CUTS: Mapping[str, tuple[str, ...]] = {
    "channel": ("channel",),
    "hour": ("hour", "channel"),
    "target": ("target", "outcome"),
    "flow": ("flow", "outcome"),
    "number": ("number", "outcome"),
    "campaign": ("channel", "source", "medium", "campaign"),
    "keyword": ("channel", "keyword"),
    "source": tuple(SOURCE_DIMENSIONS),
    "handling": ("number", "flow", "target", "outcome"),
}
#: Of visits no one knows which number will be called.
VISIT_CUTS = ("channel", "hour", "campaign", "keyword", "source")
CALLER_CUTS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "channel": ("channel",),
    "source": ("channel", "source"),
}
#: What follows from a row's client and day, in every cut.
OF_THE_DAY = frozenset({"client", "date", "week", "month", "weekday"})
#: Groups that are spans of days without a gap, so that who is new within one can be told.
SPANS = frozenset({"client", "date", "week", "month"})

#: Groups that months fall apart in.
WITHIN_MONTHS = frozenset({"date", "week", "weekday"})

#: What a row holds of calls. Its sales are in one currency, so that what is asked in one is told apart when it is read.
SUMMED = tuple(
    name
    for name, measure in MEASURES.items()
    if measure.family == "calls" and measure.adds_up and name != "revenue_sales"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Of one client: until when its days are summed up (None: not at all, or by other rules), which of the days in
    question have changed since, and the day in which its first records lie that are not archived (None: none is)."""

    client_id: UUID
    covered_until: datetime | None
    changed: Sequence[date] = ()
    kept_from: date | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Records that are read as such. ``day``: only those of this day where the client is."""

    client_id: UUID
    from_at: datetime
    until_at: datetime
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a span of days is read: the sums of ``covered`` from ``kept_from`` on (None: all), but for ``changed``, and
    the records of ``spans``. ``months``, by their first days, are added up and hold no changed day of anybody."""

    covered: Sequence[UUID] = ()
    changed: Sequence[tuple[UUID, date]] = ()
    spans: Sequence[Span] = field(default=())
    kept_from: date | None = None
    months: Sequence[date] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """Days that are read as one: a day, or the month that begins with ``day``. ``begins``: the first day of the group
    in which it stands, so that callers who called since are counted there already."""

    day: date
    begins: date
    is_month: bool = False


def cut_of(family: Family, question: Question) -> str | None:
    """The cut that answers the question; None: none does."""
    wanted = {*question.by, *question.filters} - OF_THE_DAY
    known = CUTS if family == "calls" else VISIT_CUTS if family == "visits" else ()
    return next((name for name in known if wanted <= set(CUTS[name])), None)


def caller_cut_of(question: Question) -> str | None:
    """The same for callers. Every word of the cut must be settled, by a group of its own or by a filter with one value:
    who is new to two channels is new once to both together."""
    words = {name for name in question.by if name not in SPANS}
    settled = words | {name for name, values in question.filters.items() if len(values) == 1}
    if settled != words | set(question.filters):
        return None
    return next((name for name, cut in CALLER_CUTS.items() if settled == set(cut)), None)


def plan_reading(coverages: Sequence[Coverage], first: date, last: date) -> Reading:
    """What is read from where for these days. What is archived is in no figure, though there are sums of it: so the day
    in whose midst the archive ends is read from what there is of its records."""
    kept_from = min((one.kept_from for one in coverages if one.kept_from is not None), default=None)
    from_at, until_at = earliest_of(first), latest_of(last)
    covered: list[UUID] = []
    changed: list[tuple[UUID, date]] = []
    spans: list[Span] = []
    for one in coverages:
        if one.covered_until is None or one.covered_until <= from_at:
            spans.append(Span(one.client_id, from_at, until_at))
            continue
        covered.append(one.client_id)
        for day in sorted({*one.changed, *_border(one, kept_from, first, last)}):
            changed.append((one.client_id, day))
            spans.append(Span(one.client_id, earliest_of(day), min(latest_of(day), one.covered_until), day))
        if one.covered_until < until_at:
            spans.append(Span(one.client_id, one.covered_until, until_at))
    read = tuple(one for one in spans if one.from_at < one.until_at)
    begun = max(first, kept_from) if kept_from is not None else first
    until = min(
        (one.covered_until for one in coverages if one.covered_until and one.client_id in covered), default=from_at
    )
    months = _whole_months(begun, last, until, {day.replace(day=1) for _, day in changed})
    return Reading(tuple(covered), tuple(changed), read, kept_from, months)


def _whole_months(first: date, last: date, until: datetime, broken: Collection[date]) -> tuple[date, ...]:
    """Months that lie wholly in the span and were over everywhere at ``until``."""
    found, month = [], first if first.day == 1 else next_month(first)
    while next_month(month) <= last + timedelta(days=1):
        if month not in broken and latest_of(next_month(month) - timedelta(days=1)) <= until:
            found.append(month)
        month = next_month(month)
    return tuple(found)


def next_month(day: date) -> date:
    """Its first day."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def units_of(question: Question, reading: Reading) -> list[Unit]:
    """What the sums of a question's days are read by."""
    named = {*question.by, *question.filters}
    months = set() if named & WITHIN_MONTHS else set(reading.months)
    day = first = max(question.first, reading.kept_from or question.first)
    found = []
    while day <= question.last:
        is_month = day in months
        found.append(Unit(day, max(first, *_beginnings(question, day)), is_month))
        day = next_month(day) if is_month else day + timedelta(days=1)
    return found


def _beginnings(question: Question, day: date) -> list[date]:
    """The first days of the question and of the groups in which this one stands."""
    spans = {"date": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}
    return [question.first, *(spans[name] for name in question.by if name in spans)]


def months_of(days: Collection[date], until: date) -> list[date]:
    """The months in which these days lie, by their first days, that were over before ``until``."""
    return sorted({month for month in (day.replace(day=1) for day in days) if next_month(month) <= until})


def _border(one: Coverage, kept_from: date | None, first: date, last: date) -> Sequence[date]:
    """The days, of those in question, from the first that is kept of any client until the first that is of this one."""
    if kept_from is None or one.kept_from is None:
        return ()
    days = [kept_from + timedelta(days=place) for place in range((one.kept_from - kept_from).days + 1)]
    return [day for day in days if first <= day <= last]


def earliest_of(day: date) -> datetime:
    """No zone is further ahead: nowhere does the day begin earlier."""
    return datetime.combine(day, time(), tzinfo=UTC) - timedelta(hours=15)


def latest_of(day: date) -> datetime:
    """Nowhere does the day end later."""
    return datetime.combine(day, time(), tzinfo=UTC) + timedelta(hours=24 + 13)


def step_before(now: datetime) -> datetime:
    """Until when everything is settled at this moment."""
    settled = now.astimezone(UTC) - SETTLE
    return settled - timedelta(seconds=settled.timestamp() % STEP.total_seconds())

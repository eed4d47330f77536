"""Which sums of days answer a question, and what is read from the records beside them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest

from dialtrace.reports.dictionary import Family
from dialtrace.reports.model import Question
from dialtrace.reports.rollup_model import (
    Coverage,
    Reading,
    Span,
    Unit,
    caller_cut_of,
    cut_of,
    earliest_of,
    latest_of,
    months_of,
    plan_reading,
    step_before,
    units_of,
)

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
WITHIN = date(2026, 3, 10)
ONE, OTHER = UUID(int=1), UUID(int=2)
FROM_AT, UNTIL_AT = earliest_of(FIRST), latest_of(LAST)
MIDST = datetime(2026, 3, 20, 9, 15, tzinfo=UTC)
Filters = dict[str, tuple[str | None, ...]]


def question(by: tuple[str, ...], filters: Filters | None = None) -> Question:
    return Question(first=FIRST, last=LAST, metrics=("calls",), by=by, filters=filters or {})


@pytest.mark.parametrize(
    ("family", "by", "filters", "cut"),
    [
        ("calls", (), {}, "channel"),
        ("calls", ("client", "date", "week", "month", "weekday"), {}, "channel"),
        ("calls", ("channel", "month"), {}, "channel"),
        ("calls", ("hour",), {"channel": ("social",)}, "hour"),
        ("calls", ("source",), {}, "campaign"),
        ("calls", ("medium", "campaign"), {"channel": ("social",)}, "campaign"),
        ("calls", ("date",), {"keyword": (None,)}, "keyword"),
        ("calls", ("keyword",), {"source": ("google",)}, "source"),
        ("calls", ("target",), {"outcome": ("busy", "answered")}, "target"),
        ("calls", ("outcome", "flow"), {}, "flow"),
        ("calls", ("month",), {"number": ("+441632960100",)}, "number"),
        ("calls", ("number", "target"), {}, "handling"),
        ("calls", ("channel", "target"), {}, None),
        ("calls", ("hour", "source"), {}, None),
        ("calls", ("device",), {}, None),
        ("visits", ("channel", "source"), {}, "campaign"),
        ("visits", ("content",), {}, "source"),
        ("visits", ("number",), {}, None),
        ("spend", (), {}, None),
    ],
)
def test_given_dimensions_when_a_cut_is_chosen_then_it_is_the_lightest_that_has_them(
    family: Family, by: tuple[str, ...], filters: Filters, cut: str | None
) -> None:
    assert cut_of(family, question(by, filters)) == cut


@pytest.mark.parametrize(
    ("by", "filters", "cut"),
    [
        ((), {}, "all"),
        (("client", "month"), {}, "all"),
        (("channel", "date"), {}, "channel"),
        ((), {"channel": ("social",)}, "channel"),
        (("source",), {"channel": (None,)}, "source"),
        (("channel", "source"), {}, "source"),
        (("source",), {}, None),  # a caller may be new to a source in two channels
        ((), {"channel": ("social", "direct")}, None),
        (("channel",), {"channel": ("social", "direct")}, "channel"),
        (("weekday",), {}, None),  # mondays are no span
        (("hour",), {}, None),
    ],
)
def test_given_dimensions_when_callers_are_asked_for_then_every_word_of_the_cut_is_settled(
    by: tuple[str, ...], filters: Filters, cut: str | None
) -> None:
    assert caller_cut_of(question(by, filters)) == cut


@pytest.mark.parametrize(
    ("coverages", "reading"),
    [
        ([], Reading()),
        ([Coverage(client_id=ONE, covered_until=None)], Reading(spans=(Span(ONE, FROM_AT, UNTIL_AT),))),
        ([Coverage(client_id=ONE, covered_until=FROM_AT)], Reading(spans=(Span(ONE, FROM_AT, UNTIL_AT),))),
        ([Coverage(client_id=ONE, covered_until=UNTIL_AT)], Reading(covered=(ONE,), months=(FIRST,))),
        (
            # The month is not over for the other one.
            [Coverage(client_id=ONE, covered_until=UNTIL_AT), Coverage(client_id=OTHER, covered_until=MIDST)],
            Reading(covered=(ONE, OTHER), spans=(Span(OTHER, MIDST, UNTIL_AT),)),
        ),
        (
            [Coverage(client_id=ONE, covered_until=MIDST)],
            Reading(covered=(ONE,), spans=(Span(ONE, MIDST, UNTIL_AT),)),
        ),
        (
            [Coverage(client_id=ONE, covered_until=MIDST, changed=(WITHIN, MIDST.date(), LAST))],
            Reading(
                covered=(ONE,),
                changed=((ONE, WITHIN), (ONE, MIDST.date()), (ONE, LAST)),
                # Of the last day nothing is summed up: it lies in what is younger.
                spans=(
                    Span(ONE, earliest_of(WITHIN), latest_of(WITHIN), WITHIN),
                    Span(ONE, earliest_of(MIDST.date()), MIDST, MIDST.date()),
                    Span(ONE, MIDST, UNTIL_AT),
                ),
            ),
        ),
        (
            # The archive ends on the tenth here, and was still on the ninth there.
            [
                Coverage(client_id=ONE, covered_until=UNTIL_AT, kept_from=WITHIN),
                Coverage(client_id=OTHER, covered_until=UNTIL_AT, kept_from=WITHIN - timedelta(days=1)),
            ],
            Reading(
                covered=(ONE, OTHER),
                changed=tuple(
                    (client, WITHIN - timedelta(days=back)) for client, back in ((ONE, 1), (ONE, 0), (OTHER, 1))
                ),
                spans=tuple(
                    Span(client, earliest_of(day), latest_of(day), day)
                    for client, day in (
                        (ONE, WITHIN - timedelta(days=1)),
                        (ONE, WITHIN),
                        (OTHER, WITHIN - timedelta(days=1)),
                    )
                ),
                kept_from=WITHIN - timedelta(days=1),
            ),
        ),
        (
            [Coverage(client_id=ONE, covered_until=UNTIL_AT, kept_from=FIRST - timedelta(days=9))],
            Reading(covered=(ONE,), kept_from=FIRST - timedelta(days=9), months=(FIRST,)),
        ),
    ],
)
def test_given_coverage_when_reading_is_planned_then_every_record_is_in_one_place(
    coverages: list[Coverage], reading: Reading
) -> None:
    assert plan_reading(coverages, FIRST, LAST) == reading


APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


def units(by: tuple[str, ...], first: date, last: date, months: tuple[date, ...], kept_from: date | None = None,
          filters: Filters | None = None) -> list[Unit]:  # fmt: skip
    asked = Question(first=first, last=last, metrics=("calls",), by=by, filters=filters or {})
    return units_of(asked, Reading(covered=(ONE,), months=months, kept_from=kept_from))


def test_given_months_that_are_whole_when_read_then_days_are_read_at_the_ends_only() -> None:
    found = units((), date(2026, 3, 30), date(2026, 5, 2), (APRIL,))
    assert [(one.day, one.is_month) for one in found] == [
        (date(2026, 3, 30), False), (date(2026, 3, 31), False), (APRIL, True), (MAY, False), (date(2026, 5, 2), False),
    ]  # fmt: skip
    assert {one.begins for one in found} == {date(2026, 3, 30)}


def test_given_groups_when_read_then_each_unit_knows_where_its_group_begins() -> None:
    found = units(("month", "channel"), date(2026, 3, 31), MAY, (APRIL,))
    assert [one.begins for one in found] == [date(2026, 3, 31), APRIL, MAY]
    found = units(("week",), date(2026, 4, 1), date(2026, 4, 7), ())
    assert [one.begins for one in found] == [APRIL] * 5 + [date(2026, 4, 6)] * 2


@pytest.mark.parametrize("by", ["date", "week", "weekday"])
def test_given_groups_that_months_fall_apart_in_when_read_then_days_are(by: str) -> None:
    assert len(units((by,), APRIL, date(2026, 4, 30), (APRIL,))) == 30


def test_given_a_filter_of_weekdays_when_read_then_days_are() -> None:
    assert len(units((), APRIL, date(2026, 4, 30), (APRIL,), filters={"weekday": ("1",)})) == 30


def test_given_an_archive_when_read_then_nothing_before_it_is_and_the_group_begins_there() -> None:
    found = units((), date(2026, 3, 1), date(2026, 4, 30), (APRIL,), kept_from=date(2026, 3, 31))
    assert [(one.day, one.begins) for one in found] == [
        (date(2026, 3, 31), date(2026, 3, 31)), (APRIL, date(2026, 3, 31)),
    ]  # fmt: skip


def test_given_days_when_their_months_are_asked_for_then_those_that_are_over_are_told_once() -> None:
    days = [date(2026, 3, 30), APRIL, date(2026, 4, 30), MAY]
    assert months_of(days, MAY) == [FIRST, APRIL]
    assert months_of(days, date(2026, 4, 30)) == [FIRST]


@pytest.mark.parametrize(
    ("now", "settled"),
    [
        (datetime(2026, 3, 31, 12, 0, tzinfo=UTC), datetime(2026, 3, 31, 10, 30, tzinfo=UTC)),
        (datetime(2026, 3, 31, 12, 14, 59, 999_999, tzinfo=UTC), datetime(2026, 3, 31, 10, 30, tzinfo=UTC)),
        (datetime(2026, 3, 31, 12, 15, tzinfo=UTC), datetime(2026, 3, 31, 10, 45, tzinfo=UTC)),
        (datetime(2026, 3, 31, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=45))),
         datetime(2026, 3, 30, 16, 45, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_given_a_moment_when_settled_then_it_is_a_step_an_hour_and_a_half_before(
    now: datetime, settled: datetime
) -> None:
    assert step_before(now) == settled

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
    caller_cut_of,
    cut_of,
    earliest_of,
    latest_of,
    plan_reading,
    step_before,
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
        ("calls", ("source",), {}, "source"),
        ("calls", ("date",), {"keyword": (None,)}, "source"),
        ("calls", ("target",), {"outcome": ("busy", "answered")}, "handling"),
        ("calls", ("channel", "target"), {}, None),
        ("calls", ("hour", "source"), {}, None),
        ("calls", ("device",), {}, None),
        ("visits", ("channel", "source"), {}, "source"),
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
        ([Coverage(client_id=ONE, covered_until=UNTIL_AT)], Reading(covered=(ONE,))),
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
            Reading(covered=(ONE,), kept_from=FIRST - timedelta(days=9)),
        ),
    ],
)
def test_given_coverage_when_reading_is_planned_then_every_record_is_in_one_place(
    coverages: list[Coverage], reading: Reading
) -> None:
    assert plan_reading(coverages, FIRST, LAST) == reading


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

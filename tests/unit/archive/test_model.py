"""Months: how they are written, and when one is due."""

from datetime import UTC, date, datetime

import pytest

from dialtrace.archive.errors import MonthUnknown
from dialtrace.archive.model import Obstacle, due_months, is_due, next_month, parse_month

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_given_a_month_as_people_write_it_then_its_first_day():
    assert parse_month("2026-02") == date(2026, 2, 1)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-1", "2026-02-01", "02-2026", "२०२६-०२"])
def test_given_no_month_then_refused_with_its_text(text):
    with pytest.raises(MonthUnknown, match="YYYY-MM"):
        parse_month(text)


def test_given_december_then_the_next_month_is_another_years():
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert next_month(date(2026, 1, 1)) == date(2026, 2, 1)


@pytest.mark.parametrize(
    ("month", "keep", "due"),
    [
        (date(2026, 9, 1), 2, False),
        (date(2026, 8, 1), 2, True),
        (date(2024, 10, 1), 25, False),
        (date(2024, 9, 1), 25, True),
        (date(1999, 1, 1), 0, False),
        (date(2027, 1, 1), 2, False),
    ],
)
def test_given_a_policy_then_whole_months_after_a_months_own_are_kept(month, keep, due):
    assert is_due(month, NOW, keep) is due


def test_given_months_of_several_tables_then_each_once_and_the_oldest_first():
    months = [date(2026, 1, 1), date(2025, 1, 1), date(2026, 1, 1), date(2026, 11, 1)]
    assert due_months(months, NOW, 3) == [date(2025, 1, 1), date(2026, 1, 1)]


def test_given_an_obstacle_then_it_says_how_to_mend_it():
    assert "legal hold" in str(Obstacle("holds", 3))
    assert str(Obstacle("holds", 3)).endswith(": 3")

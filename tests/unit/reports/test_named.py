"""Which days a report by name is of, and what it is compared with."""

from __future__ import annotations

from datetime import date

import pytest

from dialtrace.reports.model import Compare
from dialtrace.reports.named import Kind, compared_days, days_of


@pytest.mark.parametrize(
    ("kind", "day", "first", "last"),
    [
        ("daily", date(2026, 3, 31), date(2026, 3, 31), date(2026, 3, 31)),
        ("weekly", date(2026, 3, 30), date(2026, 3, 30), date(2026, 4, 5)),
        ("weekly", date(2026, 4, 5), date(2026, 3, 30), date(2026, 4, 5)),
        ("weekly", date(2027, 1, 1), date(2026, 12, 28), date(2027, 1, 3)),
        ("monthly", date(2026, 2, 14), date(2026, 2, 1), date(2026, 2, 28)),
        ("monthly", date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
        ("monthly", date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_given_a_day_when_a_report_is_named_then_its_days_are_these(
    kind: Kind, day: date, first: date, last: date
) -> None:
    assert days_of(kind, day) == (first, last)


@pytest.mark.parametrize(
    ("kind", "first", "compare", "expected"),
    [
        ("daily", date(2026, 3, 1), "none", None),
        ("daily", date(2026, 3, 1), "previous", (date(2026, 2, 28), date(2026, 2, 28))),
        # Weekdays meet: a Sunday with a Sunday.
        ("daily", date(2026, 3, 1), "last_year", (date(2025, 3, 2), date(2025, 3, 2))),
        ("weekly", date(2026, 3, 30), "previous", (date(2026, 3, 23), date(2026, 3, 29))),
        ("weekly", date(2026, 3, 30), "last_year", (date(2025, 3, 31), date(2025, 4, 6))),
        ("monthly", date(2026, 3, 1), "previous", (date(2026, 2, 1), date(2026, 2, 28))),
        ("monthly", date(2026, 1, 1), "previous", (date(2025, 12, 1), date(2025, 12, 31))),
        ("monthly", date(2029, 2, 1), "last_year", (date(2028, 2, 1), date(2028, 2, 29))),
    ],
)
def test_given_days_when_compared_then_with_these(
    kind: Kind, first: date, compare: Compare, expected: tuple[date, date] | None
) -> None:
    assert compared_days(kind, first, compare) == expected

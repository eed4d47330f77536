"""What can be judged, what is unsuitable, what pays back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dialtrace.advice.errors import AdviceRefused
from dialtrace.advice.files import keyword_file
from dialtrace.advice.model import KeywordCalls, NegativeKeywords, Past, Payback, Span, Wish, why_not
from dialtrace.advice.unsuitable import unsuitable


def test_given_a_day_then_whole_weeks_before_its_end_are_looked_at() -> None:
    sunday = Wish(last=date(2026, 11, 22), weeks=8)
    assert sunday.days == (date(2026, 9, 28), date(2026, 11, 22))
    saturday = Wish(last=date(2026, 11, 28), weeks=8)
    assert saturday.days == sunday.days
    assert [saturday.mondays[0], saturday.mondays[-1]] == [date(2026, 9, 28), date(2026, 11, 16)]


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"by": "device"}, "by"),
        ({"weeks": 7}, "weeks"),
        ({"most_change": 0.9}, "most_change"),
        ({"least_calls": 10}, "least_calls"),
        ({"goal": "revenue"}, "goal"),
    ],
)
def test_given_a_wish_that_nobody_can_answer_then_it_is_named(named: dict[str, Any], field: str) -> None:
    with pytest.raises(AdviceRefused) as refused:
        Wish(last=date(2026, 11, 22), **named)
    assert refused.value.field == field


VARIED = [100.0, 140.0] * 13


@pytest.mark.parametrize(
    ("spend", "calls", "reason"),
    [
        (VARIED, [20] * 26, None),
        ([0.0] * 26, [20] * 26, "no_spend"),
        (VARIED, [11] * 26, "too_few_calls"),
        ([0.0] * 19 + [100.0, 140.0] * 3 + [90.0], [20] * 26, "too_few_weeks"),
        ([100.0, 101.0] * 13, [20] * 26, "spend_never_varied"),
        ([100.0] * 20 + [0.0] * 6, [20] * 26, "not_spent_on_now"),
    ],
)
def test_given_a_past_then_it_is_judged_or_told_why_not(
    spend: list[float], calls: list[int], reason: str | None
) -> None:
    assert why_not(Past(spend=spend, calls=calls, wanted=calls), 50) == reason


def keyword(name: str, calls: int, wanted: int, **more: Any) -> KeywordCalls:
    return KeywordCalls(campaign="spring", keyword=name, calls=calls, target_calls=wanted, **more)


def test_given_keywords_then_only_those_are_named_of_which_it_is_nearly_sure() -> None:
    many = [keyword(f"good {place}", 20, 14) for place in range(10)]
    found = unsuitable([*many, keyword("free", 14, 0), keyword("course", 30, 3), keyword("new", 2, 0)])
    assert [one.keyword.keyword for one in found] == ["course", "free"] or [one.keyword.keyword for one in found] == [
        "free",
        "course",
    ]
    assert all(one.probability >= 0.9 for one in found)


def test_given_no_calls_or_none_that_is_wanted_then_nothing_is_named() -> None:
    assert unsuitable([]) == []
    assert unsuitable([keyword("a", 0, 0)]) == []
    assert unsuitable([keyword("a", 50, 0)]) == []


def test_given_words_of_visitors_then_a_spreadsheet_runs_none_of_them() -> None:
    told = [keyword("=cmd|' /C calc'!A0", 40, 0, cost=Decimal("12.50")), *(keyword(f"k{n}", 20, 14) for n in range(9))]
    found = NegativeKeywords(
        first=date(2026, 5, 1), last=date(2026, 10, 31), currency="EUR", usual_share=0.5, below=0.25, looked_at=10,
        keywords=unsuitable(told),
    )  # fmt: skip
    lines = keyword_file(found).decode("utf-8-sig").splitlines()
    assert lines[0] == "campaign,keyword,calls,target_calls,clicks,cost,probability"
    assert lines[1].startswith("spring,'=cmd|' /C calc'!A0,40,0,,12.50,")
    assert found.cost == Decimal("12.50")
    assert 0 <= found.expected_wrong < 0.1


def test_given_two_spans_then_what_was_saved_is_told_and_what_cannot_be_is_not() -> None:
    def span(cost: str, calls: int) -> Span:
        return Span(first=date(2026, 1, 1), last=date(2026, 1, 31), cost=Decimal(cost), target_calls=calls)

    paid = Payback(before=span("1000", 20), now=span("900", 30), currency="EUR", tracking_cost=Decimal(100))
    assert (paid.saved, paid.ratio) == (Decimal(600), Decimal(6))
    dearer = Payback(before=span("1000", 20), now=span("1200", 20), currency="EUR", tracking_cost=Decimal(0))
    assert (dearer.saved, dearer.ratio) == (Decimal(-200), None)
    for before, now in ((span("0", 20), span("1", 1)), (span("10", 0), span("1", 1)), (span("10", 1), span("1", 0))):
        assert Payback(before=before, now=now, currency="EUR", tracking_cost=Decimal(1)).saved is None

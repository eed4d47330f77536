"""The metric dictionary and the questions that may be asked of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from dialtrace.reports.dictionary import DIMENSIONS, MEASURES, METRICS
from dialtrace.reports.errors import QuestionRefused, SettingsRefused
from dialtrace.reports.model import Question, ReportSettings, TargetRule, figures_of
from dialtrace.reports.page import page
from dialtrace.reports.store import statement_of

ROOT = Path(__file__).resolve().parents[3]

DAY = date(2026, 3, 31)


@pytest.mark.parametrize("name", METRICS)
def test_given_a_metric_when_read_then_all_that_it_is_made_of_is_there(name: str) -> None:
    metric = METRICS[name]
    assert all(one in MEASURES for one in metric.measures)
    assert metric.title
    assert metric.definition.endswith(".")


@pytest.mark.parametrize("name", DIMENSIONS)
def test_given_a_dimension_when_asked_by_then_each_family_that_knows_it_has_a_statement(name: str) -> None:
    metrics = ("calls", "visits", "cost")
    question = Question(first=DAY, last=DAY, metrics=metrics, by=(name,), filters={name: ("x", None)})
    assert set(question.measures) == set(DIMENSIONS[name].families)
    for family, measures in question.measures.items():
        assert " GROUP BY 1" in statement_of(family, question, measures)


def test_given_sums_when_metrics_are_made_then_nought_below_and_what_is_missing_make_null() -> None:
    sums = {"calls": 4, "answered": 3, "cost": Decimal(8), "revenue": Decimal(12), "revenue_sales": 0}
    assert figures_of(["answer_share", "cost_per_call", "roi", "average_order", "click_rate"], sums) == {
        "answer_share": Decimal("0.75"), "cost_per_call": Decimal(2), "roi": Decimal("0.5"), "average_order": None,
        "click_rate": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"last": date(2026, 3, 30)}, "to"),
        ({"last": date(2029, 3, 30)}, "to"),
        ({"metrics": ("callz",)}, "metrics"),
        ({"metrics": ()}, "metrics"),
        ({"metrics": ("calls", "calls")}, "metrics"),
        ({"by": ("colour",)}, "by"),
        ({"filters": {"colour": ("red",)}}, "filter"),
        ({"currency": "euro"}, "currency"),
        ({"most": 0}, "limit"),
    ],
)
def test_given_a_question_that_makes_no_sense_then_its_part_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(QuestionRefused) as refused:
        Question(**{"first": DAY, "last": DAY, "metrics": ("calls",)} | change)  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        ("none", None),
        ("previous", (date(2024, 1, 30), date(2024, 2, 28))),
        ("last_year", (date(2023, 2, 28), date(2023, 3, 29))),
    ],
)
def test_given_days_when_compared_then_with_as_many_before_or_the_same_a_year_before(
    compare: str, expected: tuple[date, date] | None
) -> None:
    question = Question(first=date(2024, 2, 29), last=date(2024, 3, 29), metrics=("calls",), compare=compare)  # type: ignore[arg-type]
    assert question.compared() == expected


def test_given_settings_out_of_bounds_then_each_is_named() -> None:
    for change, field in (
        ({"answer_norm_s": 0}, "answer_norm_s"), ({"confidence": 0}, "confidence"), ({"spam_from": 101}, "spam_from"),
        ({"currency": "eur"}, "currency"),
    ):  # fmt: skip
        with pytest.raises(SettingsRefused) as refused:
            ReportSettings(**change)  # type: ignore[arg-type]
        assert refused.value.field == field
    with pytest.raises(SettingsRefused, match="target/min_talk_s"):
        TargetRule(min_talk_s=-1)


def test_given_the_page_of_the_dictionary_then_it_is_that_of_the_code() -> None:
    told = (ROOT / "docs/metric-dictionary.md").read_text(encoding="utf-8")
    assert told == page(), "docs/metric-dictionary.md: run `make docs`"

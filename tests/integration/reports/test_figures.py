"""Reports against the same figures worked out without SQL, over random questions, clients and time zones."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.reports.dictionary import DIMENSIONS, METRICS
from dialtrace.reports.errors import SpendRefused
from dialtrace.reports.model import Question, SpendRow, figures_of
from dialtrace.reports.service import ReportService
from dialtrace.tenancy.service import TenancyService

from .world import BEGIN, DAYS, World, expected, write_world

QUESTIONS = 40


@pytest.fixture
def reports(database: Database) -> ReportService:
    return ReportService(database, SystemClock())


@pytest.fixture
def world(database: Database, reports: ReportService) -> World:
    tenancy = TenancyService(database, SystemClock())
    agency = tenancy.create_agency("North")
    # One where the clocks change, one with half an hour, as far from UTC as they come.
    zones = {
        tenancy.create_client(agency.id, "Berlin", "Europe/Berlin").id: "Europe/Berlin",
        tenancy.create_client(agency.id, "Chatham", "Pacific/Chatham").id: "Pacific/Chatham",
    }
    made = write_world(database, agency.id, zones, seed=7, count=600)
    one = next(iter(zones))
    made.settings[one] = reports.change_settings(
        agency.id, one,
        {"target": {"min_talk_s": 45, "tags_none": ["supplier"], "tags_any": ["hot", "vip"]}, "confidence": 0.5,
         "answer_norm_s": 10, "spam_from": 90},
    )  # fmt: skip
    return made


def questions(seed: int) -> Iterator[Question]:
    rng = random.Random(seed)
    for _ in range(QUESTIONS):
        first = BEGIN + timedelta(days=rng.randrange(DAYS))
        by = tuple(rng.sample(sorted(DIMENSIONS), rng.randrange(4)))
        filters: dict[str, tuple[str | None, ...]] = {}
        if rng.random() < 0.4:
            filters["channel"] = tuple(rng.sample(["paid_search", "social", None], rng.randrange(1, 3)))
        if rng.random() < 0.2:
            filters["device"] = ("mobile",)
        if rng.random() < 0.2:
            filters["weekday"] = ("1", "7")
        yield Question(
            first=first, last=first + timedelta(days=rng.choice([0, 1, 27, 120])), by=by, filters=filters,
            metrics=tuple(rng.sample(sorted(METRICS), 12)), currency=rng.choice(["EUR", "USD"]), most=5_000,
        )  # fmt: skip


@pytest.mark.parametrize("one_client", [False, True], ids=["agency", "client"])
def test_given_random_questions_when_answered_then_every_figure_is_the_same_as_without_sql(
    reports: ReportService, world: World, one_client: bool
) -> None:
    client = next(iter(world.zones)) if one_client else None
    clients = [client] if client else list(world.zones)
    lines = 0
    for question in questions(seed=int(one_client)):
        report = reports.answer(world.agency_id, client, question)
        whole = expected(world, Question(**{**_plain(question), "by": ()}), clients)[()]
        assert report.total.figures == figures_of(question.metrics, _known(question, whole)), question
        if question.by:
            groups = expected(world, question, clients)
            told = {line.key: dict(line.figures) for line in report.lines}
            assert told == {key: figures_of(question.metrics, sums) for key, sums in groups.items()}, question
            known = _known(question, whole)
            assert set(report.unknown) == {
                name for name in question.metrics if not known.keys() >= set(METRICS[name].measures)
            }
        lines += len(report.lines)
    assert lines > 100


def _plain(question: Question) -> dict[str, object]:
    return {name: getattr(question, name) for name in Question.__dataclass_fields__}


def _known(question: Question, sums: dict[str, object]) -> dict[str, object]:
    """What the question's dimensions cannot tell is told by its total neither: it would not be the lines' sum."""
    names = {name for measures in question.measures.values() for name in measures}
    return {name: value for name, value in sums.items() if name in names}


def test_given_more_groups_than_wanted_when_answered_then_the_rest_is_added_up(
    reports: ReportService, world: World
) -> None:
    question = Question(
        first=BEGIN, last=BEGIN + timedelta(days=DAYS), by=("landing_page", "hour"),
        metrics=("calls", "answered", "answer_share", "visits", "unique_callers"), most=10,
    )  # fmt: skip
    report = reports.answer(world.agency_id, None, question)
    assert len(report.lines) == 11
    assert [line.is_rest for line in report.lines] == [False] * 10 + [True]
    for name in ("calls", "answered", "visits"):
        assert sum(line.figures[name] or 0 for line in report.lines) == report.total.figures[name]
    rest = report.lines[-1].figures
    assert rest["unique_callers"] is None
    assert rest["answer_share"] == (Decimal(rest["answered"] or 0) / Decimal(rest["calls"] or 1)).quantize(
        Decimal("1e-8")
    )


def test_given_a_comparison_when_answered_then_each_line_has_the_days_before(
    reports: ReportService, world: World
) -> None:
    question = Question(
        first=date(2026, 6, 1), last=date(2026, 6, 30), by=("channel",), metrics=("calls",), compare="previous"
    )
    before = Question(first=date(2026, 5, 2), last=date(2026, 5, 31), by=("channel",), metrics=("calls",))
    report = reports.answer(world.agency_id, None, question)
    earlier = {line.key: line.figures for line in reports.answer(world.agency_id, None, before).lines}
    assert {line.key: line.before for line in report.lines if line.key in earlier} == earlier
    assert report.total.before == reports.answer(world.agency_id, None, before).total.figures


def test_given_missed_callers_when_listed_then_only_those_whom_nobody_has_spoken_with_since(
    reports: ReportService, world: World
) -> None:
    found = reports.find_missed(world.agency_id, None, BEGIN, BEGIN + timedelta(days=DAYS + 1), 1000)
    wanted: dict[tuple[uuid.UUID, str], int] = {}
    rows = [call for call in world.calls if not call["is_test"] and call["caller"]]
    for call in rows:
        key = (call["client_id"], call["caller"])
        since = [one for one in rows if (one["client_id"], one["caller"]) == key and one["outcome"] == "answered"
                 and one["started_at"] > call["started_at"]]  # fmt: skip
        if call["outcome"] not in {"answered", "blocked"} and not since:
            wanted[key] = wanted.get(key, 0) + 1
    assert {(one.client_id, one.caller): one.calls for one in found} == wanted
    assert [one.last_at for one in found] == sorted((one.last_at for one in found), reverse=True)
    assert found


def test_given_spend_told_again_when_taken_then_it_replaces_what_was_told(reports: ReportService, world: World) -> None:
    client = next(iter(world.zones))
    day = date(2026, 2, 1)
    rows = [
        SpendRow(day=day, source="google", clicks=3, cost=Decimal("1.5")),
        SpendRow(day=day, channel="social", cost=Decimal(2)),
    ]
    assert vars_of(reports.take_spend(world.agency_id, client, rows, dry_run=True)) == (2, 0, 0)
    assert vars_of(reports.take_spend(world.agency_id, client, rows)) == (2, 0, 0)
    rows[1] = SpendRow(day=day, channel="social", cost=Decimal(3))
    assert vars_of(reports.take_spend(world.agency_id, client, rows)) == (0, 1, 1)
    question = Question(first=day, last=day, metrics=("cost", "clicks", "cost_per_call"))
    assert reports.answer(world.agency_id, client, question).total.figures == {
        "cost": Decimal("4.5"), "clicks": 3, "cost_per_call": None,
    }  # fmt: skip
    with pytest.raises(SpendRefused, match="rows/1/ tells of the same day and advertising as row 0"):
        reports.take_spend(world.agency_id, client, [rows[0], rows[0]])


def vars_of(taken: object) -> tuple[int, int, int]:
    return taken.new, taken.changed, taken.same  # type: ignore[attr-defined]

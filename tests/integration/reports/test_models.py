"""Reports by attribution models: what a comparison of models says of the same calls, and nothing lost or made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from dialtrace.attribution import comparing
from dialtrace.attribution.errors import ModelRefused
from dialtrace.attribution.models import MODELS, WHOLE, ModelName
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.reports.dictionary import METRICS
from dialtrace.reports.model import Question, Report
from dialtrace.reports.service import ReportService
from dialtrace.tenancy.service import TenancyService

from .world import World, write_touches, write_world

FIRST, LAST = date(2026, 3, 20), date(2026, 7, 10)
COUNTS = ("calls", "first_time_calls", "answered", "missed", "target_calls", "leads", "sales", "revenue", "talk_time")


@pytest.fixture
def world(database: Database) -> World:
    """In UTC, whose days are those that a comparison is asked by."""
    tenancy = TenancyService(database, SystemClock())
    agency = tenancy.create_agency("North")
    zones = {tenancy.create_client(agency.id, name, "UTC").id: "UTC" for name in ("One", "Other")}
    made = write_world(database, agency.id, zones, seed=21, count=400)
    write_touches(database, made, seed=4)
    return made


def answer(database: Database, world: World, question: Question, *, one: bool = False) -> Report:
    client = next(iter(world.zones)) if one else None
    return ReportService(database, SystemClock()).answer(world.agency_id, client, question)


def asked(model: ModelName | None, *by: str, metrics: tuple[str, ...] = COUNTS) -> Question:
    return Question(first=FIRST, last=LAST, metrics=metrics, by=by, model=model)


@pytest.mark.parametrize("model", MODELS)
def test_given_a_model_when_calls_are_told_by_source_then_they_are_those_of_the_comparison(
    database: Database, world: World, model: ModelName
) -> None:
    moment = datetime.combine(FIRST, time(), UTC)
    compared = comparing.compare(
        database, world.agency_id, None,
        comparing.Question(
            since=moment, until=datetime.combine(LAST, time(), UTC) + timedelta(days=1), models=(model,),
            as_of=datetime.now(UTC), group_by=("channel", "source"),
        ),
    )  # fmt: skip
    told = answer(database, world, asked(model, "channel", "source"))
    assert {line.key: line.figures["calls"] for line in told.lines} == {
        (line.group["channel"], line.group["source"]): Decimal(line.credits[model]) / WHOLE for line in compared.lines
    }
    assert any(Decimal(line.figures["calls"] or 0) % 1 for line in told.lines)


@pytest.mark.parametrize("by", [("channel",), ("source", "month"), ("campaign", "target", "hour")])
def test_given_a_model_when_calls_are_shared_out_then_every_sum_stays_what_it_was(
    database: Database, world: World, by: tuple[str, ...]
) -> None:
    plain, shared = answer(database, world, asked(None)).total, answer(database, world, asked("position", *by))
    assert shared.total.figures == plain.figures
    for name in COUNTS:
        assert sum(Decimal(line.figures[name] or 0) for line in shared.lines) == plain.figures[name], name


def test_given_filters_when_calls_are_shared_out_then_a_part_is_let_through_and_the_rest_is_not(
    database: Database, world: World
) -> None:
    by_channel = answer(database, world, asked("linear", "channel"), one=True)
    for line in by_channel.lines:
        channel = line.key[0]
        assert channel is None or isinstance(channel, str)
        only = answer(database, world, replace(asked("linear"), filters={"channel": (channel,)}), one=True)
        assert only.total.figures == line.figures
    answered = replace(asked("linear", "channel"), filters={"outcome": ("answered",)})
    told = answer(database, world, answered, one=True).total.figures
    assert told["calls"] == by_channel.total.figures["answered"]


def test_given_a_model_when_it_says_nothing_of_the_groups_then_the_report_is_the_plain_one(
    database: Database, world: World
) -> None:
    metrics = ("calls", "unique_callers", "cost", "visits")
    told = answer(database, world, asked("first", "month", metrics=metrics))
    assert told.lines == answer(database, world, asked(None, "month", metrics=metrics)).lines
    shared = answer(database, world, asked("first", "channel", metrics=metrics))
    assert shared.unknown == ("unique_callers",)
    assert shared.total.figures["cost"] == told.total.figures["cost"]
    assert {name for name in METRICS if "callers" in METRICS[name].measures} == {"unique_callers"}


def test_given_too_many_calls_when_shared_out_then_it_is_refused(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MOST_CALLS", 5)
    with pytest.raises(ModelRefused, match="at most 5 calls"):
        answer(database, world, asked("last", "channel"))

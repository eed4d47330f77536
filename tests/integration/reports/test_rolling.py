"""Sums of days against the records: the same for every question, whatever has changed and wherever it was read."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy.exc
from click.testing import CliRunner
from sqlalchemy import Connection, delete, func, insert, select, text, update

from dialtrace import metrics
from dialtrace.cli_reports import report_command
from dialtrace.clock import SystemClock
from dialtrace.config import load_settings
from dialtrace.db.engine import Database
from dialtrace.db.errors import StatementTooSlow
from dialtrace.db.tables import (
    attributions,
    call_assessments,
    calls,
    clients,
    report_changes,
    report_coverage,
    report_sums,
    visits,
)
from dialtrace.jobs.model import Job
from dialtrace.reports import rollup_make_store, rollup_store
from dialtrace.reports.adding import both_sums, find_reading
from dialtrace.reports.dictionary import DIMENSIONS, METRICS
from dialtrace.reports.model import Question
from dialtrace.reports.rolling import ROLL_UP, Roller
from dialtrace.reports.rollup_model import Reading
from dialtrace.reports.service import ReportService
from dialtrace.tenancy.service import TenancyService

from .world import BEGIN, World, write_world

JOB = Job(1, ROLL_UP, 1, {})
PAST = (datetime.now(UTC).date() - BEGIN).days - 2
SPAN = {"first": BEGIN, "last": BEGIN + timedelta(days=300)}
SUMMED_UP = ("client", "date", "week", "month", "weekday", "hour", "channel", "source", "campaign", "keyword", "target",
             "outcome", "number")  # fmt: skip


@pytest.fixture
def world(database: Database) -> World:
    tenancy = TenancyService(database, SystemClock())
    agency = tenancy.create_agency("North")
    zones = {
        tenancy.create_client(agency.id, "Berlin", "Europe/Berlin").id: "Europe/Berlin",
        tenancy.create_client(agency.id, "Chatham", "Pacific/Chatham").id: "Pacific/Chatham",
    }
    return write_world(database, agency.id, zones, seed=11, count=500)


@pytest.fixture
def roller(database: Database, world: World) -> Roller:
    made = Roller(database, SystemClock())
    for client in world.zones:
        made.roll_client(world.agency_id, client)
    return made


def questions(seed: int, count: int) -> Iterator[Question]:
    """Such as sums of days can answer, and some that they cannot."""
    rng = random.Random(seed)
    for _ in range(count):
        first = BEGIN + timedelta(days=rng.randrange(PAST))
        known = SUMMED_UP if rng.random() < 0.8 else tuple(DIMENSIONS)
        filters: dict[str, tuple[str | None, ...]] = {}
        if rng.random() < 0.4:
            filters["channel"] = tuple(rng.sample(["paid_search", "social", None], rng.choice([1, 1, 2])))
        if rng.random() < 0.2:
            filters["source"] = ("google",)
        if rng.random() < 0.2:
            filters["weekday"] = ("1", "7")
        metrics = ("unique_callers", "visits", *rng.sample(sorted(set(METRICS) - {"unique_callers", "visits"}), 10))
        yield Question(
            first=first, last=first + timedelta(days=rng.choice([0, 6, 30, 200])),
            by=tuple(rng.sample(known, rng.choice([0, 1, 1, 2, 3]))), filters=filters, metrics=metrics,
            currency=rng.choice(["EUR", "USD"]), most=5_000,
        )  # fmt: skip


def agree(database: Database, world: World, seed: int, count: int = 12) -> int:
    """Asks; how many records' spans had to be read beside the sums."""
    spans = covered = 0
    for place, question in enumerate(questions(seed, count)):
        client = list(world.zones)[place % 2] if place % 3 else None
        with database.tenant(world.agency_id, client) as connection:
            reading = find_reading(connection, world.agency_id, client, question)
            covered += bool(reading.covered)
            spans += len(reading.spans)
            told = both_sums(connection, world.agency_id, client, question, reading)
            assert told == both_sums(connection, world.agency_id, client, question, Reading()), (client, question)
    assert covered
    return spans


def count(database: Database, world: World, what: Any) -> int:
    with database.tenant(world.agency_id) as connection:
        return int(connection.execute(select(func.count()).select_from(what)).scalar_one())


def test_given_days_that_are_summed_up_when_asked_then_every_sum_is_that_of_the_records(
    database: Database, world: World, roller: Roller
) -> None:
    assert count(database, world, report_sums) > 1_000
    assert agree(database, world, seed=1, count=40) > 0
    assert not [one for one in roller.check(**SPAN, agency_id=world.agency_id) if one.wrong or not one.days]


def late_call(world: World, rng: random.Random) -> dict[str, Any]:
    """Of a caller who has called before and since."""
    like = rng.choice([one for one in world.calls if one["caller"] and not one["is_test"]])
    return {name: like[name] for name in ("agency_id", "client_id", "number", "caller", "node")} | {
        "id": uuid.UUID(int=rng.getrandbits(128)), "started_at": like["started_at"] - timedelta(days=rng.randrange(20)),
        "outcome": "no_answer", "decided_by": "worker", "digest": b"", "facts": {},
    }  # fmt: skip


def _past(world: World) -> list[dict[str, Any]]:
    return [one for one in world.calls if one["started_at"] < datetime.now(UTC) - timedelta(days=3)]


def add_calls(connection: Any, world: World, rng: random.Random) -> None:
    connection.execute(insert(calls), [late_call(world, rng) for _ in range(5)])


def revise_calls(connection: Any, world: World, rng: random.Random) -> None:
    for one in rng.sample(_past(world), 5):
        connection.execute(
            update(calls).where(calls.c.id == one["id"]).values(outcome="busy", facts={"tags": ["vip"]}, talk_ms=1)
        )


def forget_callers(connection: Any, world: World, rng: random.Random) -> None:
    for one in rng.sample(_past(world), 10):
        connection.execute(
            update(calls).where(calls.c.id == one["id"])
            .values(caller=None, caller_key=(one["caller"] or "").encode(), anonymised_at=func.now())
        )  # fmt: skip


def remove_calls(connection: Any, world: World, rng: random.Random) -> None:
    """As when the time to keep them is over."""
    oldest = sorted(one["started_at"] for one in _past(world))[20]
    purge = text("SELECT count(*) FROM dialtrace_purge_calls(:agency, :client, :before, 100)")
    for client in world.zones:
        connection.execute(purge, {"agency": world.agency_id, "client": client, "before": oldest})


def attribute_anew(connection: Any, world: World, rng: random.Random) -> None:
    for one in rng.sample([call for call in _past(world) if call["attributed"]], 5):
        connection.execute(
            insert(attributions).values(
                agency_id=world.agency_id, call_id=one["id"], revision=9, client_id=one["client_id"], digest=b"",
                call_started_at=one["started_at"], method="self_reported", channel="social", source="vk",
                source_probability=1.0,
            )
        )  # fmt: skip


def say_something(connection: Any, world: World, rng: random.Random) -> None:
    for one in rng.sample([call for call in _past(world) if call["assessment"]], 5):
        connection.execute(
            update(call_assessments).where(call_assessments.c.call_id == one["id"])
            .values(sale_amount=7, sale_currency="USD", tags=["vip"])
        )  # fmt: skip


def judge_visits(connection: Any, world: World, rng: random.Random) -> None:
    for one in rng.sample(world.visits, 5):
        connection.execute(update(visits).where(visits.c.id == one["id"]).values(is_bot=True))
    connection.execute(delete(visits).where(visits.c.id == rng.choice(world.visits)["id"]))


CHANGES = [add_calls, revise_calls, forget_callers, remove_calls, attribute_anew, say_something, judge_visits]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_given_a_late_fact_when_asked_then_it_is_in_the_report_at_once_and_in_the_sums_later(
    database: Database, world: World, roller: Roller, change: Callable[[Any, World, random.Random], None]
) -> None:
    with database.tenant(world.agency_id) as connection:
        change(connection, world, random.Random(5))
    assert count(database, world, report_changes) > 0
    agree(database, world, seed=2)
    for client in world.zones:
        roller.roll_client(world.agency_id, client)
    assert count(database, world, report_changes) == 0
    agree(database, world, seed=2)
    for checked in roller.check(**SPAN, agency_id=world.agency_id):
        assert (list(checked.wrong), checked.days > 100) == ([], True)


def test_given_many_notes_of_many_days_when_rolled_up_then_each_day_is_made_once(
    database: Database, world: World, roller: Roller, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = next(iter(world.zones))
    begin = datetime.combine(BEGIN, time(12), UTC)
    with database.tenant(world.agency_id) as connection:
        spans = [
            {"agency_id": world.agency_id, "client_id": client, "from_at": begin + timedelta(days=day),
             "until_at": begin + timedelta(days=day, hours=5)}
            for day in range(70) for _ in range(3)
        ]  # fmt: skip
        connection.execute(insert(report_changes), spans)
    made: list[date] = []
    make_days = rollup_make_store.make_days

    def note(connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, zone: str, days: Sequence[date],
             until: datetime) -> None:  # fmt: skip
        made.extend(days)
        make_days(connection, agency_id, client_id, zone, days, until)

    monkeypatch.setattr(rollup_make_store, "make_days", note)
    roller.roll_client(world.agency_id, client)
    noted = [day for day in made if day < BEGIN + timedelta(days=70)]
    assert noted == [BEGIN + timedelta(days=day) for day in range(70)]
    assert count(database, world, report_changes) == 0


def test_given_months_that_are_over_when_asked_for_a_year_then_their_sums_are_read(
    database: Database, world: World, roller: Roller
) -> None:
    year = Question(
        first=BEGIN, last=BEGIN + timedelta(days=200), by=("channel",),
        metrics=("calls", "unique_callers", "revenue", "visits"),
    )  # fmt: skip
    with database.tenant(world.agency_id) as connection:
        assert len(find_reading(connection, world.agency_id, None, year).months) == 6
        for by in ((), ("channel",), ("month",), ("channel", "source", "month"), ("campaign",), ("keyword", "channel")):
            for begin in (0, 1, 17):
                asked = replace(year, first=BEGIN + timedelta(days=begin), by=by)
                told = both_sums(connection, world.agency_id, None, asked)
                assert told == both_sums(connection, world.agency_id, None, asked, Reading()), asked


def test_given_a_month_that_is_not_the_sum_of_its_days_when_checked_then_it_is_named_and_repaired(
    database: Database, world: World, roller: Roller
) -> None:
    april = {"day": date(2026, 4, 1)}
    for table, column in (("report_sums", "calls"), ("report_callers", "callers")):
        with database.tenant(world.agency_id) as connection:
            changed = text(f"UPDATE {table} SET {column} = {column} + 1 WHERE span = 'month' AND day = :day")
            assert connection.execute(changed, april).rowcount > 1
        span = {**SPAN, "agency_id": world.agency_id}
        assert [one.wrong for one in roller.check(**span, repair=True)] == [[april["day"]]] * 2
        assert not [one for one in roller.check(**span) if one.wrong]


def test_given_a_month_that_goes_to_the_archive_when_rolled_up_then_who_called_in_it_only_calls_for_the_first_time(
    database: Database, world: World, roller: Roller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole tables go, so that no trigger tells of it: in Chatham, in the midst of a day."""
    archived = datetime(2026, 6, 1, tzinfo=UTC)
    before = ReportService(database, SystemClock()).answer(world.agency_id, None, AFTER_MAY).total.figures
    with database.tenant(world.agency_id) as connection:
        purge = text("SELECT count(*) FROM dialtrace_purge_calls(:agency, :client, :before, 10000)")
        for client in world.zones:
            connection.execute(purge, {"agency": world.agency_id, "client": client, "before": archived})
        connection.execute(delete(visits).where(visits.c.started_at < archived))
        connection.execute(delete(report_changes))
    monkeypatch.setattr(rollup_store, "archived_until", lambda _: archived)
    agree_on(database, world, AFTER_MAY, is_covered=False)
    for client in world.zones:
        roller.roll_client(world.agency_id, client)
    assert count(database, world, report_changes) == 0
    agree_on(database, world, AFTER_MAY, is_covered=True)
    agree(database, world, seed=15, count=20)
    after = ReportService(database, SystemClock()).answer(world.agency_id, None, AFTER_MAY).total.figures
    assert int(after["first_time_calls"] or 0) > int(before["first_time_calls"] or 0)
    checked = list(roller.check(first=date(2026, 6, 2), last=SPAN["last"], agency_id=world.agency_id))
    assert [(list(one.wrong), one.days > 60) for one in checked] == [([], True)] * 2


AFTER_MAY = Question(
    first=date(2026, 6, 1), last=date(2026, 9, 15), by=("channel",),
    metrics=("calls", "unique_callers", "first_time_calls", "repeat_calls", "leads"),
)  # fmt: skip


def agree_on(database: Database, world: World, question: Question, *, is_covered: bool) -> None:
    with database.tenant(world.agency_id) as connection:
        assert bool(find_reading(connection, world.agency_id, None, question).covered) == is_covered
        told = both_sums(connection, world.agency_id, None, question)
        assert told == both_sums(connection, world.agency_id, None, question, Reading())


def test_given_sums_that_are_wrong_when_checked_then_the_days_are_named_and_repaired(
    database: Database, world: World, roller: Roller
) -> None:
    with database.tenant(world.agency_id) as connection:
        row = connection.execute(
            select(report_sums.c.client_id, report_sums.c.day)
            .where(report_sums.c.calls > 0, report_sums.c.span == "day")
            .limit(1)
        ).one()
        connection.execute(
            update(report_sums)
            .where(report_sums.c.client_id == row.client_id, report_sums.c.day == row.day, report_sums.c.span == "day")
            .values(calls=report_sums.c.calls + 1)
        )  # fmt: skip
    span = {**SPAN, "agency_id": world.agency_id}
    assert {one.client_id: list(one.wrong) for one in roller.check(**span) if one.wrong} == {row.client_id: [row.day]}
    assert [one.wrong for one in roller.check(**span, repair=True) if one.wrong] == [[row.day]]
    assert not [one for one in roller.check(**span) if one.wrong]


def test_given_other_settings_or_another_zone_when_asked_then_no_old_sum_is_read(
    database: Database, world: World, roller: Roller
) -> None:
    client = next(iter(world.zones))
    question = Question(first=BEGIN, last=BEGIN + timedelta(days=100), metrics=("target_calls",), by=("date",))

    def covered() -> bool:
        with database.tenant(world.agency_id, client) as connection:
            return bool(find_reading(connection, world.agency_id, client, question).covered)

    assert covered()
    ReportService(database, SystemClock()).change_settings(world.agency_id, client, {"target": {"min_talk_s": 60}})
    assert not covered()
    roller.roll_client(world.agency_id, client)
    assert covered()
    agree(database, world, seed=3)
    with database.tenant(world.agency_id) as connection:
        connection.execute(update(clients).where(clients.c.id == client).values(time_zone="America/New_York"))
    assert not covered()
    roller.roll_client(world.agency_id, client)
    assert covered()
    agree(database, world, seed=4)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("SELECT 1 / 0", sqlalchemy.exc.DatabaseError),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)", StatementTooSlow),
    ],
)
def test_given_a_client_that_fails_when_all_are_rolled_up_then_the_others_are_and_its_age_is_told(
    database: Database,
    world: World,
    roller: Roller,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    error: type[Exception],
) -> None:
    sick, well = world.zones
    old = datetime.now(UTC) - timedelta(days=2)
    with database.tenant(world.agency_id) as connection:
        connection.execute(update(report_coverage).values(covered_until=old))
        connection.execute(
            insert(report_changes),
            [{"agency_id": world.agency_id, "client_id": sick, "from_at": old - timedelta(days=9),
              "until_at": old - timedelta(days=8)}],
        )  # fmt: skip
    make_days = rollup_make_store.make_days

    def refuse(connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, *more: Any) -> None:
        if client_id == sick:
            connection.exec_driver_sql(fault)
        make_days(connection, agency_id, client_id, *more)

    def covered() -> dict[uuid.UUID, datetime]:
        with database.tenant(world.agency_id) as connection:
            query = select(report_coverage.c.client_id, report_coverage.c.covered_until)
            return {row.client_id: row.covered_until for row in connection.execute(query)}

    with monkeypatch.context() as patch:
        patch.setattr(rollup_make_store, "make_days", refuse)
        with pytest.raises(error):
            roller.roll_up(JOB)
    assert covered()[sick] == old < covered()[well]
    assert metrics.REPORT_COVERAGE_AGE._value.get() > 2 * 86_000
    with database.tenant(world.agency_id) as connection:
        assert rollup_store.take_turn(connection, sick)
        assert roller.roll_client(world.agency_id, sick) == old
    roller.roll_up(JOB)
    assert covered()[sick] > old
    assert metrics.REPORT_COVERAGE_AGE._value.get() < 86_000


def test_given_a_client_that_moves_east_when_rolled_up_anew_then_its_first_call_is_not_counted_on_two_days(
    database: Database, world: World, roller: Roller
) -> None:
    """The first call is of the tenth where the client was, of the eleventh where it is."""
    client = TenancyService(database, SystemClock()).create_client(world.agency_id, "Far", "America/New_York").id
    call = late_call(world, random.Random(3)) | {
        "client_id": client, "started_at": datetime(2026, 3, 10, 23, 30, tzinfo=UTC),
    }  # fmt: skip
    with database.tenant(world.agency_id, client) as connection:
        connection.execute(insert(calls), [call])
    question = Question(first=BEGIN, last=BEGIN + timedelta(days=60), metrics=("calls", "unique_callers"), by=("date",))
    for zone, day in (("America/New_York", "2026-03-10"), ("Europe/Berlin", "2026-03-11")):
        with database.tenant(world.agency_id) as connection:
            connection.execute(update(clients).where(clients.c.id == client).values(time_zone=zone))
        roller.roll_client(world.agency_id, client)
        told = ReportService(database, SystemClock()).answer(world.agency_id, client, question)
        assert [(line.key, line.figures) for line in told.lines] == [((day,), {"calls": 1, "unique_callers": 1})]


def test_given_months_that_are_archived_when_asked_then_sums_and_records_agree_and_no_half_day_is_made_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """July of UTC begins at three in Moscow, and on the evening of June's last day in New York."""
    tenancy = TenancyService(database, SystemClock())
    agency = tenancy.create_agency("East").id
    zones = {tenancy.create_client(agency, zone, zone).id: zone for zone in ("Europe/Moscow", "America/New_York")}
    world = write_world(database, agency, zones, seed=12, count=400)
    moscow, archived = next(iter(zones)), datetime(2026, 7, 1, tzinfo=UTC)
    early, late = (
        late_call(world, random.Random(hour)) | {"client_id": moscow, "caller": f"+4420794600{hour}",
                                                  "started_at": archived + timedelta(hours=hour - 12)}
        for hour in (10, 14)
    )  # fmt: skip
    with database.tenant(agency) as connection:
        connection.execute(insert(calls), [early, late])
    roller = Roller(database, SystemClock())
    for client in zones:
        roller.roll_client(agency, client)
    kept = count(database, world, report_sums)
    monkeypatch.setattr(rollup_store, "archived_until", lambda _: archived)
    with database.tenant(agency) as connection:
        purge = text("SELECT count(*) FROM dialtrace_purge_calls(:agency, :client, :before, 10000)")
        for client in zones:
            connection.execute(purge, {"agency": agency, "client": client, "before": archived})
        connection.execute(delete(visits).where(visits.c.started_at < archived))
    for client in zones:
        roller.roll_client(agency, client)
    assert count(database, world, report_changes) == 0
    agree(database, world, seed=13, count=30)
    question = Question(first=archived.date(), last=archived.date(), metrics=("calls",), currency="EUR")
    for zone in ("Europe/Moscow", "Europe/Berlin"):
        with database.tenant(agency) as connection:
            connection.execute(update(clients).where(clients.c.id == moscow).values(time_zone=zone))
            connection.execute(
                insert(report_changes),
                [{"agency_id": agency, "client_id": moscow, "from_at": early["started_at"],
                  "until_at": late["started_at"]}],
            )  # fmt: skip
        roller.roll_client(agency, moscow)
        assert count(database, world, report_sums) > kept / 2
        agree(database, world, seed=14)
        with database.tenant(agency, moscow) as connection:
            (sums,) = connection.execute(
                select(func.sum(report_sums.c.calls)).where(
                    report_sums.c.client_id == moscow, report_sums.c.day == archived.date(),
                    report_sums.c.family == "calls", report_sums.c.cut == "channel", report_sums.c.span == "day",
                )
            ).one()  # fmt: skip
        figures = ReportService(database, SystemClock()).answer(agency, moscow, question).total.figures
        assert sums == int(figures["calls"] or 0) + 1  # the early one is archived


def test_given_time_that_has_passed_when_rolled_on_then_what_was_left_is_summed_up(
    database: Database, world: World, roller: Roller
) -> None:
    """Coverage that ends in the middle of a day."""
    client = next(iter(world.zones))
    for back in (timedelta(days=40, hours=7), timedelta(days=10, hours=3, minutes=20)):
        with database.tenant(world.agency_id, client) as connection:
            until = datetime.now(UTC) - back
            connection.execute(update(report_coverage).values(covered_until=until))
            connection.execute(delete(report_sums).where(report_sums.c.day >= until.date() - timedelta(days=1)))
            connection.execute(text("DELETE FROM report_callers WHERE day >= :day"),
                               {"day": until.date() - timedelta(days=1)})  # fmt: skip
            connection.execute(
                insert(report_changes),
                [{"agency_id": world.agency_id, "client_id": client, "from_at": until - timedelta(days=2),
                  "until_at": until}],
            )  # fmt: skip
        agree(database, world, seed=6)
        roller.roll_client(world.agency_id, client)
        agree(database, world, seed=6)
    assert not [one for one in roller.check(**SPAN, agency_id=world.agency_id) if one.wrong]


def test_given_a_fresh_call_when_stored_then_nothing_is_noted(database: Database, world: World, roller: Roller) -> None:
    with database.tenant(world.agency_id) as connection:
        fresh = late_call(world, random.Random(1)) | {"started_at": datetime.now(UTC) - timedelta(minutes=30)}
        connection.execute(insert(calls), [fresh])
        connection.execute(update(calls).where(calls.c.id == fresh["id"]).values(talk_ms=5))
    assert count(database, world, report_changes) == 0
    agree(database, world, seed=8, count=4)


def test_given_filters_with_more_values_than_one_when_callers_are_counted_then_nobody_is_counted_twice(
    database: Database, world: World, roller: Roller
) -> None:
    question = Question(
        first=BEGIN, last=BEGIN + timedelta(days=200), metrics=("unique_callers",),
        filters={"channel": ("paid_search", "social")},
    )  # fmt: skip
    answered = ReportService(database, SystemClock()).answer(world.agency_id, None, question).total.figures
    parts = [
        ReportService(database, SystemClock())
        .answer(world.agency_id, None, replace(question, filters={"channel": (one,)}))
        .total.figures["unique_callers"]
        for one in ("paid_search", "social")
    ]
    assert 0 < int(answered["unique_callers"] or 0) < sum(int(one or 0) for one in parts)


def test_given_the_command_when_a_day_is_wrong_then_it_says_so_and_repairs_it(
    database: Database, database_url: str, world: World, roller: Roller
) -> None:
    with database.tenant(world.agency_id) as connection:
        connection.execute(text("UPDATE report_callers SET callers = callers + 1 WHERE day = :day"),
                           {"day": BEGIN + timedelta(days=100)})  # fmt: skip
    command = report_command(
        lambda *_: load_settings(), lambda _: pytest.fail("it asks no API"), lambda _: nullcontext(database_url)
    )
    arguments = ["check", "--agency", str(world.agency_id), "--from", "2026-03-01", "--to", "2026-10-01"]
    runs = [CliRunner().invoke(command, [*arguments, *more]) for more in ([], ["--repair"], [])]
    assert [run.exit_code for run in runs] == [1, 1, 0], runs[0].output
    told = [[json.loads(line) for line in run.output.splitlines()] for run in runs]
    wrong = [sum(bool(line["wrong"]) for line in lines) for lines in told]
    assert wrong[0] == wrong[1] > wrong[2] == 0
    assert {line["days"] for line in told[0]} == {215}

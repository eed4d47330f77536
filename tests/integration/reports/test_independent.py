"""Reports against DuckDB over the exported Parquet: no word of SQL and no rule is shared, and every sum is the same.

Time zones where the clocks change on six different days, with more calls on those; settings of the client's own;
random dimensions, filters and attribution models; sums of days and records both.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from sqlalchemy import insert, text

from dialtrace.cdr.model import CallFilters
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.db.tables import calls
from dialtrace.exports.columns import chosen
from dialtrace.exports.formats import write_file
from dialtrace.exports.rows import Tenant, call_pages
from dialtrace.reports.model import Question
from dialtrace.reports.rolling import Roller
from dialtrace.reports.service import ReportService
from dialtrace.tenancy.service import TenancyService

from .world import BEGIN, World, write_touches, write_world

ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Chatham")
#: Where the clocks change: Berlin, New York, Chatham, there and back.
CHANGES = (
    date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 9, 27), date(2026, 4, 5),
)  # fmt: skip
#: Metric → its sum here. What stands in a quotient is among them.
SUMS = {
    "calls": "count(*)",
    "unique_callers": "count(DISTINCT client_id || coalesce(caller, ''))  FILTER (caller IS NOT NULL)",
    "first_time_calls": "count(*) FILTER (newness = 'first_time')",
    "repeat_calls": "count(*) FILTER (newness = 'repeat')",
    "answered": "count(*) FILTER (outcome = 'answered')",
    "missed": "count(*) FILTER (outcome <> 'answered' AND outcome <> 'blocked')",
    "blocked": "count(*) FILTER (outcome = 'blocked')",
    "slow_answers": "count(*) FILTER (outcome = 'answered' AND waited_ms > 1000 * norm_s)",
    "talk_time": "coalesce(sum(talk_ms), 0)",
    "target_calls": "count(*) FILTER (is_target)",
    "leads": "count(*) FILTER (is_target AND newness = 'first_time')",
    "sales": "count(*) FILTER (sale_amount IS NOT NULL)",
    "revenue": "coalesce(sum(sale_amount) FILTER (sale_currency = 'EUR'), 0)",
    "spam_calls": "count(*) FILTER (spam >= spam_from)",
    "confident_calls": "count(*) FILTER (source_probability >= confidence)",
}
#: What a row adds, for those that models share out.
ROWS = {
    "calls": "1", "answered": "(outcome = 'answered')::int", "talk_time": "coalesce(talk_ms, 0)",
    "target_calls": "is_target::int", "first_time_calls": "coalesce(newness = 'first_time', false)::int",
    "sales": "(sale_amount IS NOT NULL)::int",
}  # fmt: skip
WORDS = ("channel", "source", "medium", "campaign", "content", "keyword")
GROUPS = {
    "client": "client_id", "date": "strftime(day, '%Y-%m-%d')", "month": "strftime(day, '%Y-%m-01')",
    "week": "strftime(day - (isodow(day) - 1)::int, '%Y-%m-%d')", "weekday": "isodow(day)", "hour": "hour(local)",
    "number": "number", "flow": "flow_id", "target": "target_id", "outcome": "outcome", "node": "node",
    "repeat": "newness", **{word: word for word in WORDS},
}  # fmt: skip
#: How a path's touches share a call, ``n``-th of ``many``.
WEIGHTS = {
    "first": "(n = 1)::double",
    "last": "(n = many)::double",
    "linear": "1.0 / many",
    "position": "CASE WHEN many <= 2 THEN 1.0 / many WHEN n = 1 OR n = many THEN 0.4 ELSE 0.2 / (many - 2) END",
    "last_non_direct": "(n = coalesce(last_known, many))::double",
}


@dataclass
class Exported:
    """The world, and the same as files that DuckDB reads."""

    world: World
    book: duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def seed() -> int:
    return 31


@pytest.fixture
def exported(database: Database, tmp_path: Path, seed: int) -> Iterator[Exported]:
    tenancy = TenancyService(database, SystemClock())
    agency = tenancy.create_agency("North").id
    zones = {tenancy.create_client(agency, zone, zone).id: zone for zone in ZONES}
    world = write_world(database, agency, zones, seed=seed, count=700)
    write_touches(database, world, seed=seed)
    _call_while_clocks_change(database, world, random.Random(seed))
    own = next(iter(zones))
    reports = ReportService(database, SystemClock())
    reports.change_settings(
        agency, own,
        {"target": {"min_talk_s": 45, "tags_none": ["supplier"], "tags_any": ["hot", "vip"]}, "confidence": 0.5,
         "answer_norm_s": 10, "spam_from": 90},
    )  # fmt: skip
    for client in list(zones)[:2]:  # of the third everything is read from the records
        Roller(database, SystemClock()).roll_client(agency, client)
    book = duckdb.connect()
    try:
        _read_export(database, world, own, tmp_path, book)
        yield Exported(world, book)
    finally:
        book.close()


def _call_while_clocks_change(database: Database, world: World, rng: random.Random) -> None:
    like = [one for one in world.calls if not one["is_test"] and one["caller"]]
    rows = []
    for day in CHANGES:
        for _ in range(40):
            one = rng.choice(like)
            began = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=rng.randrange(-1200, 2400))
            rows.append(
                {name: one[name] for name in ("agency_id", "client_id", "number", "caller", "node", "flow_id")}
                | {"id": uuid.UUID(int=rng.getrandbits(128)), "started_at": began, "decided_by": "worker",
                   "outcome": rng.choice(["answered", "no_answer"]), "digest": b"", "facts": {}, "talk_ms": None}
            )  # fmt: skip
    with database.tenant(world.agency_id) as connection:
        connection.execute(insert(calls), rows)


def _read_export(
    database: Database, world: World, own: uuid.UUID, folder: Path, book: duckdb.DuckDBPyConnection
) -> None:
    for client, zone in world.zones.items():
        tenant = Tenant(database, world.agency_id, client)
        with (folder / f"calls-{client}.parquet").open("wb") as file:
            write_file(
                "parquet", file, chosen("calls", None), call_pages(tenant, CallFilters()), ZoneInfo(zone), bom=False
            )
    for table in ("call_assessments", "touches", "visits"):
        _dump(database, world.agency_id, table, folder / f"{table}.parquet")
        book.execute(f"CREATE VIEW {table} AS SELECT * FROM '{folder}/{table}.parquet'")
    book.execute(f"CREATE VIEW exported AS SELECT * FROM '{folder}/calls-*.parquet'")
    book.execute("CREATE TABLE clients (client_id text, zone text, own boolean)")
    book.executemany(
        "INSERT INTO clients VALUES (?, ?, ?)", [[str(one), zone, one == own] for one, zone in world.zones.items()]
    )
    book.execute(
        """
        CREATE TABLE told AS
        WITH known AS (
            SELECT e.* REPLACE (CAST(e.id AS text) AS id, CAST(e.client_id AS text) AS client_id), k.own, k.zone,
                timezone(k.zone, e.started_at) AS local, coalesce(e.spam_score, 0) AS spam,
                CASE WHEN k.own THEN 10 ELSE 20 END AS norm_s, CASE WHEN k.own THEN 90 ELSE 70 END AS spam_from,
                CASE WHEN k.own THEN 0.5 ELSE 0.8 END AS confidence,
                date_diff('microsecond', e.started_at, e.connected_at) / 1000.0 AS waited_ms,
                coalesce(CAST(CAST(e.tags AS json) AS text[]), []) || coalesce(m.tags, []) AS all_tags,
                m.sale_amount, m.sale_currency
            FROM exported e JOIN clients k ON k.client_id = CAST(e.client_id AS text)
            LEFT JOIN call_assessments m ON m.call_id = CAST(e.id AS text) WHERE NOT e.is_test)
        SELECT *, CAST(local AS date) AS day,
            CASE WHEN caller IS NULL THEN NULL
                 WHEN started_at > min(started_at) OVER (PARTITION BY client_id, caller) THEN 'repeat'
                 ELSE 'first_time' END AS newness,
            outcome = 'answered' AND coalesce(talk_ms, 0) >= CASE WHEN own THEN 45000 ELSE 30000 END
                AND spam < spam_from AND (NOT own OR (
                    list_has_any(all_tags, ['hot', 'vip']) AND NOT list_contains(all_tags, 'supplier'))) AS is_target
        FROM known
        """
    )


def _dump(database: Database, agency_id: uuid.UUID, table: str, path: Path) -> None:
    """A table as it is, ids as text, without what is no plain value."""
    with database.tenant(agency_id) as connection:
        found = connection.execute(text(f"SELECT * FROM {table}")).mappings().all()
    rows = [
        {
            name: str(value) if isinstance(value, uuid.UUID) else value
            for name, value in row.items()
            if not isinstance(value, dict | bytes | memoryview)
        }
        for row in found
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def spans(rng: random.Random) -> tuple[date, date]:
    """Around a day on which some clock changes, or any."""
    if rng.random() < 0.5:
        day = rng.choice(CHANGES)
        return day - timedelta(days=rng.randrange(3)), day + timedelta(days=rng.randrange(3))
    first = BEGIN + timedelta(days=rng.randrange(200))
    return first, first + timedelta(days=rng.choice([0, 6, 30, 95, 150]))


def filters_of(rng: random.Random, exported: Exported) -> dict[str, tuple[str | None, ...]]:
    found: dict[str, tuple[str | None, ...]] = {}
    for name in rng.sample(["channel", "source", "weekday", "hour", "outcome", "number", "repeat", "target"], 8):
        if rng.random() < 0.15:
            column = GROUPS[name]
            known = exported.book.execute(f"SELECT DISTINCT {column} AS v FROM told ORDER BY v").fetchall()
            values = [None if value is None else str(value) for (value,) in known]
            found[name] = tuple(rng.sample(values, min(len(values), rng.choice([1, 1, 2, 4]))))
    return found


def _where(question: Question, client: uuid.UUID | None, columns: dict[str, str]) -> tuple[str, list[Any]]:
    words, bound = ["day BETWEEN ? AND ?"], [question.first, question.last]
    if client is not None:
        words.append("client_id = ?")
        bound.append(str(client))
    for name, values in question.filters.items():
        known = [value for value in values if value is not None]
        either = [f"CAST({columns[name]} AS text) = ?"] * len(known) + [f"{columns[name]} IS NULL"] * (None in values)
        words.append(f"({' OR '.join(either)})")
        bound += known
    return " AND ".join(words), bound


def computed(
    exported: Exported, question: Question, client: uuid.UUID | None, sums: dict[str, str], rows: str = "told"
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    where, bound = _where(question, client, GROUPS)
    columns = [GROUPS[name] for name in question.by]
    query = f"SELECT {', '.join([*columns, *(sums[name] for name in question.metrics)])} FROM {rows} WHERE {where}"
    query += f" GROUP BY {', '.join(str(place + 1) for place in range(len(columns)))}" if columns else ""
    count = len(columns)
    return {tuple(row[:count]): tuple(row[count:]) for row in exported.book.execute(query, bound).fetchall()}


def told(database: Database, exported: Exported, question: Question, client: uuid.UUID | None) -> dict[Any, Any]:
    report = ReportService(database, SystemClock()).answer(exported.world.agency_id, client, question)
    lines = report.lines if question.by else [report.total]
    return {line.key: tuple(line.figures[name] for name in question.metrics) for line in lines}


def pick(rng: random.Random, clients: Sequence[uuid.UUID]) -> uuid.UUID | None:
    return rng.choice([None, *clients])


def test_given_random_questions_when_computed_from_the_export_then_every_sum_is_the_same(
    database: Database, exported: Exported, seed: int
) -> None:
    rng = random.Random(seed)
    lines = 0
    for _ in range(60):
        first, last = spans(rng)
        question = Question(
            first=first, last=last, by=tuple(rng.sample(sorted(GROUPS), rng.choice([0, 1, 1, 2, 3]))), most=5_000,
            filters=filters_of(rng, exported), metrics=tuple(rng.sample(sorted(SUMS), 8)),
        )  # fmt: skip
        client = pick(rng, list(exported.world.zones))
        here = told(database, exported, question, client)
        assert here == computed(exported, question, client, SUMS), (question, client)
        lines += len(here)
    assert lines > 150


def test_given_days_on_which_clocks_change_when_computed_then_every_hour_is_where_it_was(
    database: Database, exported: Exported
) -> None:
    for day in CHANGES:
        question = Question(
            first=day, last=day, by=("client", "date", "hour"), metrics=("calls", "unique_callers", "answered"),
        )  # fmt: skip
        here = told(database, exported, question, None)
        assert here == computed(exported, question, None, SUMS)
        assert len(here) > 10
    # In Berlin there was no hour from two to three, and one of them twice.
    berlin = next(iter(exported.world.zones))
    spring = Question(first=CHANGES[0], last=CHANGES[0], by=("hour",), metrics=("calls",))
    assert (2,) not in told(database, exported, spring, berlin)


def test_given_visits_when_computed_then_they_are_those_of_the_days_there(
    database: Database, exported: Exported
) -> None:
    question = Question(
        first=BEGIN, last=BEGIN + timedelta(days=250), by=("client", "month", "channel"), metrics=("visits",)
    )
    query = """
        SELECT v.client_id, strftime(CAST(timezone(k.zone, v.started_at) AS date), '%Y-%m-01'), v.channel, count(*)
        FROM visits v JOIN clients k USING (client_id) WHERE NOT v.is_bot AND NOT v.is_preview
            AND CAST(timezone(k.zone, v.started_at) AS date) BETWEEN ? AND ? GROUP BY ALL
    """
    rows = exported.book.execute(query, [question.first, question.last]).fetchall()
    assert told(database, exported, question, None) == {tuple(row[:3]): (row[3],) for row in rows}


@pytest.mark.parametrize("model", sorted(WEIGHTS))
def test_given_a_model_when_computed_from_touches_then_calls_are_shared_out_in_the_same_way(
    database: Database, exported: Exported, seed: int, model: Any
) -> None:
    rng = random.Random(seed)
    _share_out(exported.book, WEIGHTS[model])
    for _ in range(12):
        first, last = spans(rng)
        by = (rng.choice(WORDS), *rng.sample(["month", "target", "outcome", "source"], 1))
        question = Question(
            first=first, last=last, by=tuple(dict.fromkeys(by)), metrics=tuple(ROWS), most=5_000, model=model,
            filters=rng.choice([{}, {"outcome": ("answered",)}, {"channel": ("social", None)}]),
        )  # fmt: skip
        client = pick(rng, list(exported.world.zones))
        here = told(database, exported, question, client)
        sums = {name: f"sum(share * ({row}))" for name, row in ROWS.items()}
        there = computed(exported, question, client, sums, rows="shared")
        # A millionth of a call is the smallest part there is, and is rounded; nothing that small is a line.
        for key in here.keys() | there.keys():
            ours = here.get(key, (Decimal(0),) * len(ROWS))
            for name, mine, other in zip(ROWS, ours, there.get(key, (0.0,) * len(ROWS)), strict=True):
                assert float(mine) == pytest.approx(other, abs=1e-3 if name != "talk_time" else 20), (
                    question,
                    key,
                    name,
                )


def _share_out(book: duckdb.DuckDBPyConnection, weight: str) -> None:
    """A row for each source of a call, and one for what belongs to nobody."""
    words = ", ".join(WORDS)
    book.execute("DROP TABLE IF EXISTS shared")
    book.execute(
        f"""
        CREATE TABLE shared AS
        WITH met AS (
            SELECT t.*, row_number() OVER path AS n, count(*) OVER whole AS many,
                max(CASE WHEN coalesce(t.channel, 'direct') <> 'direct' THEN t.place END) OVER whole AS last_place
            FROM touches t JOIN told c ON c.id = t.call_id AND c.attribution_revision = t.revision
            WHERE t.touched_at <= c.started_at AND t.touched_at >= c.started_at - INTERVAL 30 DAY
            WINDOW path AS (PARTITION BY t.call_id, t.path ORDER BY t.touched_at),
                   whole AS (PARTITION BY t.call_id, t.path)),
        ranked AS (
            SELECT *, max(CASE WHEN place = last_place THEN n END) OVER (PARTITION BY call_id, path) AS last_known
            FROM met),
        given AS (
            SELECT call_id, {words}, sum(probability * ({weight})) AS share FROM ranked
            WHERE channel IS NOT NULL OR source IS NOT NULL GROUP BY ALL),
        nobody AS (
            SELECT c.id AS call_id, 1 - coalesce((SELECT sum(g.share) FROM given g WHERE g.call_id = c.id), 0) AS share
            FROM told c),
        parts AS (
            SELECT call_id, {words}, share FROM given WHERE share > 0
            UNION ALL SELECT call_id, {", ".join("NULL" for _ in WORDS)}, share FROM nobody WHERE share > 1e-6)
        SELECT c.* EXCLUDE ({words}), p.* EXCLUDE (call_id) FROM told c JOIN parts p ON p.call_id = c.id
        """
    )

"""How fast reports are: each against ``count(*)`` over the same filter on the raw rows, in the same run.

Run it by itself: ``python loadtest/bench_reports.py [--calls N] [--rounds N]`` (ten million calls if nothing is said).
A real PostgreSQL with its usual safety; a year of calls of ten clients, the largest with half of them, each with its
attribution, one in ten with an assessment, comes by COPY in the order of time with triggers off; then the job sums the
days up. ``--one-caller``: the share of calls that one caller makes. Questions are asked as the API asks them, about the
largest client, up to this moment: the last hour and a half is in no sum. ``--folder`` keeps the database, and asks the
one that is there (a run that was stopped goes on where it was): ten million calls need more time than one sitting.
``--until filled|summed`` ends before what comes next.
Before anything is timed, sums and records are compared. Prints one line of JSON at the end: ``report_vs_raw`` is the
worst p95 of a report of more than a day over that of its count. Exit status: 0; 1 if a figure is not what the records
say; 2 if it could not measure; 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import psutil
import psycopg2

from dialtrace.clock import SystemClock
from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database, libpq_url
from dialtrace.db.migrate import upgrade
from dialtrace.loadtest.bench_end import ended
from dialtrace.reports import rollup_make_store, store
from dialtrace.reports.adding import both_sums
from dialtrace.reports.model import Question
from dialtrace.reports.named import RECIPES, Kind, compared_days, days_of, question_of
from dialtrace.reports.rolling import Roller
from dialtrace.reports.rollup_model import Reading
from dialtrace.reports.service import ReportService
from dialtrace.tenancy.service import TenancyService

CALLS, ROUNDS, DAYS, CLIENTS, CHUNK = 10_000_000, 20, 365, 10, 50_000
CHANNELS = ("paid_search", "social", "organic", "direct", "referral", "email")
_NO_BYTES = "\\\\x"
_CALL_COLUMNS = (
    "agency_id, id, started_at, client_id, number, caller, node, decided_by, outcome, digest, connected_at, talk_ms,"
    " flow_id, target_id"
)
_ATTRIBUTION_COLUMNS = (
    "agency_id, call_id, revision, client_id, call_started_at, method, channel, source, campaign, keyword,"
    " source_probability, digest"
)
_ASSESSMENT_COLUMNS = (
    "agency_id, call_id, client_id, call_started_at, tags, score, sale_amount, sale_currency, version, updated_at"
)


@dataclass(frozen=True)
class Asked:
    """A report and the count that it is held against. ``is_day``: of one day only."""

    name: str
    report: Callable[[], object]
    counts: Sequence[Question]
    is_day: bool = False


@dataclass
class Kept:
    """What a folder's database holds, and how long that took."""

    calls: int
    seed: int
    one_caller: float
    agency: str = ""
    clients: Sequence[str] = ()
    chunks: int = 0
    filled_s: float = 0.0
    summed_s: float = 0.0
    began_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    @property
    def now(self) -> datetime:
        """The end of its year."""
        return datetime.fromisoformat(self.began_at)


def chunk_of(
    agency: UUID, clients: Sequence[UUID], place: int, *, count: int, seed: int, one_caller: float, now: datetime
) -> tuple[str, str, str]:
    """Text for COPY: calls, attributions, assessments, of the ``place``-th slice of the year. More calls by day than by
    night, callers who come again, and words of which a few are frequent and many are rare."""
    rng = random.Random(seed * 1_000_003 + place)
    calls, attributions, assessments = io.StringIO(), io.StringIO(), io.StringIO()
    first, size = place * CHUNK, min(CHUNK, count - place * CHUNK)
    for when in sorted(rng.random() for _ in range(size)):
        began = now - timedelta(seconds=(1 - (first + when * size) / count) * DAYS * 86_400)
        if began.hour < 6 and rng.random() < 0.8:
            began = min(began + timedelta(hours=8), now)
        client = clients[0] if rng.random() < 0.5 else rng.choice(clients)
        call = UUID(int=rng.getrandbits(128))
        answered = rng.random() < 0.8
        caller = f"+7916{min(int(rng.expovariate(3 / count)), 9_999_998):07}"
        if rng.random() < one_caller:
            caller = "+79169999999"
        outcome = "answered" if answered else rng.choice(("no_answer", "busy", "caller_cancelled"))
        connected = began + timedelta(seconds=rng.expovariate(1 / 12)) if answered else None
        talked, target = int(rng.expovariate(1 / 90_000)), UUID(int=rng.randrange(25))
        calls.write(
            _line(agency, call, began, client, f"+7495000{rng.randrange(60):04}", caller, "node-1", "worker",
                  outcome, _NO_BYTES, connected, talked if answered else None, UUID(int=rng.randrange(8)),
                  target if answered else None)
        )  # fmt: skip
        channel = CHANNELS[min(int(rng.expovariate(0.7)), 5)]
        campaign, keyword = min(int(rng.expovariate(0.3)), 19), min(int(rng.expovariate(0.05)), 199)
        attributions.write(
            _line(agency, call, 1, client, began, "visit", channel, f"{channel}-{rng.randrange(3)}",
                  f"campaign-{campaign}", f"keyword-{keyword}", round(rng.random(), 3), _NO_BYTES)
        )  # fmt: skip
        if rng.random() < 0.1:
            sale = (rng.randrange(1, 9000), "EUR") if rng.random() < 0.4 else (None, None)
            assessments.write(_line(agency, call, client, began, "{}", rng.randrange(101), *sale, 1, now))
    return calls.getvalue(), attributions.getvalue(), assessments.getvalue()


def _line(*values: object) -> str:
    """As COPY reads it."""
    return "\t".join("\\N" if value is None else str(value) for value in values) + "\n"


def fill(url: str, kept: Kept, save: Callable[[], None]) -> None:
    """Puts the calls there that are not yet. A slice that was put there and not noted is refused by its keys."""
    tables = (
        ("calls", _CALL_COLUMNS),
        ("attributions", _ATTRIBUTION_COLUMNS),
        ("call_assessments", _ASSESSMENT_COLUMNS),
    )
    connection = psycopg2.connect(libpq_url(url))
    try:
        with connection, connection.cursor() as cursor:
            first = (kept.now - timedelta(days=DAYS)).date().replace(day=1)
            cursor.execute("SET ROLE dialtrace_owner")
            cursor.execute("SELECT dialtrace_make_partitions(%s, 14)", (first,))
            cursor.execute("RESET ROLE")
            cursor.execute("SET session_replication_role = replica")
        make = partial(
            chunk_of, UUID(kept.agency), [UUID(one) for one in kept.clients], count=kept.calls, seed=kept.seed,
            one_caller=kept.one_caller, now=kept.now,
        )  # fmt: skip
        places = range(kept.chunks, -(-kept.calls // CHUNK))
        # One is made while the one before is written.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            began_s = time.monotonic()
            for texts in pool.imap(make, places):
                with connection, connection.cursor() as cursor:
                    for (table, columns), text in zip(tables, texts, strict=True):
                        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", io.StringIO(text))
                kept.chunks += 1
                kept.filled_s, began_s = kept.filled_s + time.monotonic() - began_s, time.monotonic()
                save()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = origin; SET statement_timeout = 0")
            cursor.execute("VACUUM (ANALYZE) calls, attributions, call_assessments")
    finally:
        connection.close()


def questions(reports: ReportService, agency: UUID, client: UUID, rng: random.Random) -> list[Asked]:
    """The reports by name, and what people ask of the dictionary most, about days that chance takes."""
    today = datetime.now(UTC).date()
    day = today - timedelta(days=rng.randrange(0, 300))
    found = [_named(reports, agency, client, kind, day) for kind in ("daily", "weekly", "monthly")]
    last = today - timedelta(days=rng.randrange(0, 60))
    month, year = last - timedelta(days=29), last - timedelta(days=DAYS - 62)
    for name, first, by, filters, metrics in (
        ("month_by_channel", month, ("channel",), {}, ("calls", "unique_callers", "target_calls", "sales")),
        ("month_by_day", month, ("date",), {}, ("calls", "unique_callers", "answered", "missed")),
        ("month_by_keyword_of_a_channel", month, ("keyword",), {"channel": ("paid_search",)}, ("calls", "leads")),
        ("month_by_target", month, ("target",), {}, ("answered", "time_to_answer", "slow_answers")),
        ("month_by_weekday_and_hour", month, ("weekday", "hour"), {}, ("calls", "missed")),
        ("year_by_month", year, ("month",), {}, ("calls", "unique_callers", "target_calls", "revenue")),
        ("year_by_campaign", year, ("channel", "source", "campaign"), {}, ("calls", "target_calls", "revenue")),
    ):
        question = Question(first=first, last=last, metrics=metrics, by=by, filters=filters)
        found.append(Asked(name, lambda asked=question: reports.answer(agency, client, asked), [question]))
    return found


def _named(reports: ReportService, agency: UUID, client: UUID, kind: Kind, day: date) -> Asked:
    first, last = days_of(kind, day)
    compared = compared_days(kind, first, "previous")
    asked = [question_of(recipe, first, last, compared, "EUR") for recipe in RECIPES[kind]]
    # The count of every section's days, and of those that it is compared with.
    counts = asked + [
        replace(one, first=one.against[0], last=one.against[1], against=None) for one in asked if one.against
    ]
    return Asked(kind, lambda: reports.make_named(agency, client, kind, day), counts, is_day=kind == "daily")


def agree(database: Database, agency: UUID, client: UUID, asked: Sequence[Asked]) -> list[str]:
    """Names of reports whose sums are not those of the records."""
    wrong = []
    for one in asked:
        for question in one.counts:
            with database.tenant(agency, client) as connection:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                told = both_sums(connection, agency, client, question)
                if told != both_sums(connection, agency, client, question, Reading()):
                    wrong.append(one.name)
    return wrong


def count(database: Database, agency: UUID, client: UUID, asked: Asked) -> None:
    for question in asked.counts:
        plain = replace(question, by=(), against=None)
        with database.tenant(agency, client) as connection:
            store.add_up(connection, agency, client, plain, family="calls", measures=("calls",))


def p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[max(0, -(-len(seconds) * 95 // 100) - 1)]


def ask(
    database: Database, reports: ReportService, agency: UUID, client: UUID, rounds: int
) -> dict[str, dict[str, float | bool]]:
    """Report and count in turns, so that whatever the machine does meanwhile meets both."""
    took: dict[str, tuple[list[float], list[float], bool]] = {}
    rng = random.Random(3)
    for _ in range(rounds):
        for one in questions(reports, agency, client, rng):
            of_report, of_count, _ = took.setdefault(one.name, ([], [], one.is_day))
            began_s = time.perf_counter()
            one.report()
            of_report.append(time.perf_counter() - began_s)
            began_s = time.perf_counter()
            count(database, agency, client, one)
            of_count.append(time.perf_counter() - began_s)
    return {
        name: {"report_p95_ms": round(p95(ours) * 1000, 1), "count_p95_ms": round(p95(raw) * 1000, 1),
               "ratio": round(p95(ours) / p95(raw), 3), "is_day": is_day}
        for name, (ours, raw, is_day) in took.items()
    }  # fmt: skip


def sizes(url: str) -> dict[str, int]:
    """Bytes on the disk, indexes included."""
    connection = psycopg2.connect(libpq_url(url))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(pg_total_relation_size(oid)) FILTER (WHERE relname LIKE 'report\\_%'),"
                " sum(pg_total_relation_size(oid)) FILTER (WHERE relname LIKE 'calls\\_%'"
                " OR relname LIKE 'attributions%'"
                " OR relname LIKE 'call\\_assessments%') FROM pg_class WHERE relkind = 'r'"
            )
            sums, raw = cursor.fetchone() or (0, 0)
    finally:
        connection.close()
    return {"sums_bytes": int(sums or 0), "records_bytes": int(raw or 0)}


def measure(kept: Kept, folder: Path, rounds: int, until: str) -> int:
    """Everything that is not done yet, one after another; the exit status."""
    file, load = folder / "bench.json", round(psutil.getloadavg()[0], 1)
    server = start_embedded(folder / "postgres")
    database = Database(server.url, pool_size=2, statement_timeout_ms=1_800_000)

    def save() -> None:
        file.write_text(json.dumps(asdict(kept)), encoding="utf-8")

    try:
        if not kept.agency:
            upgrade(server.url)
            tenancy = TenancyService(database, SystemClock())
            kept.agency = str(tenancy.create_agency("Bench").id)
            zone = "Europe/Berlin"
            kept.clients = [
                str(tenancy.create_client(UUID(kept.agency), f"Client {n}", zone).id) for n in range(CLIENTS)
            ]
            save()
        fill(server.url, kept, save)
        agency, clients = UUID(kept.agency), [UUID(one) for one in kept.clients]
        if until == "filled":
            return 0
        roller = Roller(database, SystemClock())
        for client in clients:
            began_s = time.monotonic()
            roller.roll_client(agency, client)
            kept.summed_s += time.monotonic() - began_s
            save()
        if until == "summed":
            return 0
        analyse(server.url)
        day_s = sum_a_day(database, agency, clients[0])
        reports = ReportService(database, SystemClock())
        wrong = agree(database, agency, clients[0], questions(reports, agency, clients[0], random.Random(1)))
        took = ask(database, reports, agency, clients[0], rounds)
        figures = {
            "cores": os.cpu_count(), "load_before": load, "calls": kept.calls, "one_caller": kept.one_caller,
            "rounds": rounds, "filled_per_s": round(kept.calls / kept.filled_s),
            "summed_up_per_s": round(kept.calls / kept.summed_s), "one_day_s": round(day_s, 2),
            **sizes(server.url), "reports": took,
        }  # fmt: skip
    finally:
        database.dispose()
        server.stop()
    if wrong:
        print(f"not what the records say: {', '.join(sorted(set(wrong)))}", file=sys.stderr)
    worst = max(float(one["ratio"]) for one in took.values() if not one["is_day"])
    print(json.dumps({"bench": "reports", "figures": figures, "ratio": {"report_vs_raw": worst}}))
    return 1 if wrong else 0


def analyse(url: str) -> None:
    """As autovacuum does in its own time."""
    connection = psycopg2.connect(libpq_url(url))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM (ANALYZE) report_sums, report_callers")
    finally:
        connection.close()


def sum_a_day(database: Database, agency: UUID, client: UUID) -> float:
    """How many seconds it takes to make one day anew, as every quarter of an hour for the day that runs."""
    now = datetime.now(UTC)
    with database.tenant(agency, client) as connection:
        began_s = time.monotonic()
        rollup_make_store.make_days(connection, agency, client, "Europe/Berlin", [now.date() - timedelta(days=9)], now)
        return time.monotonic() - began_s


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one-caller", type=float, default=0.0, help="share of calls that one caller makes")
    parser.add_argument("--folder", type=Path, help="where the database is kept for the next run")
    parser.add_argument("--until", choices=["filled", "summed", "asked"], default="asked")
    told = parser.parse_args(arguments)
    if told.until != "asked" and told.folder is None:
        parser.error("--until needs --folder: nothing would be left of it")

    def run() -> int:
        if told.folder is None:
            with tempfile.TemporaryDirectory(prefix="dialtrace-bench-reports-") as name:
                Path(name).chmod(0o755)
                return measure(Kept(told.calls, told.seed, told.one_caller), Path(name), told.rounds, told.until)
        told.folder.mkdir(parents=True, exist_ok=True)
        file = told.folder / "bench.json"
        kept = Kept(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None
        if kept is not None and (kept.calls, kept.seed, kept.one_caller) != (told.calls, told.seed, told.one_caller):
            parser.error(f"in {told.folder} are {kept.calls} calls of other options: choose another folder")
        return measure(kept or Kept(told.calls, told.seed, told.one_caller), told.folder, told.rounds, told.until)

    return ended(run)


if __name__ == "__main__":
    sys.exit(main())

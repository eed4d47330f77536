"""What prices cost: calls rated a second, against the same calls inserted and nothing else.

Run it by itself: ``python loadtest/bench_rating.py [--calls N]``. A real PostgreSQL with its usual safety; calls, each
with a forwarded leg and its event, come by the cheapest way there is (``INSERT … SELECT``, the application's role,
5,000 at a time), and are then rated as the job does it: for both sides, by price books with packages, into charges, the
ledger and the calls' own costs. Prints one line of JSON at the end. Exit status: 0; 1 if the books do not balance; 2 if
it could not measure; 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psutil

from dialtrace.billing.books import PriceBooks
from dialtrace.billing.model import AccountValues, NewEdition, Package, Rate, Side
from dialtrace.billing.rating import Rater
from dialtrace.billing.service import BillingService
from dialtrace.clock import SystemClock
from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database
from dialtrace.db.migrate import upgrade
from dialtrace.events.service import sequence
from dialtrace.jobs.service import JobQueue
from dialtrace.loadtest.bench_end import ended
from dialtrace.tenancy.service import TenancyService

BATCH = 5_000
_INSERT = """
WITH made AS (
    SELECT gen_random_uuid() AS id, now() - random() * interval '20 days' AS started_at, n
    FROM generate_series(1, %(n)s) n
), calls_made AS (
    INSERT INTO calls (agency_id, id, started_at, client_id, number, node, decided_by, outcome, digest, billed_ms,
                       spam_score, duration_ms, talk_ms, facts)
    SELECT %(agency)s, id, started_at, %(client)s, '+44207946' || lpad((n %% 1000)::text, 4, '0'), 'node-1', 'worker',
           'answered', '\\x00', 1000 + (random() * 600000)::bigint, 10, 60000, 50000, '{"trail": "start"}'
    FROM made RETURNING id, started_at
), legs_made AS (
    INSERT INTO legs (agency_id, id, call_started_at, call_id, client_id, address, outcome, talk_ms, trunk,
                      connected_at, digest)
    SELECT %(agency)s, gen_random_uuid(), started_at, id, %(client)s, 'sip:+447700900123@sip.north.example', 'answered',
           1000 + (random() * 600000)::bigint, 'north', started_at, '\\x00' FROM made
)
INSERT INTO events (agency_id, id, client_id, type, call_id, occurred_at, data)
SELECT %(agency)s, gen_random_uuid(), %(client)s, 'call.ended', id, started_at,
       jsonb_build_object('started_at', started_at) FROM made
"""


def prepare(database: Database) -> tuple[UUID, UUID]:
    """An agency and a client with accounts and prices."""
    clock = SystemClock()
    tenancy = TenancyService(database, clock)
    agency = tenancy.create_agency("Bench").id
    client = tenancy.create_client(agency, "Bench").id
    books, billing = PriceBooks(database, clock), BillingService(database, clock, JobQueue(database))
    sides: tuple[tuple[Side, UUID | None], ...] = (("client", client), ("agency", None))
    for side, payer in sides:
        book = books.create_book(agency, side=side, name="Bench", currency="GBP").id
        books.add_edition(agency, book, edition())
        billing.open_account(agency, payer, AccountValues(price_book_id=book), currency="GBP", time_zone="UTC")
    return agency, client


def edition() -> NewEdition:
    """Ten thousand prefixes, as a carrier's list has, and free minutes."""
    amount = Decimal("0.0125")
    rates = [Rate(meter="minute", direction="outbound", prefix=f"+{9000 + n}", amount=amount) for n in range(999)]
    rates += [Rate(meter="minute", direction="outbound", prefix=f"+447{n}", amount=amount) for n in range(9000)]
    rates += [
        Rate(meter="minute", direction="outbound", prefix="+44", amount=amount, initial_s=1, increment_s=1),
        Rate(meter="minute", direction="inbound", amount=amount, package="free", initial_s=30, increment_s=6),
        Rate(meter="spam_check", amount=Decimal("0.001")),
    ]
    packages = [Package(name="free", quantity=1000)]
    return NewEdition(valid_from=datetime(2020, 1, 1, tzinfo=UTC), places=6, rates=rates, packages=packages)


def insert(database: Database, agency: UUID, client: UUID, calls: int) -> float:
    """The calls alone; how many seconds."""
    began_s = time.monotonic()
    for _ in range(calls // BATCH):
        with database.tenant(agency) as connection:
            connection.exec_driver_sql(_INSERT, {"agency": agency, "client": client, "n": BATCH})
    return time.monotonic() - began_s


def rate(database: Database, agency: UUID) -> tuple[int, float]:
    """As the job does it; how many calls, and in how many seconds."""
    while sequence(database, agency, 50_000):
        pass
    rater = Rater(database, SystemClock())
    began_s = time.monotonic()
    done, has_more = 0, True
    while has_more:
        seen, has_more = rater.rate_once(agency)
        done += seen
    return done, time.monotonic() - began_s


def balanced(database: Database, agency: UUID, calls: int) -> bool:
    """Every call is rated, and the ledger has what the charges say."""
    with database.tenant(agency) as connection:
        rated = connection.exec_driver_sql("SELECT count(*) FROM calls WHERE cost_revision = revision").scalar_one()
        sums = "SELECT (SELECT sum(amount) FROM call_charges), (SELECT -sum(balance) FROM billing_accounts)"
        charged, booked = connection.exec_driver_sql(sums).one()
    return bool(rated == calls and charged == booked and charged > 0)


def measure(calls: int) -> int:
    """Everything, one after another; the exit status."""
    calls = max(BATCH, calls // BATCH * BATCH)
    with tempfile.TemporaryDirectory(prefix="dialtrace-bench-rating-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = start_embedded(folder / "postgres")
        database = Database(server.url, pool_size=2, statement_timeout_ms=600_000)
        try:
            upgrade(server.url)
            agency, client = prepare(database)
            # The first of each is slower: plans, caches, files that grow.
            insert(database, agency, client, BATCH)
            rate(database, agency)
            load = round(psutil.getloadavg()[0], 1)
            inserted_s = insert(database, agency, client, calls)
            rated, rated_s = rate(database, agency)
            whole = rated == calls and balanced(database, agency, calls + BATCH)
        finally:
            database.dispose()
            server.stop()
    figures = {
        "cores": os.cpu_count(), "load_before": load, "calls": calls,
        "inserted_per_s": round(calls / inserted_s), "rated_per_s": round(calls / rated_s),
    }  # fmt: skip
    if not whole:
        print(f"the books do not balance: {calls} calls were put, {rated} are rated", file=sys.stderr)
    print(
        json.dumps(
            {"bench": "rating", "figures": figures, "ratio": {"rated_vs_insert": round(inserted_s / rated_s, 3)}}
        )
    )
    return 0 if whole else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200_000, help="how many, in thousands of five")
    options = parser.parse_args(arguments)
    return ended(lambda: measure(options.calls))


if __name__ == "__main__":
    sys.exit(main())

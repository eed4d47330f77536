"""Calls get their prices: exactly, once in effect, and another one never in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy.exc
from sqlalchemy import Engine, text

from dialtrace.billing import rating, store
from dialtrace.billing.rating import Rater
from dialtrace.billing.service import BillingService
from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseError
from dialtrace.jobs.model import Done, Job

from .books import AGENCY, CLIENTS, ZONES, Made, money, put_calls, rows, some_calls
from .reckoning import Payer

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 10, 12, 30, tzinfo=UTC)

STANDARD: list[Any] = [
    (
        LONG_AGO, 4, "half_up",
        [
            {"meter": "minute", "direction": "inbound", "amount": "0.019999"},
            {"meter": "minute", "direction": "inbound", "prefix": "+44", "amount": "0.0125", "initial_s": 30,
             "increment_s": 6, "package": "free"},
            {"meter": "minute", "direction": "inbound", "prefix": "+4420", "amount": "0.01", "initial_s": 1,
             "increment_s": 1, "setup": "0.005"},
            {"meter": "minute", "direction": "inbound", "prefix": "+7", "amount": "0.033333", "initial_s": 0,
             "increment_s": 1, "minimum": "0.01"},
            {"meter": "minute", "direction": "outbound", "amount": "0.09", "package": "abroad"},
            {"meter": "minute", "direction": "outbound", "prefix": "+447", "amount": "0.0451", "initial_s": 1,
             "increment_s": 1},
            {"meter": "spam_check", "amount": "0.002", "package": "checks"},
        ],
        {"free": 60_000, "abroad": 12_000, "checks": 100},
    ),
    (
        AUTUMN, 2, "half_even",
        [
            {"meter": "minute", "direction": "inbound", "amount": "0.02", "initial_s": 1, "increment_s": 1,
             "package": "free"},
            {"meter": "minute", "direction": "outbound", "prefix": "+44", "amount": "0.05"},
        ],
        {"free": 90_000},
    ),
]  # fmt: skip
ROUNDED_UP: list[Any] = [
    (LONG_AGO, 3, "up", [{"meter": "minute", "direction": "inbound", "amount": "0.0101", "increment_s": 1,
                          "initial_s": 1}], {}),
]  # fmt: skip
WHOLESALE: list[Any] = [
    (
        LONG_AGO, 6, "down",
        [
            {"meter": "minute", "direction": "inbound", "amount": "0.004", "initial_s": 1, "increment_s": 1,
             "package": "bulk"},
            {"meter": "minute", "direction": "outbound", "amount": "0.021", "initial_s": 1, "increment_s": 1},
            {"meter": "spam_check", "amount": "0.0007"},
        ],
        {"bulk": 600_000},
    ),
]  # fmt: skip


def parts_of(call: Made) -> list[tuple[str, str, str, int]]:
    """As a person would list them: incoming minutes, each forwarded leg, the check of the caller."""
    found = []
    if call.billed_ms:
        found.append(("minute", "inbound", call.number, -(-call.billed_ms // 1000)))
    found += [("minute", "outbound", number, -(-talk // 1000)) for number, talk in call.legs if talk]
    if call.spam_score is not None:
        found.append(("spam_check", "", "", 1))
    return found


def reckon(calls: Sequence[Made], clients: dict[UUID, Payer], agency: Payer) -> tuple[dict[UUID, Decimal], Decimal]:
    """Each call's price to its client, and what all of them cost the agency."""
    prices: dict[UUID, Decimal] = {}
    cost = Decimal(0)
    for call in calls:
        if not call.is_test:
            parts = parts_of(call)
            payer = clients.get(call.client_id)
            if payer is not None:
                prices[call.id] = payer.price(call.started_at, parts)
            cost += agency.price(call.started_at, parts)
    return prices, cost


@pytest.fixture
def priced(make_book: Callable[..., UUID], open_account: Callable[..., None]) -> tuple[dict[UUID, Payer], Payer]:
    """Three clients with accounts, a fourth without, and the agency's own; and the same for the reckoning."""
    standard, up = make_book("client", STANDARD), make_book("client", ROUNDED_UP)
    for client, book in ((CLIENTS[0], standard), (CLIENTS[1], standard), (CLIENTS[2], up)):
        open_account(client, book)
    open_account(None, make_book("agency", WHOLESALE), zone="Europe/Berlin")
    payers = {
        CLIENTS[0]: Payer(ZONES[0], STANDARD),
        CLIENTS[1]: Payer(ZONES[1], STANDARD),
        CLIENTS[2]: Payer(ZONES[2], ROUNDED_UP),
    }
    return payers, Payer("Europe/Berlin", WHOLESALE)


def check_books(engine: Engine) -> None:
    """What must hold whatever has happened."""
    assert rows(
        engine,
        "SELECT a.scope_id FROM billing_accounts a LEFT JOIN ledger_entries e USING (agency_id, scope_id)"
        " GROUP BY a.agency_id, a.scope_id HAVING a.balance <> coalesce(sum(e.amount), 0)"
        " OR a.entries <> count(e.place) OR a.entries <> coalesce(max(e.place), 0)",
    ) == []  # fmt: skip
    assert rows(
        engine,
        "SELECT scope_id, place FROM (SELECT *, sum(amount) OVER (PARTITION BY agency_id, scope_id ORDER BY place)"
        " AS due FROM ledger_entries) e WHERE e.balance <> e.due",
    ) == []  # fmt: skip
    assert rows(
        engine,
        "SELECT batch FROM (SELECT batch, sum(amount) AS amount FROM call_charges GROUP BY batch) c FULL JOIN"
        " (SELECT batch, sum(amount) AS amount FROM ledger_entries WHERE kind = 'calls' GROUP BY batch) e USING (batch)"
        " WHERE coalesce(c.amount, 0) + coalesce(e.amount, 0) <> 0",
    ) == []  # fmt: skip
    # A call's cost is the sum of what its client was charged.
    assert rows(
        engine,
        "SELECT c.id FROM calls c JOIN (SELECT call_id, sum(amount) AS amount FROM call_charges WHERE side = 'client'"
        " GROUP BY call_id) h ON h.call_id = c.id WHERE c.cost IS DISTINCT FROM h.amount",
    ) == []  # fmt: skip
    assert rows(
        engine,
        "SELECT u.package FROM package_use u LEFT JOIN (SELECT h.book_id, h.package,"
        " CASE h.side WHEN 'agency' THEN h.agency_id ELSE h.client_id END AS scope_id,"
        " date_trunc('month', h.call_started_at AT TIME ZONE a.time_zone)::date AS month, sum(h.free) AS free"
        " FROM call_charges h JOIN billing_accounts a ON a.scope_id ="
        " CASE h.side WHEN 'agency' THEN h.agency_id ELSE h.client_id END"
        " WHERE h.package IS NOT NULL GROUP BY 1, 2, 3, 4) h"
        " ON (h.book_id, h.package, h.scope_id, h.month) = (u.book_id, u.package, u.scope_id, u.month)"
        " WHERE u.used <> coalesce(h.free, 0)",
    ) == []  # fmt: skip


def compare(engine: Engine, prices: dict[UUID, Decimal], cost: Decimal) -> None:
    """Every single call, and the sums of both sides."""
    compare_clients(engine, prices)
    agency = "SELECT sum(amount) FROM call_charges WHERE side = 'agency'"
    assert money(engine, agency) == cost
    assert money(engine, "SELECT -balance FROM billing_accounts WHERE client_id IS NULL") == cost


def compare_clients(engine: Engine, prices: dict[UUID, Decimal]) -> None:
    found = {row["id"]: row for row in rows(engine, "SELECT id, cost, cost_currency, is_test FROM calls")}
    wrong = [
        (call_id, found[call_id]["cost"], price) for call_id, price in prices.items() if found[call_id]["cost"] != price
    ]
    assert wrong[:5] == []
    others = {call_id: row["cost"] for call_id, row in found.items() if call_id not in prices}
    assert set(others.values()) <= {None}
    of_clients = "SELECT -sum(balance) FROM billing_accounts WHERE client_id IS NOT NULL"
    assert money(engine, of_clients) == sum(prices.values())


@pytest.mark.parametrize("count", [4_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_given_calls_when_rated_then_each_costs_what_an_independent_reckoning_says_to_the_last_place(
    count: int,
    database_url: str,
    owner_engine: Engine,
    priced: tuple[dict[UUID, Payer], Payer],
    clock: Any,
) -> None:
    calls = list(some_calls(count, seed=count))
    put_calls(owner_engine, calls)
    patient = Database(database_url, statement_timeout_ms=600_000)
    rater = Rater(patient, clock)

    began_s = time.monotonic()
    # As many at a time as come, so that packages go on from one batch to the next.
    done, has_more = 0, True
    while has_more:
        seen, has_more = rater.rate_once(AGENCY, most=max(700, count // 50))
        done += seen
    took_s = time.monotonic() - began_s
    patient.dispose()

    print(f"{done} calls rated in {took_s:.1f} s: {done / took_s:.0f} a second")
    assert done == sum(1 for call in calls if not call.is_test)
    compare(owner_engine, *reckon(calls, *priced))
    check_books(owner_engine)


def test_given_an_edition_with_a_larger_package_when_a_batch_lies_on_both_then_only_what_was_free_is_used_up(
    rater: Rater, owner_engine: Engine, make_book: Callable[..., UUID], open_account: Callable[..., None]
) -> None:
    rates = [{"meter": "minute", "direction": "inbound", "amount": "0.02", "initial_s": 1, "increment_s": 1,
              "package": "free"}]  # fmt: skip
    editions: list[Any] = [(LONG_AGO, 4, "half_up", rates, {"free": 600}), (AUTUMN, 4, "half_up", rates, {"free": 900})]
    open_account(CLIENTS[0], make_book("client", editions))
    lengths = [(-3, 500), (-2, 500), (-1, 500), (1, 200), (2, 200)]
    calls = [
        Made(UUID(int=100 + hours, version=4), AUTUMN + timedelta(hours=hours), CLIENTS[0], "+442079460123", 1000 * s)
        for hours, s in lengths
    ]
    put_calls(owner_engine, calls)

    rater.run()

    compare_clients(owner_engine, reckon(calls, {CLIENTS[0]: Payer(ZONES[0], editions)}, Payer("UTC", []))[0])
    free = rows(owner_engine, "SELECT free FROM call_charges ORDER BY call_started_at")
    assert [row["free"] for row in free] == [500, 100, 0, 200, 100]
    check_books(owner_engine)


@pytest.fixture
def few(owner_engine: Engine, priced: object) -> list[Made]:
    calls = list(some_calls(300, seed=7))
    put_calls(owner_engine, calls)
    return calls


def test_given_rated_calls_when_the_log_tells_of_them_again_then_nothing_is_charged_twice(
    rater: Rater, owner_engine: Engine, few: list[Made]
) -> None:
    rater.run()
    before = rows(owner_engine, "SELECT * FROM ledger_entries ORDER BY scope_id, place")
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE rating_places SET position = 0"))

    assert rater.run() == 0
    assert rows(owner_engine, "SELECT * FROM ledger_entries ORDER BY scope_id, place") == before
    check_books(owner_engine)


def test_given_a_rater_that_dies_before_its_commit_then_nothing_is_there_and_the_next_rates_everything(
    rater: Rater, owner_engine: Engine, few: list[Made], monkeypatch: pytest.MonkeyPatch, priced: Any
) -> None:
    def dies(*_: object) -> None:
        raise DatabaseError("the machine is gone")

    with monkeypatch.context() as patched:
        patched.setattr(rating.rating_store, "move_place", dies)
        with pytest.raises(DatabaseError):
            rater.run()
    assert rows(owner_engine, "SELECT * FROM call_charges UNION ALL SELECT * FROM call_charges LIMIT 1") == []
    assert rows(owner_engine, "SELECT * FROM ledger_entries") == []
    assert rows(owner_engine, "SELECT id FROM calls WHERE cost IS NOT NULL") == []

    rater.run()
    compare(owner_engine, *reckon(few, *priced))


def test_given_several_raters_at_a_time_then_each_call_is_rated_once(
    database_url: str, owner_engine: Engine, few: list[Made], clock: Any, priced: Any
) -> None:
    pools = [Database(database_url) for _ in range(3)]
    faults: list[BaseException] = []

    def work(pool: Database) -> None:
        rater = Rater(pool, clock)
        try:
            while rater.rate_once(AGENCY, most=40)[1]:
                pass
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(pool,)) for pool in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pool in pools:
        pool.dispose()

    assert faults == []
    compare(owner_engine, *reckon(few, *priced))
    check_books(owner_engine)


def test_given_a_record_that_is_revised_then_its_old_charge_is_reversed_and_the_new_one_stands(
    rater: Rater, owner_engine: Engine, few: list[Made]
) -> None:
    rater.run()
    call = next(one for one in few if one.billed_ms and not one.is_test and one.client_id == CLIENTS[2])
    with owner_engine.begin() as connection:
        connection.execute(
            text("UPDATE calls SET billed_ms = billed_ms + 600000, revision = 2 WHERE id = :id"), {"id": call.id}
        )
        connection.execute(
            text(
                "INSERT INTO events (agency_id, id, client_id, type, call_id, revision, occurred_at, position, data)"
                " SELECT agency_id, gen_random_uuid(), client_id, 'call.revised', call_id, 2, occurred_at,"
                " (SELECT last_position + 1 FROM event_sequences WHERE agency_id = e.agency_id), data"
                " FROM events e WHERE call_id = :id"
            ),
            {"id": call.id},
        )
        connection.execute(text("UPDATE event_sequences SET last_position = last_position + 1"))

    assert rater.run() == 1

    found = rows(
        owner_engine,
        "SELECT rating, kind, quantity FROM call_charges WHERE call_id = :id AND side = 'client'"
        " AND direction = 'inbound' ORDER BY rating, kind",
        id=call.id,
    )
    seconds = -(-(call.billed_ms or 0) // 1000)
    assert [(row["rating"], row["kind"], row["quantity"]) for row in found] == [
        (1, "charge", seconds), (2, "charge", seconds + 600), (2, "reversal", -seconds),
    ]  # fmt: skip
    assert rows(owner_engine, "SELECT cost_revision FROM calls WHERE id = :id", id=call.id)[0]["cost_revision"] == 2
    check_books(owner_engine)


def test_given_a_part_without_a_price_then_it_costs_nothing_and_stands_there_without_one(
    rater: Rater, owner_engine: Engine, make_book: Callable[..., UUID], open_account: Callable[..., None]
) -> None:
    open_account(CLIENTS[3], make_book("client", ROUNDED_UP))
    call = next(
        one for one in some_calls(50, seed=1, clients=CLIENTS[3:]) if one.spam_score is not None and one.billed_ms
    )
    put_calls(owner_engine, [call])

    rater.run()

    found = rows(owner_engine, "SELECT meter, price, amount FROM call_charges WHERE meter = 'spam_check'")
    assert [(row["price"], row["amount"]) for row in found] == [(None, 0)]
    line = rows(owner_engine, "SELECT lines FROM ledger_entries")[0]["lines"]
    assert {one["meter"]: one["price"] for one in line}["spam_check"] is None


# --- Anew. ---


def rate_anew(
    billing: BillingService,
    rater: Rater,
    *,
    book: UUID | None = None,
    client: UUID | None = None,
    dry_run: bool = False,
) -> Any:
    asked = billing.begin_rerating(
        AGENCY, client_id=client, price_book_id=book, from_at=LONG_AGO, until_at=LONG_AGO + timedelta(days=720),
        dry_run=dry_run,
    )  # fmt: skip
    job = Job(1, "billing.rerate", 1, {"agency_id": str(AGENCY), "rerating_id": str(asked.id)})
    assert rater.rerate(job) == Done()
    return billing.get_rerating(AGENCY, asked.id)


def test_given_another_book_when_calls_are_rated_anew_then_each_change_is_a_revision_with_its_event_and_its_reversal(
    billing: BillingService,
    rater: Rater,
    owner_engine: Engine,
    few: list[Made],
    make_book: Callable[..., UUID],
    priced: tuple[dict[UUID, Payer], Payer],
) -> None:
    rater.run()
    payers, agency = priced
    before, cost = reckon(few, payers, agency)
    other = make_book("client", ROUNDED_UP)

    tried = rate_anew(billing, rater, book=other, dry_run=True)
    check_books(owner_engine)
    compare(owner_engine, before, cost)
    told = rate_anew(billing, rater, book=other)

    anew = {client: Payer(payer.zone, ROUNDED_UP) for client, payer in payers.items()}
    prices, _ = reckon(few, anew, Payer("UTC", []))
    compare(owner_engine, prices, cost)
    check_books(owner_engine)
    changed = {call for call, price in prices.items() if price != before[call]}
    assert (told.state, told.changed) == ("done", tried.changed)
    assert told.difference == tried.difference
    assert Decimal(told.difference["client"]["GBP"]) == sum(prices.values()) - sum(before.values())
    revised = rows(owner_engine, "SELECT id, revision, cost_revision FROM calls WHERE revision > 1")
    assert changed <= {row["id"] for row in revised}
    assert {(row["revision"], row["cost_revision"]) for row in revised} == {(2, 2)}
    events = rows(owner_engine, "SELECT call_id, data FROM events WHERE type = 'call.revised' AND revision = 2")
    assert {row["call_id"] for row in events} == {row["id"] for row in revised}
    kept = rows(owner_engine, "SELECT call_id, before ->> 'cost' AS cost FROM call_revisions")
    assert {row["call_id"]: Decimal(row["cost"]) for row in kept if row["call_id"] in changed} == {
        call: before[call] for call in changed
    }
    # The log tells of the revisions; they are rated already.
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE events SET position = 1000 + revision WHERE false"))
    assert rater.run() == 0


def test_given_the_same_book_when_calls_are_rated_anew_then_nothing_changes(
    billing: BillingService, rater: Rater, owner_engine: Engine, few: list[Made]
) -> None:
    rater.run()
    before = rows(owner_engine, "SELECT * FROM ledger_entries ORDER BY scope_id, place")

    told = rate_anew(billing, rater)

    assert (told.changed, told.calls) == (0, sum(1 for call in few if not call.is_test))
    assert rows(owner_engine, "SELECT * FROM ledger_entries ORDER BY scope_id, place") == before
    assert rows(owner_engine, "SELECT id FROM calls WHERE revision > 1") == []


def test_given_a_prepaid_account_when_its_balance_falls_below_an_alarm_then_that_is_told_once(
    billing: BillingService, rater: Rater, owner_engine: Engine, few: list[Made]
) -> None:
    account = billing.get_account(AGENCY, CLIENTS[0])
    alarm = Decimal("-0.50")
    billing.change_account(AGENCY, CLIENTS[0], {"alarms": [alarm], "mode": "prepaid"}, version=account.version)

    while rater.rate_once(AGENCY, most=50)[1]:
        pass

    events = rows(owner_engine, "SELECT client_id, data FROM events WHERE type = 'balance.low'")
    assert [row["client_id"] for row in events] == [CLIENTS[0]]
    assert Decimal(events[0]["data"]["balance"]) < alarm


# --- The ledger only grows. ---


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount = 0",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "UPDATE call_charges SET amount = 0",
        "DELETE FROM call_charges",
        "UPDATE price_rates SET amount = 0",
        "UPDATE price_editions SET valid_from = now()",
        "UPDATE statements SET total = 0",
        "DELETE FROM statements",
        "UPDATE billing_accounts SET balance = 1000000",
        "UPDATE billing_accounts SET entries = 0",
        "UPDATE billing_accounts SET currency = 'RUB'",
        "INSERT INTO billing_accounts (agency_id, scope_id, currency, time_zone, metered_until, closed_until, balance)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), 'GBP', 'UTC', now(), now(), 7)",
        "DELETE FROM usage_records",
    ],
)
def test_given_the_application_when_it_would_change_what_was_booked_then_the_database_refuses(
    database: Database, billing: BillingService, statement: str
) -> None:
    with (
        pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"),
        database.tenant(AGENCY) as connection,
    ):
        connection.exec_driver_sql(statement)


def test_given_a_clients_transaction_then_it_sees_its_own_price_and_nothing_of_the_agencys(
    database: Database, rater: Rater, few: list[Made]
) -> None:
    rater.run()
    with database.tenant(AGENCY, CLIENTS[0]) as connection:
        sides = connection.exec_driver_sql("SELECT DISTINCT side, client_id FROM call_charges").all()
        assert sides == [("client", CLIENTS[0])]
        for table in ("package_use", "reratings"):
            assert connection.exec_driver_sql(f"SELECT 1 FROM {table}").all() == []
        # Its own prices and no others, neither another client's nor what the agency pays.
        own = connection.exec_driver_sql("SELECT price_book_id FROM billing_accounts").scalars().all()
        assert connection.exec_driver_sql("SELECT id FROM price_books").scalars().all() == own
        assert connection.exec_driver_sql("SELECT DISTINCT book_id FROM price_rates").scalars().all() == own
        assert connection.exec_driver_sql("SELECT DISTINCT scope_id FROM ledger_entries").scalars().all() == [
            CLIENTS[0]
        ]
        assert [account.scope_id for account in store.find_accounts(connection, AGENCY)] == [CLIENTS[0]]

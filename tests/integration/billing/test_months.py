"""Months: stocks are counted, statements made, the ledger agrees with them, and who does not pay is followed up."""

from __future__ import annotations

import csv
import io
import re
import zlib
from base64 import a85decode
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from dialtrace.billing.closing import Closer
from dialtrace.billing.errors import ReferenceTaken, StatementUnknown
from dialtrace.billing.model import Package, Rate
from dialtrace.billing.rating import Rater
from dialtrace.billing.service import BillingService, Usage
from dialtrace.billing.statement_files import make_csv, make_pdf
from dialtrace.jobs.model import Done, Job
from dialtrace.typefaces import FONTS

from .books import AGENCY, CLIENTS, Made, put_calls, rows, some_calls
from .conftest import SetClock
from .test_rating import check_books

OPENED = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
OCTOBER = date(2026, 10, 1)
PRICES: list[Any] = [
    (
        datetime(2026, 1, 1, tzinfo=UTC), 4, "half_up",
        [
            {"meter": "minute", "direction": "inbound", "amount": "0.02", "initial_s": 1, "increment_s": 1},
            {"meter": "number_month", "amount": "3.10", "package": "numbers"},
            {"meter": "number_month", "prefix": "+7", "amount": "6.20"},
            {"meter": "number_month", "prefix": "+33", "amount": "9.99", "proration": "whole"},
            {"meter": "recording_gb_month", "amount": "0.31"},
            {"meter": "transcription_minute", "amount": "0.05", "package": "transcripts"},
        ],
        {"numbers": 1, "transcripts": 10},
    ),
]  # fmt: skip


@pytest.fixture
def clock() -> SetClock:
    return SetClock(OPENED)


def put_number(engine: Engine, e164: str, created: str, released: str | None = None) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO numbers (agency_id, id, client_id, e164, status, created_at, released_at)"
                " VALUES (:a, gen_random_uuid(), :c, :e, 'active', :from_at, :until_at)"
            ),
            {"a": AGENCY, "c": CLIENTS[3], "e": e164, "from_at": created, "until_at": released},
        )


@pytest.fixture
def october(
    billing: BillingService, owner_engine: Engine, make_book: Callable[..., UUID], open_account: Callable[..., None]
) -> list[Made]:
    """A client (UTC) with calls, numbers and usage in October."""
    open_account(CLIENTS[3], make_book("client", PRICES, minimum="5.00"))
    put_number(owner_engine, "+442079460123", "2026-08-01")
    put_number(owner_engine, "+442079460124", "2026-10-31 23:59:59+00")
    put_number(owner_engine, "+74951234567", "2026-08-01", "2026-10-11 00:00:00+00")
    put_number(owner_engine, "+33123456789", "2026-10-05", "2026-10-06")
    calls = list(some_calls(400, seed=3, clients=CLIENTS[3:]))
    put_calls(owner_engine, calls)
    billing.report_usage(
        AGENCY,
        [Usage(client_id=CLIENTS[3], day=date(2026, 10, day), meter="transcription_minute", quantity=Decimal("7.25"),
               reference=f"job {day}") for day in (3, 20)],
    )  # fmt: skip
    return calls


def close(closer: Closer, clock: SetClock, at: datetime) -> None:
    clock.at = at
    assert closer.close_months(Job(1, "billing.close_months", 1, {})) == Done()


def test_given_a_month_when_it_is_over_then_its_statement_tells_every_line_and_agrees_with_the_ledger(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, owner_engine: Engine, october: list[Made]
) -> None:
    rater.run()
    close(closer, clock, datetime(2026, 11, 1, 7, 0, tzinfo=UTC))

    told = billing.statement(AGENCY, CLIENTS[3], OCTOBER)
    lines = {(line["meter"], line["prefix"]): line for line in told["lines"]}
    seconds = sum(
        -(-one.billed_ms // 1000) for one in october if one.billed_ms and not one.is_test and one.started_at.month == 10
    )
    # 31 days of one number and one of another; one of the two months is free.
    assert lines["number_month", ""]["amount"] == "0.10"
    # Ten days of 31; the whole month for one that was there for a day (the fifth and, till midnight, the sixth).
    assert lines["number_month", "+7"]["amount"] == "2.00"
    assert lines["number_month", "+33"]["amount"] == "9.99"
    assert lines["transcription_minute", ""]["amount"] == "0.225"
    assert lines["minute", ""]["quantity"] == str(seconds)
    assert not told["is_open"]
    assert (told["client"]["name"], told["agency"]["name"]) == ("Клиент 3", "Полярная звезда")
    assert sum(Decimal(line["amount"]) for line in told["lines"]) == Decimal(told["total"])
    booked = rows(
        owner_engine,
        "SELECT coalesce(sum(amount), 0) AS amount FROM ledger_entries WHERE day < '2026-11-01'"
        " AND day >= '2026-10-01'",
    )
    assert -booked[0]["amount"] == Decimal(told["total"])
    check_books(owner_engine)


def put_stocks(engine: Engine) -> None:
    """Of one client: two people who sign in and one who may not any more; 2 GB of recordings from 11 October on in our
    store, and some in a store of the agency's own; five messages that were delivered in October, one of before it, and
    one that was not."""
    client = CLIENTS[3]
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for number, state in enumerate(("active", "active", "disabled")):
            connection.exec_driver_sql(
                "INSERT INTO users (agency_id, id, client_id, email, name, role, state, password_hash)"
                " VALUES (%s, gen_random_uuid(), %s, %s, 'Ann', 'owner', %s, 'x')",
                (AGENCY, client, f"{number}@people.example", state),
            )
        for size, store in ((1_500_000_000, None), (500_000_000, None), (9_000_000_000, AGENCY)):
            connection.exec_driver_sql(
                "INSERT INTO recordings (agency_id, id, client_id, call_id, call_started_at, segment, state, node,"
                " size_bytes, created_at, store_id) VALUES (%s, gen_random_uuid(), %s, gen_random_uuid(), now(), 0,"
                " 'verified', 'node-1', %s, '2026-10-11 09:00:00+00', %s)",
                (AGENCY, client, size, store),
            )
        for day, state in (*((day, "delivered") for day in range(5, 10)), (1, "delivered"), (7, "failed")):
            settled = f"2026-10-{day:02d} 12:00:00+00" if day > 1 else "2026-09-30 23:59:59+00"
            connection.exec_driver_sql(
                "INSERT INTO webhook_deliveries (agency_id, id, client_id, webhook_id, message_id, type, rank,"
                " revision, occurred_at, state, settled_at) VALUES (%s, gen_random_uuid(), %s, gen_random_uuid(),"
                " gen_random_uuid(), 'call.ended', 1, 1, now(), %s, %s)",
                (AGENCY, client, state, settled),
            )


def test_given_people_recordings_and_messages_when_the_month_is_over_then_each_is_charged_by_what_was_there(
    billing: BillingService,
    closer: Closer,
    clock: SetClock,
    owner_engine: Engine,
    make_book: Callable[..., UUID],
    open_account: Callable[..., None],
) -> None:
    rates = [
        {"meter": "seat_month", "amount": "7.50"},
        {"meter": "recording_gb_month", "amount": "0.31"},
        {"meter": "webhook_delivery", "amount": "0.002"},
    ]
    open_account(CLIENTS[3], make_book("client", [(datetime(2026, 1, 1, tzinfo=UTC), 4, "half_up", rates, {})]))
    put_stocks(owner_engine)
    close(closer, clock, datetime(2026, 11, 1, 7, 0, tzinfo=UTC))

    told = billing.statement(AGENCY, CLIENTS[3], OCTOBER)
    lines = {line["meter"]: (Decimal(line["quantity"]), Decimal(line["amount"])) for line in told["lines"]}
    assert lines == {
        "seat_month": (Decimal(2), Decimal("15.00")),
        # Two gigabytes on 21 of 31 days.
        "recording_gb_month": (Decimal("1.354839"), Decimal("0.42")),
        "webhook_delivery": (Decimal(5), Decimal("0.01")),
    }
    check_books(owner_engine)
    # Another run counts no day again.
    close(closer, clock, datetime(2026, 11, 1, 8, 0, tzinfo=UTC))
    assert billing.statement(AGENCY, CLIENTS[3], OCTOBER) == told


def test_given_months_when_closed_then_opening_and_closing_balances_meet_and_every_movement_is_told_once(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, owner_engine: Engine, october: list[Made]
) -> None:
    early, late = october[: len(october) // 2], october[len(october) // 2 :]
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE event_sequences SET last_position = :p"), {"p": len(early)})
    rater.run()
    clock.at = datetime(2026, 10, 15, tzinfo=UTC)
    billing.book_entry(AGENCY, CLIENTS[3], kind="payment", amount=Decimal("20.00"), reference="bank 1", note="")
    close(closer, clock, datetime(2026, 11, 2, tzinfo=UTC))
    # Records that come home late: some are of months that are told already.
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE event_sequences SET last_position = :p"), {"p": len(october)})
    rater.run()
    close(closer, clock, datetime(2026, 12, 3, tzinfo=UTC))

    told = [billing.statement(AGENCY, CLIENTS[3], date(2026, month, 1)) for month in (9, 10, 11)]
    assert [one["is_open"] for one in told] == [False] * 3
    for before, after in pairwise(told):
        assert before["closing_balance"] == after["opening_balance"]
    assert [one["month"] for one in told[2]["late"]] == sorted(
        {f"{one.started_at:%Y-%m}" for one in late} - {"2026-11"}
    )
    account = billing.get_account(AGENCY, CLIENTS[3])
    assert Decimal(told[2]["closing_balance"]) == account.balance
    assert sum(Decimal(one["total"]) for one in told) == Decimal("20.00") - account.balance
    assert [payment["amount"] for payment in told[1]["payments"]] == ["20.00"]
    # A month that is closed is closed.
    again = billing.statement(AGENCY, CLIENTS[3], OCTOBER)
    close(closer, clock, datetime(2026, 12, 4, tzinfo=UTC))
    assert billing.statement(AGENCY, CLIENTS[3], OCTOBER) == again


def test_given_a_month_below_the_minimum_then_a_line_makes_it_up(
    billing: BillingService, closer: Closer, clock: SetClock, make_book: Callable[..., UUID],
    open_account: Callable[..., None],
) -> None:  # fmt: skip
    open_account(CLIENTS[2], make_book("client", PRICES, minimum="25.00"))

    close(closer, clock, datetime(2026, 10, 2, tzinfo=UTC))

    told = billing.statement(AGENCY, CLIENTS[2], date(2026, 9, 1))
    assert [(line["meter"], line["amount"]) for line in told["lines"]] == [("monthly_minimum", "25.00")]
    assert told["closing_balance"] == "-25.00"


def test_given_the_month_that_goes_on_then_its_statement_is_how_it_stands_and_nothing_is_booked(
    billing: BillingService, rater: Rater, clock: SetClock, owner_engine: Engine, october: list[Made]
) -> None:
    rater.run()
    clock.at = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
    before = rows(owner_engine, "SELECT count(*) AS count FROM ledger_entries")

    told = billing.statement(AGENCY, CLIENTS[3], OCTOBER)

    assert told["is_open"]
    assert {line["meter"] for line in told["lines"]} >= {"minute", "number_month", "transcription_minute"}
    assert rows(owner_engine, "SELECT count(*) AS count FROM ledger_entries") == before
    with pytest.raises(StatementUnknown):
        billing.statement(AGENCY, CLIENTS[3], date(2026, 12, 1))


def test_given_usage_by_day_then_it_adds_up_to_the_ledger(
    billing: BillingService, rater: Rater, owner_engine: Engine, october: list[Made]
) -> None:
    rater.run()

    days = billing.usage(AGENCY, CLIENTS[3], date(2026, 8, 1), date(2026, 12, 31))

    booked = rows(owner_engine, "SELECT -sum(amount) AS amount FROM ledger_entries")[0]["amount"]
    assert sum(Decimal(day["amount"]) for day in days) == booked
    assert [day["used"] for day in days if day["day"] == "2026-10-03"] == [
        [{"meter": "transcription_minute", "quantity": "7.25"}]
    ]


def test_given_usage_that_is_reported_twice_then_it_is_one_and_another_under_its_reference_is_refused(
    billing: BillingService, october: list[Made]
) -> None:
    same = Usage(
        client_id=CLIENTS[3], day=date(2026, 10, 3), meter="transcription_minute", quantity=Decimal("7.25"),
        reference="job 3",
    )  # fmt: skip
    other = Usage(client_id=CLIENTS[3], day=date(2026, 10, 3), meter="x", quantity=Decimal(1), reference="job 3")
    fresh = Usage(client_id=CLIENTS[3], day=date(2026, 10, 4), meter="x", quantity=Decimal(1), reference="job 4")

    assert billing.report_usage(AGENCY, [same]) == 0
    with pytest.raises(ReferenceTaken):
        billing.report_usage(AGENCY, [fresh, other])
    # All or nothing.
    assert billing.report_usage(AGENCY, [fresh]) == 1


# --- Files. ---


def test_given_a_statement_as_csv_then_its_rows_add_up_and_names_are_in_their_letters(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, october: list[Made]
) -> None:
    rater.run()
    close(closer, clock, datetime(2026, 11, 2, tzinfo=UTC))
    told = billing.statement(AGENCY, CLIENTS[3], OCTOBER)

    made = make_csv(told, "ru")

    found = list(csv.DictReader(io.StringIO(made.decode("utf-8-sig"))))
    sums = {row["meter"]: Decimal(row["amount"]) for row in found}
    lines = [row for row in found if row["count"]]
    assert sum(Decimal(row["amount"]) for row in lines) == sums["total"] == Decimal(told["total"])
    assert sums["opening_balance"] + sums["paid"] - sums["total"] == sums["closing_balance"]
    assert "Минуты входящих звонков" in {row["item"] for row in found}


@pytest.mark.skipif(not FONTS.exists(), reason="Debian's fonts-dejavu-core is not installed")
def test_given_a_statement_as_pdf_then_every_letter_of_it_can_be_read_back_and_the_same_month_makes_the_same_file(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, october: list[Made]
) -> None:
    rater.run()
    close(closer, clock, datetime(2026, 11, 2, tzinfo=UTC))
    told = billing.statement(AGENCY, CLIENTS[3], OCTOBER)

    made = make_pdf(told, "ru")

    assert made.startswith(b"%PDF-")
    assert made == make_pdf(told, "ru")
    text_of = read_pdf(made)
    for word in ("Полярная", "звезда", "Клиент", "Отчёт", told["total"], told["closing_balance"]):
        assert word in text_of, word


def read_pdf(made: bytes) -> str:
    """The text of a PDF by its fonts' own maps of glyphs to letters (ToUnicode), as a reader's search finds it."""
    streams = []
    for raw in re.findall(rb"stream\r?\n(.*?)endstream", made, re.S):
        body = raw.strip()
        body = a85decode(body.removesuffix(b"~>")) if body.endswith(b"~>") else raw.removesuffix(b"\n")
        streams.append(zlib.decompress(body))
    maps = [
        {int(code, 16): chr(int(letter, 16)) for code, letter in re.findall(rb"<(\w\w)> <(\w{4})>", one)}
        for one in streams
        if b"beginbfchar" in one
    ]
    set_in = re.compile(rb"/(F\d+)\+\d+ [\d.]+ Tf [\d.]+ TL \((.*?)(?<!\\)\) Tj", re.S)
    pieces = [piece for one in streams for piece in set_in.findall(one)]
    # Fonts are embedded in the order in which they were first used; their names count.
    fonts = dict(zip(sorted({font for font, _ in pieces}), maps, strict=True))
    told = []
    for font, piece in pieces:
        plain = re.sub(rb"\\(\d{3})", lambda match: bytes([int(match[1], 8)]), piece)
        told.append("".join(fonts[font].get(code, "\ufffd") for code in re.sub(rb"\\(.)", rb"\1", plain)))
    return " ".join(told)


# --- What is not paid. ---


def follow_up(closer: Closer, clock: SetClock, at: datetime) -> None:
    clock.at = at
    assert closer.enforce(Job(1, "billing.enforce", 1, {})) == Done()


def status_of(engine: Engine) -> tuple[str, str]:
    found = rows(
        engine,
        "SELECT c.status, a.state FROM clients c JOIN billing_accounts a ON a.scope_id = c.id WHERE c.id = :c",
        c=CLIENTS[3],
    )
    return found[0]["status"], found[0]["state"]


def test_given_an_empty_prepaid_account_then_its_numbers_go_on_for_the_days_of_grace_and_come_back_with_the_payment(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, owner_engine: Engine, october: list[Made]
) -> None:
    account = billing.get_account(AGENCY, CLIENTS[3])
    billing.change_account(
        AGENCY, CLIENTS[3], {"mode": "prepaid", "grace_days": 3, "then_action": "suspend"}, version=account.version
    )
    rater.run()
    began = datetime(2026, 10, 20, tzinfo=UTC)

    follow_up(closer, clock, began)
    assert status_of(owner_engine) == ("active", "overdue")
    follow_up(closer, clock, began + timedelta(days=2, hours=23))
    assert status_of(owner_engine) == ("active", "overdue")
    follow_up(closer, clock, began + timedelta(days=3))
    assert status_of(owner_engine) == ("suspended", "stopped")
    audit = rows(owner_engine, "SELECT action, actor_name FROM audit_log")
    assert [(row["action"], row["actor_name"]) for row in audit] == [("client.suspended", "billing")]

    billing.book_entry(AGENCY, CLIENTS[3], kind="payment", amount=Decimal(500), reference="bank 2", note="")
    follow_up(closer, clock, began + timedelta(days=4))
    assert status_of(owner_engine) == ("active", "good")
    states = rows(
        owner_engine, "SELECT data ->> 'state' AS state FROM events WHERE type = 'account.changed' ORDER BY id"
    )
    assert [row["state"] for row in states] == ["overdue", "stopped", "good"]


def test_given_keep_then_numbers_forward_for_ever(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, owner_engine: Engine, october: list[Made]
) -> None:
    account = billing.get_account(AGENCY, CLIENTS[3])
    billing.change_account(AGENCY, CLIENTS[3], {"mode": "prepaid", "grace_days": 0}, version=account.version)
    rater.run()

    for days in range(3):
        follow_up(closer, clock, datetime(2026, 10, 20, tzinfo=UTC) + timedelta(days=100 * days))

    assert status_of(owner_engine) == ("active", "overdue")


def test_given_a_client_that_somebody_suspended_then_a_payment_does_not_let_it_go_on(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, owner_engine: Engine, october: list[Made]
) -> None:
    account = billing.get_account(AGENCY, CLIENTS[3])
    billing.change_account(
        AGENCY, CLIENTS[3], {"mode": "prepaid", "grace_days": 0, "then_action": "suspend"}, version=account.version
    )
    rater.run()
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE clients SET status = 'suspended' WHERE id = :c"), {"c": CLIENTS[3]})
    began = datetime(2026, 10, 20, tzinfo=UTC)
    for days in range(3):
        follow_up(closer, clock, began + timedelta(days=days))
    billing.book_entry(AGENCY, CLIENTS[3], kind="payment", amount=Decimal(500), reference="bank 2", note="")
    follow_up(closer, clock, began + timedelta(days=4))

    assert status_of(owner_engine) == ("suspended", "good")


def test_given_a_postpaid_account_when_a_statement_is_not_paid_in_time_then_it_is_overdue_until_it_is(
    billing: BillingService, rater: Rater, closer: Closer, clock: SetClock, owner_engine: Engine, october: list[Made]
) -> None:
    rater.run()
    closed = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)
    close(closer, clock, closed)
    due = Decimal(billing.statement(AGENCY, CLIENTS[3], OCTOBER)["closing_balance"])
    assert due < 0

    follow_up(closer, clock, closed + timedelta(days=13))
    assert status_of(owner_engine) == ("active", "good")
    follow_up(closer, clock, closed + timedelta(days=15))
    assert status_of(owner_engine) == ("active", "overdue")
    billing.book_entry(AGENCY, CLIENTS[3], kind="payment", amount=-due, reference="bank 3", note="")
    follow_up(closer, clock, closed + timedelta(days=16))
    assert status_of(owner_engine) == ("active", "good")


def test_given_a_rate_that_names_no_package_when_checked_then_it_is_refused(billing: BillingService) -> None:
    from dialtrace.billing.errors import ValueRefused
    from dialtrace.billing.model import NewEdition, check_edition

    rate = Rate(meter="minute", direction="inbound", amount=Decimal(1), package="gone")
    with pytest.raises(ValueRefused, match="names no package"):
        check_edition(NewEdition(valid_from=OPENED, rates=[rate], packages=[Package(name="other", quantity=1)]))

"""Whatever happens in whatever order, the books balance: Hypothesis plays agencies, payments, calls and new prices."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from dialtrace.billing.errors import ReferenceTaken, ValueRefused
from dialtrace.billing.rating import Rater
from dialtrace.billing.service import BillingService

from .books import AGENCY, CLIENTS, put_calls, rows, some_calls
from .test_rating import LONG_AGO, ROUNDED_UP, STANDARD, WHOLESALE, check_books, rate_anew

amounts = st.decimals(min_value=Decimal("-50"), max_value=Decimal("50"), places=6, allow_nan=False)
moves = st.one_of(
    st.tuples(st.just("pay"), st.sampled_from(["payment", "credit", "correction"]), amounts, st.integers(0, 3)),
    st.tuples(st.just("calls"), st.integers(1, 12), st.integers(0, 10**6)),
    st.tuples(st.just("rate"), st.integers(1, 9)),
    st.tuples(st.just("anew"), st.booleans(), st.booleans()),
    st.tuples(st.just("edition"), st.integers(0, 60)),
)


@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(moves, min_size=3, max_size=9))
def test_given_any_sequence_of_movements_when_done_then_the_books_balance(
    billing: BillingService,
    rater: Rater,
    owner_engine: Engine,
    make_book: Callable[..., UUID],
    open_account: Callable[..., None],
    played: list[Any],
) -> None:
    with owner_engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("ledger_entries", "call_charges", "package_use", "billing_accounts", "rating_places", "calls",
                      "legs", "events", "event_sequences", "reratings"):  # fmt: skip
            connection.execute(text(f"DELETE FROM {table}"))
    books = [make_book("client", STANDARD), make_book("client", ROUNDED_UP)]
    open_account(CLIENTS[0], books[0])
    open_account(CLIENTS[1], books[1])
    open_account(None, make_book("agency", WHOLESALE), zone="Asia/Tokyo")

    for place, (move, *said) in enumerate(played):
        if move == "pay":
            kind, amount, number = said
            with suppress(ValueRefused, ReferenceTaken):
                billing.book_entry(
                    AGENCY, CLIENTS[number % 2], kind=kind, amount=amount, reference=f"bank {number}", note=""
                )
        elif move == "calls":
            put_calls(owner_engine, list(some_calls(said[0], seed=place * 10**7 + said[1], clients=CLIENTS[:3])))
        elif move == "rate":
            rater.rate_once(AGENCY, most=said[0])
        elif move == "anew":
            rate_anew(billing, rater, book=books[1] if said[0] else None, dry_run=said[1])
        elif move == "edition":
            _new_prices(owner_engine, books[0], LONG_AGO + timedelta(days=200 + said[0]))
        check_books(owner_engine)
    before = rows(owner_engine, "SELECT * FROM ledger_entries ORDER BY scope_id, place")
    while rater.rate_once(AGENCY)[1]:
        pass
    check_books(owner_engine)
    # What was booked is booked.
    after = rows(owner_engine, "SELECT * FROM ledger_entries ORDER BY scope_id, place")
    assert [row for row in after if row in before] == before


def _new_prices(engine: Engine, book: UUID, valid_from: datetime) -> None:
    with engine.begin() as connection:
        number = connection.execute(
            text("UPDATE price_books SET edition = edition + 1 WHERE id = :b RETURNING edition"), {"b": book}
        ).scalar_one()
        connection.execute(
            text(
                "INSERT INTO price_editions (agency_id, book_id, edition, valid_from, places, rounding)"
                " VALUES (:a, :b, :n, :v, 3, 'half_even')"
            ),
            {"a": AGENCY, "b": book, "n": number, "v": valid_from},
        )
        connection.execute(
            text(
                "INSERT INTO price_rates (agency_id, book_id, edition, meter, direction, amount)"
                " VALUES (:a, :b, :n, 'minute', 'inbound', 0.033)"
            ),
            {"a": AGENCY, "b": book, "n": number},
        )

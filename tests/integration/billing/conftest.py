"""A rater, the services around it, and an agency with clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from dialtrace.billing.books import PriceBooks
from dialtrace.billing.closing import Closer
from dialtrace.billing.model import AccountValues, NewEdition, Package, Rate
from dialtrace.billing.rating import Rater
from dialtrace.billing.service import BillingService
from dialtrace.clock import Clock, SystemClock
from dialtrace.db.engine import Database
from dialtrace.jobs.service import JobQueue

from .books import AGENCY, make_tenants


class SetClock(SystemClock):
    """Stands where the test puts it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


@pytest.fixture
def billing(database: Database, clock: Clock, owner_engine: Engine) -> BillingService:
    make_tenants(owner_engine)
    return BillingService(database, clock, JobQueue(database))


@pytest.fixture
def rater(database: Database, clock: Clock) -> Rater:
    return Rater(database, clock)


@pytest.fixture
def closer(database: Database, clock: Clock) -> Closer:
    return Closer(database, clock)


Edition = tuple[datetime, int, str, list[dict[str, Any]], dict[str, int]]


@pytest.fixture
def price_books(database: Database, clock: Clock) -> PriceBooks:
    return PriceBooks(database, clock)


@pytest.fixture
def make_book(price_books: PriceBooks, billing: BillingService) -> Callable[..., UUID]:
    """A book of a side with editions as `reckoning.Payer` has them; its id."""

    def make(side: Any, editions: list[Edition], *, currency: str = "GBP", minimum: str = "0") -> UUID:
        book = price_books.create_book(AGENCY, side=side, name="Prices", currency=currency)
        for valid_from, places, rounding, rates, packages in editions:
            of_minutes = {rate.get("package") for rate in rates if rate["meter"] == "minute"}
            price_books.add_edition(
                AGENCY,
                book.id,
                NewEdition(
                    valid_from=valid_from,
                    places=places,
                    rounding=rounding,  # type: ignore[arg-type]
                    monthly_minimum=Decimal(minimum),
                    rates=[_rate(rate) for rate in rates],
                    packages=[
                        Package(name=name, quantity=count // 60 if name in of_minutes else count)
                        for name, count in packages.items()
                    ],
                ),
            )
        return book.id

    return make


def _rate(values: dict[str, Any]) -> Rate:
    amounts = {name: Decimal(values[name]) for name in ("amount", "setup", "minimum") if name in values}
    return Rate(**{**values, **amounts})


@pytest.fixture
def open_account(billing: BillingService) -> Callable[..., None]:
    def make(
        client: UUID | None, book: UUID | None, *, currency: str = "GBP", zone: str | None = None, **values: Any
    ) -> None:
        made = AccountValues(price_book_id=book, **values)
        billing.open_account(AGENCY, client, made, currency=currency, time_zone=zone)

    return make

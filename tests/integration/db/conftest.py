"""Rooms on the real database, with a clock that stands still."""

from datetime import UTC, datetime

import pytest

from dialtrace.clock import FixedClock
from dialtrace.numbers.service import NumberService
from dialtrace.tenancy.service import TenancyService


@pytest.fixture
def clock():
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
def tenancy(database, clock):
    return TenancyService(database, clock)


@pytest.fixture
def numbers(database, clock):
    return NumberService(database, clock)


@pytest.fixture
def agency(tenancy):
    return tenancy.create_agency("First")


@pytest.fixture
def client(tenancy, agency):
    return tenancy.create_client(agency.id, "Its client", "Europe/Moscow")


@pytest.fixture
def stranger(tenancy):
    """A client of another agency."""
    return tenancy.create_client(tenancy.create_agency("Second").id, "Stranger", "UTC")

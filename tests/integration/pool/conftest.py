"""Pools on the real database, with a clock that a test moves."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from dialtrace.clock import FixedClock
from dialtrace.db.tables import pool_numbers, pool_reserves, pools
from dialtrace.ids import new_id
from dialtrace.numbers.service import NumberService
from dialtrace.pool.model import VisitRef
from dialtrace.pool.service import Pools
from dialtrace.tenancy.service import TenancyService

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock():
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
def tenancy(database, clock):
    return TenancyService(database, clock)


@pytest.fixture
def agency(tenancy):
    return tenancy.create_agency("First")


@pytest.fixture
def client(tenancy, agency):
    return tenancy.create_client(agency.id, "Its client", "Europe/Moscow")


@pytest.fixture
def numbers(database, clock):
    return NumberService(database, clock)


@pytest.fixture
def service(database, clock):
    return Pools(database, clock)


class Stock:
    """Puts pools and their numbers where leases find them, and reads what became of them."""

    def __init__(self, owner, numbers, client):
        self.owner = owner
        self.numbers = numbers
        self.client = client
        self._next = 0

    def pool(self, size=1, *, regions=(), first_node="", **values):
        """A pool of so many numbers, that rested longest first in the order of the numbers."""
        pool_id = new_id()
        with self.owner.begin() as connection:
            connection.execute(
                insert(pools).values(
                    agency_id=self.client.agency_id, id=pool_id, client_id=self.client.id, name="A pool", **values
                )
            )
        for index in range(size):
            self.number(pool_id, index, region=regions[index] if regions else None, first_node=first_node)
        return pool_id

    def number(self, pool_id, index=0, *, region=None, first_node=""):
        self._next += 1
        added = self.numbers.add_number(
            self.client.agency_id, self.client.id, f"+44207946{self._next:04}", kind="dynamic"
        )
        with self.owner.begin() as connection:
            connection.execute(
                text("UPDATE numbers SET pool_id = :pool, state = 'in_pool' WHERE id = :id"),
                {"pool": pool_id, "id": added.id},
            )
            connection.execute(
                insert(pool_numbers).values(
                    agency_id=added.agency_id,
                    number_id=added.id,
                    client_id=added.client_id,
                    pool_id=pool_id,
                    region=region,
                    first_node=first_node,
                    free_from=LONG_AGO + timedelta(seconds=index),
                )
            )
        return added

    def reserve(self, pool_id, source, number):
        with self.owner.begin() as connection:
            connection.execute(
                insert(pool_reserves).values(
                    agency_id=number.agency_id,
                    pool_id=pool_id,
                    source=source,
                    client_id=number.client_id,
                    number_id=number.id,
                )
            )

    def node(self, name, state="up", *, silent_s=0):
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO nodes (name, sip_address, state, last_seen_at)"
                    " VALUES (:name, '127.0.0.1:5060', :state, now() - make_interval(secs => :silent))"
                    " ON CONFLICT (name) DO UPDATE SET state = excluded.state, last_seen_at = excluded.last_seen_at"
                ),
                {"name": name, "state": state, "silent": silent_s},
            )

    def exposures(self):
        with self.owner.connect() as connection:
            return connection.execute(text("SELECT * FROM exposures ORDER BY id")).all()


@pytest.fixture
def stock(owner_engine, numbers, client):
    return Stock(owner_engine, numbers, client)


@pytest.fixture
def visit(clock):
    """Makes visits."""

    def make(visitor=None, **values):
        return VisitRef(new_id(), clock.now(), visitor, **values)

    return make


@pytest.fixture
def later(clock):
    """Lets time pass."""

    def wait(seconds):
        clock.moment += timedelta(seconds=seconds)

    return wait

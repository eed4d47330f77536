"""A client with a site, numbers, visits that saw them and calls to them, in a real database."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from dialtrace.attribution.following import Follower
from dialtrace.attribution.making import Attributor
from dialtrace.attribution.service import AttributionService
from dialtrace.cdr.model import CallFacts
from dialtrace.cdr.service import CdrService
from dialtrace.clock import FixedClock
from dialtrace.db.tables import exposures, numbers, visits
from dialtrace.ids import new_id
from dialtrace.numbers.service import NumberService
from dialtrace.tenancy.service import TenancyService

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAID = {"channel": "paid_search", "source": "yandex", "campaign": "brand"}
SOCIAL = {"channel": "social", "source": "vk"}
DIRECT = {"channel": "direct", "source": "direct"}


class Place:
    """What is there, and what happens."""

    def __init__(self, database, owner):
        self.database, self.owner, self.clock = database, owner, FixedClock(NOW)
        self._tenancy = TenancyService(database, self.clock)
        self.agency = self._tenancy.create_agency("First")
        self.client = self._tenancy.create_client(self.agency.id, "Its client", "Europe/Moscow")
        self.site_id = new_id()
        self.records = CdrService(database, Attributor(database))
        self.attribution = AttributionService(database, self.clock)
        self.follower = Follower(database, self.clock)
        self._numbers = NumberService(database, self.clock)
        self._added = 0

    def tenancy_client(self, name):
        return self._tenancy.create_client(self.agency.id, name, "UTC").id

    def number(self, **source):
        self._added += 1
        kind = "static" if source else "dynamic"
        added = self._numbers.add_number(self.agency.id, self.client.id, f"+7495123{self._added:04}", kind=kind)
        if source:
            with self.owner.begin() as connection:
                connection.execute(numbers.update().where(numbers.c.id == added.id).values(**source))
        return added.id

    def visit(self, *, ago_s=60.0, visitor=None, source=PAID, **more):
        """A visit that began so long before NOW; its id."""
        started = NOW - timedelta(seconds=ago_s)
        visit_id = new_id(now_ms=int(started.timestamp() * 1000))
        values = {
            "agency_id": self.agency.id, "id": visit_id, "started_at": started, "client_id": self.client.id,
            "site_id": self.site_id, "visitor_id": visitor or new_id(), "landing_page": "https://a.example/",
            "medium": None, "campaign": None, "content": None, "keyword": None, "classified_by": "utm",
            "device": "mobile", "consent": "given", "last_seen_at": started, **source, **more,
        }  # fmt: skip
        with self.owner.begin() as connection:
            connection.execute(insert(visits).values(**values))
        return visit_id, started, values["visitor_id"]

    def show(self, number_id, visit, *, seen_s=30.0, rung="exclusive", clicked_s=None):
        """The number as a visit saw it, for so many seconds from the visit's beginning."""
        visit_id, started, visitor = visit
        seen = started + timedelta(seconds=seen_s)
        with self.owner.begin() as connection:
            connection.execute(
                insert(exposures).values(
                    agency_id=self.agency.id,
                    id=new_id(),
                    client_id=self.client.id,
                    site_id=self.site_id,
                    number_id=number_id,
                    visit_id=visit_id,
                    visit_started_at=started,
                    visitor_id=str(visitor),
                    rung=rung,
                    shown_at=started,
                    seen_until=seen,
                    held_until=seen + timedelta(minutes=20),
                    tail_s=1200,
                    clicked_at=NOW - timedelta(seconds=clicked_s) if clicked_s is not None else None,
                )
            )

    def record(self, number_id, *, after_s=0.0, caller="+74951112233", **more):
        """What the agent reads of a call that began so long after NOW."""
        started = NOW + timedelta(seconds=after_s)
        return CallFacts(
            id=uuid.uuid4(), started_at=started, node="node-1", number="+74951230001", outcome="answered",
            agency_id=self.agency.id, client_id=self.client.id, number_id=number_id, caller=caller,
            ended_at=started + timedelta(seconds=40), **more,
        )  # fmt: skip

    def call(self, number_id, **more):
        """A call that was stored; its id."""
        record = self.record(number_id, **more)
        (stored,) = self.records.store_batch([record])
        assert stored.refused is None
        return record.id

    def rows(self, statement, **values):
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def attribution_of(self, call_id):
        return self.attribution.get(self.agency.id, None, call_id)

    def last(self, call_id):
        return self.attribution_of(call_id).revisions[-1]


@pytest.fixture
def place(database, owner_engine):
    return Place(database, owner_engine)

"""Integrations on a real database, a stand-in for the other side, and a worker that is driven by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text

from dialtrace.calls.live import Batch, LiveCall, LiveEvent, Owner
from dialtrace.calls.live_rows import LiveRows
from dialtrace.cdr.model import CallFacts
from dialtrace.cdr.service import CdrService
from dialtrace.clock import SystemClock, to_microseconds
from dialtrace.db.engine import Database
from dialtrace.db.tables import attributions, visits
from dialtrace.events.service import sequence
from dialtrace.ids import new_id
from dialtrace.integrations.claims import Claims, Result
from dialtrace.integrations.delivering import Deliverer
from dialtrace.integrations.errors import ClaimLost
from dialtrace.integrations.model import Delivery, DeliveryFilters, Integration, Schedule
from dialtrace.integrations.service import IntegrationService
from dialtrace.outgoing.model import Rules
from dialtrace.outgoing.service import OutgoingClient
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.tenancy.model import Client
from dialtrace.tenancy.service import TenancyService
from tests.vendors.telegram import TOKEN, TelegramServer

BOX = SecretsBox([bytes(range(32))])
RULES = Rules(private_networks=[ip_network("127.0.0.0/8")])
#: Quick: 5 tries. Whoever is in doubt waits as long as anybody.
QUICK = Schedule(delays_s=(0.01,) * 4, timeout_s=2.0, whole_s=10.0, in_doubt_s=0.01)
#: For requests that are not answered.
HASTY = Schedule(delays_s=(0.01,) * 4, timeout_s=0.4, whole_s=10.0, in_doubt_s=0.01)
CALLER = "+442079460999"


@pytest.fixture
def client(database: Database) -> Client:
    tenancy = TenancyService(database, SystemClock())
    return tenancy.create_client(tenancy.create_agency("First").id, "Its client")


class LaterClock(SystemClock):
    """It is so much later: what happened has become old."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead


def deliverer(
    database: Database, schedule: Schedule = QUICK, *, ahead: timedelta = timedelta(0), **more: Any
) -> Deliverer:
    client = OutgoingClient(RULES, most_per_host=32)
    return Deliverer(database, client, BOX, LaterClock(ahead), schedule, **more)


class Platform:
    """What happens to calls, and to deliveries of it."""

    def __init__(self, database: Database, client: Client) -> None:
        self.database, self.client = database, client
        self.integrations = IntegrationService(database, BOX, SystemClock(), deliverer(database))
        self.claims = Claims(database)
        self.records = CdrService(database)

    def integrate(self, system: str, settings: Mapping[str, Any], secrets: Mapping[str, Any]) -> Integration:
        return self.integrations.create_integration(
            self.client.agency_id, self.client.id, system=system, name=f"Our {system}", settings=settings,
            secrets=secrets,
        )  # fmt: skip

    def end_call(self, call_id: UUID | None = None, **values: Any) -> UUID:
        """A call's record comes, or changes."""
        self.end_calls([values | ({"id": call_id} if call_id else {})])
        return self.last

    def end_calls(self, several: Sequence[Mapping[str, Any]]) -> list[UUID]:
        facts = [self._facts(**values) for values in several]
        self.records.store_batch(facts)
        self.last = facts[-1].id
        return [one.id for one in facts]

    def _facts(self, **values: Any) -> CallFacts:
        started = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
        usual: dict[str, Any] = {
            "id": uuid4(), "started_at": started, "node": "node-1", "number": "+442079460123", "outcome": "answered",
            "agency_id": self.client.agency_id, "client_id": self.client.id, "caller": CALLER,
            "ended_at": started + timedelta(seconds=45),
        }  # fmt: skip
        if values.get("outcome", "answered") == "answered":
            connected = started + timedelta(seconds=3)
            usual |= {"answered_at": connected, "connected_at": connected, "talk_ms": 42_000}
        return CallFacts(**usual | values)

    def attribute(self, call_id: UUID, *, consent: str = "given", **visit: Any) -> UUID:
        """The call belongs to a visit, which began ten minutes before now."""
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
        visit_id = new_id(now_ms=int(began.timestamp() * 1000))
        agency = self.client.agency_id
        own = {
            "agency_id": agency, "id": visit_id, "started_at": began, "client_id": self.client.id,
            "site_id": uuid4(), "visitor_id": uuid4(), "landing_page": "https://shop.example/windows",
            "channel": "paid_search", "source": "google", "classified_by": "click_id", "device": "mobile",
            "consent": consent, "last_seen_at": began,
        }  # fmt: skip
        attribution = {
            "agency_id": agency, "call_id": call_id, "revision": 1, "client_id": self.client.id,
            "call_started_at": began, "method": "visit", "visit_id": visit_id, "visit_started_at": began,
            "channel": "paid_search", "source": "google", "digest": b"",
        }  # fmt: skip
        with self.database.tenant(agency) as connection:
            connection.execute(insert(visits).values(own | visit))
            connection.execute(insert(attributions).values(attribution))
        return visit_id

    def ring(self, call_id: UUID | None = None, *, is_test: bool = False) -> UUID:
        """A call stands, and rings."""
        call_id = call_id or uuid4()
        words = {"source": "yandex", "campaign": "spring"}
        owner = Owner(self.client.agency_id, self.client.id, source=words, is_test=is_test)
        now_us = to_microseconds(datetime.now(UTC))
        standing = LiveCall(str(call_id), started_us=now_us, dialled="+442079460123", caller=CALLER, owner=owner)
        event = LiveEvent(new_id(), "call.ringing", str(call_id), owner, now_us)
        LiveRows(self.database).put("node-1", Batch([standing], [], [event]))
        return call_id

    def sequence(self) -> None:
        while sequence(self.database):
            pass

    def turn(self, made: Deliverer | None = None, *, most: int = 100, side_by_side: int = 1) -> list[Result]:
        """Reads on in the log, takes what is due, makes it, writes it down."""
        self.sequence()
        while self.claims.catch_up():
            pass
        taken = self.claims.claim(most, hold_s=30, each=most)
        made = made or deliverer(self.database)
        with ThreadPoolExecutor(side_by_side) as pool:
            results = [one for several in pool.map(partial(_deliver, made), made.groups(taken)) for one in several]
        self.claims.settle(results)
        return results

    def work(self, made: Deliverer | None = None, *, timeout_s: float = 20.0, **turn: Any) -> None:
        """Turns until nothing is on its way any more."""
        until_s = time.monotonic() + timeout_s
        made = made or deliverer(self.database)
        while time.monotonic() < until_s:
            self.turn(made, **turn)
            left = [one for one in self.claims.backlog() if one.due or one.sent or one.sending]
            if not left:
                return
            time.sleep(0.02)
        raise AssertionError(f"still on its way: {self.claims.backlog()}")

    def ledger(self, integration: Integration, **filters: Any) -> Sequence[Delivery]:
        found = self.integrations.list_deliveries(
            integration.agency_id, None, integration.id, DeliveryFilters(**filters), limit=500
        )
        return found.items

    def now(self, integration: Integration) -> Integration:
        return self.integrations.get_integration(integration.agency_id, None, integration.id)

    def objects(self, owner_engine: Any) -> dict[tuple[UUID, str], str]:
        """State of everything that was made, by call and name."""
        with owner_engine.connect() as connection:
            rows = connection.execute(text("SELECT call_id, name, state FROM integration_objects"))
            return {(row.call_id, row.name): row.state for row in rows}


def _deliver(made: Deliverer, group: Sequence[Any]) -> list[Result]:
    try:
        return made.deliver(group)
    except ClaimLost:
        return []


@pytest.fixture
def platform(database: Database, client: Client) -> Platform:
    return Platform(database, client)


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    made = TelegramServer()
    yield made
    made.stop()


@pytest.fixture
def notices(platform: Platform, telegram: TelegramServer) -> Integration:
    settings = {"chat_id": "-1001234567890", "calls": "all", "api_url": telegram.url}
    return platform.integrate("telegram", settings, {"bot_token": TOKEN})

"""Endpoints on a real database, real receivers, and a sender that is driven by hand: one turn at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest

from dialtrace.cdr.service import CdrService
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.demo.receiver import Receiver
from dialtrace.events.service import sequence
from dialtrace.outgoing.model import Rules
from dialtrace.outgoing.service import OutgoingClient
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.tenancy.model import Client
from dialtrace.tenancy.service import TenancyService
from dialtrace.webhooks.claims import Bounds, Claims, Stopped
from dialtrace.webhooks.model import Schedule, Webhook, WebhookValues
from dialtrace.webhooks.sending import Sender
from dialtrace.webhooks.service import WebhookService

from .facts import facts_of

BOX = SecretsBox([bytes(range(32))])
RULES = Rules(private_networks=[ip_network("127.0.0.0/8")])
#: Quick, and still with jitter: 12 tries.
QUICK = Schedule(delays_s=(0.01,) * 11, pause_after_s=3600.0, timeout_s=2.0)


@pytest.fixture
def client(database: Database) -> Client:
    tenancy = TenancyService(database, SystemClock())
    return tenancy.create_client(tenancy.create_agency("First").id, "Its client")


@pytest.fixture
def sibling(database: Database, client: Client) -> Client:
    return TenancyService(database, SystemClock()).create_client(client.agency_id, "Its sibling")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver().start()
    yield made
    made.stop()


@pytest.fixture
def webhooks(database: Database) -> WebhookService:
    return WebhookService(database, BOX, RULES, SystemClock())


class Platform:
    """What happens to calls, and to the messages of it."""

    def __init__(self, database: Database, webhooks: WebhookService, client: Client) -> None:
        self.database, self.webhooks, self.client = database, webhooks, client
        self.claims = Claims(database)
        self.records = CdrService(database)

    def hook(self, receiver: Receiver, *, client_id: UUID | None = None, **values: Any) -> Webhook:
        wanted = WebhookValues(url=receiver.url, **values)
        made, secret = self.webhooks.create_webhook(self.client.agency_id, client_id, wanted)
        receiver.keys.append(secret.key)
        return made

    def end_call(self, call_id: UUID | None = None, *, client_id: UUID | None = None, talk_ms: int = 1000) -> UUID:
        """A call's record comes, or changes."""
        call_id = call_id or uuid4()
        self.records.store_batch([facts_of(call_id, self.client.agency_id, client_id or self.client.id, talk_ms)])
        return call_id

    def sequence(self) -> None:
        while sequence(self.database):
            pass

    def sender(self, schedule: Schedule = QUICK, rules: Rules = RULES, **client: Any) -> Sender:
        return Sender(self.database, OutgoingClient(rules, **client), BOX, SystemClock(), schedule)

    def turn(
        self, schedule: Schedule = QUICK, *, sender: Sender | None = None, bounds: Bounds | None = None
    ) -> tuple[int, Sequence[Stopped]]:
        """One claim, sent and settled; how many, and which endpoints stopped by it."""
        sender = sender or self.sender(schedule)
        taken = self.claims.claim(100, bounds or Bounds())
        bodies = sender.render(taken)
        results = [sender.send(message, bodies.get(message)) for message in taken]
        return len(taken), self.claims.settle(results, sender.schedule)

    def work(self, schedule: Schedule = QUICK, timeout_s: float = 10.0) -> None:
        """Turns until nothing is on its way any more."""
        until_s = time.monotonic() + timeout_s
        sender = self.sender(schedule)
        while time.monotonic() < until_s:
            self.turn(sender=sender)
            left = self.claims.backlog()
            if not (left.waiting or left.blocked or left.sending or left.behind):
                return
            self.claims.catch_up()
            time.sleep(0.01)
        raise AssertionError(f"still on its way: {self.claims.backlog()}")


@pytest.fixture
def platform(database: Database, webhooks: WebhookService, client: Client) -> Platform:
    return Platform(database, webhooks, client)

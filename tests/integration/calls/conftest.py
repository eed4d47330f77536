"""A tenant with a client, and what the tests of the call plane put into the database directly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, text, update

from dialtrace.calls.service import CallFlowService
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.db.tables import agencies, clients, numbers
from dialtrace.ids import new_id

from .lines import DatabaseLine
from .processes import Processes


@dataclass
class Tenant:
    """An agency with one client, and shortcuts to give it numbers."""

    database: Database
    owner: Engine
    agency_id: UUID = field(default_factory=new_id)
    client_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        self.calls = CallFlowService(self.database, SystemClock())
        with self.database.tenant(self.agency_id) as connection:
            connection.execute(insert(agencies).values(agency_id=self.agency_id, name="Agency"))
        self.add_client(self.client_id)

    def add_client(self, client_id: UUID) -> None:
        with self.database.tenant(self.agency_id) as connection:
            connection.execute(insert(clients).values(agency_id=self.agency_id, id=client_id, name="Client"))

    def target(self, address: str = "sip:1@127.0.0.1:23190", ring_timeout_s: int = 5) -> UUID:
        made = self.calls.create_target(
            self.agency_id, self.client_id, name="desk", address=address, ring_timeout_s=ring_timeout_s
        )
        return made.id

    def flow(self, *steps: dict[str, Any], record: bool = False) -> UUID:
        document = {"version": 1, "record": record, "steps": list(steps)}
        return self.calls.create_flow(self.agency_id, self.client_id, name="flow", document=document).id

    def number(self, e164: str, flow_id: UUID | None = None) -> UUID:
        number_id = new_id()
        with self.database.tenant(self.agency_id) as connection:
            connection.execute(
                insert(numbers).values(
                    agency_id=self.agency_id, id=number_id, client_id=self.client_id, e164=e164, flow_id=flow_id
                )
            )
            self._publish(connection, number_id)
        return number_id

    def set_number(self, number_id: UUID, **values: Any) -> None:
        with self.database.tenant(self.agency_id) as connection:
            connection.execute(
                update(numbers).where(numbers.c.agency_id == self.agency_id, numbers.c.id == number_id).values(**values)
            )
            self._publish(connection, number_id)

    def _publish(self, connection: Any, number_id: UUID) -> None:
        connection.execute(
            text("SELECT dialtrace_directory_put(:agency, :number)"), {"agency": self.agency_id, "number": number_id}
        )


@pytest.fixture
def tenant(database: Database, owner_engine: Engine) -> Tenant:
    return Tenant(database, owner_engine)


@pytest.fixture
def line(database_url: str) -> Iterator[DatabaseLine]:
    made = DatabaseLine(database_url)
    yield made
    made.close()


@pytest.fixture
def processes(line: DatabaseLine, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(line.url, tmp_path)
    yield made
    made.close()

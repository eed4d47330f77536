"""Calls that wait for a decision, and the receiver of docs/howto/web-hooks-in-flows.md as a process."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.decisions.service import DecisionService, HookSecrets
from dialtrace.outgoing.model import Rules
from dialtrace.outgoing.service import OutgoingClient
from dialtrace.outgoing.signing import format_secret
from dialtrace.tenancy.model import Client
from dialtrace.tenancy.service import TenancyService

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "web-hooks-in-flows.md"
NODE = "node-1"
CUSTOMER, STRANGER = "+442079460123", "+442079460999"


@pytest.fixture
def client(database: Database) -> Client:
    tenancy = TenancyService(database, SystemClock())
    return tenancy.create_client(tenancy.create_agency("First").id, "Its client")


@pytest.fixture
def hook_secrets(database: Database) -> HookSecrets:
    return HookSecrets(database, SystemClock())


@pytest.fixture
def decisions(database: Database, hook_secrets: HookSecrets) -> DecisionService:
    outgoing = OutgoingClient(Rules(private_networks=[ip_network("127.0.0.0/8")]))
    return DecisionService(database, outgoing, hook_secrets, SystemClock())


Arrive = Callable[..., str]


@pytest.fixture
def arrive(database: Database, client: Client) -> Arrive:
    """A call comes to a step with a web hook, as a worker tells; returns the decision's id."""

    def asks(
        url: str, *, of: Client = client, call: uuid.UUID | None = None, caller: str | None = CUSTOMER,
        timeout_s: int = 5, step: str = "ask-crm", choices: tuple[str, ...] = ("sales", "support"),
    ) -> str:  # fmt: skip
        call = call or uuid.uuid4()
        body = {"call_id": str(call), "number": "+442079460001", "caller": caller, "step": step, "variables": {}}
        values = (str(of.agency_id), str(of.id), str(call), NODE, step, url, list(choices), json.dumps(body), timeout_s)
        statement = "SELECT dialtrace_decision_ask(%s::uuid, %s::uuid, %s::uuid, %s, %s, %s, %s, %s::jsonb, %s)"
        return str(database.look_up(statement, values)[0][0])

    return asks


@pytest.fixture
def row_of(owner_engine: Engine) -> Callable[[str], Any]:
    """What became of a decision."""

    def find(decision: str) -> Any:
        with owner_engine.connect() as connection:
            return connection.execute(text("SELECT * FROM decisions WHERE id = :id"), {"id": decision}).one()

    return find


@dataclass
class Receiver:
    """The receiver of the how-to."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/calls/route"


@pytest.fixture
def receiver(tmp_path: Path, client: Client, hook_secrets: HookSecrets) -> Iterator[Receiver]:
    code = re.findall(r"```python\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    (tmp_path / "receiver.py").write_text(code[0], encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret = format_secret(hook_secrets.reveal(client.agency_id, client.id).key)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "receiver.py"), str(port)],
        env={**os.environ, "HOOK_SECRET": secret},
        stderr=subprocess.DEVNULL,
    )
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield Receiver(port, process)
    process.kill()
    process.wait(5)

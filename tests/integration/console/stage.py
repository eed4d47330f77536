"""An agency with something on every page: calls of some weeks, a recording, spend, a call that stands, and one thing of
each kind that has a page."""

from __future__ import annotations

import math
import struct
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from dialtrace.api.app import ApiServices
from dialtrace.cdr.model import Outcome

from ..api.conftest import Tenant
from ..api.records import START, bring_home, due_of, put_live_call, store_call

OUTCOMES: tuple[Outcome, ...] = ("answered", "answered", "no_answer", "answered", "busy", "answered", "voicemail")


@dataclass
class Stage:
    client_id: str
    call_id: str
    #: Pages of single things.
    pages: list[str] = field(default_factory=list)


def speech(seconds: int = 6) -> bytes:
    """Two voices that take turns, 8 kHz, 16 bits."""
    frames = []
    for index in range(8000 * seconds):
        turn = math.sin(index / 8000 * 1.7) > 0
        loud = int(12_000 * abs(math.sin(index / 900)) * math.sin(index / 5))
        frames.append(struct.pack("<hh", loud if turn else loud // 20, loud // 20 if turn else loud))
    data = b"".join(frames)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16,
                       b"data", len(data))  # fmt: skip
    return head + data


def build_stage(services: ApiServices, tenant: Tenant) -> Stage:
    agency, client, own = tenant.agency["id"], tenant.client["id"], tenant.agency_key
    now = (datetime.now(UTC) - START) // timedelta(minutes=1)
    target, number = tenant.target["id"], tenant.number["id"]
    for back in range(40):
        store_call(
            services, agency, client, minute=now - 30 - back * 700, outcome=OUTCOMES[back % len(OUTCOMES)],
            caller=f"+4420794609{10 + back % 17}" if back % 9 else None, target=target, number_id=number,
        )  # fmt: skip
    minute = now - 90
    call_id = store_call(services, agency, client, minute=minute, recorded=True, target=target, number_id=number)
    with tempfile.TemporaryDirectory() as folder:
        bring_home(services, due_of(call_id, agency, client, minute=minute), Path(folder), speech())
    put_live_call(
        services, agency, client, uuid4(), started=datetime.now(UTC), answered=datetime.now(UTC), target=target
    )
    rows = [
        {"day": str((datetime.now(UTC) - timedelta(days=day)).date()), "channel": "paid_search", "source": "google",
         "campaign": "spring", "clicks": 40, "cost": f"{12 + day}.50", "currency": "EUR"}
        for day in range(10)
    ]  # fmt: skip
    assert own.post("/v1/spend", {"client_id": client, "rows": rows}).status_code == 200
    made = {
        "sites": {"client_id": client, "name": "Bright Dental", "domains": ["dental.example"]},
        "pools": {"client_id": client, "name": "Visitors from search"},
        "users": {"email": "sam@north.example", "name": "Sam Example", "role": "manager"},
        "keys": {"role": "agency", "name": "CRM"},
        "webhooks": {"url": "https://crm.example/hook", "description": "Calls into the CRM"},
    }  # fmt: skip
    pages = [f"/console/{name}/{own.made(f'/v1/{name}', body)['id']}" for name, body in made.items()]
    pages += [f"/console/{name}/new?client_id={client}" for name in ("numbers", "sites", "users", "privacy")]
    pages += [f"/console/calls/{call_id}", f"/console/numbers/{number}", f"/console/targets/{target}"]
    return Stage(client, str(call_id), [*pages, "/console/targets/new", "/console/account"])

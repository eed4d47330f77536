"""An agency with something on every page: calls of some weeks, a recording, spend, a call that stands, and one thing of
each kind that has a page."""

from __future__ import annotations

import math
import struct
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
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


def whole_flow(target: str) -> dict[str, Any]:
    """Nearly every kind of step and of part."""
    say = {"kind": "file", "name": "good-day"}
    tone = {"kind": "tone", "frequency_hz": 440, "duration_ms": 400}
    steps = [
        {"name": "spam", "type": "condition", "when": [{"fact": "spam", "at_least": 80},
         {"fact": "source", "in": ["a"]}, {"fact": "repeat", "is": False}], "then": "turn-away", "otherwise": "hours"},
        {"name": "turn-away", "type": "hangup", "cause": "rejected"},
        {"name": "hours", "type": "schedule", "weekly": {"mon": [["09:00", "13:00"], ["14:00", "18:00"]]},
         "holidays": [{"date": "2026-12-24", "hours": [["09:00", "12:00"]]}, {"date": "2026-12-25", "hours": []}],
         "overrides": [{"from": "2026-07-01T00:00", "until": "2026-07-15T00:00", "open": False}], "open": "notice",
         "closed": "message"},
        {"name": "notice", "type": "consent", "prompt": say, "refuse_digit": "9", "timeout_s": 3},
        {"type": "code", "prompt": tone, "length": 4, "variable": "promo_code", "timeout_s": 5, "retries": 0},
        {"name": "choose", "type": "menu", "prompt": say, "choices": {"1": "tagged", "2": "step-9"}, "timeout_s": 5,
         "retries": 2, "invalid_prompt": tone, "otherwise": "wait"},
        {"name": "tagged", "type": "tag", "tags": ["appointment", "new"]},
        {"type": "set", "variables": {"department": "sales"}},
        {"type": "ring", "targets": [{"target": target, "weight": 3}], "strategy": "weighted", "ring_timeout_s": 15,
         "sticky_days": 30, "whisper": say, "accept_digit": "1",
         "otherwise": "wait"},
        {"name": "wait", "type": "queue", "targets": [target], "music": tone, "max_wait_s": 60, "max_length": 5,
         "announce_every_s": 30, "announce_position": True, "otherwise": "message"},
        {"name": "message", "type": "voicemail", "prompt": tone, "max_s": 60, "silence_s": 5},
    ]  # fmt: skip
    return {"version": 2, "record": True, "language": "en", "longest_s": 1800, "steps": steps}


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
    book = own.made("/v1/price-books", {"side": "client", "name": "Standard", "currency": "EUR"})["id"]
    rates = [{"meter": "minute", "direction": "inbound", "prefix": "+44", "amount": "0.30"}]
    own.made(f"/v1/price-books/{book}/editions", {"valid_from": "2020-01-01T00:00:00Z", "rates": rates})
    account = f"/v1/clients/{client}/billing"
    own.made(account, {"currency": "EUR", "price_book_id": book})
    own.made(f"{account}/entries", {"kind": "payment", "amount": "50.00", "reference": "bank 1"})
    chat = {"client_id": client, "system": "telegram", "name": "Missed calls", "settings": {"chat_id": "-1"},
            "secrets": {"bot_token": "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"}}  # fmt: skip
    pages.append(f"/console/integrations/{own.made('/v1/integrations', chat)['id']}")
    pages += [f"/console/integrations/new?client_id={client}{more}" for more in ("", "&system=bitrix24")]
    month = str(datetime.now(UTC).date())[:7]
    pages += [f"/console/prices/{book}", f"/console/money/statements/{month}?client_id={client}"]
    whole = {"client_id": client, "name": "Bright Dental", "document": whole_flow(target)}
    pages.append(f"/console/flows/{own.made('/v1/flows', whole)['id']}")
    pages.append(f"/console/flows/new?client_id={client}")
    days = f"from={(datetime.now(UTC) - timedelta(days=20)).date()}&to={datetime.now(UTC).date()}"
    pages.append(f"/console/reports/calls?client_id={client}&{days}&channel=-")
    return Stage(client, str(call_id), [*pages, "/console/targets/new", "/console/account"])

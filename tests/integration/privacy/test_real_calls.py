"""Real calls on the whole platform, then their caller asks to be forgotten: recorded, queued, decided by a web hook,
with consent, to a voicemail, and one that still stands while it is asked. Afterwards nothing names them anywhere.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from dialtrace.apiclient import ApiClient
from dialtrace.cli_privacy import verify_receipt
from dialtrace.db.engine import driver_url
from dialtrace.demo.stage import Demo, DemoOptions, running_platform
from dialtrace.launch import free_port, reserve_rtp_block

from ..node.phone import Phone, Target, answers
from .conftest import found_in_database, found_in_files

FREESWITCH = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
CALLER = "+442079460123"
SPELLINGS = ("442079460123", "2079460123", "%2B442079460123", "20 7946 0123", "20-7946-0123")
MUSIC = {"kind": "tone", "frequency_hz": 440, "duration_ms": 200}
OFFICE, MAILBOX = "+442079460001", "+442079460002"


@dataclass
class Shop:
    """A client with two numbers, and the telephone of whoever calls them."""

    demo: Demo
    own: ApiClient
    phone: Phone

    def call(self, number: str) -> Any:
        dialog = self.phone.call(self.demo.plan.nodes[0].sip_address, number.lstrip("+"), caller=CALLER)
        dialog.answered(20)
        return dialog

    def stored(self) -> list[dict[str, Any]]:
        calls = self.own.get("/v1/calls")["data"]
        return [call for call in calls if call["recording"] != "pending"]

    def found(self) -> list[str]:
        """Everywhere that the person is named: tables, object store, spools, and what else lies in the data folder."""
        engine = create_engine(driver_url(self.demo.plan.database_url), poolclass=NullPool)
        told = found_in_database(engine, SPELLINGS)
        for entry in (self.demo.folder / "data").iterdir():
            if entry.is_dir() and entry.name != "postgres":
                told += [f"{entry.name}/{name}" for name in found_in_files(entry, SPELLINGS)]
        engine.dispose()
        return told


def provision(demo: Demo, desk: Target) -> ApiClient:
    operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
    agency = operator.post("/v1/agencies", {"name": "Agency"})["id"]
    key = operator.post("/v1/keys", {"agency_id": agency, "role": "agency", "name": "test"})["token"]
    own = ApiClient(demo.plan.api_url, key)
    client = own.post("/v1/clients", {"name": "Shop"})["id"]
    address = f"sip:desk@127.0.0.1:{desk.port}"
    target = own.post("/v1/targets", {"client_id": client, "name": "desk", "address": address})["id"]
    notice = {"kind": "say", "text": "Recorded. Press 9 to refuse."}
    nobody = f"http://127.0.0.1:{free_port()}/asks?of=calls"
    office: list[dict[str, Any]] = [
        {"name": "notice", "type": "consent", "prompt": notice, "timeout_s": 1},
        {
            "name": "ask",
            "type": "webhook",
            "url": nobody,
            "timeout_s": 2,
            "choices": {"a": "wait"},
            "otherwise": "wait",
        },
        {"name": "wait", "type": "queue", "targets": [target], "music": MUSIC, "max_wait_s": 60},
    ]
    mailbox = [{"name": "message", "type": "voicemail", "prompt": {"kind": "say", "text": "Speak."}}]
    for number, steps in ((OFFICE, office), (MAILBOX, mailbox)):
        document = {"version": 2, "record": True, "language": "en", "steps": steps}
        flow = own.post("/v1/flows", {"client_id": client, "name": number, "document": document})["id"]
        own.post("/v1/numbers", {"client_id": client, "number": number, "flow_id": flow})
    own.post("/v1/blocks", {"client_id": client, "entries": [{"kind": "number", "pattern": "+442079460124"}]})
    return own


@pytest.fixture(params=["embedded", pytest.param("freeswitch", marks=pytest.mark.freeswitch)])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    if request.param == "freeswitch" and FREESWITCH is None:
        pytest.skip("there is no FreeSWITCH here")
    switch = Path(str(FREESWITCH)) if request.param == "freeswitch" else None
    desk, phone = Target(answers(0.1)), Phone()
    claim = reserve_rtp_block(20_000)
    try:
        with running_platform(DemoOptions(calls=1, rate=1, nodes=1, seed=1, freeswitch=switch)) as demo:
            yield Shop(demo, provision(demo, desk), phone)
    finally:
        if claim is not None:
            claim.close()
        phone.close()
        desk.close()


def wait_until(what: Callable[[], Any], within_s: float = 60.0) -> Any:
    until_s = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < until_s, "it never came to that"
        time.sleep(0.2)
    return found


@pytest.mark.timeout(240)
def test_given_real_calls_when_their_caller_is_erased_while_one_stands_then_nothing_names_them(shop: Shop) -> None:
    for number, seconds in ((OFFICE, 7.0), (MAILBOX, 3.0)):
        dialog = shop.call(number)
        time.sleep(seconds)
        dialog.bye()
    wait_until(lambda: len(shop.stored()) == 2)
    assert {row["caller"] for row in shop.stored()} == {CALLER}
    calls = {row["number"]: row["id"] for row in shop.stored()}
    proof = shop.own.get(f"/v1/calls/{calls[OFFICE]}/consent")
    assert (proof["rule"], proof["step"], proof["answer"]) == ("ask", "notice", "given")
    assert proof["notice_sha256"] is not None
    assert proof["played_at"] is not None
    standing = shop.call(OFFICE)
    time.sleep(7.0)
    before = shop.found()
    assert {"live_calls.caller"} <= set(before)
    assert any(name.startswith("nodes/") for name in before), before
    assert any(name.endswith(".caller_raw") for name in before), before

    request = shop.own.post("/v1/subject-requests", {"kind": "erase", "phone": CALLER})
    asked = f"/v1/subject-requests/{request['id']}"
    wait_until(lambda: shop.own.get(asked)["waits"].get("standing_calls") == 1)
    standing.bye()
    done = wait_until(lambda: (now := shop.own.get(asked))["state"] == "done" and now, 90.0)

    assert shop.found() == []
    assert done["counts"]["recordings"] >= 3
    assert [path for path in (shop.demo.folder / "data" / "recordings").rglob("*.wav")] == []  # noqa: C416
    rows = shop.own.get("/v1/calls")["data"]
    assert [(row["caller"], row["outcome"]) for row in rows if row["number"] == OFFICE] == [(None, "answered")] * 2
    receipt = shop.own.get(f"/v1/privacy/receipts/{done['receipt_id']}")
    told = verify_receipt(receipt, shop.own.get("/v1/privacy/keys"))
    assert told["counts"]["calls_found"] == 3
    assert told["nodes_swept"] == [shop.demo.plan.nodes[0].name]
    events = wait_until(lambda: shop.own.get("/v1/events", types="person.erased")["data"])
    assert [event["data"]["call_count"] for event in events] == [3]


def test_given_the_search_then_it_looks_into_every_column(owner_engine: Any) -> None:
    """What proves an absence must be seen to find: one value in each kind of column."""
    with owner_engine.begin() as connection:
        connection.execute(text("CREATE TABLE hiding_place (a text, b jsonb, c bytea, d text[])"))
    try:
        for column, value in (("a", "'x442079460123'"), ("b", "'{\"x\": 442079460123}'"),
                              ("c", "convert_to('442079460123', 'UTF8')"), ("d", "ARRAY['442079460123']")):  # fmt: skip
            with owner_engine.begin() as connection:
                connection.execute(text("DELETE FROM hiding_place"))
                connection.execute(text(f"INSERT INTO hiding_place ({column}) VALUES ({value})"))
            assert found_in_database(owner_engine, SPELLINGS) == [f"hiding_place.{column}"]
    finally:
        with owner_engine.begin() as connection:
            connection.execute(text("DROP TABLE hiding_place"))

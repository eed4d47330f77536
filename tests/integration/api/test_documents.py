"""A client as code: what is exported, applied to an empty system, comes out the same byte for byte; and nothing by
halves."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dialtrace.cli_tenant import tenant_group
from dialtrace.db.tables import TENANT
from dialtrace.documents.coverage import COVERED, LEFT_OUT
from dialtrace.documents.model import KINDS, MEMBERS, SINGLES

from .conftest import Asker, Tenant

PATH = "/v1/clients/{}/document"


def furnish(tenant: Tenant) -> str:
    """A client with something of everything that a document tells; its id."""
    key, client = tenant.agency_key, tenant.client["id"]

    def made(path: str, **body: Any) -> str:
        return str(key.made(path, {"client_id": client, **body})["id"])

    def put(path: str, body: Any) -> None:
        answer = key.ask("PUT", path, body)
        assert answer.status_code == 200, answer.text

    reception = made("/v1/targets", name="Приёмная", address="sip:desk@pbx.example", ring_timeout_s=15)
    twin = made("/v1/targets", name="Приёмная", address="sip:desk2@pbx.example")
    made("/v1/targets", name="Приёмная 2", address="sip:desk3@pbx.example")
    hours = made("/v1/schedules", name="Office", hours={"weekly": {"mon": [["09:00", "18:00"]]}})
    steps = [
        {"type": "schedule", "schedule": hours, "closed": "late"},
        {"type": "ring", "targets": [reception, twin]},
        {"type": "hangup", "cause": "busy", "name": "late"},
    ]
    flow = made("/v1/flows", name="Day", document={"version": 2, "record": True, "steps": steps})
    site = made("/v1/sites", name="Shop", domains=["shop.example"])
    pool = made("/v1/pools", name="Search", site_id=site, flow_id=flow, tail_s=900, number_price="1.50", currency="GBP")
    numbers = [
        made("/v1/numbers", number=f"+4420794602{place}", kind="dynamic", label="@not a reference")
        for place in (10, 11)
    ]
    own = made(
        "/v1/numbers", number="+442079460220", kind="static", flow_id=flow, source="google", channel="paid_search"
    )
    assert key.post(f"/v1/pools/{pool}/numbers/add", {"number_ids": numbers}).status_code == 200
    put(f"/v1/pools/{pool}/reserves", {"reserves": [{"source": "google", "number_id": own}]})
    put(f"/v1/sites/{site}/rules/draft", {"rules": {}})
    assert key.post(f"/v1/sites/{site}/rules/publish", {}).status_code == 200
    made("/v1/webhooks", url="https://partner.example/hook", description="CRM", event_types=["call.ended"])
    assert (
        key.post("/v1/blocks", {"client_id": client, "entries": [{"kind": "withheld", "note": "x"}]}).status_code == 201
    )
    put(f"/v1/clients/{client}/limits", {"max_calls": 30, "max_calls_per_s": None})
    retention = {
        "cdr_days": 365,
        "recording_days": 90,
        "caller_days": None,
        "visit_days": None,
        "caller_becomes": "key",
    }
    put(f"/v1/clients/{client}/retention", retention)
    put(f"/v1/clients/{client}/recording-settings", {"format": "opus", "keep_original": False})
    put(f"/v1/clients/{client}/export-columns", {"calls": ["id", "number"], "events": None, "audit": None})
    made("/v1/export-schedules", name="Nightly", content="calls", format="csv", every="daily", hour=3)
    book = key.made("/v1/price-books", {"side": "client", "name": "Standard", "currency": "GBP"})["id"]
    edition = {
        "valid_from": "2026-01-01T00:00:00Z", "monthly_minimum": "5.00",
        "rates": [{"meter": "minute", "direction": "inbound", "amount": "0.02", "package": "free"}],
        "packages": [{"name": "free", "quantity": 100}],
    }  # fmt: skip
    key.made(f"/v1/price-books/{book}/editions", edition)
    account = {"currency": "GBP", "price_book_id": book, "alarms": ["10.00"], "mode": "prepaid"}
    key.made(f"/v1/clients/{client}/billing", account)
    changed = key.patch(f"/v1/clients/{client}", {"backup_target_id": twin}, If_Match="*")
    assert changed.status_code == 200, changed.text
    return str(client)


@pytest.fixture
def furnished(make_tenant: Callable[[str], Tenant]) -> tuple[Tenant, str]:
    tenant = make_tenant("North")
    return tenant, furnish(tenant)


def export(key: Asker, client: str) -> str:
    answer = key.get(PATH.format(client))
    assert answer.status_code == 200, answer.text
    return str(answer.get_data(as_text=True))


def apply(key: Asker, client: str, document: Any, query: str = "", **headers: str) -> Any:
    return key.ask("PUT", PATH.format(client) + query, document, **headers)


def test_given_the_tables_of_tenants_then_each_is_in_the_document_or_left_out_for_a_reason() -> None:
    told = set(COVERED) | set(LEFT_OUT)
    missing = sorted(set(TENANT) - told)
    assert missing == [], (
        f"{missing}: say in platform/documents/coverage.py whether a client's document tells of it (and in kinds.py or"
        " singles.py how), or why it is left out"
    )
    assert sorted(told - set(TENANT)) == []
    assert sorted(set(COVERED) & set(LEFT_OUT)) == []
    assert set(COVERED.values()) | {"site_rules"} == {*KINDS, *SINGLES}
    assert all(len(reason) > 5 for reason in LEFT_OUT.values())


def test_given_a_furnished_client_when_exported_then_every_member_says_something(furnished: tuple[Tenant, str]) -> None:
    tenant, client = furnished
    document = json.loads(export(tenant.agency_key, client))

    assert set(document) == set(MEMBERS)
    empty = [name for name in MEMBERS if not document[name] and name != "source_rules"]
    assert empty == []
    text = json.dumps(document, ensure_ascii=False)
    assert "@targets/приёмная" in text
    assert client not in text
    assert set(document["targets"]) >= {"приёмная", "приёмная-2", "приёмная-3"}


def test_given_an_export_when_applied_to_an_empty_system_then_its_export_is_the_same_byte_for_byte(
    furnished: tuple[Tenant, str], make_tenant: Callable[[str], Tenant], owner_engine: Any
) -> None:
    tenant, client = furnished
    exported = export(tenant.agency_key, client)
    # Another installation: nobody has the numbers there.
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM directory")
    other = make_tenant("South")
    fresh = other.agency_key.made("/v1/clients", {"name": "Empty"})["id"]

    applied = apply(other.agency_key, fresh, json.loads(exported))

    assert applied.status_code == 200, applied.text
    assert {step["action"] for step in applied.get_json()["steps"]} == {"create", "change"}
    assert export(other.agency_key, fresh) == exported
    again = apply(other.agency_key, fresh, json.loads(exported), "?remove=true")
    assert again.get_json()["steps"] == []
    # What follows from a change has followed: the number's calls run the flow that was applied.
    number = other.agency_key.get("/v1/numbers?number=%2B442079460220&client_id=" + fresh).get_json()["data"][0]
    flow = other.agency_key.get("/v1/flows?client_id=" + fresh).get_json()["data"][0]
    assert number["flow_id"] == flow["id"]
    with owner_engine.connect() as connection:
        route = connection.exec_driver_sql("SELECT flow_id::text FROM dialtrace_route('+442079460220')").scalar_one()
    assert route == flow["id"]


def test_given_a_dry_run_then_it_tells_the_steps_and_nothing_has_changed(furnished: tuple[Tenant, str]) -> None:
    tenant, client = furnished
    exported = export(tenant.agency_key, client)
    document = json.loads(exported)
    document["targets"]["приёмная"]["address"] = "sip:other@pbx.example"
    document["targets"]["night"] = {"name": "Night", "address": "sip:night@pbx.example", "ring_timeout_s": 20}
    document["limits"]["max_calls"] = 5
    del document["webhooks"]["partner-example-hook"]

    told = apply(tenant.agency_key, client, document, "?dry_run=true&remove=true")

    steps = {(one["action"], one["kind"], one["key"]) for one in told.get_json()["steps"]}
    assert steps == {
        ("change", "targets", "приёмная"), ("create", "targets", "night"), ("change", "limits", ""),
        ("remove", "webhooks", "partner-example-hook"),
    }  # fmt: skip
    assert export(tenant.agency_key, client) == exported

    applied = apply(tenant.agency_key, client, document, "?remove=true")
    assert applied.get_json()["steps"] == told.get_json()["steps"]
    assert json.loads(export(tenant.agency_key, client)) == document


def test_given_a_fault_deep_in_a_document_then_it_is_named_and_nothing_of_the_rest_is_done(
    furnished: tuple[Tenant, str],
) -> None:
    tenant, client = furnished
    exported = export(tenant.agency_key, client)
    document = json.loads(exported)
    document["targets"]["night"] = {"name": "Night", "address": "sip:night@pbx.example", "ring_timeout_s": 20}
    document["client"]["name"] = "Renamed"
    document["retention"]["cdr_days"] = -1

    refused = apply(tenant.agency_key, client, document)

    assert refused.status_code == 422, refused.text
    assert export(tenant.agency_key, client) == exported
    document["retention"]["cdr_days"] = 30
    document["pools"]["search"]["flow_id"] = "@flows/nowhere"
    refused = apply(tenant.agency_key, client, document)
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["pointer"] == "#/pools/search/flow_id"
    assert export(tenant.agency_key, client) == exported


def test_given_a_client_that_was_changed_since_it_was_read_then_its_old_document_is_refused(
    furnished: tuple[Tenant, str],
) -> None:
    tenant, client = furnished
    read = tenant.agency_key.get(PATH.format(client))
    tag, document = read.headers["ETag"], read.get_json()
    assert tenant.agency_key.get(PATH.format(client), If_None_Match=tag).status_code in {200, 304}
    document["limits"]["max_calls"] = 7
    applied = apply(tenant.agency_key, client, document, If_Match=tag)
    assert applied.status_code == 200
    assert applied.headers["ETag"] == tenant.agency_key.get(PATH.format(client)).headers["ETag"] != tag

    document["limits"]["max_calls"] = 8
    assert apply(tenant.agency_key, client, document, If_Match=tag).status_code == 412


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda document: document.pop("targets"), "#/targets"),
        (lambda document: document.update(extra=1), "#/extra"),
        (lambda document: document.update(format="dialtrace-client/9"), "#/format"),
        (lambda document: document["targets"]["приёмная"].pop("address"), "#/targets/приёмная"),
        (lambda document: document.update(limits=7), "#/limits"),
    ],
)
def test_given_what_is_no_document_then_it_is_refused_with_the_place(
    furnished: tuple[Tenant, str], change: Any, pointer: str
) -> None:
    tenant, client = furnished
    document = json.loads(export(tenant.agency_key, client))
    change(document)

    refused = apply(tenant.agency_key, client, document)

    assert refused.status_code == 422, refused.text
    assert refused.get_json()["errors"][0]["pointer"] == pointer


def test_given_flows_that_go_to_each_other_in_a_circle_when_applied_then_each_knows_the_other(
    furnished: tuple[Tenant, str],
) -> None:
    """A menu stands in between, so that no call goes round for ever."""
    tenant, client = furnished
    document = json.loads(export(tenant.agency_key, client))
    for name, other in (("a", "b"), ("b", "a")):
        ask = {
            "type": "menu", "name": "ask", "prompt": {"kind": "tone", "frequency_hz": 440, "duration_ms": 200},
            "choices": {"1": "on"}, "otherwise": "end",
        }  # fmt: skip
        steps = [
            ask,
            {"type": "goto", "name": "on", "flow": f"@flows/{other}"},
            {"type": "hangup", "name": "end", "cause": "normal"},
        ]
        document["flows"][name] = {"name": name, "document": {"version": 2, "steps": steps}}

    applied = apply(tenant.agency_key, client, document)

    assert applied.status_code == 200, applied.text
    found = json.loads(export(tenant.agency_key, client))["flows"]
    for name, other in (("a", "b"), ("b", "a")):
        gone = [step["flow"] for step in found[name]["document"]["steps"] if step["type"] == "goto"]
        assert gone == [f"@flows/{other}"]


def test_given_a_client_when_copied_then_the_copy_has_everything_but_the_numbers(furnished: tuple[Tenant, str]) -> None:
    tenant, client = furnished
    source = json.loads(export(tenant.agency_key, client))

    copied = tenant.agency_key.post(f"/v1/clients/{client}/copy", {"name": "Second"})

    assert copied.status_code == 201, copied.text
    found = json.loads(export(tenant.agency_key, copied.get_json()["id"]))
    assert found["client"]["name"] == "Second"
    assert (found["numbers"], found["pool_numbers"], found["pool_reserves"]) == ({}, {}, {})
    same = set(MEMBERS) - {"client", "numbers", "pool_numbers", "pool_reserves", "site_rules"}
    assert {name: found[name] for name in same} == {name: source[name] for name in same}
    assert json.loads(export(tenant.agency_key, client)) == source


def test_given_the_command_line_then_a_client_is_exported_compared_applied_and_copied(
    tenant: Tenant, command_line: Callable[..., str], tmp_path: Path
) -> None:
    client = furnish(tenant)
    run = partial(command_line, tenant_group)
    file = tmp_path / "client.json"
    run("export", client, "--file", file)
    assert file.read_text() == export(tenant.agency_key, client)
    assert run("export", client) == file.read_text()
    assert run("diff", client, file) == "nothing to do\n"
    document = json.loads(file.read_text())
    document["targets"]["приёмная"]["ring_timeout_s"] = 33
    file.write_text(json.dumps(document))
    assert run("diff", client, file, fails=True).startswith("~ targets/приёмная: ring_timeout_s")
    assert json.loads(export(tenant.agency_key, client))["targets"]["приёмная"]["ring_timeout_s"] == 15
    assert "~ targets/приёмная: ring_timeout_s" in run("apply", client, file)
    assert json.loads(export(tenant.agency_key, client))["targets"]["приёмная"]["ring_timeout_s"] == 33
    copy = run("copy", client, "Leeds").strip()
    assert tenant.agency_key.get(f"/v1/clients/{copy}").get_json()["name"] == "Leeds"
    file.write_text("{")
    assert "is not JSON" in run("apply", client, file, fails=True)
    assert "there is no client" in run("export", tenant.agency["id"], fails=True)

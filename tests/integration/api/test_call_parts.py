"""What records tell beyond times and causes, as a real switch's captured files come out of the API."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from dialtrace.api.app import ApiServices
from dialtrace.cdr.interpret import interpret
from dialtrace.cdr.model import CallFacts

from .conftest import Tenant

CAPTURES = Path(__file__).parents[2] / "data" / "contract" / "captures"


def stored(services: ApiServices, tenant: Tenant, capture: str) -> CallFacts:
    """The capture's call with its legs, as this tenant's."""
    documents = [json.loads(path.read_bytes()) for path in sorted((CAPTURES / capture).glob("*.cdr.json"))]
    owner = {"agency_id": UUID(tenant.agency["id"]), "client_id": UUID(tenant.client["id"])}
    facts = [replace(interpret(document, node="node-1"), **owner) for document in documents]
    assert all(one.changed for one in services.cdr.store_batch(facts))
    (call,) = [one for one in facts if isinstance(one, CallFacts)]
    return call


def read(services: ApiServices, tenant: Tenant, capture: str) -> dict[str, Any]:
    call = stored(services, tenant, capture)
    answer: dict[str, Any] = tenant.client_key.get(f"/v1/calls/{call.id}").get_json()
    return answer


def test_given_an_attested_and_diverted_call_when_read_then_who_vouches_is_told(
    services: ApiServices, tenant: Tenant
) -> None:
    call = read(services, tenant, "attested-and-diverted")

    assert call["attestation"] == {
        "level": "A", "verstat": "TN-Validation-Passed", "verified_by": "edge", "claimed": "B",
    }  # fmt: skip
    assert call["diverted_from"] == "+14155550111"
    assert call["diversion"].startswith("<sip:+14155550111@")
    assert (call["cause_q850"], call["q850_name"]) == (16, "normal call clearing")
    assert [(leg["hangup_side"], leg["q850_name"]) for leg in call["legs"]] == [("caller", "normal call clearing")]


def test_given_a_silent_target_when_read_then_it_has_no_mos_and_the_caller_has_one(
    services: ApiServices, tenant: Tenant
) -> None:
    call = read(services, tenant, "silent-target")

    (leg,) = call["legs"]
    assert (leg["media"]["mos"], leg["media"]["no_audio_in"], leg["media"]["estimated_from"]) == (None, True, None)
    assert 4.0 < call["mos"] == call["media"]["mos"] <= 4.41
    assert call["media"]["packets_received"] > 0


def test_given_a_caller_who_was_moved_when_read_then_each_talk_and_the_move_are_told(
    services: ApiServices, tenant: Tenant
) -> None:
    call = read(services, tenant, "moved-by-operator")

    assert len(call["moves"]) == 1
    assert len(call["legs"]) == 2
    assert abs(call["talk_ms"] - sum(leg["talk_ms"] for leg in call["legs"])) <= 100


def test_given_a_queue_and_a_hold_when_read_then_their_times_are_told(services: ApiServices, tenant: Tenant) -> None:
    queued, held = read(services, tenant, "flow-queue-paired"), read(services, tenant, "held-by-target")

    assert 1000 < queued["queue_ms"] < 5000
    assert held["queue_ms"] is None
    assert held["hold_ms"] is None
    assert 900 < held["legs"][0]["hold_ms"] < 3000


def test_given_a_call_when_it_is_priced_then_its_cost_is_a_decimal_and_null_before(
    services: ApiServices, tenant: Tenant
) -> None:
    call = stored(services, tenant, "answered")
    path = f"/v1/calls/{call.id}"
    assert tenant.client_key.get(path).get_json()["cost"] is None

    with services.database.tenant(UUID(tenant.agency["id"])) as connection:
        connection.exec_driver_sql("UPDATE calls SET cost = 0.042, cost_currency = 'USD', cost_revision = 1")

    told = {"amount": "0.042000", "currency": "USD", "revision": 1, "agency_cost": None, "margin": None}
    assert tenant.client_key.get(path).get_json()["cost"] == told
    assert tenant.client_key.get("/v1/calls?limit=200").get_json()["data"][0]["cost"] == told

"""Calls that stand, as those see them whose they are; that nobody else does is tests of isolation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices

from .conftest import Tenant
from .records import START, put_live_call


@pytest.fixture
def tenant(make_tenant: Callable[[str], Tenant]) -> Tenant:
    return make_tenant("Agency")


def put(services: ApiServices, tenant: Tenant, minute: int = 0, **more: object) -> UUID:
    call_id = uuid4()
    put_live_call(
        services, tenant.agency["id"], tenant.client["id"], call_id,
        started=START + timedelta(minutes=minute), **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return call_id


def change(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def test_given_a_call_that_stands_then_all_that_is_known_of_it_is_shown(services: ApiServices, tenant: Tenant) -> None:
    call_id = put(services, tenant, answered=START + timedelta(seconds=4), target=tenant.target["id"])
    answer = tenant.client_key.get("/v1/calls/live").get_json()
    (call,) = answer["data"]
    assert call.pop("seen_ms") < 10_000
    assert call == {
        "id": str(call_id), "agency_id": tenant.agency["id"], "client_id": tenant.client["id"], "number_id": None,
        "number": "+442079460123", "caller": "+442079460999", "flow_id": None, "node": "node-1", "state": "answered",
        "started_at": "2026-11-03T09:30:00.125250Z", "ringing_at": None, "answered_at": "2026-11-03T09:30:04.125250Z",
        "connected_at": None, "queued_at": None, "target_id": tenant.target["id"], "source": {"campaign": "spring"},
        "is_unknown": False,
    }  # fmt: skip
    assert (answer["unknown_nodes"], answer["has_more"], answer["next_cursor"]) == ([], False, None)


def test_given_more_calls_than_a_page_holds_then_the_cursor_leads_through_all_of_them_the_oldest_first(
    services: ApiServices, tenant: Tenant
) -> None:
    wanted = [str(put(services, tenant, minute)) for minute in range(5)]
    found: list[str] = []
    path: str | None = "/v1/calls/live?limit=2"
    while path is not None:
        page = tenant.agency_key.get(path).get_json()
        found += [call["id"] for call in page["data"]]
        path = f"/v1/calls/live?limit=2&cursor={page['next_cursor']}" if page["has_more"] else None
    assert found == wanted


def test_given_a_node_that_is_silent_then_its_calls_are_unknown_and_still_there(
    services: ApiServices, tenant: Tenant, owner_engine: Engine
) -> None:
    silent, heard = put(services, tenant, node="node-2"), put(services, tenant, 1)
    change(owner_engine, "UPDATE live_calls SET seen_at = now() - interval '31 seconds' WHERE node = 'node-2'")
    answer = tenant.agency_key.get("/v1/calls/live").get_json()
    assert {call["id"]: call["is_unknown"] for call in answer["data"]} == {str(silent): True, str(heard): False}
    assert answer["unknown_nodes"] == ["node-2"]


def test_given_a_caller_in_a_queue_then_the_state_says_so_until_somebody_talks(
    services: ApiServices, tenant: Tenant, owner_engine: Engine
) -> None:
    call_id = put(services, tenant, answered=START)
    change(
        owner_engine,
        "INSERT INTO queue_entries (agency_id, call_id, client_id, flow_id, step, node, targets, reserve_s)"
        " VALUES (:a, :c, :k, :c, 'wait', 'node-1', '{}', 30)",
        a=tenant.agency["id"], c=call_id, k=tenant.client["id"],
    )  # fmt: skip
    (call,) = tenant.agency_key.get("/v1/calls/live?state=queued").get_json()["data"]
    assert (call["state"], call["queued_at"] is not None) == ("queued", True)
    put_live_call(
        services, tenant.agency["id"], tenant.client["id"], call_id, answered=START, target=tenant.target["id"]
    )
    (call,) = tenant.agency_key.get("/v1/calls/live").get_json()["data"]
    assert (call["state"], call["queued_at"]) == ("answered", None)
    assert tenant.agency_key.get("/v1/calls/live?state=queued").get_json()["data"] == []


def test_given_filters_then_only_what_fits_is_shown_and_nonsense_is_refused(
    services: ApiServices, tenant: Tenant
) -> None:
    first, second = put(services, tenant, node="node-1"), put(services, tenant, 1, node="node-2", answered=START)
    key = tenant.agency_key
    assert [call["id"] for call in key.get("/v1/calls/live?node=node-2").get_json()["data"]] == [str(second)]
    assert [call["id"] for call in key.get("/v1/calls/live?state=started").get_json()["data"]] == [str(first)]
    assert key.get(f"/v1/calls/live?client_id={tenant.sibling['id']}").get_json()["data"] == []
    assert key.get("/v1/calls/live?state=dreaming").status_code == 422

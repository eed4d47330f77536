"""`/v1/integrations` through the front door."""

from collections.abc import Iterator

import pytest

from tests.vendors.telegram import TOKEN, TelegramServer

from .records import store_call
from .test_conventions import assert_problem


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    made = TelegramServer()
    yield made
    made.stop()


@pytest.fixture
def wanted(telegram):
    return {
        "system": "telegram", "name": "Sales", "settings": {"chat_id": "-1001234567890", "api_url": telegram.url},
        "secrets": {"bot_token": TOKEN},
    }  # fmt: skip


@pytest.fixture
def made(tenant, wanted):
    return tenant.client_key.made("/v1/integrations", wanted)


def test_given_an_integration_when_made_then_its_secrets_are_never_told(tenant, made):
    assert (made["state"], made["client_id"], made["event_types"]) == ("active", tenant.client["id"], ["call.ended"])
    assert made["settings"]["calls"] == "missed"
    assert TOKEN not in str(made)
    answer = tenant.client_key.get(f"/v1/integrations/{made['id']}")
    assert answer.get_json() == made
    assert tenant.agency_key.get("/v1/integrations").get_json()["data"] == [made]
    assert tenant.sibling_key.get("/v1/integrations").get_json()["data"] == []
    assert_problem(tenant.sibling_key.get(f"/v1/integrations/{made['id']}"), 404, "not_found")
    log = tenant.agency_key.get("/v1/audit-log").get_json()["data"]
    assert TOKEN not in str(log)
    assert any(entry["action"] == "integration.created" for entry in log)


def test_given_faults_then_each_says_where(tenant, wanted):
    for changes, pointer in (
        ({"system": "fax"}, "#/system"),
        ({"settings": {}}, "#/settings/chat_id"),
        ({"secrets": {"bot_token": "x"}}, "#/secrets/bot_token"),
        ({"name": " "}, "#/name"),
    ):
        problem = assert_problem(tenant.client_key.post("/v1/integrations", wanted | changes), 422, "validation_failed")
        assert [one["pointer"] for one in problem["errors"]] == [pointer]


def test_given_a_change_then_what_is_left_out_stays(tenant, made):
    path = f"/v1/integrations/{made['id']}"
    answer = tenant.client_key.ask("PATCH", path, {"settings": {"calls": "all"}}, If_Match='"v1"')
    assert answer.get_json()["settings"]["calls"] == "all"
    assert answer.get_json()["settings"]["chat_id"] == "-1001234567890"
    assert_problem(tenant.client_key.ask("PATCH", path, {"name": "x"}, If_Match='"v1"'), 412, "version_mismatch")
    assert tenant.client_key.ask("DELETE", path).status_code == 204
    assert_problem(tenant.client_key.get(path), 404, "not_found")


def test_given_a_test_a_dry_run_and_a_back_fill_then_each_does_what_it_says(tenant, services, made, telegram):
    path = f"/v1/integrations/{made['id']}"
    told = tenant.client_key.post(f"{path}/test", {}).get_json()
    assert told == {
        "is_well": True,
        "checks": [
            {"name": "bot", "is_well": True, "detail": "@calls_bot"},
            {"name": "chat", "is_well": True, "detail": "Sales"},
        ],
    }
    missed = store_call(services, tenant.agency["id"], tenant.client["id"], outcome="no_answer", minute=1)
    answered = store_call(services, tenant.agency["id"], tenant.client["id"], minute=2)
    shown = tenant.client_key.post(f"{path}/preview", {"call_id": str(missed)}).get_json()
    assert (shown["outcome"], shown["requests"][0]["method"]) == ("would_send", "POST")
    assert "•••" in shown["requests"][0]["url"]
    shown = tenant.client_key.post(f"{path}/preview", {"call_id": str(answered)}).get_json()
    assert (shown["outcome"], shown["requests"]) == ("not_wanted", [])
    span = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    assert tenant.client_key.post(f"{path}/backfill", span).get_json() == {"count": 2}
    entry = tenant.client_key.get(f"{path}/deliveries?call_id={missed}").get_json()["data"][0]
    assert (entry["state"], entry["is_late"]) == ("due", True)
    assert tenant.client_key.post(f"{path}/deliveries/{entry['id']}/retry", {}).status_code == 202
    assert telegram.messages == []
    state = tenant.client_key.post(f"{path}/pause", {}).get_json()
    assert (state["state"], state["reason"]) == ("paused", "asked")
    assert tenant.client_key.post(f"{path}/resume", {}).get_json()["state"] == "active"


def test_given_the_systems_then_each_has_schemas(tenant):
    systems = tenant.client_key.get("/v1/integration-systems").get_json()["data"]
    assert {one["name"] for one in systems} >= {"telegram"}
    assert all(one["settings_schema"]["properties"] for one in systems)
    assert all(one["secrets_schema"]["properties"] for one in systems)

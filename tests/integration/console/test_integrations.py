"""Integrations in the console against a Telegram that answers: made, tested, tried, changed, paused, told, removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.console.integrations import STEPS
from dialtrace.console.schema_forms import KNOWN
from dialtrace.integrations.registry import SYSTEMS
from tests.vendors.telegram import TOKEN, TelegramServer

from ..api.conftest import Tenant
from ..api.records import store_call
from .conftest import Forms, Person


@pytest.fixture
def ann(person, tenant: Tenant) -> Person:
    made: Person = person(tenant.agency["id"], email="ann@north.example")
    return made


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    made = TelegramServer()
    yield made
    made.stop()


def test_given_the_systems_of_today_then_each_has_its_steps_and_each_member_a_name_in_both_languages() -> None:
    for name in ("telegram", "bitrix24"):
        assert name in STEPS
        system = SYSTEMS[name]
        for schema in (system.settings.model_json_schema(), system.secrets.model_json_schema()):
            assert schema["properties"].keys() - KNOWN.keys() == set(), name


def test_given_an_integration_when_set_up_by_its_pages_then_it_works_and_its_secret_is_never_shown(
    ann: Person, tenant: Tenant, services: ApiServices, telegram: TelegramServer
) -> None:
    assert "For which client?" in ann.see("/console/integrations/new")
    chosen = ann.see(f"/console/integrations/new?client_id={tenant.client['id']}")
    assert "A notice of each call" in chosen
    assert ann.get(f"/console/integrations/new?client_id={tenant.client['id']}&system=fax").status_code == 404
    page = next(one for one in Forms(chosen).links if "system=telegram" in one)
    assert "Write to @BotFather in Telegram" in ann.see(page)
    given = {"name": "Sales", "secrets.bot_token": "x", "settings.chat_id": "-1001234567890"}
    faulty = ann.send(page, **given).text
    assert 'id="f-secrets-bot_token" name="secrets.bot_token" value="x"' in faulty
    assert faulty.count('class="fault"') == 1
    made = ann.send(page, **given | {"secrets.bot_token": TOKEN, "settings.api_url": telegram.url})
    assert made.status_code == 303, made.text
    one = made.headers["Location"].partition("?")[0]
    path = f"/v1/integrations/{one.rpartition('/')[2]}"
    kept = tenant.agency_key.get(path).json
    assert (kept["settings"]["chat_id"], kept["settings"]["show_caller"]) == ("-1001234567890", True)
    shown = ann.see(one)
    assert TOKEN not in shown
    assert f"Call {tenant.number['number']} from any telephone." in shown
    tested = ann.send(one, f"{one}/test").text
    assert "@calls_bot" in tested
    missed = store_call(services, tenant.agency["id"], tenant.client["id"], outcome="no_answer", minute=1)
    answered = store_call(services, tenant.agency["id"], tenant.client["id"], minute=2)
    tried = ann.send(one, f"{one}/preview", call_id=str(missed)).text
    assert "sendMessage" in tried
    assert TOKEN not in tried
    assert "Nothing would be sent" in ann.send(one, f"{one}/preview", call_id=str(answered)).text
    assert telegram.messages == []
    changed = {"settings.calls": "all", "settings.show_caller": []}
    stale = next(form for form in Forms(ann.see(one)).found if form.action == one)
    assert ann.send(one, **changed).status_code == 303
    assert "Somebody else changed it" in ann.post(stale.action, stale.values).text
    after = tenant.agency_key.get(path).json
    assert (after["settings"]["calls"], after["settings"]["show_caller"]) == ("all", False)
    assert "@calls_bot" in ann.send(one, f"{one}/test").text, "the secret stays where nothing was typed"
    emptied = ann.send(one, **{"settings.chat_id": ""}).text
    assert "Fill this in." in emptied
    assert ann.send(one, f"{one}/pause").status_code == 303
    assert tenant.agency_key.get(path).json["state"] == "paused"
    assert ann.send(one, f"{one}/resume").status_code == 303
    span = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    assert tenant.agency_key.post(f"{path}/backfill", span).json["count"] == 2
    delivery = next(link for link in Forms(ann.see(one)).links if "/deliveries/" in link)
    assert "Nothing was sent." in ann.see(delivery)
    assert ann.send(one, f"{one}/remove").status_code == 303
    assert tenant.agency_key.get(path).status_code == 404


def test_given_somebody_who_may_only_look_then_he_sees_it_and_may_change_nothing(
    person, tenant: Tenant, telegram: TelegramServer
) -> None:
    body = {"system": "telegram", "name": "Sales", "settings": {"chat_id": "-1", "api_url": telegram.url},
            "secrets": {"bot_token": TOKEN}}  # fmt: skip
    made = tenant.client_key.made("/v1/integrations", body)
    reader: Person = person(tenant.agency["id"], role="read_only")
    page = f"/console/integrations/{made['id']}"
    assert "Sales" in reader.see("/console/integrations")
    assert f"{page}/pause" not in {one.action for one in Forms(reader.see(page)).found}
    token = Forms(reader.see("/console/account")).found[0].values["csrf"]
    assert reader.post(page, {"csrf": token, "name": "Mine"}).status_code == 404
    for deed in ("pause", "test", "remove"):
        assert reader.post(f"{page}/{deed}", {"csrf": token}).status_code == 403
    assert reader.get("/console/integrations/new").status_code == 404
    assert tenant.client_key.get(f"/v1/integrations/{made['id']}").json["state"] == "active"

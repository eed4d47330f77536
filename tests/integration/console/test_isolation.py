"""Every page of the console × every role × somebody else's ids: nothing of the other tenant, not one byte."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.routing import Rule

from dialtrace.api.app import ApiServices
from dialtrace.console.app import create_console
from dialtrace.console.things import KINDS

from ..api.conftest import Tenant
from ..api.records import put_live_call, store_call
from .conftest import Forms, Person

#: Pages that are about nothing of a tenant's.
OPEN = frozenset({
    "front", "front_console", "static_answer", "brand_sheet", "choose_look", "sign_in", "sign_in_sent", "sign_out",
    "forgotten", "forgotten_sent", "password_page", "password_sent",
})  # fmt: skip
#: A page of one's own where a path's id is somebody else's must answer that it is not there.
SECRETS = ("South", "+442079461", "south.example")


def path_of(rule: Rule, ids: Mapping[str, str], deed: str = "") -> str:
    """The path with somebody else's ids in it."""
    values = {name: ids.get(name, str(uuid4())) for name in rule.arguments}
    if "thing_id" in values:
        values["thing_id"] = ids[rule.endpoint.partition("_")[0]]
    for name in {"name", "deed"} & values.keys():
        values[name] = deed or "test"
    return rule.build(values)[1]  # type: ignore[index]


def deeds_of(rule: Rule) -> list[str]:
    """What the buttons of a kind's page are called."""
    if rule.endpoint == "integration_deed":
        return ["pause", "resume", "test", "preview", "remove"]
    kind = next((one for one in KINDS if rule.endpoint == f"{one.key}_do"), None)
    return [deed.path for deed in kind.deeds] if kind is not None and kind.deeds else ["test"]


def sent_to(rule: Rule) -> list[dict[str, str]]:
    """Forms as their pages send them."""
    if rule.endpoint == "flow":
        return [{"deed": deed, "name": "Mine", "steps": "0", "version": "1"} for deed in ("keep", "check", "try")]
    if rule.endpoint != "site_rules":
        return [{"name": "Mine", "version": "1"}]
    return [{"deed": deed, "rules": "{}", "version": "1"} for deed in ("draft", "publish", "discard", "preview")]


def ids_of(tenant: Tenant, call_id: str) -> dict[str, str]:
    """Something of each kind that has pages."""
    own, client = tenant.agency_key, tenant.client["id"]
    bodies: dict[str, dict[str, Any]] = {
        "sites": {"client_id": client, "name": "South site", "domains": ["south.example"]},
        "pools": {"client_id": client, "name": "South pool"},
        "users": {"email": "sue@south.example", "name": "South's Sue", "role": "manager"},
        "keys": {"role": "agency", "name": "South's key"},
        "webhooks": {"url": "https://south.example/hook"},
    }  # fmt: skip
    more = {name: own.made(f"/v1/{name}", body)["id"] for name, body in bodies.items()}
    asked = own.post("/v1/subject-requests", {"kind": "export", "phone": "+442079461111"})
    more |= {"privacy": asked.get_json()["id"], "site_id": more["sites"], "webhook_id": more["webhooks"]}
    book = own.made("/v1/price-books", {"side": "client", "name": "South prices", "currency": "GBP"})["id"]
    chat = {"client_id": client, "system": "telegram", "name": "South chat", "settings": {"chat_id": "-1"},
            "secrets": {"bot_token": "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"}}  # fmt: skip
    more |= {"prices": book, "book_id": book, "integration_id": own.made("/v1/integrations", chat)["id"]}
    return {
        "call_id": call_id, "client_id": tenant.client["id"], "target_id": tenant.target["id"],
        "flow_id": tenant.flow["id"], "numbers": tenant.number["id"], "targets": tenant.target["id"], **more,
    }  # fmt: skip


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("role", "of_client"), [("owner", False), ("analyst", False), ("owner", True)])
def test_given_every_page_and_role_when_ids_are_somebody_elses_then_nothing_of_theirs_is_shown_or_changed(
    role: str, of_client: bool, person, make_tenant, services: ApiServices, app
) -> None:
    north, south = make_tenant("North"), make_tenant("South")
    call = str(store_call(services, south.agency["id"], south.client["id"], caller="+442079461111"))
    put_live_call(services, south.agency["id"], south.client["id"], uuid4(), caller="+442079461112")
    ids = ids_of(south, call)
    before = south.agency_key.get(f"/v1/clients/{south.client['id']}/document").text
    browser: Person = person(north.agency["id"], north.client["id"] if of_client else None, role)
    rules = [rule for rule in create_console(app).url_map.iter_rules() if rule.endpoint not in OPEN]
    assert len(rules) > 5
    token = Forms(browser.see("/console/account")).found[0].values["csrf"]
    for rule in rules:
        path, has_ids = path_of(rule, ids), bool(rule.arguments - {"name", "key"})
        methods = rule.methods or set()
        if "GET" in methods:
            look_at(browser, path, has_ids=has_ids)
            for query in (f"client_id={south.client['id']}", f"agency_id={south.agency['id']}"):
                answer = browser.get(f"{path}?{query}")
                assert answer.status_code in {403, 404}, f"{path}?{query}: {answer.status_code}"
                assert not [one for one in SECRETS if one in answer.text], path
        if "POST" in methods:
            for deed, form in product(deeds_of(rule), sent_to(rule)):
                send_to(browser, path_of(rule, ids, deed), {"csrf": token, **form}, has_ids=has_ids)
    assert south.agency_key.get(f"/v1/clients/{south.client['id']}/document").text == before


def look_at(browser: Person, path: str, *, has_ids: bool) -> None:
    answer = browser.get(path)
    assert answer.status_code < 500, f"{path}: {answer.text}"
    if has_ids:
        assert answer.status_code in {403, 404}, f"{path}: {answer.status_code}"
    assert not [one for one in SECRETS if one in answer.text], path


def send_to(browser: Person, path: str, form: Mapping[str, str], *, has_ids: bool) -> None:
    answer = browser.post(path, form)
    assert answer.status_code < 500, f"{path}: {answer.text}"
    if has_ids:
        assert answer.status_code in {403, 404}, f"{path}: {answer.status_code}"
    assert not [one for one in SECRETS if one in answer.text], path


def test_given_a_client_of_the_same_agency_then_a_clients_user_sees_nothing_of_his_sibling(
    person, tenant: Tenant, services: ApiServices
) -> None:
    call = store_call(services, tenant.agency["id"], tenant.sibling["id"], caller="+442079461111")
    browser: Person = person(tenant.agency["id"], tenant.client["id"])
    assert browser.get(f"/console/calls/{call}").status_code == 404
    assert "+442079461111" not in browser.see("/console/calls")
    assert browser.get(f"/console/calls?client_id={tenant.sibling['id']}").status_code == 404
    assert browser.get("/console/calls?client_id=no-id").status_code == 404


def test_given_texts_that_are_markup_then_pages_show_them_as_they_are(
    person, tenant: Tenant, services: ApiServices
) -> None:
    evil = "<script>alert(1)</script>"
    client = tenant.agency_key.made("/v1/clients", {"name": f'"><img src=x onerror=alert(1)>{evil}'})
    call = store_call(services, tenant.agency["id"], client["id"])
    tenant.agency_key.patch(
        f"/v1/calls/{call}/assessment", {"tags": [evil[:20]], "note": f"</textarea>{evil}"}, If_Match='"v0"'
    )
    browser: Person = person(tenant.agency["id"])
    for path in ("home", "calls", f"calls/{call}", f"home?client_id={client['id']}", f"calls?number={evil}"):
        page = browser.see(f"/console/{path}")
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


def test_given_a_call_when_somebody_says_something_of_it_then_it_is_kept_and_a_stale_page_is_refused(
    person, tenant: Tenant, services: ApiServices
) -> None:
    call = store_call(services, tenant.agency["id"], tenant.client["id"])
    ann: Person = person(tenant.agency["id"], email="ann@north.example")
    page = f"/console/calls/{call}"
    stale = next(one for one in Forms(ann.see(page)).found if one.action == page)
    answer = ann.send(
        page, tags="good, urgent", score="80", note="Call back", sale_amount="1 200,50", sale_currency="eur"
    )
    assert answer.headers["Location"] == f"{page}?done=kept"
    kept = tenant.agency_key.get(f"/v1/calls/{call}/assessment").json
    assert (kept["tags"], kept["score"], kept["note"]) == (["good", "urgent"], 80, "Call back")
    assert kept["sale"]["amount"].startswith("1200.5")
    for reference in ("A-17", ""):
        assert ann.send(page, sale_reference=reference).status_code == 303
        kept = tenant.agency_key.get(f"/v1/calls/{call}/assessment").json
        assert kept["sale"]["reference"] == (reference or None)
    refused = ann.post(stale.action, stale.values | {"score": "10"})
    assert "Somebody else changed it" in refused.text
    for text in ("good, urgent", "80", "Call back", "1200.5"):
        assert f"Kept now: {text}" in refused.text
    faulty = ann.post(stale.action, stale.values | {"score": "many"}).text
    still = next(one for one in Forms(faulty).found if one.action == page)
    assert still.values["version"] == stale.values["version"], "a fault does not make a stale form a fresh one"
    assert tenant.agency_key.get(f"/v1/calls/{call}/assessment").json["score"] == 80
    faulty = ann.send(page, score="many")
    assert 'class="fault">' in faulty.text
    listener: Person = person(tenant.agency["id"], role="analyst")
    assert "What you say of it" not in listener.see(page)
    assert listener.post(page, stale.values | {"csrf": listener_token(listener)}).status_code == 403


def listener_token(browser: Person) -> str:
    return str(Forms(browser.see("/console/account")).found[0].values["csrf"])

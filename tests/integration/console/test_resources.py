"""What an agency sets up in the console: made, changed, refused, removed; and it is the API's."""

from __future__ import annotations

import json
import re

import pytest

from dialtrace.console import resources

from ..api.conftest import Tenant
from .conftest import Forms, Person


@pytest.fixture
def ann(person, tenant: Tenant) -> Person:
    made: Person = person(tenant.agency["id"], email="ann@north.example")
    return made


def the_last(tenant: Tenant, path: str) -> dict:
    return tenant.agency_key.get(path).json["data"][0]


def test_given_a_target_when_made_changed_and_changed_by_two_then_the_second_is_told(
    ann: Person, tenant: Tenant
) -> None:
    assert "For which client?" in ann.see("/console/targets/new")
    page = f"/console/targets/new?client_id={tenant.client['id']}"
    faulty = ann.send(page, name="Front desk", address="no address at all").text
    assert 'aria-invalid="true"' in faulty
    assert 'value="no address at all"' in faulty
    made = ann.send(page, name="Front desk", address="sip:front@pbx.example", ring_timeout_s="25")
    assert made.status_code == 303
    place = made.headers["Location"].partition("?")[0]
    kept = tenant.agency_key.get(f"/v1/targets/{place.rpartition('/')[2]}").json
    assert (kept["name"], kept["ring_timeout_s"], kept["client_id"]) == ("Front desk", 25, tenant.client["id"])
    stale = next(one for one in Forms(ann.see(place)).found if one.action.startswith(place))
    assert ann.send(place, name="Reception").status_code == 303
    refused = ann.post(stale.action, stale.values | {"name": "Lost"}).text
    assert "Somebody else changed it" in refused
    assert "Kept now: Reception" in refused
    assert refused.count("Kept now") == 1
    assert tenant.agency_key.get(f"/v1/targets/{kept['id']}").json["name"] == "Reception"


def test_given_a_form_that_is_sent_twice_then_one_thing_is_made(ann: Person, tenant: Tenant) -> None:
    page = f"/console/sites/new?client_id={tenant.client['id']}"
    form = next(one for one in Forms(ann.see(page)).found if "domains" in one.values)
    values = form.values | {"name": "Shop", "domains": "shop.example\nwww.shop.example"}
    assert [ann.post(form.action, values).status_code for _ in range(2)] == [303, 303]
    sites = tenant.agency_key.get("/v1/sites").json["data"]
    assert [one["domains"] for one in sites] == [["shop.example", "www.shop.example"]]


def test_given_a_site_when_its_rules_are_drafted_previewed_and_published_then_they_are_live(
    ann: Person, tenant: Tenant
) -> None:
    site = tenant.agency_key.made(
        "/v1/sites", {"client_id": tenant.client["id"], "name": "x", "domains": ["x.example"]}
    )
    page, path = f"/console/sites/{site['id']}", f"/console/sites/{site['id']}/rules"
    assert "No page has been heard of yet" in ann.see(page)
    assert "&lt;script" in ann.see(page)
    broken = ann.send(page, path, rules="{no json", deed="draft").text
    assert "This is no JSON" in broken
    assert "{no json" in broken
    faulty = ann.send(page, path, rules='{"places": [{"name": "a"}]}', deed="draft").text
    assert 'class="note bad"' in faulty
    rules = {"places": [{"name": "sales", "numbers": ["+442079460000"]}], "rules": []}
    assert ann.send(page, path, rules=json.dumps(rules), deed="draft").status_code == 303
    form = [one for one in Forms(ann.see(page)).found if one.action == path][-1]
    shown = ann.post(path, form.values | {"deed": "preview", "page": "https://x.example/prices"}).text
    assert re.search(r'href="https://x\.example/prices[?#]', shown)
    other = rules | {"places": [{"name": "sales", "numbers": ["+442079460001"]}]}
    own = f"/v1/sites/{site['id']}/rules"
    tenant.agency_key.ask("PUT", f"{own}/draft", {"rules": other})
    unseen = ann.post(path, form.values | {"deed": "publish"})
    assert "Somebody else changed it" in unseen.text
    assert tenant.agency_key.get(own).json["live"]["places"] == []
    draft = next(one for one in Forms(ann.see(page)).found if "rules" in one.values)
    tenant.agency_key.ask("PUT", f"{own}/draft", {"rules": rules})
    unseen = ann.post(path, draft.values | {"deed": "draft", "rules": "{no json"})
    draft = next(one for one in Forms(unseen.text).found if "rules" in one.values)
    unseen = ann.post(path, draft.values | {"deed": "draft", "rules": json.dumps(other)})
    assert "Somebody else changed it" in unseen.text, "a fault between does not make a stale form a fresh one"
    assert re.search(r'<pre id="rules-now">[^<]+442079460000', unseen.text)
    form = [one for one in Forms(ann.see(page)).found if one.action == path][-1]
    assert ann.post(path, form.values | {"deed": "publish"}).status_code == 303
    live = tenant.agency_key.get(f"/v1/sites/{site['id']}/rules").json["live"]
    assert live["places"][0]["numbers"] == ["+442079460000"]


def test_given_a_key_when_made_then_it_is_shown_once_and_works_until_it_is_revoked(
    ann: Person, tenant: Tenant, asker
) -> None:
    made = ann.send("/console/keys/new", name="CRM", scopes="calls.read").text
    token = re.search(r'<pre id="secret">(.+?)</pre>', made)
    assert token is not None
    assert asker(token[1]).get("/v1/calls").status_code == 200
    assert asker(token[1]).get("/v1/users").status_code == 403
    key = next(one for one in tenant.agency_key.get("/v1/keys").json["data"] if one["name"] == "CRM")
    page = f"/console/keys/{key['id']}"
    assert token[1] not in ann.see(page)
    assert ann.send(page, f"{page}/remove").status_code == 303
    assert asker(token[1]).get("/v1/calls").status_code == 401


def test_given_a_keys_form_that_is_sent_twice_then_the_second_page_says_that_its_secret_was_shown(
    ann: Person, tenant: Tenant
) -> None:
    form = next(one for one in Forms(ann.see("/console/keys/new")).found if "scopes" in one.values)
    first, second = (ann.post(form.action, form.values | {"name": "Twice"}).text for _ in range(2))
    assert 'id="secret"' in first
    assert 'id="secret"' not in second
    assert "None" not in second
    assert "This form was sent before, and the secret is not shown again." in second
    assert [one["name"] for one in tenant.agency_key.get("/v1/keys").json["data"]].count("Twice") == 1


def test_given_a_webhook_then_its_deliveries_are_listed_and_shown(ann: Person, tenant: Tenant) -> None:
    made = ann.send("/console/webhooks/new", url="https://hook.example/x", event_types="call.ended").text
    assert 'id="secret"' in made
    hook = the_last(tenant, "/v1/webhooks")
    page = f"/console/webhooks/{hook['id']}"
    assert "Nothing was sent yet" in ann.see(page)
    assert ann.send(page, f"{page}/do/test").status_code == 303
    sent = the_last(tenant, f"/v1/webhooks/{hook['id']}/deliveries")
    assert f"{page}/deliveries/{sent['id']}" in ann.see(page)
    assert "What is sent" in ann.see(f"{page}/deliveries/{sent['id']}")
    assert ann.send(page, f"{page}/do/pause").status_code == 303
    assert tenant.agency_key.get(f"/v1/webhooks/{hook['id']}").json["state"] == "paused"


def test_given_somebody_when_invited_then_he_is_and_a_reader_may_not_invite(
    ann: Person, person, tenant: Tenant
) -> None:
    assert ann.send("/console/users/new", name="Sam", email="sam@north.example", role="analyst").status_code == 303
    assert {one["email"] for one in tenant.agency_key.get("/v1/users").json["data"]} >= {"sam@north.example"}
    twice = ann.send("/console/users/new", name="Sam", email="sam@north.example", role="analyst").text
    assert "There is a user with this e-mail address already." in twice
    reader = person(tenant.agency["id"], role="read_only")
    assert "Invite somebody" not in reader.see("/console/users")
    assert reader.get("/console/users/new").status_code == 404


def test_given_a_user_whose_role_or_state_is_none_of_the_choices_when_another_member_changes_then_they_stay(
    ann: Person, tenant: Tenant
) -> None:
    form = next(one for one in Forms(ann.see("/console/users/new")).found if "role" in one.values)
    assert form.values["role"] == "read_only", "nobody becomes owner because nobody chose"
    own = tenant.agency_key
    role = own.made("/v1/roles", {"name": "Front desk", "permissions": ["calls.read"]})
    user = own.made("/v1/users", {"email": "sam@north.example", "name": "Sam", "role_id": role["id"]})
    page = f"/console/users/{user['id']}"
    assert ann.send(page, name="Samuel").status_code == 303
    kept = own.get(f"/v1/users/{user['id']}").json
    assert (kept["name"], kept["role_id"], kept["state"]) == ("Samuel", role["id"], "invited")


def test_given_a_flow_beyond_those_that_are_offered_when_a_number_changes_then_it_stays(
    ann: Person, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "MOST_CHOICES", 1)
    own, client = tenant.agency_key, tenant.client["id"]
    document = {"version": 1, "steps": [{"type": "ring", "targets": [tenant.target["id"]]}]}
    flows = [own.made("/v1/flows", {"client_id": client, "name": one, "document": document}) for one in ("A", "B")]
    number = own.get(f"/v1/numbers/{tenant.number['id']}").json
    page = f"/console/numbers/{number['id']}"
    for flow in flows:
        own.patch(f"/v1/numbers/{number['id']}", {"flow_id": flow["id"]}, If_Match="*")
        assert f'value="{flow["id"]}" selected>{flow["name"]}<' in ann.see(page)
        assert ann.send(page, source="radio", channel="offline").status_code == 303
        assert own.get(f"/v1/numbers/{number['id']}").json["flow_id"] == flow["id"]


def test_given_a_number_and_a_pool_then_their_pages_say_how_they_stand(ann: Person, tenant: Tenant) -> None:
    page = f"/console/numbers/{tenant.number['id']}"
    assert ann.send(page, source="radio", channel="offline").status_code == 303
    assert tenant.agency_key.get(f"/v1/numbers/{tenant.number['id']}").json["source"] == "radio"
    made = ann.send(f"/console/pools/new?client_id={tenant.client['id']}", name="Search", loss_target="0,02")
    pool = made.headers["Location"].partition("?")[0]
    assert "No number is in it yet." in ann.see(pool)
    assert the_last(tenant, "/v1/pools")["loss_target"] == 0.02


def test_given_a_clients_owner_then_he_is_offered_no_more_of_numbers_and_pools_than_he_may_do(
    person, tenant: Tenant
) -> None:
    pool = tenant.agency_key.made("/v1/pools", {"client_id": tenant.client["id"], "name": "Search"})
    agency, client = person(tenant.agency["id"]), person(tenant.agency["id"], tenant.client["id"])
    for page, of_client in (
        (f"/console/pools/{pool['id']}", {"remove": False, "change": False}),
        (f"/console/numbers/{tenant.number['id']}", {"remove": False, "change": True}),
        (f"/console/targets/{tenant.target['id']}", {"remove": False, "change": True}),
    ):
        actions = {one.action for one in Forms(client.see(page)).found}
        assert {"remove": f"{page}/remove" in actions, "change": page in actions} == of_client
        assert page in {one.action for one in Forms(agency.see(page)).found}
    page = f"/console/numbers/{tenant.number['id']}"
    assert f"{page}/remove" in {one.action for one in Forms(agency.see(page)).found}
    assert client.send(page, source="radio", channel="offline").status_code == 303


def test_given_a_request_of_a_person_then_it_is_taken_up_and_the_audit_log_says_who_did(
    ann: Person, tenant: Tenant
) -> None:
    assert ann.send("/console/privacy/new", kind="export", phone="+442079460999").status_code == 303
    assert the_last(tenant, "/v1/subject-requests")["kind"] == "export"
    assert "Somebody" in ann.see("/console/audit")

"""Sites: made, drafted, published; a client's own rules for sources; the source of a static number."""

import json
from functools import partial
from typing import Any

import click
import pytest

from dialtrace.cli_numbers import add_source_command
from dialtrace.cli_sites import site_group

from .conftest import Tenant


@pytest.fixture
def site(tenant: Tenant) -> dict[str, Any]:
    return tenant.client_key.made("/v1/sites", {"name": "Shop", "domains": ["Shop.Example", "магазин.рф"]})


def rules_of(tenant: Tenant, **show: Any) -> dict[str, Any]:
    return {
        "places": [{"name": "sales", "numbers": ["+442079460000"]}],
        "rules": [
            {"name": "radio", "when": {"sources": ["radio"]}, "show": show or {"number_id": tenant.number["id"]}}
        ],
    }


def put(key: Any, path: str, body: Any, **headers: str) -> Any:
    return key.ask("PUT", path, body, **headers)


def test_given_a_site_then_its_domains_are_hosts_and_its_settings_careful(site):
    assert site["domains"] == ["shop.example", "xn--80aaalwl5b.xn--p1ai"] or site["domains"][1].startswith("xn--")
    assert site["settings"]["consent"] == "required"
    assert site["settings"]["address"] == "truncated"
    assert (site["rules_version"], site["has_draft"], site["status"]) == (0, False, "active")
    assert len(site["token"]) == 16


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"domains": ["https://shop.example"]}, "#/domains/0"),
        ({"domains": ["shop.example", "a b"]}, "#/domains/1"),
        ({"domains": ["shop.example"], "settings": {"follows": ["x/y"]}}, "#/settings/follows/0"),
        ({"domains": ["shop.example"], "settings": {"address": "all"}}, "#/settings/address"),
        ({"domains": []}, "#/domains"),
    ],
)
def test_given_faulty_values_when_made_then_each_has_its_place(tenant, body, pointer):
    answer = tenant.client_key.post("/v1/sites", {"name": "Shop", **body})
    assert answer.status_code == 422
    assert pointer in [fault["pointer"] for fault in answer.get_json()["errors"]]


def test_given_a_change_then_what_is_left_out_stays_in_the_settings_too(tenant, site):
    path = f"/v1/sites/{site['id']}"
    answer = tenant.client_key.patch(path, {"settings": {"iframes": True}}, If_Match='"v1"')
    assert answer.status_code == 200, answer.text
    changed = answer.get_json()
    assert changed["settings"] == {**site["settings"], "iframes": True}
    assert changed["version"] == 2
    assert tenant.client_key.patch(path, {"name": "x"}, If_Match='"v1"').status_code == 412
    assert tenant.client_key.patch(path, {"name": "x"}).status_code == 428


def test_given_a_draft_when_published_then_it_is_live_and_counted(tenant, site):
    path = f"/v1/sites/{site['id']}/rules"
    drafted = put(tenant.client_key, f"{path}/draft", {"rules": rules_of(tenant)})
    assert drafted.status_code == 200, drafted.text
    assert drafted.get_json()["live"] == {"places": [], "rules": []}
    assert tenant.client_key.get(f"/v1/sites/{site['id']}").get_json()["has_draft"] is True

    published = tenant.client_key.post(f"{path}/publish", None, If_Match=drafted.headers["ETag"])
    assert published.status_code == 200, published.text
    told = published.get_json()
    assert told["live"]["rules"][0]["show"] == {"number_id": tenant.number["id"]}
    assert (told["draft"], told["rules_version"]) == (None, 1)
    again = tenant.client_key.post(f"{path}/publish", None)
    assert (again.status_code, again.get_json()["code"]) == (409, "no_draft")


def test_given_a_draft_when_discarded_then_what_is_live_stays(tenant, site):
    path = f"/v1/sites/{site['id']}/rules/draft"
    put(tenant.client_key, path, {"rules": rules_of(tenant)})
    answer = tenant.client_key.delete(path)
    assert (answer.status_code, answer.get_json()["draft"]) == (200, None)
    assert tenant.client_key.delete(path).status_code == 409


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ({"places": [{"name": "x", "numbers": ["020 7946 0000"]}]}, "#/places/0/numbers/0"),
        ({"places": [{"name": "x", "numbers": ["+442079460000"], "format": "###"}]}, "#/places/0/format"),
        ({"rules": [{"show": {}}]}, "#/rules/0/show"),
        ({"rules": [{"show": {"real": True, "pool_id": "0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47"}}]}, "#/rules/0/show"),
        ({"rules": [{"on": {"regions": ["Moscow"]}, "show": {"real": True}}]}, "#/rules/0/on/regions/0"),
        ({"rules": [{"when": {"channels": ["tv"]}, "show": {"real": True}}]}, "#/rules/0/when/channels/0"),
        (
            {"rules": [{"show": {"number_id": "0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47"}}]},
            "#/rules/0/show/number_id",
        ),
    ],
)
def test_given_faulty_rules_when_drafted_then_each_fault_has_its_place(tenant, site, rules, pointer):
    answer = put(tenant.client_key, f"/v1/sites/{site['id']}/rules/draft", {"rules": rules})
    assert answer.status_code == 422, answer.text
    assert pointer in [fault["pointer"] for fault in answer.get_json()["errors"]]
    assert tenant.client_key.get(f"/v1/sites/{site['id']}").get_json()["has_draft"] is False


def test_given_a_siblings_number_when_drafted_then_it_is_not_known(tenant, site):
    other = tenant.agency_key.made("/v1/numbers", {"client_id": tenant.sibling["id"], "number": "+442079467001"})
    answer = put(
        tenant.agency_key, f"/v1/sites/{site['id']}/rules/draft", {"rules": rules_of(tenant, number_id=other["id"])}
    )
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (422, "unknown_number")


def test_given_a_site_when_deleted_then_it_is_not_there_and_its_token_leads_nowhere(tenant, site, services):
    def lead(token: str) -> int:
        with services.database.directory() as connection:
            return len(connection.exec_driver_sql("SELECT * FROM dialtrace_site(%s)", (token,)).all())

    assert lead(site["token"]) == 1
    assert tenant.client_key.delete(f"/v1/sites/{site['id']}").status_code == 204
    assert lead(site["token"]) == 0
    assert tenant.client_key.get(f"/v1/sites/{site['id']}").status_code == 404
    assert tenant.client_key.get("/v1/sites").get_json()["data"] == []


class TestSourceRules:
    RULES = ({"when": {"parameters": {"p": ["b"]}}, "set": {"channel": "partner", "source": "bank"}},)

    def test_given_own_rules_when_set_then_they_tell_the_source(self, tenant):
        path = f"/v1/clients/{tenant.client['id']}/source-rules"
        assert tenant.client_key.get(path).get_json()["version"] == 0
        answer = put(tenant.client_key, path, {"rules": list(self.RULES)}, If_Match='"v0"')
        assert (answer.status_code, answer.get_json()["version"]) == (200, 1), answer.text
        body = {"landing_page": "https://shop.example/?p=b&gclid=1"}
        told = tenant.client_key.post("/v1/sources/classify", body).get_json()
        assert (told["channel"], told["source"], told["classified_by"]) == ("partner", "bank", "own:1")
        tried = tenant.client_key.post("/v1/sources/classify", {**body, "rules": []}).get_json()
        assert (tried["source"], tried["classified_by"]) == ("google", "click_id:gclid")
        assert put(tenant.client_key, path, {"rules": []}, If_Match='"v0"').status_code == 412

    def test_given_faulty_rules_then_each_fault_with_its_place(self, tenant):
        path = f"/v1/clients/{tenant.client['id']}/source-rules"
        answer = put(tenant.client_key, path, {"rules": [{"when": {}, "set": {"channel": "x", "source": "y"}}]})
        assert {fault["pointer"] for fault in answer.get_json()["errors"]} == {"#/0/when", "#/0/set/channel"}


class TestTheSourceOfANumber:
    def test_given_a_static_number_then_it_may_stand_for_a_source(self, tenant):
        path = f"/v1/numbers/{tenant.number['id']}"
        source = {"channel": "offline", "source": "radio", "campaign": "Spring"}
        answer = tenant.client_key.patch(path, source, If_Match='"v1"')
        assert answer.status_code == 200, answer.text
        assert {name: answer.get_json()[name] for name in source} == source
        again = tenant.client_key.patch(path, {"campaign": None}, If_Match='"v2"').get_json()
        assert (again["channel"], again["campaign"]) == ("offline", None)

    def test_given_null_then_it_stands_for_a_source_no_more(self, tenant):
        path = f"/v1/numbers/{tenant.number['id']}"
        said = tenant.client_key.patch(path, {"channel": "offline", "source": "radio"}, If_Match='"v1"')
        assert said.status_code == 200, said.text
        answer = tenant.client_key.patch(path, {"channel": None, "source": None}, If_Match='"v2"')
        assert answer.status_code == 200, answer.text
        assert (answer.get_json()["channel"], answer.get_json()["source"]) == (None, None)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"source": "radio"}, "#/channel"),
            ({"channel": "offline"}, "#/source"),
            ({"channel": "tv", "source": "x"}, "#/channel"),
        ],
    )
    def test_given_half_a_source_then_it_is_refused(self, tenant, body, pointer):
        answer = tenant.client_key.patch(f"/v1/numbers/{tenant.number['id']}", body, If_Match='"v1"')
        assert answer.status_code == 422, answer.text
        assert [fault["pointer"] for fault in answer.get_json()["errors"]] == [pointer]

    def test_given_a_dynamic_number_then_it_has_the_source_of_its_visit_only(self, tenant):
        body = {"client_id": tenant.client["id"], "number": "+442079467002", "kind": "dynamic"}
        source = {"channel": "offline", "source": "radio"}
        assert tenant.agency_key.post("/v1/numbers", {**body, **source}).status_code == 422


def test_given_the_command_line_then_sites_are_listed_drafted_published_previewed_and_told(
    tenant, site, command_line, tmp_path
):
    run = partial(command_line, site_group)
    assert "rules 0  Shop  shop.example" in run("list")
    draft = tmp_path / "rules.json"
    draft.write_text(json.dumps(rules_of(tenant)))
    assert '"draft": {' in run("rules", site["id"], "--draft", draft)
    assert "?dialtrace_preview=" in run("preview", site["id"], "https://shop.example/")
    assert '"draft": null' in run("rules", site["id"], "--publish")
    assert f'data-site="{site["token"]}"' in run("snippet", site["id"])
    told = run("classify", "https://shop.example/?gclid=1", "--client", tenant.client["id"])
    assert "source: google\n" in told
    assert "classified_by: click_id:gclid\n" in told
    draft.write_text("{")
    assert "is not JSON" in run("rules", site["id"], "--draft", draft, fails=True)


def test_given_the_command_line_then_a_numbers_source_is_said_shown_and_taken_back(tenant, command_line):
    def group(begin, api_client):
        made = click.Group("number")
        add_source_command(made, begin, api_client)
        return made

    run = partial(command_line, group, "source")
    e164 = tenant.number["number"]
    assert run(e164) == ""
    told = run(e164, "--channel", "offline", "--source", "radio", "--campaign", "spring")
    assert told == "channel: offline\nsource: radio\ncampaign: spring\n"
    assert (
        run(f"{e164[:3]} {e164[3:]}", "--campaign", "autumn") == "channel: offline\nsource: radio\ncampaign: autumn\n"
    )
    assert tenant.client_key.get(f"/v1/numbers/{tenant.number['id']}").get_json()["campaign"] == "autumn"
    assert run(e164, "--clear", "--channel", "maps", "--source", "yandex") == "channel: maps\nsource: yandex\n"
    assert "must be one of" in run(e164, "--channel", "smoke", fails=True)
    assert "there is no such number" in run("+442079460999", "--source", "radio", fails=True)

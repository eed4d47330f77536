"""What pages ask: numbers for a visit, signs of life, clicks; from the site's own domains only."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from dialtrace.api.app import ApiServices, create_app
from dialtrace.api.page_visits import SIGNS
from dialtrace.api.scripts import newest, releases
from dialtrace.ids import new_id
from dialtrace.sites.model import moment_of
from dialtrace.sites.visit_store import delete_visits, forget_visitors

from .conftest import Tenant

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)
PAGE = "https://shop.example/"
REAL = "+442079460000"


@pytest.fixture
def site(tenant: Tenant) -> dict[str, Any]:
    """A site that shows visits from radio a number of their own."""
    tenant.client_key.patch(f"/v1/numbers/{tenant.number['id']}", {"label": "radio"}, If_Match="*")
    made = tenant.client_key.made("/v1/sites", {"name": "Shop", "domains": ["shop.example"]})
    publish(tenant, made, [{"when": {"sources": ["radio"]}, "show": {"number_id": tenant.number["id"]}}])
    return made


def publish(tenant: Tenant, site: dict[str, Any], rules: list[Any], **place: Any) -> None:
    path = f"/v1/sites/{site['id']}/rules"
    document = {"places": [{"name": "sales", "numbers": [REAL], **place}], "rules": rules}
    drafted = tenant.client_key.ask("PUT", f"{path}/draft", {"rules": document})
    assert drafted.status_code == 200, drafted.text
    assert tenant.client_key.post(f"{path}/publish", None).status_code == 200


@pytest.fixture
def say(app: APIFlask, site: dict[str, Any]) -> Callable[..., Any]:
    """What a browser sends: text, with the page's origin."""

    def said(
        what: str, body: Any, *, origin: str | None = "https://shop.example", token: str = site["token"], **headers: str
    ) -> Any:
        sent = {"Content-Type": "text/plain;charset=UTF-8", "User-Agent": BROWSER}
        if origin is not None:
            sent["Origin"] = origin
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body)
        return app.test_client().post(f"/t/{token}/{what}", data=data, headers=sent)

    return said


def shown(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.get_json()["places"][0]["shows"]]


def rows(services: ApiServices, tenant: Tenant, statement: str) -> list[Any]:
    with services.database.tenant(tenant.agency["id"]) as connection:
        return list(connection.execute(text(statement)).all())


def test_given_a_visit_of_a_source_then_its_number_is_shown_and_the_visit_kept(tenant, say, services):
    answer = say(
        "visit",
        {
            "page": PAGE + "?utm_source=radio&utm_medium=offline&email=a@b.example",
            "referrer": "https://news.example/story?id=7",
            "time_zone": "Europe/London",
            "consent": "given",
        },
    )
    told = answer.get_json()
    spaced = tenant.number["number"].replace("+44", "+44 ")
    assert shown(answer) == [spaced]
    assert told["places"][0]["numbers"] == ["+44 2079460000"]
    assert told["keep_days"] == 90
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer.headers["Cache-Control"] == "no-store"

    visit = tenant.client_key.get(f"/v1/visits/{told['visit']}").get_json()
    assert (visit["channel"], visit["source"], visit["region"], visit["device"]) == (
        "offline",
        "radio",
        "GB",
        "desktop",
    )
    assert visit["landing_page"] == PAGE + "?utm_source=radio&utm_medium=offline"
    assert visit["referrer"] == "https://news.example/story"
    assert visit["visitor_id"] == told["visitor"]
    assert [row.rung for row in rows(services, tenant, "SELECT rung FROM exposures")] == ["static"]
    assert [row.address for row in rows(services, tenant, "SELECT address FROM visits")] == ["127.0.0.0/24"]


def test_given_a_visit_of_another_source_then_the_real_number_stays(say):
    assert shown(say("visit", {"page": PAGE})) == []


@pytest.mark.parametrize("origin", ["https://evil.example", "https://notshop.example", "null", "", None])
def test_given_a_page_of_somebody_else_then_it_is_told_nothing(say, origin, services, tenant):
    answer = say("visit", {"page": PAGE}, origin=origin)
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert rows(services, tenant, "SELECT id FROM visits") == []


def test_given_a_subdomain_or_a_preflight_then_the_browser_is_let_through(say, app, site):
    assert say("visit", {"page": "https://www.shop.example/"}, origin="https://www.shop.example").status_code == 200
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = app.test_client().options(f"/t/{site['token']}/visit", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert (
        "Access-Control-Allow-Origin"
        not in app.test_client()
        .options(f"/t/{site['token']}/visit", headers={**asked, "Origin": "https://evil.example"})
        .headers
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"\xff", 400), (b"[]", 422), ({}, 422), ({"page": 7}, 422),
        ({"page": "x" * 5000}, 422),
        ({"page": PAGE, "visit": "7"}, 422), ({"page": PAGE, "consent": "maybe"}, 422), (b"x" * 20_000, 413),
        ({"page": "\x00"}, 200), ({"page": PAGE, "visit": str(uuid4()), "visitor": str(uuid4())}, 200),
        ({"page": PAGE, "later": True}, 200),
    ],
)  # fmt: skip
def test_given_whatever_is_sent_then_it_is_read_or_refused_in_words(say, body, status):
    answer = say("visit", body)
    assert answer.status_code == status, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_given_a_token_of_nobody_or_a_suspended_site_then_there_is_no_such_site(say, app, site, tenant, services):
    headers = {"Origin": "https://shop.example", "User-Agent": BROWSER}
    answer = app.test_client().post("/t/nobodysnobodys/visit", data=b"{}", headers=headers)
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (404, "not_found")
    tenant.client_key.patch(f"/v1/sites/{site['id']}", {"status": "suspended"}, If_Match="*")
    assert say("visit", {"page": PAGE}).status_code == 404


class TestAVisitThatGoesOn:
    def test_given_the_next_page_then_it_is_the_same_visit_with_the_source_it_came_with(self, say, tenant):
        first = say("visit", {"page": PAGE + "?utm_source=radio", "consent": "given"}).get_json()
        known = {"visit": first["visit"], "visitor": first["visitor"], "consent": "given"}
        next_page = say("visit", {"page": PAGE + "contacts", "referrer": PAGE, **known})
        assert next_page.get_json()["visit"] == first["visit"]
        assert len(shown(next_page)) == 1
        assert tenant.client_key.get(f"/v1/visits/{first['visit']}").get_json()["pages"] == 2

    def test_given_another_campaign_then_it_is_another_visit_of_the_same_visitor(self, say):
        first = say("visit", {"page": PAGE + "?utm_source=radio", "consent": "given"}).get_json()
        known = {"visit": first["visit"], "visitor": first["visitor"], "consent": "given"}
        again = say("visit", {"page": PAGE + "?utm_source=radio", **known}).get_json()
        other = say("visit", {"page": PAGE + "?gclid=1", **known}).get_json()
        assert again["visit"] == first["visit"] != other["visit"]
        assert other["visitor"] == first["visitor"]

    def test_given_somebody_elses_visit_then_it_is_not_gone_on_with(self, say):
        first = say("visit", {"page": PAGE}).get_json()
        other = say("visit", {"page": PAGE, "visit": first["visit"], "visitor": str(uuid4())}).get_json()
        assert other["visit"] != first["visit"]

    def test_given_a_pause_then_a_new_visit_begins(self, say, services, tenant, owner_engine):
        first = say("visit", {"page": PAGE}).get_json()
        with owner_engine.begin() as connection:
            connection.exec_driver_sql("UPDATE visits SET last_seen_at = last_seen_at - interval '31 minutes'")
        known = {"visit": first["visit"], "visitor": first["visitor"]}
        assert say("visit", {"page": PAGE, **known}).get_json()["visit"] != first["visit"]

    def test_given_signs_of_life_then_they_are_written_together_and_prolong_the_lease(self, say, app, services, tenant):
        visits = [say("visit", {"page": PAGE + "?utm_source=radio"}).get_json()["visit"] for _ in range(2)]
        before = rows(services, tenant, "SELECT min(held_until) FROM exposures")
        for visit in visits:
            assert say("beat", {"visit": visit}).status_code == 204
        app.extensions[SIGNS].flush()
        assert rows(services, tenant, "SELECT min(held_until) FROM exposures") > before
        assert say("beat", {"visit": str(uuid4())}).status_code == 422

    def test_given_consent_then_the_ids_of_analytics_are_kept_however_late_they_come_and_go_with_a_refusal(
        self, say, app, tenant
    ):
        def kept():
            return tenant.client_key.get(f"/v1/visits/{told['visit']}").get_json()["analytics_ids"]

        ga, session, metrica = "_ga=GA1.1.10.20", "_ga_ABC123DEF4=GS1.1.1787209900.3.1", "_ym_uid=1787200000123456789"
        told = say("visit", {"page": PAGE, "consent": "given", "ids": [ga]}).get_json()
        assert kept() == {"ga": "10.20"}
        say("beat", {"visit": told["visit"], "ids": [session]})
        app.extensions[SIGNS].flush()
        say("leave", {"visit": told["visit"], "ids": [metrica]})
        whole = {"ga": "10.20", "ga_sessions": {"ABC123DEF4": "1787209900"}, "ym": "1787200000123456789"}
        assert kept() == whole
        known = {"page": PAGE, "visit": told["visit"], "visitor": told["visitor"]}
        assert say("visit", {**known, "consent": "given", "ids": None}).get_json()["visit"] == told["visit"]
        assert kept() == whole
        say("visit", {**known, "consent": "refused"})
        assert kept() == {}
        say("beat", {"visit": told["visit"], "ids": [ga]})
        app.extensions[SIGNS].flush()
        assert kept() == {}, "whoever refused is not known by what a page says nevertheless"

    def test_given_no_consent_then_ids_that_are_said_all_the_same_are_not_kept(self, say, app, tenant):
        for consent in ("refused", "not_asked"):
            visit = say("visit", {"page": PAGE, "consent": consent, "ids": ["_ga=GA1.1.10.20"]}).get_json()["visit"]
            say("beat", {"visit": visit, "ids": ["_ga=GA1.1.10.20"]})
            app.extensions[SIGNS].flush()
            assert tenant.client_key.get(f"/v1/visits/{visit}").get_json()["analytics_ids"] == {}

    def test_given_a_page_that_is_left_then_the_visit_says_so_until_it_is_heard_of_again(self, say, app, tenant):
        visit = say("visit", {"page": PAGE}).get_json()["visit"]
        assert say("leave", {"visit": visit}).status_code == 204
        assert tenant.client_key.get(f"/v1/visits/{visit}").get_json()["left_at"] is not None
        say("beat", {"visit": visit})
        app.extensions[SIGNS].flush()
        assert tenant.client_key.get(f"/v1/visits/{visit}").get_json()["left_at"] is None

    def test_given_a_sign_of_life_that_still_waits_when_the_page_is_left_then_the_visit_has_left(
        self, say, app, tenant
    ):
        visit = say("visit", {"page": PAGE}).get_json()["visit"]
        say("beat", {"visit": visit})
        say("leave", {"visit": visit})
        app.extensions[SIGNS].flush()
        assert tenant.client_key.get(f"/v1/visits/{visit}").get_json()["left_at"] is not None

    def test_given_a_telephone_link_that_is_pressed_then_the_click_is_kept_with_its_number(self, say, tenant, services):
        visit = say("visit", {"page": PAGE + "?utm_source=radio"}).get_json()["visit"]
        assert say("click", {"visit": visit, "number": tenant.number["number"]}).status_code == 204
        assert say("click", {"visit": visit, "number": "+442079460999"}).status_code == 204
        clicks = tenant.client_key.get(f"/v1/visits/{visit}").get_json()["tel_clicks"]
        assert [click["number_id"] for click in clicks] == [tenant.number["id"], None]
        assert rows(services, tenant, "SELECT clicked_at FROM exposures")[0].clicked_at is not None


class TestConsent:
    def test_given_a_site_that_asks_first_then_nothing_is_to_be_kept_until_the_visitor_agrees(self, say):
        assert say("visit", {"page": PAGE}).get_json()["keep_days"] == 0
        assert say("visit", {"page": PAGE, "consent": "refused"}).get_json()["keep_days"] == 0
        assert say("visit", {"page": PAGE, "consent": "given"}).get_json()["keep_days"] == 90

    def test_given_a_site_that_assumes_it_then_a_browsers_own_signal_refuses(self, say, site, tenant, services):
        tenant.client_key.patch(f"/v1/sites/{site['id']}", {"settings": {"consent": "assumed"}}, If_Match="*")
        assert say("visit", {"page": PAGE}).get_json()["keep_days"] == 90
        refused = say("visit", {"page": PAGE}, Sec_GPC="1").get_json()
        assert refused["keep_days"] == 0
        assert tenant.client_key.get(f"/v1/visits/{refused['visit']}").get_json()["consent"] == "refused"

    def test_given_an_address_on_the_sites_own_domain_then_the_server_sets_the_cookie(self, say):
        answer = say("visit", {"page": PAGE, "consent": "given"}, Host="calls.shop.example")
        cookie = answer.headers["Set-Cookie"]
        told = answer.get_json()
        assert cookie.startswith(f"_dt={told['visitor']}.{told['visit']};")
        assert {"Domain=shop.example", "Secure", "SameSite=Lax", "Max-Age=7776000"} <= set(cookie.split("; "))
        for said, host in (({"consent": "refused"}, "calls.shop.example"), ({"consent": "given"}, "calls.example")):
            assert "Set-Cookie" not in say("visit", {"page": PAGE, **said}, Host=host).headers


class TestRobots:
    @pytest.mark.parametrize(
        "agent",
        [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
            BROWSER.replace("Chrome/", "HeadlessChrome/"),
            "curl/8.5.0",
            "",
        ],
    )
    def test_given_a_robot_then_it_is_shown_the_real_numbers_and_counted_apart(self, say, tenant, services, agent):
        told = say("visit", {"page": PAGE + "?utm_source=radio"}, User_Agent=agent).get_json()
        assert (told["visit"], told["places"]) == (None, [])
        assert rows(services, tenant, "SELECT id FROM exposures") == []
        assert tenant.client_key.get("/v1/visits").get_json()["data"] == []
        found = tenant.client_key.get("/v1/visits?bots=include").get_json()["data"]
        assert [(one["is_bot"], one["device"]) for one in found] == [(True, "bot")]
        assert [row.address for row in rows(services, tenant, "SELECT address FROM visits")] == [None]


class TestPools:
    @pytest.fixture
    def pool(self, tenant, services) -> dict[str, Any]:
        agency, client = tenant.agency["id"], tenant.client["id"]
        made = {"id": str(uuid4())}
        with services.database.tenant(agency) as connection:
            connection.execute(
                text("INSERT INTO pools (agency_id, id, client_id, name) VALUES (:a, :p, :c, 'Pool')"),
                {"a": agency, "p": made["id"], "c": client},
            )
            for at in range(2):
                number = uuid4()
                connection.execute(
                    text(
                        "INSERT INTO numbers (agency_id, id, client_id, e164, kind, pool_id, state)"
                        " VALUES (:a, :n, :c, :e, 'dynamic', :p, 'in_pool')"
                    ),
                    {"a": agency, "n": number, "c": client, "e": f"+44207946700{at}", "p": made["id"]},
                )
                connection.execute(
                    text(
                        "INSERT INTO pool_numbers (agency_id, number_id, client_id, pool_id, free_from)"
                        " VALUES (:a, :n, :c, :p, now() - interval '1 day')"
                    ),
                    {"a": agency, "n": number, "c": client, "p": made["id"]},
                )
        return made

    def test_given_a_pool_then_each_visit_has_a_number_of_its_own_and_keeps_it(self, say, site, tenant, pool):
        publish(tenant, site, [{"show": {"pool_id": pool["id"]}}])
        first = say("visit", {"page": PAGE, "consent": "given"})
        second = say("visit", {"page": PAGE, "consent": "given"})
        assert shown(first) != shown(second)
        told = first.get_json()
        again = say("visit", {"page": PAGE, "visit": told["visit"], "visitor": told["visitor"], "consent": "given"})
        assert shown(again) == shown(first)
        assert 1100 < told["hold_s"] <= 1200

    def test_given_a_pool_for_some_pages_then_its_number_is_leased_when_one_is_seen(
        self, say, site, tenant, pool, services
    ):
        publish(tenant, site, [{"show": {"pool_id": pool["id"]}, "on": {"pages": ["/contacts"]}}])
        first = say("visit", {"page": PAGE})
        assert first.get_json()["places"][0]["shows"] == [{"pages": "^\\/contacts$", "number": None, "ask": True}]
        assert rows(services, tenant, "SELECT id FROM exposures") == []
        told = first.get_json()
        known = {"visit": told["visit"], "visitor": told["visitor"]}
        assert shown(say("visit", {"page": PAGE + "contacts", **known}))[0].startswith("+44 20794670")

    def test_given_a_pool_that_closed_meanwhile_then_the_real_number_stays_and_the_visit_is_kept(
        self, say, site, tenant, pool, services
    ):
        publish(tenant, site, [{"show": {"pool_id": pool["id"]}}])
        with services.database.tenant(tenant.agency["id"]) as connection:
            connection.execute(text("UPDATE pools SET status = 'closed'"))
        told = say("visit", {"page": PAGE})
        assert shown(told) == [None]
        assert tenant.client_key.get(f"/v1/visits/{told.get_json()['visit']}").status_code == 200
        assert rows(services, tenant, "SELECT id FROM exposures") == []

    def test_given_a_lease_that_fails_then_nothing_is_kept_of_the_visit(
        self, say, site, tenant, pool, services, owner_engine
    ):
        publish(tenant, site, [{"show": {"pool_id": pool["id"]}}])
        with owner_engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE exposures ADD CONSTRAINT no_more CHECK (rung = 'static')")
        try:
            assert say("visit", {"page": PAGE}).status_code == 500
        finally:
            with owner_engine.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE exposures DROP CONSTRAINT no_more")
        assert rows(services, tenant, "SELECT id FROM visits") == []

    def test_given_a_siblings_pool_when_drafted_then_it_is_not_known(self, site, tenant, pool):
        rules = {"rules": [{"show": {"pool_id": str(uuid4())}}]}
        answer = tenant.client_key.ask("PUT", f"/v1/sites/{site['id']}/rules/draft", {"rules": rules})
        assert [fault["code"] for fault in answer.get_json()["errors"]] == ["unknown_pool"]


class TestPreview:
    def test_given_a_draft_when_previewed_then_whoever_has_the_link_sees_it_and_nobody_else(self, say, site, tenant):
        draft = {
            "places": [{"name": "sales", "numbers": [REAL]}],
            "rules": [{"show": {"number_id": tenant.number["id"]}}],
        }
        path = f"/v1/sites/{site['id']}"
        assert tenant.client_key.post(f"{path}/preview", {"page": PAGE}).status_code == 409
        tenant.client_key.ask("PUT", f"{path}/rules/draft", {"rules": draft})
        link = tenant.client_key.post(f"{path}/preview", {"page": PAGE + "?a=1"}).get_json()["link"]
        token = link.partition("dialtrace_preview=")[2]
        assert link.startswith(PAGE + "?a=1&")
        seen = say("visit", {"page": PAGE, "preview": token})
        assert len(shown(seen)) == 1
        assert tenant.client_key.get(f"/v1/visits/{seen.get_json()['visit']}").get_json()["is_preview"] is True
        assert shown(say("visit", {"page": PAGE})) == []
        assert shown(say("visit", {"page": PAGE, "preview": token[:-2] + "xx"})) == []
        assert tenant.client_key.post(f"{path}/preview", {"page": "https://evil.example/"}).status_code == 422


class TestPromoCodes:
    def test_given_a_visit_then_its_page_is_told_its_code_and_always_the_same(self, say, tenant):
        visit = say("visit", {"page": PAGE}).get_json()["visit"]
        codes = {say("code", {"visit": visit}).get_json()["code"] for _ in range(2)}
        given = tenant.client_key.post(f"/v1/visits/{visit}/promo-code", None).get_json()["code"]
        assert codes == {given}
        other = say("visit", {"page": PAGE}).get_json()["visit"]
        assert say("code", {"visit": other}).get_json()["code"] not in codes

    def test_given_a_visit_of_another_site_or_of_nobody_then_there_is_no_code(self, say, site, tenant):
        beside = tenant.client_key.made("/v1/sites", {"name": "Other", "domains": ["shop.example"]})
        visit = say("visit", {"page": PAGE}).get_json()["visit"]
        answer = say("code", {"visit": visit}, token=beside["token"])
        assert (answer.status_code, answer.get_json(force=True)["code"]) == (404, "not_found")
        assert say("code", {"visit": str(new_id())}).status_code == 404
        assert say("code", {"visit": str(uuid4())}).status_code == 422
        assert say("code", {"visit": visit}, origin="https://evil.example").status_code == 403


class TestBeforeFlask:
    def test_given_a_request_then_it_is_named_kept_from_caches_and_counted_like_any_other(self, say, app):
        answer = say("visit", {"page": PAGE}, X_Request_Id="page-7")
        assert answer.headers["X-Request-Id"] == "page-7"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        refused = say("visit", {}, X_Request_Id="page-8").get_json(force=True)
        assert (refused["request_id"], refused["code"]) == ("page-8", "validation_failed")
        told = app.test_client().get("/metrics").text
        assert re.search(r'requests_total\{method="POST",route="/t/<token>/visit",status="200"\} [1-9]', told)
        assert re.search(r'requests_total\{method="POST",route="/t/<token>/visit",status="422"\} [1-9]', told)

    def test_given_other_addresses_or_methods_below_then_flask_answers(self, app, site):
        client = app.test_client()
        assert client.post(f"/t/{site['token']}/nothing").status_code == 404
        assert client.post(f"/t/{site['token']}/visit/").status_code == 404
        assert client.get(f"/t/{site['token']}/visit").status_code == 405

    def test_given_the_application_without_its_front_then_it_answers_the_same(self, app, site):
        front, app.wsgi_app = app.wsgi_app, APIFlask.wsgi_app.__get__(app)
        headers = {"Origin": "https://shop.example", "User-Agent": BROWSER}
        answer = app.test_client().post(f"/t/{site['token']}/visit", json={"page": PAGE}, headers=headers)
        app.wsgi_app = front
        assert answer.get_json()["visit"]
        assert answer.headers.getlist("Access-Control-Allow-Origin") == ["https://shop.example"]

    def test_given_a_fault_of_ours_then_the_page_is_told_so_in_the_same_words(self, say, services, monkeypatch):
        monkeypatch.setattr(services.visits, "arrive", lambda *_: 1 / 0)
        answer = say("visit", {"page": PAGE})
        assert (answer.status_code, answer.get_json(force=True)["code"]) == (500, "internal_error")


class TestTheScript:
    def test_given_the_snippet_then_it_names_a_release_that_never_changes(self, tenant, site, app):
        told = tenant.client_key.get(f"/v1/sites/{site['id']}/snippet").get_json()
        assert f'integrity="{newest().integrity}"' in told["html"]
        assert f'data-site="{site["token"]}"' in told["html"]
        address = told["script"].removeprefix("http://localhost")
        answer = app.test_client().get(address, headers={"Accept-Encoding": "gzip, br"})
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert gzip.decompress(answer.data) == newest().content
        plain = app.test_client().get(address)
        assert (plain.data, plain.headers.get("Content-Encoding")) == (newest().content, None)
        assert app.test_client().get("/t/swap/9.9.9-0000000000000000.js").status_code == 404
        assert list(releases())[-1] == newest().name


def test_given_one_address_that_asks_without_end_then_it_is_asked_to_wait(services, site, tenant):
    app = create_app(replace(services, visits_per_min=3))
    headers = {"Origin": "https://shop.example", "User-Agent": BROWSER}
    body = json.dumps({"page": PAGE})
    answers = [app.test_client().post(f"/t/{site['token']}/visit", data=body, headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 21
    assert answers[-1].headers["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize(("policy", "kept"), [("none", (None, False)), ("hashed", (None, True))])
def test_given_a_sites_policy_then_no_more_of_an_address_is_kept(say, site, tenant, services, policy, kept):
    tenant.client_key.patch(f"/v1/sites/{site['id']}", {"settings": {"address": policy}}, If_Match="*")
    say("visit", {"page": PAGE})
    row = rows(services, tenant, "SELECT address, address_hash FROM visits")[0]
    assert (row.address, row.address_hash is not None) == kept


def test_given_visits_when_listed_then_by_filters_and_page_by_page(say, tenant):
    made = [say("visit", {"page": PAGE + f"?utm_source=s{at}&utm_medium=email"}).get_json()["visit"] for at in range(3)]
    first = tenant.client_key.get("/v1/visits?limit=2").get_json()
    rest = tenant.client_key.get(f"/v1/visits?limit=2&cursor={first['next_cursor']}").get_json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    found = tenant.client_key.get("/v1/visits?source=s1&channel=email").get_json()["data"]
    assert [one["id"] for one in found] == [made[1]]
    assert tenant.sibling_key.get("/v1/visits").get_json()["data"] == []
    assert UUID(made[0])


def test_given_a_person_who_is_erased_then_nobody_can_tell_any_more_whose_visits_they_were(
    say, tenant, services, owner_engine
):
    known = say("visit", {"page": PAGE + "?gclid=1&utm_term=x", "consent": "given"}).get_json()
    again = say(
        "visit", {"page": PAGE + "?utm_source=radio", "consent": "given", "visitor": known["visitor"]}
    ).get_json()
    other = say("visit", {"page": PAGE + "?gclid=2", "consent": "given"}).get_json()
    agency, request, call = UUID(tenant.agency["id"]), uuid4(), uuid4()
    values = {"a": agency, "c": tenant.client["id"], "r": request, "call": call, "v": known["visit"],
              "s": moment_of(UUID(known["visit"]))}  # fmt: skip
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(
            text(
                "INSERT INTO subject_calls (agency_id, request_id, call_id, call_started_at, client_id)"
                " VALUES (:a, :r, :call, now(), :c)"
            ),
            values,
        )
        connection.execute(
            text(
                "INSERT INTO attributions (agency_id, call_id, revision, client_id, call_started_at, made_at, method,"
                " visit_id, visit_started_at, digest) VALUES (:a, :call, 1, :c, now(), now(), 'visit', :v, :s, '')"
            ),
            values,
        )
    with services.database.tenant(agency) as connection:
        assert forget_visitors(connection, agency, request, datetime.now(UTC)) == 2
        assert forget_visitors(connection, agency, request, datetime.now(UTC)) == 0
    for told in (known, again):
        left = tenant.client_key.get(f"/v1/visits/{told['visit']}").get_json()
        assert (left["visitor_id"], left["landing_page"], left["click_ids"]) == (told["visit"], "", {})
        assert left["keyword"] is None
    assert tenant.client_key.get(f"/v1/visits/{other['visit']}").get_json()["visitor_id"] == other["visitor"]


def test_given_visits_whose_time_is_over_then_they_go_with_their_clicks(say, tenant, services):
    visits = [say("visit", {"page": PAGE}).get_json()["visit"] for _ in range(2)]
    for visit in visits:
        say("click", {"visit": visit})
    agency, client = UUID(tenant.agency["id"]), UUID(tenant.client["id"])
    later = datetime.now(UTC) + timedelta(days=1)
    with services.database.tenant(agency) as connection:
        assert delete_visits(connection, agency, UUID(tenant.sibling["id"]), later, 10) == 0
        assert delete_visits(connection, agency, client, later - timedelta(days=2), 10) == 0
        assert [delete_visits(connection, agency, client, later, 1) for _ in range(3)] == [1, 1, 0]
        assert connection.execute(text("SELECT count(*) FROM tel_clicks")).scalar() == 0

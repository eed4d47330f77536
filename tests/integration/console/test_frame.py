"""The frame of every page: signing in and out, languages and looks, and what an attacker tries."""

from __future__ import annotations

import re

import pyotp
import pytest

from dialtrace.api.app import ApiServices
from dialtrace.console.asking import Asking
from dialtrace.console.errors import Refused
from dialtrace.db.tables import OPERATOR_AGENCY

from ..api.conftest import PASSWORD, Tenant, signed_in
from ..api.records import store_call
from .conftest import ROLES, Forms, Person


def test_given_nobody_when_any_page_is_opened_then_it_leads_to_signing_in_and_back(
    somebody, services: ApiServices, app, tenant: Tenant
) -> None:
    signed_in(services, app, tenant.agency["id"], None, email="ann@north.example", role="owner")
    browser = somebody()
    answer = browser.get("/console/calls?outcome=busy")
    assert answer.headers["Location"] == "/console/sign-in?next=/console/calls%3Foutcome%3Dbusy"
    page = answer.headers["Location"]
    form = Forms(browser.see(page)).found[0]
    answer = browser.post(form.action, form.values | {"email": "ann@north.example", "password": PASSWORD})
    assert answer.headers["Location"] == "/console/calls?outcome=busy"
    assert "Call log" in browser.see("/console/calls?outcome=busy")


def test_given_a_wrong_password_then_refused_and_the_address_is_kept_but_not_the_password(somebody) -> None:
    answer = somebody().sign_in("ann@north.example", "wrong password of some length")
    assert "is wrong" in answer.text
    assert 'value="ann@north.example"' in answer.text
    assert "wrong password" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/", "//evil.example/console/", "/\\evil.example", "/console/..\\x", "javascript:alert(1)",
     "/v1/openapi.json", "/console/a\r\nSet-Cookie: x=y", "/console/sign-out"],
)  # fmt: skip
def test_given_a_foreign_address_to_go_on_to_when_signed_in_then_home(
    path: str, somebody, services: ApiServices, app, tenant: Tenant
) -> None:
    signed_in(services, app, tenant.agency["id"], None, email="ann@north.example", role="owner")
    assert somebody().sign_in("ann@north.example", next=path).headers["Location"] == "/console/home"


def test_given_a_second_factor_when_signing_in_then_a_code_is_asked_for_and_a_recovery_code_opens_once(
    person, somebody, tenant: Tenant
) -> None:
    ann = person(tenant.agency["id"], email="ann@north.example")
    page = ann.send("/console/account", "/console/account/factor", password=PASSWORD).text
    secret = re.search(r"<code>([A-Z2-7]+)</code>", page)
    assert secret is not None
    assert 'class="qr"' in page
    form = next(one for one in Forms(page).found if one.action.endswith("/confirm"))
    code = pyotp.TOTP(secret[1]).now()
    wrong = ann.post(form.action, form.values | {"code": "000000" if code != "000000" else "111111"}).text
    assert "The code is wrong" in wrong
    assert secret[1] in wrong
    page = ann.post(form.action, form.values | {"code": code}).text
    codes = re.search(r'<pre id="codes">(.+?)</pre>', page, re.DOTALL)
    assert codes is not None
    recovery = codes[1].split("\n")[0]
    browser = somebody()
    page = browser.sign_in("ann@north.example").text
    form = next(one for one in Forms(page).found if "code" in one.values)
    opened = browser.post(form.action, form.values | {"password": PASSWORD, "code": recovery})
    assert opened.status_code == 302
    assert browser.get("/console/home").status_code == 200
    again = somebody()
    form = next(one for one in Forms(again.sign_in("ann@north.example").text).found if "code" in one.values)
    refused = again.post(form.action, form.values | {"password": PASSWORD, "code": recovery})
    assert refused.status_code == 200
    assert "wrong" in refused.text


@pytest.mark.parametrize(("status", "code"), [(429, "too_many_requests"), (503, "temporarily_unavailable")])
@pytest.mark.parametrize("path", ["/console/home", "/console/calls?client_id=no-id", "/console/sign-in"])
def test_given_an_api_that_answers_nobody_at_the_moment_then_a_page_says_so(
    path: str, status: int, code: str, person, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann: Person = person(tenant.agency["id"])

    def refuse(*_: object, **__: object) -> None:
        raise Refused(status, {"code": code})

    monkeypatch.setattr(Asking, "ask", refuse)
    answer = ann.get(path)
    assert answer.status_code == status
    assert "in a moment" in answer.text or "Wait a minute" in answer.text
    assert "<title>Not possible · Dialtrace</title>" in answer.text


def test_given_a_page_that_is_not_there_then_a_form_of_another_tab_is_still_taken(
    somebody, services: ApiServices, app, tenant: Tenant
) -> None:
    signed_in(services, app, tenant.agency["id"], None, email="ann@north.example", role="owner")
    browser: Person = somebody()
    form = Forms(browser.see("/console/sign-in")).found[0]
    assert browser.get("/console/calls?client_id=no-id").status_code == 404
    answer = browser.post(form.action, form.values | {"email": "ann@north.example", "password": PASSWORD})
    assert answer.status_code == 302


@pytest.mark.parametrize("number", ["²", "--5", "9" * 5000])
def test_given_a_text_that_is_nearly_a_number_then_no_page_breaks(number: str, person, tenant: Tenant) -> None:
    client = tenant.agency_key.made("/v1/clients", {"name": "Far east", "time_zone": "Asia/Tokyo"})["id"]
    ann: Person = person(tenant.agency["id"])
    for path in (f"home?days={number}", f"calls?min_talk_s={number}", f"calls?client_id={client}&from=0001-01-01"):
        ann.see(f"/console/{path}")
    page = f"/console/targets/{tenant.target['id']}"
    for values in ({"version": number}, {"ring_timeout_s": number}):
        assert 'class="note bad"' in ann.send(page, **values).text


def require_factor(tenant: Tenant) -> None:
    agency = f"/v1/agencies/{tenant.agency['id']}"
    assert tenant.agency_key.patch(agency, {"second_factor_required": True}, If_Match='"v1"').status_code == 200


def test_given_an_agency_that_wants_a_second_factor_when_somebody_has_none_then_he_is_led_to_make_one_and_goes_on(
    person, tenant: Tenant
) -> None:
    ann = person(tenant.agency["id"], email="ann@north.example")
    require_factor(tenant)
    answer = ann.get(f"/console/home?client_id={tenant.client['id']}")
    assert answer.headers["Location"].partition("?")[0] == "/console/account"
    page = ann.see(answer.headers["Location"])
    assert "Your agency wants a second factor of everybody." in page
    page = ann.send("/console/account", "/console/account/factor", password=PASSWORD).text
    form = next(one for one in Forms(page).found if one.action.endswith("/confirm"))
    code = pyotp.TOTP(form.values["secret"]).now()
    assert 'id="codes"' in ann.post(form.action, form.values | {"code": code}).text
    assert ann.get("/console/home").status_code == 200


@pytest.mark.parametrize("of_client", [False, True])
def test_given_somebody_who_has_to_make_a_second_factor_then_he_may_leave_all_the_same(
    of_client: bool, person, tenant: Tenant
) -> None:
    browser = person(tenant.agency["id"], tenant.client["id"] if of_client else None)
    require_factor(tenant)
    left = browser.send("/console/account", "/console/sign-out")
    assert left.headers["Location"] == "/console/sign-in?done=out"
    assert browser.get("/console/account").status_code == 302


def test_given_somebody_signed_in_when_he_signs_out_then_the_session_is_over(person, tenant: Tenant) -> None:
    ann = person(tenant.agency["id"])
    cookie = ann.client.get_cookie("__Host-dialtrace")
    assert ann.send("/console/home", "/console/sign-out").headers["Location"] == "/console/sign-in?done=out"
    assert ann.get("/console/home").status_code == 302
    stolen = {"Cookie": f"__Host-dialtrace={cookie.value}"}
    assert ann.get("/console/home", headers=stolen).status_code == 302


def test_given_cookies_then_no_script_reads_them_and_tls_alone_carries_them(somebody, services, app, tenant) -> None:
    signed_in(services, app, tenant.agency["id"], None, email="ann@north.example", role="owner")
    browser = somebody()
    given = browser.get("/console/sign-in").headers.getlist("Set-Cookie")
    given += browser.sign_in("ann@north.example").headers.getlist("Set-Cookie")
    given += browser.send("/console/home", "/console/look", language="ru", theme="dark").headers.getlist("Set-Cookie")
    assert {one.partition("=")[0] for one in given} == {
        "__Host-dialtrace-form", "__Host-dialtrace", "dialtrace-language", "dialtrace-theme",
    }  # fmt: skip
    for one in given:
        assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in one.split(";")}, one
        assert "SameSite=Strict" in one or "SameSite=Lax" in one


def test_given_a_page_then_nothing_foreign_and_nothing_inline_may_run(person, tenant: Tenant) -> None:
    ann = person(tenant.agency["id"])
    answer = ann.get("/console/home")
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r'\sstyle="|\son[a-z]+="|<script>|<style>', answer.text)
    assert not re.search(r'(src|href)="(https?:)?//', answer.text)


def test_given_a_language_and_a_look_when_chosen_then_they_stay(somebody) -> None:
    browser = somebody()
    assert 'lang="en" data-theme="auto"' in browser.see("/console/sign-in")
    answer = browser.send("/console/sign-in", "/console/look", language="ru", theme="dark")
    assert answer.headers["Location"] == "/console/sign-in"
    page = browser.see("/console/sign-in")
    assert 'lang="ru" data-theme="dark"' in page
    assert "Войти" in page
    russian = somebody().get("/console/sign-in", headers={"Accept-Language": "ru,en;q=0.5"}).text
    assert "Войти" in russian


@pytest.mark.parametrize(
    ("page", "back"),
    [
        ("/console/sign-in?next=/console/calls%3Fa%3Db", "/console/sign-in?next=%2Fconsole%2Fcalls%3Fa%3Db"),
        ("/console/sign-in?next=https://evil.example/", "/console/sign-in?next=%2Fconsole%2Fhome"),
        ("/console/forgotten", "/console/forgotten"),
        ("/invitation", "/invitation"),
        ("/reset", "/reset"),
    ],
)  # fmt: skip
def test_given_a_look_that_is_chosen_where_nobody_has_signed_in_then_the_page_stays(
    page: str, back: str, somebody
) -> None:
    browser: Person = somebody()
    forms = Forms(browser.get(page).text).found
    form = next(one for one in forms if one.action == "/console/look")
    assert browser.post(form.action, form.values | {"theme": "dark"}).headers["Location"] == back


def test_given_a_look_that_is_chosen_after_a_refused_form_then_it_leads_to_a_page_that_can_be_opened(
    person, somebody, tenant: Tenant
) -> None:
    signing_in: Person = somebody()
    refused = signing_in.send("/console/sign-in?next=/console/calls", email="x@y.example", password="no" * 9).text
    look = next(one for one in Forms(refused).found if one.action == "/console/look")
    assert look.values["next"] == "/console/sign-in?next=%2Fconsole%2Fcalls"
    ann: Person = person(tenant.agency["id"])
    refused = ann.send("/console/account", "/console/account/password", old="no" * 9, new="a" * 14, again="b" * 14).text
    look = next(one for one in Forms(refused).found if one.action == "/console/look")
    assert ann.get(ann.post(look.action, look.values).headers["Location"]).status_code == 200
    page = f"/console/targets/{tenant.target['id']}"
    look = next(one for one in Forms(ann.send(page, address="nowhere").text).found if one.action == "/console/look")
    assert look.values["next"] == page


def test_given_a_forgotten_password_then_the_answer_is_the_same_whoever_asks(somebody, services, app, tenant) -> None:
    signed_in(services, app, tenant.agency["id"], None, email="ann@north.example", role="owner")
    told = [somebody().send("/console/forgotten", email=one).text for one in ("ann@north.example", "x@y.example")]
    told = [re.sub(r'value="[0-9a-zA-Z_-]{30,}"', "", one) for one in told]
    assert told[0] == told[1]
    assert "a letter is on its way" in told[0]


def test_given_a_link_that_is_none_when_a_password_is_set_then_refused(somebody) -> None:
    password = "another password of length"
    answer = somebody().send("/reset", token="https://x.example/reset#di_no", password=password, again=password)
    assert "This link is unknown" in answer.text
    assert password not in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_given_a_role_then_it_is_offered_what_it_may_see_and_each_of_these_pages_opens(
    role: str, person, tenant: Tenant, services: ApiServices
) -> None:
    store_call(services, tenant.agency["id"], tenant.client["id"], target=tenant.target["id"])
    for client in (None, tenant.client["id"]):
        browser: Person = person(tenant.agency["id"], client, role)
        menu = re.search(r"<nav.+?</nav>", browser.see("/console/home"), re.DOTALL)
        assert menu is not None
        for link in Forms(menu[0]).links:
            browser.see(link)


def test_given_the_operator_then_he_chooses_an_agency_first(person, tenant: Tenant) -> None:
    browser = person(OPERATOR_AGENCY)
    page = browser.see("/console/home")
    assert f'href="/console/home?agency_id={tenant.agency["id"]}"' in page
    page = browser.see(f"/console/home?agency_id={tenant.agency['id']}")
    assert "North first" in page
    assert f'href="/console/calls?agency_id={tenant.agency["id"]}"' in page


def test_given_a_form_without_token_or_from_another_site_then_nothing_happens(person, tenant: Tenant) -> None:
    ann: Person = person(tenant.agency["id"])
    form = next(one for one in Forms(ann.see("/console/account")).found if one.action == "/console/sign-out")
    for values, headers in (
        ({}, {}),
        ({"csrf": "0" * 64}, {}),
        (form.values, {"Origin": "https://evil.example"}),
        (form.values, {"Origin": "null"}),
        (form.values, {"Sec-Fetch-Site": "cross-site"}),
        (form.values, {"Sec-Fetch-Site": "same-site"}),
    ):
        assert ann.post(form.action, values, headers=headers).status_code == 403
    assert ann.get("/console/home").status_code == 200
    assert ann.post(form.action, form.values, headers={"Origin": "https://localhost"}).status_code == 302


def test_given_a_page_that_sends_somebodys_key_then_it_counts_for_nothing(somebody, tenant: Tenant) -> None:
    headers = {"Authorization": f"Bearer {tenant.agency_key.token}"}
    assert somebody().get("/console/home", headers=headers).status_code == 302

"""swap.js in a real Chromium: plain pages, React, Vue, a page that a server has made; consent, robots, failures."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response, abort, send_from_directory
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from dialtrace.api.app import ApiServices, create_app

from .conftest import Tenant, serving

TESTS = Path(__file__).parents[2] / "browser"
PAGES, LIBRARIES = TESTS / "pages", TESTS / "node_modules"
#: Headless Chromium says that it is one, and is a robot then.
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
ROBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
REAL, SHOWN = "020 7946 0000", "020 7946 8123"

pytestmark = pytest.mark.xdist_group("browser")


@dataclass
class Stage:
    """A site's pages on one origin, the API on another, and a browser between them."""

    tenant: Tenant
    site: dict[str, Any]
    number: dict[str, Any]
    address: str
    context: BrowserContext
    page: Page
    asked: list[Request]
    services: ApiServices

    def open(self, path: str = "/plain", **query: str) -> Page:
        said = "&".join(f"{name}={value}" for name, value in query.items())
        self.page.goto(f"{self.address}{path}" + (f"?{said}" if said else ""))
        return self.page

    def publish(self, rules: list[Any], numbers: tuple[str, ...] = ("+442079460000",), **place: Any) -> None:
        path = f"/v1/sites/{self.site['id']}/rules"
        document = {"places": [{"name": "sales", "numbers": list(numbers), **place}], "rules": rules}
        drafted = self.tenant.client_key.ask("PUT", f"{path}/draft", {"rules": document})
        assert drafted.status_code == 200, drafted.text
        assert self.tenant.client_key.post(f"{path}/publish", None).status_code == 200

    def settle(self, **settings: Any) -> None:
        answer = self.tenant.client_key.patch(f"/v1/sites/{self.site['id']}", {"settings": settings}, If_Match="*")
        assert answer.status_code == 200, answer.text

    def count(self, what: str) -> int:
        """How often the browser has asked this."""
        return sum(
            urlsplit(request.url).path.endswith(f"/{what}") and request.method == "POST" for request in self.asked
        )

    def stored(self) -> Any:
        """Whatever the browser keeps of the page."""
        kept = self.page.evaluate(
            "async () => [document.cookie, localStorage.length, sessionStorage.length,"
            " (await indexedDB.databases()).length]"
        )
        return [*kept, len(self.context.cookies())]


def pages_of(snippet: Callable[[], str]) -> Flask:
    app = Flask("pages")

    @app.get("/lib/<path:name>")
    def library(name: str) -> Response:
        return send_from_directory(LIBRARIES, name)

    @app.get("/<path:name>")
    def page(name: str) -> str:
        file = PAGES / f"{name.split('/')[0]}.html"
        if not file.exists():
            abort(404)
        return file.read_text(encoding="utf-8").replace("SNIPPET", snippet())

    return app


@pytest.fixture
def stage(services: ApiServices, tenant: Tenant, chromium: Browser) -> Iterator[Stage]:
    assert LIBRARIES.exists(), "run `make setup`: it brings the frameworks"
    site = tenant.client_key.made("/v1/sites", {"name": "Shop", "domains": ["localhost"]})
    number = tenant.agency_key.made("/v1/numbers", {"client_id": tenant.client["id"], "number": "+442079468123"})
    snippets: list[str] = []
    with serving(pages_of(lambda: snippets[0])) as pages_port, serving(create_app(services)) as port:
        answer = create_app(replace(services, pages_url=f"http://127.0.0.1:{port}")).test_client()
        headers = {"Authorization": f"Bearer {tenant.client_key.token}"}
        snippets.append(answer.get(f"/v1/sites/{site['id']}/snippet", headers=headers).get_json()["html"])
        context = chromium.new_context(user_agent=AGENT, viewport={"width": 900, "height": 600})
        page = context.new_page()
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request))
        made = Stage(tenant, site, number, f"http://localhost:{pages_port}", context, page, asked, services)
        made.publish([{"show": {"number_id": number["id"]}}])
        yield made
        context.close()


def show(page: Page, selector: str, text: str) -> None:
    expect(page.locator(selector)).to_have_text(text, timeout=5000)


BOXES = """() => [...document.querySelectorAll("a,b,i,p,span")].map((one) => {
  const box = one.getBoundingClientRect();
  return [box.x, box.y, box.width];
})"""
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((one) => { sum += one.value; }))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 100);
})"""


class TestPlainPages:
    def test_given_every_spelling_then_each_is_shown_in_its_own_shape_and_nothing_moves(self, stage, tmp_path):
        blocked = []
        stage.page.route("**/visit", lambda route: blocked.append(route))
        page = stage.open()
        page.wait_for_timeout(150)
        show(page, "#call", REAL)
        before, picture = page.evaluate(BOXES), page.screenshot(path=tmp_path / "before.png")
        blocked[0].continue_()

        show(page, "#call", SHOWN)
        assert page.locator("#call").get_attribute("href") == "tel:+442079468123"
        show(page, "#text", "Ring us on (020) 7946-8123 or from abroad +44 (0)20 7946 8123, order 442079460000123.")
        assert page.locator("#pieces").inner_text().replace("\xa0", " ") == "020 7946 8123"
        assert page.locator("#pieces").get_attribute("href") == "tel:+442079468123"
        show(page, "#help", "Help desk: +442079460001")
        show(page, "#off", "Press office 020 7946 0000")
        assert page.locator("#field").input_value() == REAL
        assert page.locator("#frame").content_frame.locator("#inner").inner_text() == REAL
        assert "+44 20 7946 0000" in page.locator("script[type='application/ld+json']").text_content()
        assert page.screenshot(path=tmp_path / "after.png") != picture
        assert page.evaluate(SHIFTS) == 0
        moved = [
            (one, other)
            for one, other in zip(before, page.evaluate(BOXES), strict=True)
            if any(abs(a - b) > 0.5 for a, b in zip(one, other, strict=True))
        ]
        assert moved == []

        stage.page.unroute("**/visit")
        stage.publish([{"show": {"number_id": stage.number["id"]}}], format="international")
        page = stage.open()
        show(page, "#call", "+44 20 7946 8123")
        longer = page.evaluate(BOXES)
        assert [round(one[0]) for one in longer[:2]] == [round(one[0]) for one in before[:2]]
        assert page.evaluate(SHIFTS) == 0

    def test_given_content_that_comes_later_then_it_is_shown_before_it_is_seen(self, stage):
        page = stage.open()
        show(page, "#call", SHOWN)
        late = page.evaluate(
            """() => new Promise((done) => {
              const box = document.getElementById("late");
              box.innerHTML = '<p>020 7946 0000</p><a href="tel:+44 20 7946 0000">ring</a><p>020 7946 00001</p>';
              requestAnimationFrame(() => done([box.innerText, box.querySelector("a").href]));
            })"""
        )
        assert late == ["020 7946 8123\n\nring\n\n020 7946 00001", "tel:+442079468123"]
        assert page.evaluate("() => { document.querySelector('#late p').firstChild.data = 'now 02079460000'; }") is None
        show(page, "#late p:first-child", "now 02079468123")
        assert stage.count("visit") == 1

    def test_given_frames_on_request_and_selectors_then_only_there(self, stage):
        stage.settle(iframes=True)
        page = stage.open()
        expect(page.locator("#frame").content_frame.locator("#inner")).to_have_text(SHOWN)

        stage.publish([{"show": {"number_id": stage.number["id"]}}], selectors=["#text", ".spread"])
        page = stage.open()
        show(page, "#text", "Ring us on (020) 7946-8123 or from abroad +44 (0)20 7946 8123, order 442079460000123.")
        show(page, "#call", REAL)
        assert page.locator("#pieces").inner_text().replace("\xa0", " ") == SHOWN

    def test_given_numbers_of_other_countries_and_formats_then_they_are_written_for_callers(self, stage):
        numbers = ("+74951234567", "+12025550100")
        stage.publish([{"show": {"number_id": stage.number["id"]}}], numbers=numbers)
        late = "8 (495) 123-45-67, +7 495 123 45 67, (202) 555-0100, 1-202-555-0100"
        add = "(text) => { document.getElementById('late').textContent = text; }"
        page = stage.open()
        page.wait_for_function("() => window.dialtrace && dialtrace.numbers().length")
        page.evaluate(add, late)
        show(page, "#late", ", ".join(["+44 20 7946 8123"] * 4))
        moscow = stage.tenant.agency_key.made(
            "/v1/numbers", {"client_id": stage.tenant.client["id"], "number": "+74999876543"}
        )
        stage.publish([{"show": {"number_id": moscow["id"]}}], numbers=numbers)
        page = stage.open()
        page.wait_for_function("() => window.dialtrace && dialtrace.numbers().length")
        page.evaluate(add, late)
        show(page, "#late", "8 (499) 987-65-43, +7 499 987 65 43, +7 499 987-65-43, +7 499 987-65-43")
        stage.publish([{"show": {"number_id": moscow["id"]}}], numbers=numbers, format="8 ### ### ## ##")
        page = stage.open()
        page.wait_for_function("() => window.dialtrace && dialtrace.numbers().length")
        page.evaluate(add, late)
        show(page, "#late", ", ".join(["8 499 987 65 43"] * 4))

    def test_given_a_number_in_letters_then_it_is_found_and_words_that_are_none_are_left_alone(self, stage):
        free = stage.tenant.agency_key.made(
            "/v1/numbers", {"client_id": stage.tenant.client["id"], "number": "+12025550199"}
        )
        stage.publish([{"show": {"number_id": free["id"]}}], numbers=("+18003569377",))
        page = stage.open()
        page.wait_for_function("() => window.dialtrace && dialtrace.numbers().length")
        page.evaluate(
            """() => { document.getElementById('late').innerHTML = '<p>1-800-FLOWERS, 1 (800) flowers, 800.356.9377x2,'
              + ' 1-800-FLOWERSHOP; say FLOWERS or 1-800-FLOWER</p><a href="tel:1-800-FLOWERS">ring</a>'; }"""
        )
        told = "1-202-5550199, 1 (202) 5550199, 202.555.0199x2, 1-202-5550199; say FLOWERS or 1-800-FLOWER"
        show(page, "#late p", told)
        assert page.locator("#late a").get_attribute("href") == "tel:+12025550199"

    def test_given_shadow_roots_then_only_on_request_and_what_changes_in_them_later_too(self, stage):
        add = """() => {
          const late = document.getElementById("late"), host = document.createElement("div");
          host.attachShadow({ mode: "open" }).innerHTML = "<a href='tel:+442079460000'>020 7946 0000</a><p>more</p>";
          host.id = "host";
          late.append(host);
          late.insertAdjacentHTML("beforeend", "<shop-phone id='phone'></shop-phone><p>020 7946 0000</p>");
          customElements.define("shop-phone", class extends HTMLElement {
            constructor() { super(); this.attachShadow({ mode: "open" }).innerHTML = "<b>020 7946 0000</b>"; }
          });
        }"""
        page = stage.open()
        show(page, "#call", SHOWN)
        page.evaluate(add)
        show(page, "#late > p", SHOWN)
        show(page, "#host a", REAL)

        stage.settle(shadow=True)
        page = stage.open()
        show(page, "#call", SHOWN)
        page.evaluate(add)
        show(page, "#host a", SHOWN)
        show(page, "#phone b", SHOWN)
        page.evaluate(
            "() => { document.getElementById('host').shadowRoot.querySelector('p').textContent = '02079460000'; }"
        )
        show(page, "#host p", "02079468123")
        page.evaluate("() => document.addEventListener('click', (one) => one.preventDefault())")
        page.locator("#host a").click()
        path = f"/v1/visits/{page.evaluate('() => dialtrace.visit()')}"
        visit = _eventually(lambda: stage.tenant.client_key.get(path).get_json(), lambda one: one["tel_clicks"])
        assert [click["number_id"] for click in visit["tel_clicks"]] == [stage.number["id"]]

    def test_given_a_place_for_a_code_then_the_visits_own_is_shown_there_and_asked_for_once(self, stage):
        page = stage.open()
        show(page, "#call", SHOWN)
        add = "() => document.getElementById('late').insertAdjacentHTML('beforeend', '<b data-dialtrace=code>none</b>')"
        page.evaluate(add)
        expect(page.locator("#late b")).to_have_text(re.compile(r"^\d{3} \d{3}$"))
        page.evaluate(add)
        code = page.locator("#late b").first.inner_text()
        show(page, "#late b:last-child", code)
        visit = page.evaluate("() => dialtrace.visit()")
        given = stage.tenant.client_key.post(f"/v1/visits/{visit}/promo-code", None).get_json()["code"]
        assert (given, stage.count("code")) == (code.replace(" ", ""), 1)

    def test_given_callbacks_and_the_interface_then_the_page_is_told(self, stage):
        stage.page.add_init_script("window.dialtrace = { onswap: (shown) => { window.told = shown; } }")
        page = stage.open()
        show(page, "#call", SHOWN)
        shown = [{"place": "sales", "real": "+442079460000", "number": "+442079468123"}]
        assert page.evaluate("() => [told, dialtrace.numbers()]") == [shown, shown]
        visit = page.evaluate("() => dialtrace.visit()")
        assert stage.tenant.client_key.get(f"/v1/visits/{visit}").get_json()["landing_page"].endswith("/plain")

    def test_given_a_link_that_is_pressed_and_a_page_that_is_left_then_we_hear_of_both(self, stage):
        page = stage.open()
        show(page, "#call", SHOWN)
        page.evaluate("() => document.getElementById('call').addEventListener('click', (one) => one.preventDefault())")
        page.locator("#call").click()
        path = f"/v1/visits/{page.evaluate('() => dialtrace.visit()')}"
        page.goto("about:blank")
        visit = _eventually(
            lambda: stage.tenant.client_key.get(path).get_json(), lambda one: one["left_at"] and one["tel_clicks"]
        )
        assert [click["number_id"] for click in visit["tel_clicks"]] == [stage.number["id"]]


def _eventually(read: Callable[[], Any], wanted: Callable[[Any], Any]) -> Any:
    for _ in range(100):
        found = read()
        if wanted(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"still {found}")


@pytest.mark.parametrize("page_of", ["plain", "react", "vue", "next"])
def test_given_pictures_of_before_and_after_then_outside_of_the_numbers_not_one_pixel_has_changed(
    stage, page_of, tmp_path
):
    """Kept in the folder that DIALTRACE_PICTURES names, if it does."""
    folder = Path(os.environ.get("DIALTRACE_PICTURES") or tmp_path)
    blocked: list[Any] = []
    # The first picture takes long; the page's question for its number has only so much time.
    stage.page.screenshot()
    stage.page.route("**/visit", lambda route: blocked.append(route))
    page = stage.open(f"/{page_of}")
    number = "#call" if page_of == "plain" else "#number"
    show(page, number, REAL)
    _eventually(lambda: page.wait_for_timeout(20) or blocked, bool)
    before = page.screenshot(path=folder / f"{page_of}-before.png")
    numbers = [page.get_by_text("7946", exact=False), page.locator("#pieces")]
    hidden = page.screenshot(mask=numbers, path=folder / f"{page_of}-before-masked.png")
    blocked[0].continue_()
    show(page, number, SHOWN)
    if page_of != "plain":
        show(page, "#page", SHOWN)
    after = page.screenshot(path=folder / f"{page_of}-after.png")
    assert after != before
    _eventually(lambda: page.screenshot(mask=numbers, path=folder / f"{page_of}-after-masked.png") == hidden, bool)
    assert page.evaluate(SHIFTS) == 0


class TestConsent:
    def test_given_a_refusal_then_the_number_is_shown_and_nothing_at_all_is_stored(self, stage):
        stage.page.add_init_script("window.dialtrace = { consent: false }")
        page = stage.open()
        show(page, "#call", SHOWN)
        assert stage.stored() == ["", 0, 0, 0, 0]
        first = page.evaluate("() => dialtrace.visit()")
        page = stage.open()
        show(page, "#call", SHOWN)
        assert page.evaluate("() => dialtrace.visit()") != first
        assert stage.stored() == ["", 0, 0, 0, 0]

    def test_given_nobody_was_asked_then_nothing_is_stored_until_the_visitor_agrees_and_after_a_refusal_it_goes(
        self, stage
    ):
        page = stage.open()
        show(page, "#call", SHOWN)
        assert stage.stored() == ["", 0, 0, 0, 0]
        visit = page.evaluate("() => dialtrace.visit()")
        page.evaluate("() => dialtrace.consent(true)")
        page.wait_for_function("() => document.cookie")
        assert visit in page.evaluate("() => document.cookie")
        page.evaluate("() => dialtrace.consent(false)")
        page.wait_for_function("() => !document.cookie")
        assert stage.stored() == ["", 0, 0, 0, 0]

    def test_given_cookies_of_analytics_then_they_are_told_with_consent_only(self, stage):
        stage.page.add_init_script(
            "for (const one of ['_ga=GA1.1.10.20', 'secret=1', '_ym_uid=1787200000123']) document.cookie = one"
        )
        page = stage.open()
        show(page, "#call", SHOWN)
        assert "10.20" not in str([one.post_data for one in stage.asked])
        page.evaluate("() => dialtrace.consent(true)")
        page.wait_for_function("() => /_dt=/.test(document.cookie)")
        told = [one.post_data_json for one in stage.asked if one.post_data][-1]
        assert told["ids"] == ["_ga=GA1.1.10.20", "_ym_uid=1787200000123"]

    def test_given_consent_then_the_next_page_shows_the_number_before_it_has_asked(self, stage):
        stage.settle(consent="assumed")
        page = stage.open()
        show(page, "#call", SHOWN)
        visit = page.evaluate("() => dialtrace.visit()")
        page.wait_for_function("() => sessionStorage.length")
        stage.page.route("**/visit", lambda route: None)
        page = stage.open("/plain", next="1")
        show(page, "#call", SHOWN)
        assert page.evaluate("() => dialtrace.visit()") == visit


class TestPagesThatChange:
    @pytest.fixture
    def two_pages(self, stage) -> Stage:
        stage.publish(
            [
                {"show": {"number_id": stage.number["id"]}},
                {"show": {"real": True}, "on": {"pages": ["/*/press"]}},
            ]
        )
        return stage

    @pytest.mark.parametrize("framework", ["react", "vue"])
    def test_given_a_framework_then_its_pages_change_and_each_shows_what_it_should(self, two_pages, framework):
        faults: list[Any] = []
        two_pages.page.on("pageerror", lambda fault: faults.append(fault))
        page = two_pages.open(f"/{framework}")
        show(page, "#number", SHOWN)
        show(page, "#page", SHOWN)
        page.locator("#more").click()
        show(page, "#count", f"Pressed 1 times, ring {SHOWN}")
        page.locator("#press").click()
        show(page, "#page", f"Press office {REAL}")
        show(page, "#number", REAL)
        page.locator("#home").click()
        show(page, "#page", SHOWN)
        show(page, "#number", SHOWN)
        assert page.locator("#page").get_attribute("href") == "tel:+442079468123"
        page.go_back()
        show(page, "#number", REAL)
        if framework == "vue":
            page.locator("#open").click()
            show(page, "#dialog p", REAL)
        assert (two_pages.count("visit"), faults) == (1, [])

    def test_given_a_page_that_a_server_has_made_then_the_framework_finds_it_as_it_was(self, stage):
        page = stage.open("/next")
        page.wait_for_function("() => window.dialtrace && dialtrace.numbers().length")
        show(page, "#number", SHOWN)
        show(page, "#page", SHOWN)
        assert page.evaluate("() => [before, faults, __NEXT_DATA__.props.telephone]") == [REAL, [], REAL]

    def test_given_a_pool_for_one_page_then_its_number_is_asked_for_there_and_only_once(self, stage):
        stage.publish([{"show": {"number_id": stage.number["id"]}, "on": {"pages": ["/react/press"]}}])
        page = stage.open("/react")
        page.wait_for_function("() => window.dialtrace && dialtrace.visit()")
        show(page, "#number", REAL)
        visit = page.evaluate("() => dialtrace.visit()")
        page.locator("#press").click()
        show(page, "#page", f"Press office {SHOWN}")
        page.locator("#home").click()
        show(page, "#number", REAL)
        assert (page.evaluate("() => dialtrace.visit()"), stage.count("visit")) == (visit, 2)


class TestSignsOfLife:
    def test_given_a_page_that_stays_open_then_it_gives_signs_every_20_s_and_hidden_every_60_s(self, stage):
        stage.page.clock.install()
        page = stage.open()
        show(page, "#call", SHOWN)
        page.clock.run_for(61_000)
        assert stage.count("beat") == 3
        page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
        page.clock.run_for(59_000)
        assert stage.count("beat") == 3
        page.clock.run_for(2_000)
        assert stage.count("beat") == 4
        page.clock.run_for(25_000)
        page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
        page.wait_for_timeout(50)
        assert stage.count("beat") == 5

    def test_given_a_number_whose_time_is_over_then_it_is_asked_for_again_and_without_an_answer_the_real_one_is_back(
        self, stage
    ):
        stage.page.clock.install()
        page = stage.open()
        show(page, "#call", SHOWN)
        stage.page.route("**/beat", lambda route: route.abort())
        page.clock.fast_forward(1_000_000)
        page.clock.run_for(25_000)
        assert stage.count("visit") == 1
        stage.page.route("**/visit", lambda route: route.abort())
        page.clock.fast_forward(1_300_000)
        page.clock.run_for(61_000)
        show(page, "#call", REAL)
        stage.page.unroute("**/visit")
        page.clock.run_for(61_000)
        show(page, "#call", SHOWN)


class TestWhereThePageStaysAsItIs:
    def test_given_a_robot_then_it_reads_the_real_numbers(self, stage, chromium):
        context = chromium.new_context(user_agent=ROBOT)
        page = context.new_page()
        with page.expect_response("**/visit"):
            page.goto(f"{stage.address}/plain")
        page.wait_for_timeout(100)
        show(page, "#call", REAL)
        context.close()

    @pytest.mark.parametrize("what", ["**/visit", "**/t/swap/**"])
    def test_given_us_being_down_then_nobody_notices(self, stage, what):
        faults: list[Any] = []
        stage.page.on("pageerror", lambda fault: faults.append(fault))
        stage.page.route(what, lambda route: route.abort())
        page = stage.open()
        page.wait_for_timeout(200)
        show(page, "#call", REAL)
        assert (faults, stage.stored()) == ([], ["", 0, 0, 0, 0])

    def test_given_a_script_that_was_tampered_with_then_the_browser_runs_none_of_it(self, stage):
        stage.page.route(
            "**/t/swap/**",
            lambda route: route.fulfill(body="window.evil = 1", headers={"Access-Control-Allow-Origin": "*"}),
        )
        page = stage.open()
        page.wait_for_timeout(100)
        assert page.evaluate("() => window.evil") is None

    def test_given_an_error_of_ours_then_the_page_hears_of_it_and_stays(self, stage):
        stage.page.add_init_script("window.dialtrace = { onerror: (error) => { window.told = error; } }")
        stage.page.route(
            "**/visit", lambda route: route.fulfill(status=503, headers={"Access-Control-Allow-Origin": "*"})
        )
        page = stage.open()
        page.wait_for_function("() => window.told")
        assert page.evaluate("() => told") == 503
        show(page, "#call", REAL)

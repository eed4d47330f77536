"""The console in Chromium: every page that is offered, in both languages and looks, on a desk and on a phone, by the
keyboard; axe-core finds nothing to object to, nothing comes from elsewhere, no script fails."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dialtrace.api.app import ApiServices
from dialtrace.console.app import Faces
from dialtrace.console.reader import LANGUAGE_COOKIE

from ..api.conftest import PASSWORD, Tenant, serving, signed_in
from .stage import Stage, build_stage

pytestmark = pytest.mark.xdist_group("browser")
#: Where pictures go that somebody wants to look at.
PICTURES = os.environ.get("DIALTRACE_PICTURES", "")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "Debian's chromium is not installed (make setup)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def stage(services: ApiServices, app, tenant: Tenant) -> Stage:
    for role in ("owner", "analyst"):
        signed_in(services, app, tenant.agency["id"], None, email=f"{role}@north.example", role=role)
    return build_stage(services, tenant)


@contextmanager
def opened(chromium: Browser, faces: Faces, language: str, look: str, size: dict[str, int]) -> Iterator[Page]:
    """A browser at the sign-in page. What its scripts complain of, and what it asks others for, fails the test."""
    with serving(faces) as port:
        context = chromium.new_context(viewport=size, color_scheme=look, locale=language,
                                       base_url=f"http://localhost:{port}", reduced_motion="reduce")  # fmt: skip
        context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": f"http://localhost:{port}"}])
        page, faults = context.new_page(), []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("response", lambda told: faults.append(f"{told.status} {told.url}") if told.status >= 400 else None)
        page.on("request", lambda asked: faults.append(asked.url) if f"localhost:{port}/" not in asked.url else None)
        page.goto("/")
        yield page
        context.close()
        assert faults == []


def enter(page: Page, email: str) -> None:
    page.locator("#email").fill(email)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/console/home*")


def check(page: Page, name: str) -> None:
    """Nothing to object to, and nothing wider than the window."""
    picture(page, name)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is {wide} pixels wider than the window"
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    assert found.violations_count == 0, f"{name}\n{found.generate_report()}"


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


#: A page for one client looks as the one for all, but for these.
OF_ONE = ("/home", "/flows", "/start", "/daily", "/own", "/money", "/settings")


def walk(page: Page, stage: Stage, mark: str, part: str) -> None:
    """Every page of the menu as the agency; or some of them for one client, and the page of one thing of each kind."""
    scope = "" if part == "menu" else f"?client_id={stage.client_id}"
    page.goto(f"/console/home{scope}")
    links = page.locator("#menu nav a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    chosen = [*(one for one in links if any(word in one for word in OF_ONE)), *stage.pages] if scope else links
    for link in dict.fromkeys(chosen):
        page.goto(link)
        place = link.partition("?")[0].removeprefix("/console/").replace("/", "-")
        check(page, f"{mark}-{place[:40]}{'-client' if scope else ''}")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", ["menu", "things"])
@pytest.mark.parametrize(
    ("language", "look", "size"),
    [
        ("en", "light", DESK),
        pytest.param("ru", "dark", PHONE, marks=pytest.mark.slow),
        pytest.param("ru", "light", DESK, marks=pytest.mark.slow),
        pytest.param("en", "dark", PHONE, marks=pytest.mark.slow),
    ],
)
def test_given_an_owner_when_every_page_is_walked_then_each_is_whole(
    language: str, look: str, size: dict[str, int], part: str, chromium: Browser, faces: Faces, stage: Stage
) -> None:
    mark = f"{language}-{look}-{size['width']}"
    with opened(chromium, faces, language, look, size) as page:
        check(page, f"{mark}-sign-in")
        enter(page, "owner@north.example")
        walk(page, stage, mark, part)


def test_given_a_keyboard_alone_then_the_menu_is_reached_and_the_look_is_chosen(
    chromium: Browser, faces: Faces, stage: Stage
) -> None:
    with opened(chromium, faces, "en", "light", PHONE) as page:
        enter(page, "owner@north.example")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.locator("#menu > summary").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#menu nav a").first).to_be_visible()
        page.locator("select[name=theme]").select_option("dark")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.locator("select[name=language]").select_option("ru")
        expect(page.locator("html")).to_have_attribute("lang", "ru")


def test_given_a_letters_link_when_a_look_is_chosen_then_its_token_is_not_lost(chromium: Browser, faces: Faces) -> None:
    with opened(chromium, faces, "en", "light", DESK) as page:
        page.goto("/reset#di_token")
        page.locator("select[name=theme]").select_option("dark")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("#token")).to_have_value("di_token")
        expect(page.locator("#token")).to_be_hidden()
        assert page.url.endswith("/reset")


def test_given_a_recorded_call_when_its_player_is_used_then_it_plays_and_a_click_goes_there(
    chromium: Browser, faces: Faces, stage: Stage
) -> None:
    with opened(chromium, faces, "en", "light", DESK) as page:
        enter(page, "owner@north.example")
        page.goto(f"/console/calls/{stage.call_id}?client_id={stage.client_id}")
        expect(page.locator(".wave path")).to_have_count(2)
        page.evaluate("document.querySelector('audio').load()")
        expect(page.locator("audio")).to_have_js_property("readyState", 4)
        page.locator(".wave svg").click(position={"x": 300, "y": 20})
        expect(page.locator("audio")).not_to_have_js_property("currentTime", 0)
        page.get_by_label("the caller alone").check()


def test_given_a_keyboard_alone_when_a_flow_is_made_then_it_is_checked_tried_and_kept(
    chromium: Browser, faces: Faces, stage: Stage, tenant: Tenant
) -> None:
    with opened(chromium, faces, "en", "light", DESK) as page:
        enter(page, "owner@north.example")
        page.goto(f"/console/flows/new?client_id={stage.client_id}")
        page.locator("#name").focus()
        page.keyboard.type("Front")
        page.locator("select[name=add-kind]").select_option("ring")
        page.locator("button[value=add]").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#title-1")).to_be_focused()
        expect(page.locator("#name")).to_have_value("Front")
        page.locator("button[value=check]").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#card-1.faulty .fault").first).to_be_visible()
        page.locator("#s0-targets-0").select_option(label=tenant.target["name"])
        page.locator("button[value=try]").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#trial")).to_contain_text(f"rings: {tenant.target['name']}")
        check(page, "flow-tried")
        page.locator("svg.flow a").first.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("#step-1$"))
        page.locator("button[value=keep]").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/flows/*done=made*")
        expect(page.locator("main")).to_contain_text("the next call follows it")

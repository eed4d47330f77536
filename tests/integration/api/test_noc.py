"""`/v1/noc`, what Prometheus asks for, and the page in Chromium: drained and undrained by hand, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask
from playwright.sync_api import Browser, Page, expect

from dialtrace.api.app import ApiServices, create_app
from dialtrace.calls.model import NodeReport
from dialtrace.calls.nodes import NodeDirectory
from dialtrace.calls.service import NodeService
from dialtrace.db.engine import Database
from dialtrace.watching.errors import PrometheusAway
from dialtrace.watching.model import MinuteBook, PoolStanding, Target
from dialtrace.watching.service import WatchService

from .conftest import Asker, Tenant, serving
from .records import START, store_call

ALERT = {
    "name": "RecordsAreLate", "severity": "page", "summary": "The oldest CDR file on node-1 is 4m 2s old",
    "runbook": "docs/runbooks.md#recordsarelate", "since": "2026-03-01T09:30:00.125Z",
}  # fmt: skip
#: Where pictures go that somebody wants to look at.
PICTURES = os.environ.get("DIALTRACE_PICTURES", "")


@pytest.fixture
def watch(database: Database) -> WatchService:
    """Two nodes, a day of calls, a pool that loses, two machines."""
    for name in ("node-1", "node-2"):
        NodeService(database).report(
            NodeReport(
                name=name,
                kind="embedded",
                sip_address="127.0.0.1:5060",
                state="up",
                seen=True,
                sessions=84,
                max_sessions=100,
            )
        )
    watch, book, now = WatchService(database), MinuteBook(), datetime.now(UTC)
    for minutes in range(0, 24 * 60, 3):
        moment = now - timedelta(minutes=minutes)
        for index in range(3 + (minutes // 120) % 5):
            book.begun("node-1", moment)
            book.ended("node-1", moment, "answered" if index % 3 else "busy", 60_000)
    watch.write_minutes(book)
    watch.note("node:node-1", {
        "cdr_files": 3, "cdr_oldest_s": 0.4, "recordings_due": 2, "recordings_orphaned": 0,
        "disk_free_bytes": 50_000_000_000, "disk_size_bytes": 100_000_000_000,
    })  # fmt: skip
    watch.note_pools([
        PoolStanding("a", "p", "Bright Dental, London", 100, 3, 0.01), PoolStanding("a", "q", "Calm", 100, 0, 0.01),
    ])  # fmt: skip
    watch.note_targets("east", [Target("worker-1", "worker", "10.0.0.1:9153"), Target("api", "api", "10.0.0.1:8080")])
    watch.note_targets("west", [Target("agent", "agent", "10.0.0.2:9151")])
    return watch


def test_given_a_platform_at_work_when_the_operator_looks_then_all_of_it_is_on_one_page(
    watch: WatchService, operator: Asker
) -> None:
    seen = operator.get("/v1/noc").json
    assert seen["missing"] == {}
    assert seen["at"].endswith("Z")
    assert [one["node"]["name"] for one in seen["nodes"]] == ["node-1", "node-2"]
    first = seen["nodes"][0]
    assert (first["backlog"]["cdr_files"], first["is_stale"]) == (3, False)
    assert seen["nodes"][1]["backlog"]["cdr_files"] is None
    assert len(seen["day"]) == 144
    assert all(span["calls_per_s"] > 0 for span in seen["day"][1:])
    assert 0.5 < seen["lately"]["asr"] < 0.9
    assert (seen["lately"]["ner"], seen["pools"]["pools"]) == (1.0, 2)
    assert [(pool["name"], pool["lost"]) for pool in seen["pools"]["worst"]] == [("Bright Dental, London", 3)]
    assert (seen["alerts"], seen["knows_alerts"]) == (None, False)
    assert seen["webhooks"]["waiting"] == 0


def test_given_prometheus_when_alerts_stand_they_are_there_and_when_it_is_away_the_rest_still_is(
    watch: WatchService, services: ApiServices, operator: Asker
) -> None:
    def away() -> list[dict[str, str]]:
        raise PrometheusAway("nobody listens")

    for read, expected, missing in ((lambda: [ALERT], [ALERT], set()), (away, None, {"alerts"})):
        app = create_app(replace(services, noc=replace(services.noc, alerts=read)))
        seen = Asker(app, operator.token).get("/v1/noc").json
        assert (seen["alerts"], set(seen["missing"]), len(seen["nodes"])) == (expected, missing, 2)


@pytest.mark.parametrize("path", ["/v1/noc", "/v1/scrape-targets", "/v1/scrape-targets/agencies"])
def test_given_whoever_is_not_the_operator_when_he_asks_then_refused(path: str, tenant: Tenant, asker) -> None:
    assert tenant.agency_key.get(path).status_code == 403
    assert tenant.client_key.get(path).status_code == 403
    assert asker(None).get(path).status_code == 401


def test_given_processes_of_two_machines_when_prometheus_asks_then_each_is_told_with_its_labels(
    watch: WatchService, operator: Asker
) -> None:
    answer = operator.get("/v1/scrape-targets")
    assert answer.content_type == "application/json"
    assert answer.json == [
        {"targets": ["10.0.0.1:9153"], "labels": {"process": "worker-1", "role": "worker", "machine": "east"}},
        {"targets": ["10.0.0.1:8080"], "labels": {"process": "api", "role": "api", "machine": "east"}},
        {"targets": ["10.0.0.2:9151"], "labels": {"process": "agent", "role": "agent", "machine": "west"}},
    ]


def test_given_two_agencies_when_prometheus_asks_then_each_has_its_own_figures_and_no_other(
    services: ApiServices, operator: Asker, make_tenant
) -> None:
    north, south = make_tenant("North"), make_tenant("South")
    lately = (datetime.now(UTC) - START) // timedelta(minutes=1) - 2
    for _ in range(2):
        store_call(services, north.agency["id"], north.client["id"], minute=lately)
    told = operator.get("/v1/scrape-targets/agencies").json
    names = {one["labels"]["agency"]: one["labels"]["__param_agency_id"] for one in told}
    assert names["North"] == north.agency["id"]
    line = 'dialtrace_agency_calls_recent{outcome="answered"} 2.0'
    assert line in north.agency_key.get("/v1/agency-metrics").text
    assert line in operator.get(f"/v1/agency-metrics?agency_id={names['North']}").text
    assert "dialtrace_agency_calls_recent{" not in south.agency_key.get("/v1/agency-metrics").text
    assert south.agency_key.get(f"/v1/agency-metrics?agency_id={names['North']}").status_code == 404
    assert north.client_key.get("/v1/agency-metrics").status_code == 403


def test_given_the_page_then_it_needs_no_other_file_and_no_other_script_may_run(app: APIFlask) -> None:
    answer = app.test_client().get("/noc")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "src=" not in answer.text
    assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "").replace("`HTTP", "")
    again = app.test_client().get("/noc", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


# --- In Chromium. ---


@contextmanager
def opened(chromium: Browser, app: APIFlask, scheme: str, width: int) -> Iterator[Page]:
    with serving(app) as port:
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: faults.append(request.url) if f":{port}/" not in request.url else None)
        page.goto(f"http://127.0.0.1:{port}/noc")
        yield page
        context.close()
        # The first question, without a key, is answered 401, which the browser notes.
        assert [one for one in faults if "401" not in one] == []


#: Every text against what lies behind it, by WCAG 2.2's formula.
CONTRASTS = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgb(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("script, style, noscript, .skip")) continue;
    const style = getComputedStyle(element), svg = element.namespaceURI.endsWith("svg");
    const pair = [light(rgb(svg ? style.fill : style.color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) found.push(`${element.tagName} ${element.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
#: What a reader of the screen needs: names of controls, headings in order, one main part, heads of tables.
UNNAMED = """() => {
  const found = [];
  for (const one of document.querySelectorAll("button, input, [role=region], svg, table, dialog")) {
    if (!one.checkVisibility()) continue;
    const labelled = one.getAttribute("aria-labelledby");
    const name = one.getAttribute("aria-label") || (labelled && document.getElementById(labelled)?.textContent)
      || one.labels?.[0]?.textContent || one.querySelector("caption")?.textContent
      || (one.tagName === "BUTTON" && one.textContent);
    if (!name) found.push(one.outerHTML.slice(0, 80));
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter((one) => one.checkVisibility())
    .map((one) => Number(one.tagName[1]));
  levels.forEach((level, index) => {
    if (level > (levels[index - 1] || 0) + 1) found.push(`a heading of level ${level} too early`);
  });
  if (document.querySelectorAll("main").length !== 1) found.push("not one main part");
  if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the window");
  return found;
}"""


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_given_the_page_when_a_node_is_drained_and_undrained_then_it_was_confirmed_and_done(
    chromium: Browser, services: ApiServices, watch: WatchService, operator: Asker, database: Database, scheme: str,
    width: int,
) -> None:  # fmt: skip
    app, nodes = (
        create_app(replace(services, noc=replace(services.noc, alerts=lambda: [ALERT]))),
        NodeDirectory(database),
    )
    with opened(chromium, app, scheme, width) as page:
        expect(page.get_by_label("Operator's key")).to_be_focused()
        picture(page, f"noc-sign-in-{scheme}-{width}")
        page.get_by_label("Operator's key").fill("dt_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("refused")
        page.get_by_label("Operator's key").fill(str(operator.token))
        page.keyboard.press("Enter")
        expect(page.get_by_text("Up to date.")).to_be_visible()
        expect(page.get_by_text("RecordsAreLate", exact=False).first).to_be_visible()
        expect(page.get_by_role("rowheader", name="Bright Dental, London")).to_be_visible()
        picture(page, f"noc-{scheme}-{width}")
        assert page.evaluate(CONTRASTS) == []
        assert page.evaluate(UNNAMED) == []
        # Left alone, nothing happens; by the keyboard alone.
        page.get_by_role("button", name="Drain node-1", exact=True).press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        picture(page, f"noc-drain-{scheme}-{width}")
        assert page.evaluate(CONTRASTS) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        assert not nodes.is_drain_wanted("node-1")
        page.get_by_role("button", name="Drain node-1", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Drain node-1").click()
        undrain = page.get_by_role("button", name="Undrain node-1", exact=True)
        expect(undrain).to_be_visible()
        expect(undrain).to_be_focused()
        assert nodes.is_drain_wanted("node-1")
        assert not nodes.is_drain_wanted("node-2")
        undrain.click()
        page.get_by_role("dialog").get_by_role("button", name="Undrain node-1").click()
        expect(page.get_by_role("button", name="Drain node-1", exact=True)).to_be_visible()
        assert not nodes.is_drain_wanted("node-1")
        page.reload()
        expect(page.get_by_text("Up to date.")).to_be_visible()
        page.get_by_role("button", name="Forget the key").click()
        expect(page.get_by_label("Operator's key")).to_be_focused()
        assert page.evaluate("sessionStorage.length") == 0


@pytest.mark.xdist_group("browser")
def test_given_an_agency_s_key_when_it_is_given_then_the_page_shows_nothing(
    chromium: Browser, app: APIFlask, tenant: Tenant
) -> None:
    with serving(app) as port:
        page = chromium.new_context().new_page()
        page.goto(f"http://127.0.0.1:{port}/noc")
        page.get_by_label("Operator's key").fill(str(tenant.agency_key.token))
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("operator")
        expect(page.locator("#page")).to_be_hidden()

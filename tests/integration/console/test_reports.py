"""Reports in the console: the figures of the API as tables, pictures and files; calls behind them; who was missed."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.attribution.models import MODELS
from dialtrace.console.words import WORDS
from dialtrace.reports.dictionary import DIMENSIONS, METRICS
from dialtrace.reports.named import RECIPES

from ..api.conftest import Tenant
from ..api.records import START, store_call
from .conftest import Forms, Person

CALLER = "+442079460555"


@pytest.fixture
def ann(person, tenant: Tenant) -> Person:
    made: Person = person(tenant.agency["id"], email="ann@north.example")
    return made


@pytest.fixture
def calls(services: ApiServices, tenant: Tenant) -> Any:
    """Yesterday: two answered by a target, and three that nobody took, of two callers."""
    agency, client = tenant.agency["id"], tenant.client["id"]
    noon = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=1)
    first = (noon - START) // timedelta(minutes=1)
    for minute in (0, 1):
        store_call(services, agency, client, minute=first + minute, target=tenant.target["id"])
    lost = [store_call(services, agency, client, minute=first + minute, outcome="no_answer", caller=CALLER)
            for minute in (2, 70)]  # fmt: skip
    other = store_call(services, agency, client, minute=first + 71, outcome="busy", caller="+442079460556")
    return noon.date(), lost, other


def rows(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_given_every_word_of_the_dictionary_then_it_is_said_in_the_console() -> None:
    assert METRICS.keys() - WORDS["metric"].keys() == set()
    assert DIMENSIONS.keys() == WORDS["dimension"].keys()
    assert set(MODELS) == WORDS["model"].keys()
    assert {one.name for recipes in RECIPES.values() for one in recipes} - WORDS["section"].keys() == set()


def test_given_yesterdays_calls_then_the_daily_report_tells_them_and_leads_to_the_calls_behind_a_figure(
    ann: Person, tenant: Tenant, calls
) -> None:
    day, _, _ = calls
    scope = f"client_id={tenant.client['id']}"
    page = ann.see(f"/console/reports/daily?{scope}&day={day}")
    assert re.search(r"<li><b>5</b>Calls", page)
    assert "<svg" in page
    assert tenant.target["name"] in page
    assert "An answer later than 20 seconds is slow." in page
    links = [one for one in Forms(page).links if "/reports/calls" in one and tenant.target["id"] in one]
    behind = ann.see(links[0])
    assert behind.count('<th scope="row" class="moment">') == 2
    assert f"Target: {tenant.target['name']}" in behind
    file = ann.get(f"/console/reports/daily/hours.csv?{scope}&day={day}")
    assert file.headers["Content-Disposition"] == f'attachment; filename="daily-{day}-hours.csv"'
    told = rows(file.text)
    assert told[0][:3] == ["Hour", "Calls", "Answered"]
    assert [line[:2] for line in told[1:]][-1] == ["All", "5"]
    assert sum(int(line[1]) for line in told[1:-1]) == 5
    assert ann.get(f"/console/reports/daily/nothing.csv?{scope}").status_code == 404


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly"])
def test_given_any_named_report_then_each_section_has_a_table_and_a_file(
    kind: str, ann: Person, tenant: Tenant, calls
) -> None:
    day, _, _ = calls
    page = ann.see(f"/console/reports/{kind}?day={day}&compare=last_year")
    files = [one for one in Forms(page).links if ".csv" in one]
    assert len(files) == len(RECIPES[kind])  # type: ignore[index]
    for file in files:
        assert len(rows(ann.see(file))) > 1
    around = [one for one in Forms(page).links if f"/reports/{kind}?" in one and "compare=last_year" in one]
    assert around, "the one before keeps what is compared"
    ann.see(around[0])


def test_given_filters_a_model_and_other_days_then_named_reports_and_their_files_go_by_them(
    ann: Person, tenant: Tenant, calls
) -> None:
    day, _, _ = calls
    asked = f"client_id={tenant.client['id']}&day={day}&compare_day={day - timedelta(days=7)}"
    page = ann.see(f"/console/reports/daily?{asked}&target={tenant.target['id']}&outcome=answered")
    assert re.search(r"<li><b>2</b>Calls", page)
    assert "Compared with" in page
    link = next(one for one in Forms(page).links if "total.csv" in one)
    assert rows(ann.see(link))[1][0] == "2"
    shared = ann.see(f"/console/reports/daily?{asked}&model=linear")
    assert re.search(r"<li><b>5</b>Calls", shared)
    assert '<option value="linear" selected>' in shared
    own = f"from={day}&to={day}&compare_from={day - timedelta(days=3)}&compare_to={day - timedelta(days=2)}"
    told = rows(ann.see(f"/console/reports/own/table.csv?{own}&by=channel&metrics=calls"))
    assert told[0] == ["Channel", "Calls", "Calls (before)"]
    assert told[-1] == ["All", "5", "0"]
    assert 'class="note bad"' in ann.see(f"/console/reports/own?{own}&model=no_such")


def test_given_a_report_of_ones_own_then_the_address_says_it_all_and_what_is_wrong_is_said(
    ann: Person, tenant: Tenant, calls
) -> None:
    day, _, _ = calls
    asked = f"client_id={tenant.client['id']}&from={day}&to={day}&by=outcome&metrics=calls&metrics=answer_share"
    page = ann.see(f"/console/reports/own?{asked}")
    assert re.search(r'<th scope="row"><a [^>]+>no answer</a>', page)
    assert "40.0%" in page
    form = next(one for one in Forms(page).found if "by" in one.values)
    assert (form.values["by"], form.values["metrics"]) == ("outcome", ["calls", "answer_share"])
    told = rows(ann.see(next(one for one in Forms(page).links if ".csv" in one)))
    assert told[0] == ["Outcome", "Calls", "Answered, share"]
    assert ["no answer", "2", "0.0"] in told or ["no answer", "2", "0"] in told
    assert told[-1] == ["All", "5", "0.4"]
    filtered = ann.see(f"/console/reports/own?{asked}&target={tenant.target['id']}")
    assert "no answer</a>" not in filtered
    assert re.search(r'<option value="[0-9a-f-]+" selected>', filtered)
    for wrong in (f"{asked}&from=2026-13-01", f"{asked}&metrics=no_such", f"{asked}&by=no_such", f"{asked}&currency=x"):
        answer = ann.get(
            f"/console/reports/own?{wrong.replace(f'from={day}&', '', 1) if '2026-13' in wrong else wrong}"
        )
        assert answer.status_code == 200
    assert 'class="note bad"' in ann.see(f"/console/reports/own?{asked}&metrics=no_such")
    assert 'class="note bad"' in ann.see("/console/reports/daily?day=2026-13-01")
    assert 'class="note bad"' in ann.see("/console/reports/missed?from=yesterday")


def test_given_a_caller_who_was_missed_twice_when_he_is_marked_then_he_waits_no_longer_and_others_do(
    ann: Person, tenant: Tenant, calls, person
) -> None:
    _, lost, other = calls
    page = f"/console/reports/missed?client_id={tenant.client['id']}"
    assert CALLER in ann.see(page)
    assert rows(ann.see(page.replace("missed?", "missed/table.csv?")))[0][0] == "Caller"
    marked = ann.send(page, f"/console/reports/missed/{lost[-1]}")
    assert (marked.status_code, marked.headers["Location"]) == (303, page)
    after = ann.see(page)
    assert CALLER not in after
    assert "+442079460556" in after
    for call in lost:
        assert tenant.agency_key.get(f"/v1/calls/{call}/assessment").json["tags"] == ["called back"]
    assert tenant.agency_key.get(f"/v1/calls/{other}/assessment").json["tags"] == []
    analyst: Person = person(tenant.agency["id"], role="analyst")
    assert "Called back" not in analyst.see(page)
    token = Forms(analyst.see("/console/account")).found[0].values["csrf"]
    assert analyst.post(f"/console/reports/missed/{other}", {"csrf": token}).status_code == 403


def test_given_a_source_that_is_a_formula_then_a_spreadsheet_takes_it_for_a_text(ann: Person, tenant: Tenant) -> None:
    evil = '=HYPERLINK("https://evil.example")'
    today = str(datetime.now(UTC).date())
    row = {"day": today, "channel": "paid_search", "source": evil, "clicks": 1, "cost": "2.50", "currency": "EUR"}
    body = {"client_id": tenant.client["id"], "rows": [row]}
    assert tenant.agency_key.post("/v1/spend", body).status_code == 200
    told = rows(ann.see(f"/console/reports/own/table.csv?client_id={tenant.client['id']}&by=source&metrics=cost"))
    assert told[1][0] == f"'{evil}"


def test_given_a_norm_when_set_then_reports_go_by_it_and_a_faulty_or_late_form_changes_nothing(
    ann: Person, tenant: Tenant, person, calls
) -> None:
    day, _, _ = calls
    scope = f"client_id={tenant.client['id']}"
    assert tenant.client["name"] in ann.see("/console/reports/settings")
    page = f"/console/reports/settings?{scope}"
    stale = next(one for one in Forms(ann.see(page)).found if "answer_norm_s" in one.values)
    faulty = ann.send(page, answer_norm_s="soon").text
    assert 'value="soon" aria-describedby' in faulty
    assert 'class="fault"' in faulty
    sent = {"answer_norm_s": "3", "target.tags_none": "supplier\nspam", "target.answered": []}
    assert ann.send(page, **sent).status_code == 303
    kept = tenant.agency_key.get(f"/v1/clients/{tenant.client['id']}/report-settings").json
    assert (kept["answer_norm_s"], kept["target"]["tags_none"]) == (3, ["supplier", "spam"])
    assert kept["target"]["answered"] is False
    assert "Kept now: 3" in ann.post(stale.action, stale.values).text
    assert "An answer later than 3 seconds is slow." in ann.see(f"/console/reports/daily?{scope}&day={day}")
    analyst: Person = person(tenant.agency["id"], role="analyst")
    assert "norm for the time to answer" in analyst.see(page).lower()
    token = Forms(analyst.see("/console/account")).found[0].values["csrf"]
    assert analyst.post(page, {"csrf": token, "answer_norm_s": "9"}).status_code == 403

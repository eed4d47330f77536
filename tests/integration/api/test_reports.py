"""Reports through the API: figures as they are shown, settings, spend, who was missed, and the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.cli_reports import report_command, spend_group

from .conftest import Asker, Tenant
from .records import START, store_call
from .test_conventions import assert_problem

TODAY = datetime.now(UTC).date().isoformat()
SPEND = {"day": TODAY, "channel": "paid_search", "source": "google", "clicks": 4, "cost": "10.50", "currency": "EUR"}


def test_given_calls_and_spend_when_asked_then_each_figure_has_its_kind(services: ApiServices, tenant: Tenant) -> None:
    store_call(services, tenant.agency["id"], tenant.client["id"])
    assert tenant.client_key.post("/v1/spend", {"rows": [SPEND]}).get_json() == {"new": 1, "changed": 0, "same": 0}
    key = tenant.client_key
    told = key.get("/v1/reports/figures?from=2026-11-01&to=2026-11-30&metrics=calls").get_json()
    assert told["total"]["figures"] == {"calls": 1}
    told = key.get("/v1/reports/figures?metrics=clicks,cost,cost_per_click,roi&by=source&compare=previous").get_json()
    line = next(one for one in told["lines"] if one["group"] == {"source": "google"})
    assert line["figures"] == {"clicks": 4, "cost": "10.5000", "cost_per_click": "2.62500000", "roi": -1.0}
    assert line["before"] == {"clicks": 0, "cost": "0", "cost_per_click": None, "roi": None}
    assert told["currency"] == "EUR"
    told = key.get("/v1/reports/figures?metrics=cost,calls&by=outcome").get_json()
    assert told["unknown"] == ["cost"]
    assert told["total"]["figures"]["cost"] is None
    assert key.get("/v1/reports/figures?metrics=cost&currency=USD").get_json()["other_currencies"] == 1


def test_given_words_that_are_none_when_asked_then_the_parameter_is_named(tenant: Tenant) -> None:
    for query, parameter in (
        ("metrics=callz", "metrics"),
        ("by=colour", "by"),
        ("from=2026-02-02&to=2026-02-01", "to"),
    ):
        problem = assert_problem(tenant.client_key.get(f"/v1/reports/figures?{query}"), 422, "validation_failed")
        assert [fault["parameter"] for fault in problem["errors"]] == [parameter]


@pytest.mark.parametrize(
    "path",
    [
        "figures?from=0001-01-01",
        "figures?from=0001-01-01&to=0001-01-02&compare=last_year",
        "missed?to=9999-12-31",
        "calls?from=9999-12-31&to=9999-12-31",
        "daily?day=0001-01-01",
        "weekly?day=0001-01-01&compare=last_year",
        "monthly?day=9999-12-01",
    ],
)
def test_given_a_day_at_the_calendars_end_when_asked_then_it_is_refused(tenant: Tenant, path: str) -> None:
    assert_problem(tenant.client_key.get(f"/v1/reports/{path}"), 422, "validation_failed")


@pytest.mark.parametrize("day", ["2000-01-01", "9000-01-01"])
@pytest.mark.parametrize("compare", ["previous", "last_year"])
def test_given_the_first_or_last_day_when_asked_then_there_is_a_report(tenant: Tenant, day: str, compare: str) -> None:
    for path in (f"figures?from={day}&to={day}&", f"daily?day={day}&", f"monthly?day={day}&"):
        assert tenant.client_key.get(f"/v1/reports/{path}compare={compare}").status_code == 200, path


def test_given_settings_when_patched_then_what_is_not_named_stays(tenant: Tenant) -> None:
    path = f"/v1/clients/{tenant.client['id']}/report-settings"
    key = tenant.client_key
    assert key.get(path).headers["ETag"] == '"v0"'
    changed = key.patch(path, {"target": {"min_talk_s": 45}, "answer_norm_s": 10}, If_Match='"v0"')
    assert changed.status_code == 200, changed.text
    assert changed.get_json()["target"]["min_talk_s"] == 45
    changed = key.patch(path, {"target": {"tags_any": ["vip"]}, "answer_norm_s": None}, If_Match='"v1"').get_json()
    assert changed["target"] | {"min_talk_s": 45, "tags_any": ["vip"]} == changed["target"]
    assert (changed["answer_norm_s"], changed["version"]) == (20, 2)
    assert_problem(key.patch(path, {"spam_from": 5}, If_Match='"v1"'), 412, "version_mismatch")
    assert_problem(key.patch(path, {"spam_from": 0}, If_Match="*"), 422, "validation_failed")
    assert_problem(tenant.sibling_key.get(path), 404, "not_found")


def test_given_a_row_of_spend_that_is_told_twice_when_sent_then_nothing_is_taken(tenant: Tenant) -> None:
    problem = assert_problem(tenant.client_key.post("/v1/spend", {"rows": [SPEND, SPEND]}), 422, "validation_failed")
    assert [fault["pointer"] for fault in problem["errors"]] == ["#/rows/1"]
    figures = tenant.client_key.get("/v1/reports/figures?metrics=cost").get_json()["total"]["figures"]
    assert figures == {"cost": "0"}


def test_given_a_file_of_spend_when_imported_then_the_report_shows_it(
    command_line: Callable[..., str], tenant: Tenant, tmp_path: Path
) -> None:
    file = tmp_path / "spend.csv"
    file.write_text(f"Day,Campaign,Cost\n{TODAY},spring,12.5\n{TODAY},brand,7.5\n", encoding="utf-8")
    arguments = [
        "import", file, "--client", tenant.client["id"], "--map", "day=Day", "--map", "cost=Cost",
        "--map", "campaign=Campaign", "--set", "source=google", "--set", "currency=EUR",
    ]  # fmt: skip
    assert command_line(spend_group, *arguments, "--dry-run") == "2 rows (dry run): 2 new, 0 changed, 0 same\n"
    assert command_line(spend_group, *arguments) == "2 rows: 2 new, 0 changed, 0 same\n"
    assert command_line(spend_group, *arguments) == "2 rows: 0 new, 0 changed, 2 same\n"
    table = command_line(
        report_command, "--client", tenant.client["id"], "--metrics", "cost,cost_per_call", "--by", "campaign"
    )
    assert [line.split() for line in table.splitlines()] == [
        ["campaign", "cost", "cost_per_call"],
        ["spring", "12.5000", "-"],
        ["brand", "7.5000", "-"],
        ["total", "20.0000", "-"],
    ]


def test_given_calls_when_the_reports_by_name_are_made_then_each_line_leads_to_its_calls(
    services: ApiServices, tenant: Tenant
) -> None:
    store_call(services, tenant.agency["id"], tenant.client["id"])
    key = tenant.client_key
    (call,) = key.get("/v1/calls").get_json()["data"]
    day = call["started_at"][:10]
    for kind, sections in (
        ("daily", ["total", "channels", "hours", "handling"]),
        ("weekly", ["total", "days", "weekday_hours", "channel_quality", "conversion", "handling"]),
        ("monthly", ["total", "channels", "campaigns", "days", "trend", "handling"]),
    ):
        made = key.get(f"/v1/reports/{kind}?day={day}").get_json()
        assert [one["name"] for one in made["sections"]] == sections
        assert made["from"] <= day <= made["to"]
        assert made["compared_to"] < made["from"]
        assert made["answer_norm_s"] == 20
        for section in made["sections"]:
            report = section["report"]
            lines = [report["total"], *report["lines"]]
            assert report["total"]["figures"]["calls"] == 1
            for line in [one for one in lines if one["figures"]["calls"]]:
                listed = key.get(line["calls"]).get_json()
                assert [one["id"] for one in listed["data"]] == [call["id"]], (section["name"], line)
    assert key.get(f"/v1/reports/calls?from={day}&to={day}&outcome=no_such").get_json()["data"] == []
    assert key.get(f"/v1/reports/monthly?day={day}&compare=none").get_json()["compared_from"] is None


def test_given_filters_models_and_other_days_when_reports_are_made_then_they_go_by_them(
    services: ApiServices, tenant: Tenant, command_line: Callable[..., str]
) -> None:
    store_call(services, tenant.agency["id"], tenant.client["id"])
    key = tenant.client_key
    (call,) = key.get("/v1/calls").get_json()["data"]
    day = call["started_at"][:10]
    for outcome, calls in ((call["outcome"], 1), ("no_such", 0)):
        made = key.get(f"/v1/reports/daily?day={day}&outcome={outcome}&compare_day=2026-03-05").get_json()
        assert (made["compared_from"], made["compared_to"], made["model"]) == ("2026-03-05", "2026-03-05", None)
        totals = [section["report"]["total"]["figures"] for section in made["sections"]]
        assert {one["calls"] for one in totals} == {calls}
        assert [one["cost"] for one in totals if "cost" in one] == [None, None]
    asked = f"from={day}&to={day}&metrics=calls,unique_callers&by=channel&model=position"
    told = key.get(f"/v1/reports/figures?{asked}&compare_from=2026-03-01&compare_to=2026-03-02").get_json()
    assert (told["model"], told["unknown"], told["compared_to"]) == ("position", ["unique_callers"], "2026-03-02")
    (line,) = told["lines"]
    assert (line["figures"], line["calls"]) == ({"calls": 1, "unique_callers": None}, None)
    made = key.get(f"/v1/reports/monthly?day={day}&model=position").get_json()
    assert {section["report"]["model"] for section in made["sections"]} == {"position"}
    for query, parameter in (
        (f"figures?{asked}&compare_from=2026-03-01", "compare_to"),
        (f"figures?{asked}&compare_from=2026-03-02&compare_to=2026-03-01", "compare_to"),
        ("figures?model=best", "model"),
        ("daily?model=best", "model"),
    ):
        problem = assert_problem(key.get(f"/v1/reports/{query}"), 422, "validation_failed")
        assert [fault["parameter"] for fault in problem["errors"]] == [parameter]
    shown = command_line(
        report_command, "daily", "--client", tenant.client["id"], "--day", day, "--where", "outcome=no_such",
        "--model", "linear", "--compare-day", "2026-03-05", "--format", "json",
    )  # fmt: skip
    assert json.loads(shown)["model"] == "linear"


@pytest.mark.parametrize("by", ["", "channel", "client,outcome"])
def test_given_a_client_that_is_named_when_a_line_is_followed_then_no_other_clients_calls_are_listed(
    services: ApiServices, tenant: Tenant, operator: Asker, by: str
) -> None:
    call = store_call(services, tenant.agency["id"], tenant.client["id"])
    store_call(services, tenant.agency["id"], tenant.sibling["id"])
    whose = {"client_id": tenant.client["id"]}
    asked = {"from": START.date(), "to": START.date(), "by": by}
    for key, named in ((tenant.agency_key, whose), (operator, whose | {"agency_id": tenant.agency["id"]})):
        report = key.get(f"/v1/reports/figures?{urlencode(asked | named)}").get_json()
        daily = key.get(f"/v1/reports/daily?{urlencode({'day': START.date()} | named)}").get_json()
        for told in (report, *(section["report"] for section in daily["sections"])):
            for line in [one for one in (told["total"], *told["lines"]) if one["figures"]["calls"]]:
                assert [one["id"] for one in key.get(line["calls"]).get_json()["data"]] == [str(call)], line


def test_given_more_calls_than_a_page_when_listed_then_the_cursor_leads_through_all(
    services: ApiServices, tenant: Tenant
) -> None:
    for _ in range(3):
        store_call(services, tenant.agency["id"], tenant.client["id"])
    path, seen = "/v1/reports/calls?from=2026-11-01&to=2026-11-30&limit=2", []
    first = tenant.client_key.get(path).get_json()
    seen += first["data"]
    second = tenant.client_key.get(f"{path}&cursor={first['next_cursor']}").get_json()
    assert second["next_cursor"] is None
    assert len({one["id"] for one in seen + second["data"]}) == 3


def test_given_the_command_when_a_report_by_name_is_asked_then_its_sections_stand_one_after_another(
    command_line: Callable[..., str], services: ApiServices, tenant: Tenant
) -> None:
    store_call(services, tenant.agency["id"], tenant.client["id"])
    told = command_line(report_command, "weekly", "--client", tenant.client["id"])
    assert told.startswith("Weekly report, ")
    for title in ("The week", "Weekdays and hours", "Quality of channels", "Handling by target"):
        assert f"\n{title}\n" in told

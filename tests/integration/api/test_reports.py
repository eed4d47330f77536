"""Reports through the API: figures as they are shown, settings, spend, who was missed, and the commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dialtrace.api.app import ApiServices
from dialtrace.cli_reports import report_command, spend_group

from .conftest import Tenant
from .records import store_call
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

"""`/v1/bulk`: many writes, one transaction, an answer for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Asker, Tenant, document
from .test_conventions import assert_problem

Row = dict[str, Any]


def target(tenant: Tenant, name: str, **more: Any) -> Row:
    body = {"client_id": tenant.client["id"], "name": name, "address": "sip:a@pbx.example", **more}
    return {"method": "POST", "path": "/v1/targets", "body": body}


def names_of(key: Asker) -> list[str]:
    return [row["name"] for row in key.get("/v1/targets?limit=200").get_json()["data"]]


def sent(key: Asker, rows: list[Row], **more: Any) -> dict[str, Any]:
    answer = key.post("/v1/bulk", {"rows": rows, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_given_rows_when_some_are_refused_then_each_has_its_answer_and_the_others_stay(tenant: Tenant) -> None:
    rows = [
        target(tenant, "One"),
        target(tenant, ""),
        {"method": "POST", "path": "/v1/numbers", "body": {"client_id": tenant.client["id"],
                                                           "number": tenant.number["number"]}},
        target(tenant, "Two"),
        {"method": "PATCH", "path": f"/v1/targets/{tenant.target['id']}", "body": {"name": "Renamed"},
         "if_match": '"v1"'},
        {"method": "PATCH", "path": f"/v1/targets/{tenant.target['id']}", "body": {"name": "Again"},
         "if_match": '"v1"'},
        {"method": "GET", "path": "/v1/targets"},
    ]  # fmt: skip
    assert_problem(tenant.agency_key.post("/v1/bulk", {"rows": rows}), 422, "validation_failed")
    found = sent(tenant.agency_key, rows[:-1])
    assert [row["status"] for row in found["results"]] == [201, 422, 409, 201, 200, 412]
    assert (found["is_applied"], found["accepted"], found["refused"]) == (True, 3, 3)
    assert found["results"][1]["body"]["errors"][0]["pointer"] == "#/name"
    assert found["results"][0]["location"] == f"/v1/targets/{found['results'][0]['body']['id']}"
    assert found["results"][4]["etag"] == '"v2"'
    assert names_of(tenant.agency_key) == ["Renamed", "One", "Two"]


def test_given_a_dry_run_when_sent_then_it_tells_what_would_come_and_changes_nothing(tenant: Tenant) -> None:
    """The second of two equal numbers is refused: what the rows before would have done counts."""
    number = {
        "method": "POST", "path": "/v1/numbers",
        "body": {"client_id": tenant.client["id"], "number": "+442079469001"},
    }  # fmt: skip
    found = sent(tenant.agency_key, [number, number], dry_run=True)
    assert [row["status"] for row in found["results"]] == [201, 409]
    assert found["is_applied"] is False
    assert len(tenant.agency_key.get("/v1/numbers").get_json()["data"]) == 1
    assert sent(tenant.agency_key, [number])["is_applied"] is True


def test_given_all_or_nothing_when_one_row_is_refused_then_nothing_is_done(tenant: Tenant) -> None:
    found = sent(tenant.agency_key, [target(tenant, "One"), target(tenant, "")], all_or_nothing=True)
    assert (found["is_applied"], found["refused"]) == (False, 1)
    assert names_of(tenant.agency_key) == ["North desk"]


def test_given_rows_that_build_on_another_when_sent_then_a_client_is_made_in_one_request(tenant: Tenant) -> None:
    rows = [
        {"method": "POST", "path": "/v1/clients", "body": {"name": "Whole"}},
        {"method": "POST", "path": "/v1/targets",
         "body": {"client_id": "$0.id", "name": "Desk", "address": "sip:a@pbx.example"}},
        {"method": "POST", "path": "/v1/flows",
         "body": {"client_id": "$0.id", "name": "Flow", "document": document("$1.id")}},
        {"method": "POST", "path": "/v1/numbers",
         "body": {"client_id": "$0.id", "number": "+442079469002", "flow_id": "$2.id"}},
        {"method": "PATCH", "path": "/v1/clients/$0.id", "body": {"backup_target_id": "$1.id"}, "if_match": '"v1"'},
    ]  # fmt: skip
    found = sent(tenant.agency_key, rows, all_or_nothing=True)
    assert [row["status"] for row in found["results"]] == [201, 201, 201, 201, 200]
    number = found["results"][3]["body"]
    assert number["client_id"] == found["results"][0]["body"]["id"]
    assert number["flow_id"] == found["results"][2]["body"]["id"]
    bad = sent(tenant.agency_key, [target(tenant, "$1.id"), target(tenant, "x")], all_or_nothing=True)
    assert bad["results"][0]["body"]["errors"][0]["code"] == "reference_unknown"


def test_given_the_operator_who_names_an_agency_when_rows_name_none_then_they_act_for_it(
    tenant: Tenant, make_tenant: Callable[[str], Tenant], operator: Asker
) -> None:
    other = make_tenant("South")
    rename = {"method": "PATCH", "path": f"/v1/targets/{tenant.target['id']}", "body": {"name": "Its"}, "if_match": "*"}
    own_word = target(other, "Named", agency_id=other.agency["id"])
    rows = [target(tenant, "Inherited"), rename, own_word, target(other, "Nobody's")]
    found = sent(operator, rows, agency_id=tenant.agency["id"])
    assert [row["status"] for row in found["results"]] == [201, 200, 201, 404]
    assert (names_of(tenant.agency_key), names_of(other.agency_key)) == (["Its", "Inherited"], ["South desk", "Named"])
    # A header that is called alike is no such word.
    forged = operator.post("/v1/targets", rows[0]["body"], dialtrace_agency_id=tenant.agency["id"])
    assert_problem(forged, 404, "not_found")


def test_given_a_row_for_somebody_elses_thing_when_sent_then_it_is_not_there(
    tenant: Tenant, make_tenant: Callable[[str], Tenant]
) -> None:
    other = make_tenant("South")
    rows = [
        {"method": "PATCH", "path": f"/v1/targets/{other.target['id']}", "body": {"name": "mine"}, "if_match": "*"},
        target(other, "mine"),
        {"method": "POST", "path": "/v1/agencies", "body": {"name": "mine"}},
    ]
    found = sent(tenant.agency_key, rows)
    assert [row["status"] for row in found["results"]] == [404, 404, 403]
    assert names_of(other.agency_key) == ["South desk"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/bulk"), ("POST", "/v1/keys"), ("POST", "/v1/pools/{id}/leases"), ("POST", "/v1/webhooks")],
)
def test_given_a_row_that_cannot_be_undone_or_tells_a_secret_when_sent_then_it_is_refused(
    tenant: Tenant, method: str, path: str
) -> None:
    row = {"method": method, "path": path.replace("{id}", tenant.client["id"]), "body": {}}
    found = sent(tenant.agency_key, [row, target(tenant, "One")])
    assert [result["status"] for result in found["results"]] == [422, 201]
    assert found["results"][0]["body"]["errors"][0]["code"] == "not_in_bulk"


def test_given_a_row_whose_tag_cannot_be_a_header_when_sent_then_it_says_so(tenant: Tenant) -> None:
    for tag in ("\r\nX-Other: 1", "\n", "ü"):
        rows = [{"method": "DELETE", "path": "/v1/blocks/x", "if_match": tag}]
        answer = tenant.agency_key.post("/v1/bulk", {"rows": rows})
        assert_problem(answer, 422, "validation_failed")
        assert answer.get_json()["errors"][0]["pointer"] == "#/rows/0/if_match"


def test_given_a_thousand_rows_when_sent_twice_with_one_key_then_they_are_done_once(tenant: Tenant) -> None:
    rows = [
        {"method": "POST", "path": "/v1/numbers",
         "body": {"client_id": tenant.client["id"], "number": f"+4420794{70000 + index:05d}"}}
        for index in range(1000)
    ]  # fmt: skip
    assert_problem(tenant.agency_key.post("/v1/bulk", {"rows": [*rows, rows[0]]}), 422, "validation_failed")
    first, again = (tenant.agency_key.post("/v1/bulk", {"rows": rows}, Idempotency_Key="thousand") for _ in range(2))
    assert first.get_json()["accepted"] == 1000
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.data == first.data

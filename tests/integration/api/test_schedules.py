"""Hours that flows share."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from .conftest import Tenant
from .test_conventions import assert_problem

OFFICE = {"weekly": {"mon": [["09:00", "18:00"]]}, "holidays": [{"date": "2027-01-04", "hours": []}]}


def made(tenant: Tenant, **hours: Any) -> dict[str, Any]:
    body = {"client_id": tenant.client["id"], "name": "Office", "hours": OFFICE | hours}
    return tenant.client_key.made("/v1/schedules", body)


def keeping(tenant: Tenant, schedule: str, **more: Any) -> dict[str, Any]:
    """A flow that keeps to it."""
    steps = [
        {"type": "schedule", "schedule": schedule, "closed": "late", **more},
        {"type": "ring", "targets": [tenant.target["id"]]},
        {"type": "hangup", "cause": "busy", "name": "late"},
    ]
    return {"client_id": tenant.client["id"], "name": "Day", "document": {"version": 2, "steps": steps}}


def published(engine: Engine, flow: str) -> tuple[int, dict[str, Any]]:
    """The version that calls run, and its hours."""
    with engine.connect() as connection:
        query = "SELECT version, compiled FROM published_flows WHERE flow_id = %s"
        row = connection.exec_driver_sql(query, (flow,)).one()
    (step,) = [one for one in row.compiled["steps"].values() if one["type"] == "schedule"]
    return row.version, step


def test_given_a_flow_that_keeps_to_a_schedule_when_the_schedule_changes_then_calls_run_the_new_hours(
    tenant: Tenant, owner_engine: Engine
) -> None:
    key, schedule = tenant.client_key, made(tenant)
    flow = key.made("/v1/flows", keeping(tenant, schedule["id"]))
    assert flow["document"]["steps"][0] == {
        "type": "schedule", "schedule": schedule["id"], "closed": "late", "holidays": [], "overrides": []
    }  # fmt: skip
    _, step = published(owner_engine, flow["id"])
    assert (step["time_zone"], step["weekly"], step["holidays"]) == (
        tenant.client["time_zone"], {"mon": [[540, 1080]]}, {"2027-01-04": []}
    )  # fmt: skip
    path = f"/v1/schedules/{schedule['id']}"
    patch = {"hours": {"weekly": {"mon": None, "sat": [["10:00", "14:00"]]}, "time_zone": "Europe/Moscow"}}
    changed = key.patch(path, patch, If_Match='"v1"')
    assert changed.status_code == 200, changed.text
    assert changed.get_json()["hours"] == OFFICE | {
        "weekly": {"sat": [["10:00", "14:00"]]}, "time_zone": "Europe/Moscow", "overrides": []
    }  # fmt: skip
    _, step = published(owner_engine, flow["id"])
    assert (step["time_zone"], step["weekly"]) == ("Europe/Moscow", {"sat": [[600, 840]]})
    # Another flow that goes to it has its hours too.
    goes = {"version": 2, "steps": [{"type": "goto", "flow": flow["id"]}]}
    other = key.made("/v1/flows", {"client_id": tenant.client["id"], "name": "Goes", "document": goes})
    assert key.patch(path, {"hours": {"weekly": {"sat": []}}}, If_Match='"v2"').status_code == 200
    assert published(owner_engine, other["id"])[1]["weekly"] == {"sat": []}
    assert_problem(key.delete(path), 409, "schedule_in_use")
    free = {"steps": [{"type": "ring", "targets": [tenant.target["id"]]}]}
    assert key.patch(f"/v1/flows/{other['id']}", {"document": free}, If_Match='"v1"').status_code == 200
    one = key.get(f"/v1/flows/{flow['id']}")
    answer = key.patch(f"/v1/flows/{flow['id']}", {"document": free}, If_Match=one.headers["ETag"])
    assert answer.status_code == 200, answer.text
    assert key.delete(path).status_code == 204
    assert key.get(path).status_code == 404


@pytest.mark.parametrize(
    ("hours", "pointer"),
    [
        ({"weekly": {"funday": []}}, "#/hours/weekly/funday"),
        ({"weekly": {"mon": [["18:00", "09:00"]]}}, "#/hours/weekly/mon/0"),
        ({"time_zone": "Mars/Olympus"}, "#/hours/time_zone"),
        ({"holidays": [{"date": "2027-01-04"}, {"date": "2027-01-04"}]}, "#/hours/holidays/1/date"),
        ({"colour": "red"}, "#/hours/colour"),
    ],
)
def test_given_hours_that_are_none_when_made_or_changed_then_their_place_is_told(
    tenant: Tenant, hours: dict[str, Any], pointer: str
) -> None:
    body = {"client_id": tenant.client["id"], "name": "Office", "hours": OFFICE | hours}
    problem = assert_problem(tenant.client_key.post("/v1/schedules", body), 422, "validation_failed")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    path = f"/v1/schedules/{made(tenant)['id']}"
    problem = assert_problem(tenant.client_key.patch(path, {"hours": hours}, If_Match="*"), 422, "validation_failed")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert tenant.client_key.get(path).get_json()["version"] == 1


def test_given_a_flow_that_names_hours_wrongly_when_saved_then_its_place_is_told(tenant: Tenant) -> None:
    key, schedule = tenant.client_key, made(tenant)
    sibling = tenant.sibling_key.made("/v1/schedules", {"name": "Office", "hours": OFFICE})["id"]
    for document, pointer in (
        (keeping(tenant, sibling), "#/document/steps/0/schedule"),
        (keeping(tenant, schedule["id"], weekly={}), "#/document/steps/0/schedule"),
        (keeping(tenant, schedule["id"], time_zone="UTC"), "#/document/steps/0/schedule"),
        (keeping(tenant, None), "#/document/steps/0/weekly"),  # type: ignore[arg-type]
    ):
        problem = assert_problem(key.post("/v1/flows", document), 422, "validation_failed")
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_given_a_client_whose_flows_share_hours_when_copied_then_the_copy_has_hours_of_its_own(tenant: Tenant) -> None:
    key, schedule = tenant.agency_key, made(tenant)
    key.made("/v1/flows", keeping(tenant, schedule["id"]))
    told = key.get(f"/v1/clients/{tenant.client['id']}/document").get_json()
    assert told["schedules"] == {"office": {"name": "Office", "hours": OFFICE | {"overrides": []}}}
    assert told["flows"]["day"]["document"]["steps"][0]["schedule"] == "@schedules/office"
    copy = key.made(f"/v1/clients/{tenant.client['id']}/copy", {"name": "Leeds"})["id"]
    found = key.get(f"/v1/schedules?client_id={copy}").get_json()["data"]
    assert [one["name"] for one in found] == ["Office"]
    assert found[0]["id"] != schedule["id"]

"""What people say of a call: merged, versioned, beside the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from dialtrace.api.app import ApiServices

from .conftest import Tenant
from .records import store_call
from .test_conventions import assert_problem


@pytest.fixture
def path(services: ApiServices, tenant: Tenant) -> str:
    return f"/v1/calls/{store_call(services, tenant.agency['id'], tenant.client['id'])}/assessment"


def test_given_a_call_when_patched_piece_by_piece_then_what_is_not_named_stays(path: str, tenant: Tenant) -> None:
    key = tenant.client_key
    nothing = key.get(path)
    assert nothing.headers["ETag"] == '"v0"'
    assert nothing.get_json() | {"call_id": ""} == {
        "call_id": "", "tags": [], "note": None, "score": None, "value": None, "sale": None, "updated_at": None,
        "version": 0,
    }  # fmt: skip
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"tags": ["hot", "hot", "new"]}, {"tags": ["hot", "new"]}),
        ({"note": "Call back"}, {"note": "Call back"}),
        ({"score": 80}, {"score": 80}),
        ({"value": {"amount": "1250.5", "currency": "GBP"}}, {"value": {"amount": "1250.5000", "currency": "GBP"}}),
        (
            {"sale": {"amount": "0.1", "currency": "GBP", "reference": "order-1"}},
            {"sale": {"amount": "0.1000", "currency": "GBP", "sold_at": None, "reference": "order-1"}},
        ),
        (
            {"sale": {"sold_at": "2026-11-04T10:00:00Z"}},
            {"sale": {"amount": "0.1000", "currency": "GBP", "sold_at": "2026-11-04T10:00:00.000Z",
                      "reference": "order-1"}},
        ),
        ({"value": {"amount": "9"}}, {"value": {"amount": "9.0000", "currency": "GBP"}}),
        ({"note": None, "value": None}, {"note": None, "value": None}),
    ]  # fmt: skip
    expected = nothing.get_json()
    for version, (patch, change) in enumerate(steps):
        answer = key.patch(path, patch, If_Match=f'"v{version}"')
        assert answer.status_code == 200, answer.text
        expected |= change
        got = answer.get_json()
        moving = {"updated_at", "version"}
        assert {name: got[name] for name in got.keys() - moving} == {
            name: expected[name] for name in expected.keys() - moving
        }
        assert answer.headers["ETag"] == f'"v{version + 1}"'
    same = key.patch(path, {"score": 80}, If_Match="*")
    assert same.headers["ETag"] == f'"v{len(steps)}"'


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"score": 101}, "#/score"),
        ({"value": {"amount": "1"}}, "#/value/currency"),
        ({"value": {"amount": "1.00001", "currency": "GBP"}}, "#/value/amount"),
        ({"sale": {"amount": 5, "currency": "GBP"}}, "#/sale/amount"),
        ({"tags": [""]}, "#/tags/0"),
        ({"tags": None}, "#/tags"),
    ],
)
def test_given_what_cannot_be_taken_when_patched_then_its_place_is_told(
    path: str, tenant: Tenant, patch: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(tenant.client_key.patch(path, patch, If_Match="*"), 422, "validation_failed")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert tenant.client_key.get(path).get_json()["version"] == 0


def test_given_a_call_of_somebody_else_when_asked_or_patched_then_it_is_not_there(
    path: str, tenant: Tenant, make_tenant: Callable[[str], Tenant]
) -> None:
    other = make_tenant("South")
    for key in (other.agency_key, other.client_key, tenant.sibling_key):
        assert_problem(key.get(path), 404, "not_found")
        assert_problem(key.patch(path, {"score": 1}, If_Match="*"), 404, "not_found")


def test_given_a_call_whose_time_is_over_when_purged_then_what_was_said_goes_too(
    path: str, tenant: Tenant, owner_engine: Engine, services: ApiServices
) -> None:
    assert tenant.client_key.patch(path, {"note": "x"}, If_Match="*").status_code == 200
    with services.database.tenant(tenant.agency["id"]) as connection:
        connection.exec_driver_sql(
            "SELECT dialtrace_purge_calls(%s, %s, now() + interval '100 years', 10)",
            (tenant.agency["id"], tenant.client["id"]),
        )
    with owner_engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM call_assessments").scalar_one() == 0

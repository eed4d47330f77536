"""Pools over the application, on a real database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from dialtrace.cli_pool import pool_group

from .conftest import Asker, Tenant


@pytest.fixture
def stock(tenant: Tenant) -> Callable[..., list[str]]:
    """Adds dynamic numbers of the tenant's client."""
    count = iter(range(9000, 9999))

    def add(size: int) -> list[str]:
        body = {"client_id": tenant.client["id"], "kind": "dynamic"}
        return [
            tenant.agency_key.made("/v1/numbers", {**body, "number": f"+44207947{next(count):04}"})["id"]
            for _ in range(size)
        ]

    return add


@pytest.fixture
def pool(tenant: Tenant) -> dict[str, Any]:
    body = {"client_id": tenant.client["id"], "name": "Search", "flow_id": tenant.flow["id"]}
    return tenant.agency_key.made("/v1/pools", body)


def test_given_a_pool_when_made_then_it_reads_back_with_its_defaults(tenant: Tenant, pool: dict[str, Any]) -> None:
    read = tenant.client_key.get(f"/v1/pools/{pool['id']}")
    assert read.get_json() == pool
    assert (pool["tail_s"], pool["rest_s"], pool["loss_target"], pool["shares"]) == (1200, 60, 0.01, True)
    assert [row["id"] for row in tenant.client_key.get("/v1/pools").get_json()["data"]] == [pool["id"]]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"tail_s": 74}, "#/tail_s"),
        ({"loss_target": 0.9}, "#/loss_target"),
        ({"most_numbers": 2, "fewest_numbers": 3}, "#/most_numbers"),
        ({"number_price": 1.5}, "#/number_price"),
        ({"number_price": "1.50"}, "#/currency"),
        ({"monthly_budget": "20", "currency": "GBP"}, "#/number_price"),
        ({"name": "\u0007"}, "#/name"),
    ],
)
def test_given_a_value_that_is_not_usable_then_it_is_named_and_nothing_changes(
    tenant: Tenant, pool: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    path = f"/v1/pools/{pool['id']}"
    refused = tenant.agency_key.patch(path, change, If_Match='"v1"')
    assert refused.status_code == 422, refused.text
    assert refused.get_json()["errors"][0]["pointer"].startswith(pointer)
    assert tenant.agency_key.get(path).get_json() == pool


def test_given_numbers_when_put_into_a_pool_then_its_flow_answers_them_and_visits_are_given_them(
    tenant: Tenant, pool: dict[str, Any], stock: Callable[[int], list[str]]
) -> None:
    key, ids, path = tenant.agency_key, stock(3), f"/v1/pools/{pool['id']}"
    assert key.post(f"{path}/numbers/add", {"number_ids": ids}).get_json() == {"count": 3}
    assert key.post(f"{path}/numbers/add", {"number_ids": ids[:1]}).get_json() == {"count": 0}
    numbers = [key.get(f"/v1/numbers/{number}").get_json() for number in ids]
    assert {one["flow_id"] for one in numbers} == {tenant.flow["id"]}
    assert {one["pool_id"] for one in numbers} == {pool["id"]}
    assert {one["state"] for one in numbers} == {"in_pool"}
    first = key.made(f"{path}/leases", {"visitor": "anna"})
    assert (first["rung"], first["number"]) == ("exclusive", numbers[0]["number"])
    again = key.made(f"{path}/leases", {"visit_id": first["visit_id"]})
    assert again["number"] == first["number"]
    renewed = key.post(f"{path}/leases/renew", {"visit_ids": [first["visit_id"]]}).get_json()["data"]
    assert [one["number_id"] for one in renewed] == [first["number_id"]]
    standing = key.get(f"{path}/standing").get_json()
    assert standing == {"numbers": 3, "free": 2, "held": 1, "live": 1, "resting": 0, "used": pytest.approx(1 / 3)}


def test_given_numbers_taken_out_while_somebody_looks_then_he_keeps_his_and_it_rests(
    tenant: Tenant, pool: dict[str, Any], stock: Callable[[int], list[str]]
) -> None:
    key, ids, path = tenant.agency_key, stock(1), f"/v1/pools/{pool['id']}"
    key.post(f"{path}/numbers/add", {"number_ids": ids})
    held = key.made(f"{path}/leases", {})
    assert key.post(f"{path}/numbers/remove", {"number_ids": ids}).get_json() == {"count": 1}
    again = key.made(f"{path}/leases", {"visit_id": held["visit_id"]})
    assert (again["number_id"], again["rung"]) == (ids[0], "exclusive")
    assert key.made(f"{path}/leases", {})["rung"] == "site"
    assert key.get(f"/v1/numbers/{ids[0]}").get_json()["state"] == "resting"
    refused = key.post(f"{path}/numbers/add", {"number_ids": ids})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "number_not_fit")
    assert "resting" in refused.get_json()["detail"]


def test_given_a_static_or_foreign_number_then_no_pool_takes_it_nor_the_others(
    tenant: Tenant, pool: dict[str, Any], stock: Callable[[int], list[str]]
) -> None:
    key, ids, path = tenant.agency_key, stock(1), f"/v1/pools/{pool['id']}"
    for wrong in (tenant.number["id"], pool["id"]):
        answer = key.post(f"{path}/numbers/add", {"number_ids": [*ids, wrong]})
        assert (answer.status_code, answer.get_json()["code"]) == (409, "number_not_fit")
    assert key.get(f"/v1/numbers/{ids[0]}").get_json()["state"] == "free"


def test_given_reserves_then_a_source_sees_its_number_when_the_pool_has_none(
    tenant: Tenant, pool: dict[str, Any]
) -> None:
    key, path = tenant.agency_key, f"/v1/pools/{pool['id']}"
    reserves = {"reserves": [{"source": "google", "number_id": tenant.number["id"]}]}
    assert key.ask("PUT", f"{path}/reserves", reserves).get_json() == reserves
    assert key.get(f"{path}/reserves").get_json() == reserves
    assert key.made(f"{path}/leases", {"source": "google"})["number"] == tenant.number["number"]
    assert key.made(f"{path}/leases", {"source": "yandex"})["rung"] == "site"


def test_given_a_closed_pool_then_it_gives_nothing_and_does_not_change(
    tenant: Tenant, pool: dict[str, Any], stock: Callable[[int], list[str]]
) -> None:
    key, path, ids = tenant.agency_key, f"/v1/pools/{pool['id']}", stock(1)
    key.post(f"{path}/numbers/add", {"number_ids": ids})
    closed = key.delete(path)
    assert (closed.status_code, closed.get_json()["status"]) == (200, "closed")
    assert key.delete(path).get_json() == closed.get_json()
    assert key.post(f"{path}/leases", {}).status_code == 404
    assert key.get(f"/v1/numbers/{ids[0]}").get_json()["state"] == "resting"
    change = key.patch(path, {"name": "x"}, If_Match="*")
    assert (change.status_code, change.get_json()["code"]) == (409, "pool_closed")


def test_given_a_siblings_key_then_the_pool_is_not_there(tenant: Tenant, pool: dict[str, Any]) -> None:
    key: Asker = tenant.sibling_key
    assert key.get(f"/v1/pools/{pool['id']}").status_code == 404
    assert key.get("/v1/pools").get_json()["data"] == []


def test_given_a_number_when_moved_by_hand_then_only_what_may_follow_is_taken(
    tenant: Tenant, pool: dict[str, Any], stock: Callable[[int], list[str]]
) -> None:
    key, ids = tenant.agency_key, stock(2)
    key.post(f"/v1/pools/{pool['id']}/numbers/add", {"number_ids": ids})
    path = f"/v1/numbers/{ids[0]}"
    refused = key.post(f"{path}/state", {"state": "free"})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "number_not_fit")
    assert "quarantined" in refused.get_json()["detail"]
    done = key.post(f"{path}/state", {"state": "quarantined", "reason": "printed on a flyer"})
    assert done.get_json() == {"number_id": ids[0], "state": "quarantined"}
    number = key.get(path).get_json()
    assert (number["state"], number["state_reason"], number["pool_id"]) == ("quarantined", "printed on a flyer", None)
    assert key.made(f"/v1/pools/{pool['id']}/leases", {})["number_id"] == ids[1]
    assert key.post(f"{path}/state", {"state": "soaking", "days": 30}).status_code == 200
    assert key.post(f"/v1/numbers/{tenant.number['id']}/state", {"state": "free"}).status_code == 409
    counted = key.get("/v1/inventory").get_json()
    assert (counted["soaking"], counted["in_pool"], counted["static"]) == (1, 1, 1)


def test_given_visits_of_an_hour_then_the_forecast_says_in_words_what_to_do(
    tenant: Tenant, pool: dict[str, Any], services: Any, owner_engine: Any
) -> None:
    key, path = tenant.agency_key, f"/v1/pools/{pool['id']}"
    assert "no whole hour" in key.get(f"{path}/forecast").get_json()["advice"]
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE pools SET number_price = 1.50, currency = 'GBP', created_at = '2020-01-01Z'")
        connection.exec_driver_sql(
            "INSERT INTO pool_hours SELECT agency_id, id, date_trunc('hour', now()) - interval '5 hours', client_id,"
            " 100, 0, 0, 0, 126000, 3 FROM pools"
        )
    told = key.get(f"{path}/forecast?numbers=35").get_json()
    assert told["hours"][0]["load"] == 35
    assert (told["numbers"], told["monthly_price"], told["currency"]) == (35, "52.50", "GBP")
    assert told["worst_loss"] > 0.1
    assert told["advised_worst_loss"] <= 0.01
    assert f"{told['advised']} numbers keep it to 1.00%" in told["advice"]
    assert "GBP a month more" in told["advice"]


def test_given_the_command_line_then_it_tells_how_pools_stand_and_what_numbers_would_do(
    tenant: Tenant, pool: dict[str, Any], stock: Callable[..., list[str]], owner_engine: Any, command_line: Any
) -> None:
    run = partial(command_line, partial(pool_group, opened=None))
    tenant.agency_key.post(f"/v1/pools/{pool['id']}/numbers/add", {"number_ids": stock(3)})
    tenant.agency_key.made(f"/v1/pools/{pool['id']}/leases", {})
    listed = run("list").split()
    assert listed == [pool["id"], "active", "numbers", "3", "free", "2", "live", "1", "Search"]
    assert "no whole hour" in run("forecast", pool["id"])
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE pools SET created_at = '2020-01-01Z'")
        connection.exec_driver_sql(
            "INSERT INTO pool_hours SELECT agency_id, id, date_trunc('hour', now()) - interval '5 hours', client_id,"
            " 100, 0, 0, 0, 126000, 3 FROM pools"
        )
    assert "With 3 numbers" in run("forecast", pool["id"])
    assert "With 35 numbers" in run("forecast", pool["id"], "--numbers", "35")
    assert "no such pool" in run("forecast", uuid4(), fails=True)

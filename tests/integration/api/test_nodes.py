"""`/v1/nodes`: what the operator asks of nodes, and what their monitors answer through the rows."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from dialtrace.api.app import ApiServices
from dialtrace.calls.model import NodeReport
from dialtrace.calls.nodes import NodeDirectory
from dialtrace.calls.service import NodeService
from dialtrace.db.engine import Database

from .conftest import Asker
from .records import store_call


@pytest.fixture
def nodes(database: Database) -> NodeDirectory:
    return NodeDirectory(database)


def report(database: Database, name: str = "node-1", state: str = "up") -> None:
    NodeService(database).report(
        NodeReport(name=name, kind="embedded", sip_address="127.0.0.1:5060", state=state, seen=True)
    )


def test_given_nodes_when_listed_then_each_is_there_by_name_and_page_by_page(
    database: Database, operator: Asker
) -> None:
    for name in ("node-2", "node-1", "node-3"):
        report(database, name)
    first = operator.ask("GET", "/v1/nodes?limit=2").json
    assert [node["name"] for node in first["data"]] == ["node-1", "node-2"]
    assert first["data"][0]["state"] == "up"
    assert first["data"][0]["waits"] is None
    rest = operator.ask("GET", f"/v1/nodes?limit=2&cursor={first['next_cursor']}").json
    assert [node["name"] for node in rest["data"]] == ["node-3"]
    assert not rest["has_more"]


def test_given_a_drain_then_its_state_follows_what_its_monitor_counts_until_it_is_undrained(
    database: Database, operator: Asker, nodes: NodeDirectory
) -> None:
    def shown() -> tuple[str, object]:
        node = operator.ask("GET", "/v1/nodes").json["data"][0]
        return node["state"], node["waits"]

    report(database)
    asked = operator.ask("POST", "/v1/nodes/node-1/drain")
    assert asked.status_code == 202
    assert (asked.json["state"], asked.json["waits"]) == ("draining", None)
    assert nodes.is_drain_wanted("node-1")
    nodes.tell_waits("node-1", {"calls": 2})
    report(database)
    assert shown() == ("draining", {"calls": 2})
    nodes.tell_waits("node-1", {})
    report(database)
    assert shown() == ("drained", {})
    report(database, state="down")
    assert shown() == ("down", {})
    report(database)
    assert shown()[0] == "draining", "it is counted anew after its start"
    again = operator.ask("POST", "/v1/nodes/node-1/undrain")
    assert (again.json["state"], again.json["drain_asked_at"]) == ("draining", None)
    nodes.tell_waits("node-1", {})
    report(database)
    assert shown()[0] == "draining", "until its switch has been told"
    nodes.tell_serving("node-1")
    assert shown() == ("up", None)


def test_given_a_second_drain_then_the_first_one_stands(
    database: Database, operator: Asker, nodes: NodeDirectory
) -> None:
    report(database)
    first = operator.ask("POST", "/v1/nodes/node-1/drain").json
    nodes.tell_waits("node-1", {})
    second = operator.ask("POST", "/v1/nodes/node-1/drain").json
    assert second["drain_asked_at"] == first["drain_asked_at"]
    assert second["state"] == "drained"


def test_given_a_node_that_is_there_when_called_lost_then_refused_and_once_it_is_gone_its_recordings_are_told(
    database: Database, operator: Asker, owner_engine: Engine, services: ApiServices, make_tenant: object
) -> None:
    report(database)
    tenant = make_tenant("Agency")  # type: ignore[operator]
    call = store_call(services, tenant.agency["id"], tenant.client["id"], recorded=True)
    there = operator.ask("POST", "/v1/nodes/node-1/lost")
    assert (there.status_code, there.json["code"]) == (409, "node_is_there")
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE nodes SET last_seen_at = now() - interval '1 hour'")
    assert operator.ask("POST", "/v1/nodes/node-1/lost").json == {"recordings": 1}
    assert operator.ask("POST", "/v1/nodes/node-1/lost").json == {"recordings": 0}
    told = tenant.client_key.get(f"/v1/calls/{call}/recording").get_json()
    assert (told["code"], told["reason"]) == ("recording_absent", "node_lost")


@pytest.mark.parametrize("what", ["drain", "undrain", "lost"])
def test_given_a_name_that_no_node_has_then_it_is_not_found(operator: Asker, what: str) -> None:
    answer = operator.ask("POST", f"/v1/nodes/nobody/{what}")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("ask", [("GET", "/v1/nodes"), ("POST", "/v1/nodes/node-1/drain")])
def test_given_an_agencys_key_then_nodes_are_none_of_its_business(
    services: ApiServices, make_tenant: object, ask: tuple[str, str], database: Database
) -> None:
    report(database)
    tenant = make_tenant("Agency")  # type: ignore[operator]
    assert tenant.agency_key.ask(*ask).status_code == 403
    assert not NodeDirectory(database).is_drain_wanted("node-1")

"""Flows and targets on a real database: saving publishes, and nobody reaches a neighbour's."""

import threading

import pytest

from dialtrace.calls.errors import (
    ClientNotFound,
    FlowFaulty,
    FlowNotFound,
    TargetFaulty,
    TargetNotFound,
    VersionConflict,
)
from dialtrace.calls.routes import RouteStore
from dialtrace.ids import new_id

NUMBER = "+74955550101"


def ring(*targets):
    return {"type": "ring", "targets": [str(one) for one in targets]}


def document(*steps):
    return {"version": 1, "steps": list(steps)}


def rung_addresses(database, number=NUMBER):
    compiled = RouteStore(database).find_route(number).compiled
    return [target["address"] for step in compiled["steps"] for target in step.get("targets", [])]


def test_given_a_flow_when_saved_then_the_very_next_read_of_its_number_has_it(tenant, database):
    flow_id = tenant.flow(ring(tenant.target("sip:1@10.0.0.1")), record=True)
    number_id = tenant.number(NUMBER, flow_id)
    route = RouteStore(database).find_route(NUMBER)
    assert (route.agency_id, route.client_id, route.number_id) == (tenant.agency_id, tenant.client_id, number_id)
    assert (route.status, route.flow_id, route.flow_version) == ("active", flow_id, 1)
    assert route.compiled["record"] is True
    assert rung_addresses(database) == ["sip:1@10.0.0.1"]


def test_given_a_number_nobody_has_then_there_is_no_route(database):
    assert RouteStore(database).find_route("+19995550000") is None


def test_given_a_target_that_moves_then_every_flow_that_rings_it_is_published_anew(tenant, database):
    moved, other = tenant.target("sip:1@10.0.0.1"), tenant.target("sip:2@10.0.0.2")
    flow_id = tenant.flow(ring(other, moved))
    tenant.number(NUMBER, flow_id)
    tenant.calls.update_target(tenant.agency_id, moved, address="sip:9@10.0.0.9")
    assert rung_addresses(database) == ["sip:2@10.0.0.2", "sip:9@10.0.0.9"]
    assert RouteStore(database).find_route(NUMBER).flow_version == 1


def test_given_a_changed_flow_then_its_version_rises_and_is_what_calls_run(tenant, database):
    first, second = tenant.target("sip:1@10.0.0.1"), tenant.target("sip:2@10.0.0.2")
    flow_id = tenant.flow(ring(first))
    tenant.number(NUMBER, flow_id)
    changed = tenant.calls.update_flow(
        tenant.agency_id, flow_id, expected_version=1, name="new", document=document(ring(second))
    )
    assert (changed.version, changed.name) == (2, "new")
    assert rung_addresses(database) == ["sip:2@10.0.0.2"]
    assert RouteStore(database).find_route(NUMBER).flow_version == 2
    renamed = tenant.calls.update_flow(tenant.agency_id, flow_id, name="newer")
    assert renamed.document == changed.document


def test_given_a_stale_version_when_changing_then_nothing_changes(tenant, database):
    target = tenant.target("sip:1@10.0.0.1")
    flow_id = tenant.flow(ring(target))
    tenant.number(NUMBER, flow_id)
    tenant.calls.update_flow(tenant.agency_id, flow_id, name="second")
    with pytest.raises(VersionConflict, match="version 2, not 1"):
        tenant.calls.update_flow(tenant.agency_id, flow_id, expected_version=1, name="third")
    tenant.calls.update_target(tenant.agency_id, target, name="b")
    with pytest.raises(VersionConflict):
        tenant.calls.update_target(tenant.agency_id, target, expected_version=1, address="sip:3@10.0.0.3")
    assert rung_addresses(database) == ["sip:1@10.0.0.1"]


def test_given_another_clients_target_then_a_flow_cannot_ring_it(tenant):
    theirs, flow_id = tenant.target(), tenant.flow(ring(tenant.target()))
    neighbour = new_id()
    tenant.add_client(neighbour)
    with pytest.raises(FlowFaulty, match="no target"):
        tenant.calls.create_flow(tenant.agency_id, neighbour, name="x", document=document(ring(theirs)))
    assert len(tenant.calls.list_flows(tenant.agency_id).items) == 1
    with pytest.raises(FlowNotFound):
        tenant.calls.get_flow(tenant.agency_id, flow_id, client_id=neighbour)
    with pytest.raises(TargetNotFound):
        tenant.calls.update_target(tenant.agency_id, theirs, client_id=neighbour, name="mine")


def test_given_another_agency_then_nothing_of_this_one_is_there(tenant):
    target, flow_id, stranger = tenant.target(), tenant.flow(ring(tenant.target())), new_id()
    with pytest.raises(TargetNotFound):
        tenant.calls.get_target(stranger, target)
    with pytest.raises(FlowNotFound):
        tenant.calls.update_flow(stranger, flow_id, name="mine")
    assert tenant.calls.list_targets(stranger).items == []
    with pytest.raises(ClientNotFound):
        tenant.calls.create_target(stranger, tenant.client_id, name="a", address="sip:1@h")
    with pytest.raises(ClientNotFound):
        tenant.calls.create_flow(
            stranger, tenant.client_id, name="a", document=document({"type": "hangup", "cause": "busy"})
        )


def test_given_faults_then_they_are_told_and_nothing_is_kept(tenant):
    with pytest.raises(TargetFaulty) as caught:
        tenant.calls.create_target(tenant.agency_id, tenant.client_id, name="", address="x", ring_timeout_s=0)
    assert len(caught.value.faults) == 3
    with pytest.raises(FlowFaulty):
        tenant.calls.create_flow(tenant.agency_id, tenant.client_id, name="a", document={})
    with pytest.raises(FlowFaulty, match="name"):
        tenant.calls.create_flow(tenant.agency_id, tenant.client_id, name="a\nb", document=document(ring(new_id())))
    assert tenant.calls.list_targets(tenant.agency_id).items == []
    assert tenant.calls.list_flows(tenant.agency_id).items == []


def test_given_many_targets_then_pages_show_each_once_in_order(tenant):
    made = [tenant.target(f"sip:{n}@10.0.0.1") for n in range(5)]
    seen, after = [], None
    while True:
        page = tenant.calls.list_targets(tenant.agency_id, tenant.client_id, limit=2, after=after)
        assert len(page.items) <= 2
        seen += [target.id for target in page.items]
        after = page.next
        if after is None:
            break
    assert seen == made


def test_given_an_id_in_capitals_then_the_flow_still_follows_its_target(tenant, database):
    target = tenant.target("sip:1@10.0.0.1")
    flow_id = tenant.flow({"type": "ring", "targets": [str(target).upper()]})
    tenant.number(NUMBER, flow_id)
    tenant.calls.update_target(tenant.agency_id, target, address="sip:2@10.0.0.2")
    assert rung_addresses(database) == ["sip:2@10.0.0.2"]


def test_given_a_target_that_moves_while_its_flow_is_saved_then_no_old_address_stays_published(tenant, database):
    target = tenant.target("sip:0@10.0.0.1")
    flow_id = tenant.flow(ring(target))
    tenant.number(NUMBER, flow_id)
    faults: list[Exception] = []

    def repeatedly(change):
        try:
            for turn in range(15):
                change(turn)
        except Exception as error:
            faults.append(error)

    threads = [
        threading.Thread(
            target=repeatedly,
            args=(lambda n: tenant.calls.update_target(tenant.agency_id, target, address=f"sip:{n}@10.0.0.1"),),
        ),
        threading.Thread(
            target=repeatedly, args=(lambda n: tenant.calls.update_flow(tenant.agency_id, flow_id, name=f"n{n}"),)
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert faults == []
    assert rung_addresses(database) == [tenant.calls.get_target(tenant.agency_id, target).address]


def test_given_changes_then_followers_hear_of_each_route_that_could_differ(tenant, database):
    routes = RouteStore(database)
    target = tenant.target("sip:1@10.0.0.1")
    flow_id = tenant.flow(ring(target))
    first, _ = tenant.number(NUMBER, flow_id), tenant.number("+74955550102", None)
    everything = routes.routes_changed(None)
    assert set(everything.routes) == {NUMBER, "+74955550102"}
    tenant.calls.update_target(tenant.agency_id, target, address="sip:2@10.0.0.2")
    changed = routes.routes_changed(everything.mark)
    assert changed.routes[NUMBER].compiled["steps"][0]["targets"][0]["address"] == "sip:2@10.0.0.2"
    later = routes.routes_changed(changed.mark)
    assert set(later.routes) <= set(everything.routes)
    tenant.set_number(first, status="released", flow_id=None)
    assert routes.routes_changed(later.mark).routes[NUMBER].status == "released"

"""Flows and targets on a real database: saving publishes, and nobody reaches a neighbour's."""

import json
import threading

import pytest

from dialtrace.admission.service import AdmissionService
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
from dialtrace.tenancy.errors import ValueRefused

NUMBER = "+74955550101"


def ring(*targets):
    return {"type": "ring", "targets": [str(one) for one in targets]}


def document(*steps):
    return {"version": 1, "steps": list(steps)}


def rung_addresses(database, number=NUMBER):
    compiled = RouteStore(database).find_route(number).compiled
    return [target["address"] for step in compiled["steps"].values() for target in step.get("targets", [])]


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
    # Those of one millisecond have no order among themselves.
    assert seen == sorted(made)


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
    assert changed.routes[NUMBER].compiled["steps"]["step-1"]["targets"][0]["address"] == "sip:2@10.0.0.2"
    later = routes.routes_changed(changed.mark)
    assert set(later.routes) <= set(everything.routes)
    tenant.set_number(first, status="released", flow_id=None)
    assert routes.routes_changed(later.mark).routes[NUMBER].status == "released"


# --- flows that go to others, and what a client's flows are compiled with ---

OTHER = "+74955550102"


def goto(flow_id):
    return {"type": "goto", "flow": str(flow_id)}


def modern(*steps, **more):
    return {"version": 2, "steps": list(steps), **more}


def new_flow(tenant, *steps, **more):
    made = tenant.calls.create_flow(tenant.agency_id, tenant.client_id, name="flow", document=modern(*steps, **more))
    return made.id


def test_given_a_flow_that_changes_then_those_that_go_to_it_by_whatever_way_are_published_with_it(tenant, database):
    first, second = tenant.target("sip:1@10.0.0.1"), tenant.target("sip:2@10.0.0.2")
    last = new_flow(tenant, ring(first))
    middle = new_flow(tenant, {"type": "tag", "tags": ["a"]}, goto(last))
    tenant.number(NUMBER, new_flow(tenant, goto(middle)))
    assert rung_addresses(database) == ["sip:1@10.0.0.1"]
    tenant.calls.update_flow(tenant.agency_id, last, document=modern(ring(second, first)))
    assert rung_addresses(database) == ["sip:2@10.0.0.2", "sip:1@10.0.0.1"]
    tenant.calls.update_target(tenant.agency_id, first, address="sip:9@10.0.0.9")
    assert rung_addresses(database) == ["sip:2@10.0.0.2", "sip:9@10.0.0.9"]
    assert RouteStore(database).find_route(NUMBER).flow_version == 1


def test_given_a_change_that_would_break_a_flow_that_goes_there_then_it_is_refused_and_nothing_changes(
    tenant, database
):
    target = tenant.target("sip:1@10.0.0.1")
    last = new_flow(tenant, ring(target))
    first = new_flow(tenant, {"type": "tag", "tags": ["a"]}, goto(last))
    tenant.number(NUMBER, first)
    with pytest.raises(FlowFaulty) as caught:
        tenant.calls.update_flow(tenant.agency_id, last, document=modern(ring(target), goto(first)))
    assert [fault.code for fault in caught.value.faults] == ["endless"]
    tenant.calls.update_flow(tenant.agency_id, first, document=modern(ring(target), goto(last)))
    with pytest.raises(FlowFaulty, match="which goes to it: ring 21 targets") as caught:
        tenant.calls.update_flow(tenant.agency_id, last, document=modern(ring(*[target] * 20)))
    assert [fault.code for fault in caught.value.faults] == ["breaks_another_flow"]
    assert rung_addresses(database) == ["sip:1@10.0.0.1", "sip:1@10.0.0.1"]


def test_given_another_clients_flow_then_one_cannot_go_to_it(tenant):
    theirs, neighbour = new_flow(tenant, ring(tenant.target())), new_id()
    tenant.add_client(neighbour)
    with pytest.raises(FlowFaulty, match="no flow"):
        tenant.calls.create_flow(tenant.agency_id, neighbour, name="x", document=modern(goto(theirs)))


def test_given_weights_when_their_target_moves_then_the_flow_follows(tenant, database):
    target = tenant.target("sip:1@10.0.0.1")
    step = {"type": "ring", "strategy": "weighted", "targets": [{"target": str(target), "weight": 3}]}
    tenant.number(NUMBER, new_flow(tenant, step))
    AdmissionService(database).set_destinations(tenant.agency_id, ["+44"])
    tenant.calls.update_target(tenant.agency_id, target, address="tel:+442079460100")
    assert rung_addresses(database) == ["tel:+442079460100"]


def test_given_a_document_when_checked_then_faults_are_told_and_nothing_is_kept(tenant):
    target = tenant.target()
    flow_id = new_flow(tenant, ring(target))
    checked = tenant.calls.check_flow(
        tenant.agency_id, tenant.client_id, document=modern(ring(target), goto(flow_id)), flow_id=None
    )
    assert checked["steps"][0]["strategy"] == "in_turn"
    with pytest.raises(FlowFaulty, match="goes round for ever"):
        tenant.calls.check_flow(
            tenant.agency_id, tenant.client_id, document=modern(ring(target), goto(flow_id)), flow_id=flow_id
        )
    with pytest.raises(FlowFaulty, match="no target"):
        tenant.calls.check_flow(tenant.agency_id, tenant.client_id, document=modern(ring(new_id())))
    with pytest.raises(FlowNotFound):
        tenant.calls.check_flow(tenant.agency_id, tenant.client_id, document=modern(ring(target)), flow_id=new_id())
    with pytest.raises(ClientNotFound):
        tenant.calls.check_flow(tenant.agency_id, new_id(), document=modern(ring(target)))
    assert len(tenant.calls.list_flows(tenant.agency_id).items) == 1


def compiled_of(database, number=NUMBER):
    return RouteStore(database).find_route(number).compiled


def test_given_a_client_that_gets_a_backup_or_another_time_zone_then_its_flows_are_published_with_it(tenant, database):
    target, backup = tenant.target("sip:1@10.0.0.1"), tenant.target("sip:2@10.0.0.2")
    tenant.number(NUMBER, new_flow(tenant, ring(target)))
    assert (compiled_of(database)["backup"], compiled_of(database)["time_zone"]) == (None, "UTC")
    changed = tenant.calls.update_client(
        tenant.agency_id, tenant.client_id, expected_version=1, backup_target_id=backup, time_zone="Europe/Moscow"
    )
    assert (changed.version, changed.backup_target_id, changed.name) == (2, backup, "Client")
    assert compiled_of(database)["backup"]["address"] == "sip:2@10.0.0.2"
    assert compiled_of(database)["time_zone"] == "Europe/Moscow"
    tenant.calls.update_target(tenant.agency_id, backup, address="sip:3@10.0.0.3")
    assert compiled_of(database)["backup"]["address"] == "sip:3@10.0.0.3"
    tenant.calls.update_client(tenant.agency_id, tenant.client_id, backup_target_id=None)
    assert compiled_of(database)["backup"] is None


def test_given_a_backup_that_is_no_target_of_the_client_then_it_is_refused(tenant):
    neighbour = new_id()
    tenant.add_client(neighbour)
    for client_id, target in ((neighbour, tenant.target()), (tenant.client_id, new_id())):
        with pytest.raises(TargetFaulty, match="no target"):
            tenant.calls.update_client(tenant.agency_id, client_id, backup_target_id=target)
    with pytest.raises(ValueRefused, match="time zone"):
        tenant.calls.update_client(tenant.agency_id, tenant.client_id, time_zone="Mars/Olympus")
    with pytest.raises(ClientNotFound):
        tenant.calls.update_client(tenant.agency_id, new_id(), name="x")
    with pytest.raises(VersionConflict):
        tenant.calls.update_client(tenant.agency_id, tenant.client_id, expected_version=7, name="x")


def test_given_flows_that_go_to_one_another_and_change_at_once_then_all_end_as_the_last_change_says(tenant, database):
    target = tenant.target("sip:0@10.0.0.1")
    inner = new_flow(tenant, ring(target))
    outer = new_flow(tenant, goto(inner))
    tenant.number(NUMBER, outer)
    faults: list[Exception] = []

    def repeatedly(change):
        try:
            for turn in range(10):
                change(turn)
        except Exception as error:
            faults.append(error)

    changes = (
        lambda n: tenant.calls.update_target(tenant.agency_id, target, address=f"sip:{n}@10.0.0.1"),
        lambda n: tenant.calls.update_flow(
            tenant.agency_id, inner, document=modern({"type": "tag", "tags": [f"t{n}"]}, ring(target))
        ),
        lambda n: tenant.calls.update_flow(tenant.agency_id, outer, name=f"n{n}"),
        lambda n: tenant.number(f"+7495555{n:04}", outer),
        lambda n: tenant.calls.update_client(
            tenant.agency_id, tenant.client_id, backup_target_id=target if n % 2 else None
        ),
    )
    threads = [threading.Thread(target=repeatedly, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert faults == []
    compiled = compiled_of(database)
    assert compiled["steps"]["f1.step-1"]["tags"] == ["t9"]
    assert rung_addresses(database) == ["sip:9@10.0.0.1"]
    assert compiled["backup"]["address"] == "sip:9@10.0.0.1"


def test_given_a_flow_that_an_older_release_published_then_a_change_of_its_target_publishes_it_in_todays_form(
    tenant, database
):
    target = tenant.target("sip:1@10.0.0.1")
    flow_id = tenant.flow(ring(target))
    tenant.number(NUMBER, flow_id)
    old = {"version": 1, "record": False, "steps": [{"type": "ring", "targets": []}]}
    with database.tenant(tenant.agency_id) as connection:
        connection.exec_driver_sql(
            "SELECT dialtrace_publish_flow(%s, %s, 1, %s)", (tenant.agency_id, flow_id, json.dumps(old))
        )
    tenant.calls.update_target(tenant.agency_id, target, address="sip:2@10.0.0.2")
    assert compiled_of(database)["version"] == 2
    assert rung_addresses(database) == ["sip:2@10.0.0.2"]

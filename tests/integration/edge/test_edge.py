"""The edge leads every call to the first node of its number's list that serves, whatever becomes of the others."""

import os
import re
import signal
import time
from contextlib import suppress

import pytest
from sqlalchemy import text

from dialtrace.db.engine import Database
from dialtrace.pool.placement import order_nodes
from dialtrace.pool.placing import Placer
from dialtrace.workers.edge import EdgeKeeper

from ..node.switch import Switch
from .conftest import until

AWAY = "postgresql://nobody@127.0.0.1:1/nothing"
#: A plan that answers and stands for a while.
STANDS = "m:~:answer~sleep:60000"
BUSY = "m:~:hangup:USER_BUSY"


@pytest.fixture
def nodes(tmp_path, worker):
    made = {}
    for index, name in enumerate(("node-1", "node-2")):
        (tmp_path / name).mkdir()
        first = 44_000 + index * 400 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4 * 800
        made[name] = Switch(tmp_path / name, worker.port, name=name, rtp_first=first, rtp_last=first + 398)
    yield made
    for switch in made.values():
        if switch.process.poll() is None:
            switch.process.terminate()
            switch.process.wait(10)
        with suppress(OSError):
            switch.process.stdout.close()
        switch._log.close()


@pytest.fixture
def numbers(owner_engine, nodes):
    """Numbers in the directory, placed by the pool manager's own code on both nodes."""
    with owner_engine.begin() as connection:
        for name, switch in nodes.items():
            connection.execute(
                text(
                    "INSERT INTO nodes (name, sip_address, state, last_seen_at) VALUES (:name, :address, 'up', now())"
                ),
                {"name": name, "address": "{}:{}".format(*switch.sip)},
            )
        for index in range(40):
            add_number(connection, f"+4420794800{index:02}")
    return [f"+4420794800{index:02}" for index in range(40)]


def add_number(connection, number):
    connection.execute(
        text(
            "INSERT INTO directory (e164, agency_id, client_id, number_id, status, tenant_status, kind, version)"
            " SELECT :number, agency_id, gen_random_uuid(), gen_random_uuid(), 'active', 'active', 'dynamic', 1"
            " FROM agencies LIMIT 1"
        ),
        {"number": number},
    )


def first_of(number):
    return order_nodes(number, [("node-1", 100), ("node-2", 100)])[0]


@pytest.fixture
def edge(make_edge, database, numbers):
    Placer(database).run()
    edge = make_edge()
    edge.start()
    keeper = EdgeKeeper(database, edge.folder)
    keeper.look()
    until(lambda: edge.state("node-1") == edge.state("node-2") == "AP")
    edge.keeper = keeper
    return edge


def node_of(nodes, number):
    """Where the last call to the number came."""
    digits = number.removeprefix("+")
    found = []
    for name, switch in nodes.items():
        for path in (switch.spool / "cdr").glob("a_*.json"):
            if re.search(f'"dialtrace_dialled":"{digits}"', path.read_text().replace('": "', '":"')):
                found.append(name)
    return found


def test_given_numbers_on_two_nodes_when_called_through_the_edge_then_each_call_comes_to_its_numbers_first_node(
    edge, nodes, numbers, worker, phone
):
    assert {key: len(value) for key, value in edge.placed().items()} == {
        **{number[1:]: 3 for number in numbers}, **{f"*{turn}": 3 for turn in range(10)}
    }  # fmt: skip
    called = numbers[:6]
    for number in called:
        worker.plans[number[1:]] = [BUSY]
        assert phone.call(edge.address, number).final().status == 486
        until(lambda number=number: node_of(nodes, number) == [first_of(number)])
    assert {first_of(number) for number in called} == {"node-1", "node-2"}
    assert phone.options(edge.address).status == 200


def test_given_a_call_that_stands_when_either_side_hangs_up_then_the_edge_leads_it_there(edge, numbers, worker, phone):
    worker.plans[numbers[0][1:]] = [STANDS]
    call = phone.call(edge.address, numbers[0])
    answered = call.answered()
    assert str(edge.address[1]) in answered.get("record-route")
    call.bye()
    worker.plans[numbers[1][1:]] = ["m:~:answer~sleep:300~hangup:NORMAL_CLEARING"]
    other = phone.call(edge.address, numbers[1])
    other.answered()
    until(other.ended.is_set)


@pytest.mark.slow
def test_given_a_caller_who_gives_up_while_it_rings_then_the_node_hears_of_it(edge, nodes, numbers, worker, phone):
    worker.plans[numbers[0][1:]] = ["m:~:ring_ready~sleep:60000"]
    call = phone.call(edge.address, numbers[0])
    call.wait_for("180 INVITE")
    call.cancel()
    assert call.final().status == 487
    until(lambda: node_of(nodes, numbers[0]) == [first_of(numbers[0])])


def test_given_a_node_that_is_killed_under_load_then_only_the_calls_standing_on_it_are_lost(
    edge, nodes, numbers, worker, phone
):
    for number in numbers:
        worker.plans[number[1:]] = [STANDS]
    before = [(number, phone.call(edge.address, number)) for number in numbers[:12]]
    for _, call in before:
        call.answered(10)
    nodes["node-1"].process.send_signal(signal.SIGKILL)
    nodes["node-1"].process.wait(10)
    # While the probes have not noticed yet, and after: every new call is answered, those of its own numbers too.
    during = []
    for number in numbers[12:36]:
        during.append((number, phone.call(edge.address, number)))
        time.sleep(0.1)
    for number, call in during:
        assert call.answered(15).status == 200, number
    assert {first_of(number) for number, _ in during} == {"node-1", "node-2"}
    until(lambda: edge.state("node-1") == "IP", 5)
    for number, call in [*before, *during]:
        if first_of(number) == "node-2" or (number, call) in during:
            call.bye()


@pytest.mark.slow
def test_given_a_node_that_drains_or_comes_back_then_new_calls_follow_within_five_seconds(
    edge, nodes, numbers, worker, phone
):
    number = next(one for one in numbers if first_of(one) == "node-1")
    worker.plans[number[1:]] = [BUSY]
    nodes["node-1"].api("fsctl pause inbound")
    # A call that reaches it before the next probe is refused with 503, and led on.
    assert phone.call(edge.address, number).final().status == 486
    until(lambda: node_of(nodes, number) == ["node-2"])
    until(lambda: edge.state("node-1") == "IP", 5)
    nodes["node-1"].api("fsctl resume inbound")
    until(lambda: edge.state("node-1") == "AP", 5)
    assert phone.call(edge.address, number).final().status == 486
    until(lambda: sorted(node_of(nodes, number)) == ["node-1", "node-2"])


@pytest.mark.slow
def test_given_every_node_is_away_then_the_caller_is_told_so_at_once(edge, nodes, numbers, phone):
    for switch in nodes.values():
        switch.process.kill()
        switch.process.wait(10)
    until(lambda: edge.state("node-1") == edge.state("node-2") == "IP")
    refused = phone.call(edge.address, numbers[0]).final()
    assert (refused.status, refused.get("retry-after")) == (503, "5")


def test_given_no_database_then_the_edge_goes_on_and_starts_anew_with_what_it_has(edge, nodes, numbers, worker, phone):
    away = Database(AWAY, connect_timeout_s=1)
    EdgeKeeper(away, edge.folder).look()
    away.dispose()
    before = edge.placed()
    edge.stop()
    edge.start()
    assert edge.placed() == before
    until(lambda: edge.state("node-1") == edge.state("node-2") == "AP")
    worker.plans[numbers[0][1:]] = [BUSY]
    assert phone.call(edge.address, numbers[0]).final().status == 486
    until(lambda: node_of(nodes, numbers[0]) == [first_of(numbers[0])])


def test_given_a_new_number_and_a_changed_node_then_the_edge_knows_with_the_next_look(
    edge, database, owner_engine, numbers
):
    placer = Placer(database)
    placer.run()
    with owner_engine.begin() as connection:
        add_number(connection, "+442079489999")
    placer.run()
    edge.keeper.look()
    ids = edge.folder.ids()
    assert edge.placed()["442079489999"] == ",".join(
        str(ids[name]) for name in order_nodes("+442079489999", [("node-1", 100), ("node-2", 100)])
    )
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE nodes SET drain_asked_at = now() WHERE name = 'node-1'"))
    placer.run()
    edge.keeper.look()
    assert {edge.placed()[number[1:]] for number in numbers} == {f"{ids['node-2']},{ids['node-1']}"}


@pytest.mark.slow
def test_given_a_number_of_nobody_then_any_node_has_the_call(edge, nodes, worker, phone):
    for index in range(6):
        worker.plans[f"442079470{index:03}"] = [BUSY]
        assert phone.call(edge.address, f"+442079470{index:03}").final().status == 486


def test_given_too_many_calls_from_one_address_then_those_on_top_are_told_to_come_again(
    make_edge, database, numbers, worker, phone
):
    Placer(database).run()
    edge = make_edge(calls_per_s=1000, limits={"127.0.0.1": 3})
    edge.start()
    EdgeKeeper(database, edge.folder).look()
    until(lambda: edge.state("node-1") == edge.state("node-2") == "AP")
    worker.plans[numbers[0][1:]] = [BUSY]
    until(lambda: time.time() % 1 < 0.1)
    finals = [call.final() for call in [phone.call(edge.address, numbers[0]) for _ in range(8)]]
    assert sorted(final.status for final in finals) == [486] * 3 + [503] * 5
    assert {final.get("retry-after") for final in finals if final.status == 503} == {"1"}


@pytest.mark.slow
def test_given_a_caller_who_speaks_for_an_edge_then_the_node_hears_nothing_of_it(edge, numbers, worker, phone):
    worker.plans[numbers[0][1:]] = [BUSY]
    call = phone.call(edge.address, numbers[0], headers="X-Dialtrace-Verstat: TN-Validation-Passed-A\r\n")
    assert call.final().status == 486
    assert "TN-Validation" not in str(worker.connects[-1])

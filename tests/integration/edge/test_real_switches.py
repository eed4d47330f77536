"""The edge in front of two real FreeSWITCH: one is killed under load."""

import os
import signal
import subprocess
import time

import pytest
from sqlalchemy import text

from dialtrace.freeswitch_launch import freeswitch_spec
from dialtrace.launch import make_spool
from dialtrace.nodesfile import NodeSettings
from dialtrace.pool.placing import Placer
from dialtrace.workers.edge import EdgeKeeper

from ..freeswitch.switch import freeswitch_binary
from ..node.phone import HOST, free_port
from .conftest import until
from .test_edge import STANDS, add_number, first_of


@pytest.fixture
def switches(tmp_path, worker):
    binary = freeswitch_binary()
    if binary is None:
        pytest.skip("no FreeSWITCH here: set FREESWITCH_BIN or put freeswitch on PATH")
    made = {}
    for index, name in enumerate(("node-1", "node-2")):
        node = NodeSettings(
            name=name,
            kind="freeswitch",
            sip=f"{HOST}:{free_port()}",
            event_socket=f"{HOST}:{free_port()}",
            event_socket_password="test-password",
            spool=make_spool(tmp_path / name),
        )
        spec = freeswitch_spec(
            node, binary=binary, run_folder=tmp_path / f"run-{name}", worker=f"{HOST}:{worker.port}",
            rtp=(33_000 + 500 * index, 33_498 + 500 * index), max_calls=100,
        )  # fmt: skip
        with (tmp_path / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                spec.argv, env={**os.environ, **spec.environment}, stdout=log, stderr=log, start_new_session=True
            )
        made[name] = (node, process, spec)
    for _, _, spec in made.values():
        until(spec.ready, 60)
    yield {name: (node, process) for name, (node, process, _) in made.items()}
    for _, process, _ in made.values():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@pytest.mark.slow
def test_given_a_real_switch_that_is_killed_under_load_then_only_the_calls_standing_on_it_are_lost(
    switches, make_edge, database, owner_engine, worker, phone
):
    numbers = [f"+4420794800{index:02}" for index in range(40)]
    with owner_engine.begin() as connection:
        for name, (node, _) in switches.items():
            connection.execute(
                text("INSERT INTO nodes (name, sip_address, state, last_seen_at) VALUES (:name, :sip, 'up', now())"),
                {"name": name, "sip": node.sip},
            )
        for number in numbers:
            add_number(connection, number)
            worker.plans[number[1:]] = [STANDS]
    Placer(database).run()
    edge = make_edge()
    edge.start()
    EdgeKeeper(database, edge.folder).look()
    until(lambda: edge.state("node-1") == edge.state("node-2") == "AP")

    before = [(number, phone.call(edge.address, number)) for number in numbers[:12]]
    for _, call in before:
        call.answered(15)
    os.killpg(switches["node-1"][1].pid, signal.SIGKILL)
    switches["node-1"][1].wait(20)
    during = []
    for number in numbers[12:36]:
        during.append((number, phone.call(edge.address, number)))
        time.sleep(0.1)
    for number, call in during:
        assert call.answered(20).status == 200, number
    assert {first_of(number) for number, _ in during} == {"node-1", "node-2"}
    until(lambda: edge.state("node-1") == "IP", 5)
    standing = [call for number, call in before if first_of(number) == "node-2"]
    assert standing
    for call in [*standing, *(call for _, call in during)]:
        call.bye()

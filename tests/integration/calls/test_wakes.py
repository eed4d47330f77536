"""Calls that wait are woken: a queue's callers when their target is free, a web hook's when it has answered. Real SIP
calls through the embedded switch, real workers, a real monitor, one database."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text

from dialtrace.db.tables import live_calls, queue_entries

from ..node.phone import HOST, Phone, Target, answers
from .processes import eventually, kill

NUMBER = "+74955550101"
DIGITS = NUMBER[1:]
MUSIC = {"kind": "tone", "frequency_hz": 440, "duration_ms": 500}


@pytest.fixture
def phone():
    made = Phone()
    yield made
    made.close()


@pytest.fixture
def desk(tenant):
    """One operator, and the target's id."""
    station = Target(answers(0.2))
    yield tenant.target(f"sip:t@{HOST}:{station.port}", ring_timeout_s=5)
    station.close()


@pytest.fixture
def stage(processes, owner_engine):
    return Stage(processes, owner_engine)


class Stage:
    def __init__(self, processes, engine):
        self.processes, self.engine = processes, engine
        self.switch, self.node = processes.switch()
        processes.worker()
        self.monitor = processes.monitor(self.node)
        eventually(lambda: self.ask(text("SELECT 1 FROM nodes WHERE state = 'up'")))

    def ask(self, query):
        with self.engine.connect() as connection:
            return connection.execute(query).all()

    def queued(self, state):
        query = select(queue_entries.c.call_id).where(queue_entries.c.state == state)
        return [row.call_id for row in self.ask(query.order_by(queue_entries.c.joined_at))]

    def entered(self):
        return {row.call_id for row in self.ask(select(queue_entries.c.call_id))}

    def talking(self):
        return [row.call_id for row in self.ask(select(live_calls).where(live_calls.c.target_id.is_not(None)))]

    def records(self):
        return [json.loads(path.read_text())["variables"] for path in (self.node.spool / "cdr").glob("a_*.json")]


def flow_of(tenant, *steps):
    document = {"version": 2, "record": False, "language": "en", "steps": list(steps)}
    flow = tenant.calls.create_flow(tenant.agency_id, tenant.client_id, name="waits", document=document)
    tenant.number(NUMBER, flow.id)


def queue_of(tenant, desk):
    queue = {"type": "queue", "name": "wait", "targets": [str(desk)], "music": MUSIC, "max_wait_s": 120}
    flow_of(tenant, {**queue, "otherwise": "sorry"}, {"type": "hangup", "name": "sorry", "cause": "busy"})


def calls(phone, stage):
    """A caller who has come into the queue: told by its row, for the one before may leave the queue meanwhile."""
    before = stage.entered()
    dialog = phone.call(stage.switch.sip, DIGITS, hertz=440.0)
    dialog.answered()
    eventually(lambda: stage.entered() - before)
    return dialog


def test_given_two_callers_and_one_operator_then_the_second_is_connected_once_the_first_has_gone(
    tenant, stage, desk, phone
):
    queue_of(tenant, desk)
    first = calls(phone, stage)
    (talking,) = eventually(stage.talking)
    second = calls(phone, stage)
    (waiting,) = eventually(lambda: stage.queued("waiting"))
    assert stage.talking() == [talking]
    first.bye()
    eventually(lambda: stage.talking() == [waiting])
    assert not second.ended.is_set()
    second.bye()
    eventually(lambda: not stage.ask(select(queue_entries)))
    records = eventually(lambda: len(found := stage.records()) == 2 and found)
    assert {record["uuid"] for record in records} == {str(talking), str(waiting)}


def test_given_a_waiting_caller_who_hangs_up_then_the_next_gets_the_operator(tenant, stage, desk, phone):
    queue_of(tenant, desk)
    first, second, third = calls(phone, stage), calls(phone, stage), calls(phone, stage)
    eventually(stage.talking)
    (impatient, patient) = eventually(lambda: len(found := stage.queued("waiting")) == 2 and found)
    second.bye()
    eventually(lambda: impatient not in stage.queued("waiting"))
    first.bye()
    eventually(lambda: stage.talking() == [patient])
    third.bye()


def test_given_the_monitor_killed_while_callers_wait_then_the_next_one_wakes_them(tenant, stage, desk, phone):
    queue_of(tenant, desk)
    first = calls(phone, stage)
    eventually(stage.talking)
    second = calls(phone, stage)
    (waiting,) = eventually(lambda: stage.queued("waiting"))
    kill(stage.monitor)
    first.bye()
    stage.processes.monitor(stage.node)
    eventually(lambda: stage.talking() == [waiting], timeout_s=30)
    second.bye()


def test_given_a_decision_for_a_waiting_call_then_it_goes_on_with_the_answer(tenant, stage, desk, phone):
    hook = {"type": "webhook", "name": "ask", "url": "https://hooks.example.com/d", "timeout_s": 15}
    flow_of(
        tenant,
        {**hook, "choices": {"yes": "desk"}, "otherwise": "sorry"},
        {"type": "ring", "name": "desk", "targets": [str(desk)], "next": "sorry"},
        {"type": "hangup", "name": "sorry", "cause": "busy"},
    )
    dialog = phone.call(stage.switch.sip, DIGITS, hertz=440.0)
    eventually(lambda: stage.ask(text("SELECT 1 FROM decisions WHERE state = 'waiting'")))
    with stage.engine.begin() as connection:
        connection.execute(text("UPDATE decisions SET state = 'answered', answer = 'yes', settled_at = now()"))
    dialog.answered()
    eventually(stage.talking)
    dialog.bye()

"""Calls that live, in the database: real SIP calls through the embedded switch, heard by a real monitor."""

from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import select, text

from dialtrace.db.tables import events, live_calls
from dialtrace.events.service import sequence

from ..node.phone import HOST, Phone, Target, answers, rings_for_ever
from .processes import eventually, journal_rows, kill

NUMBER = "+74955550101"
DIGITS = NUMBER[1:]


@pytest.fixture
def phone():
    made = Phone()
    yield made
    made.close()


@pytest.fixture
def station(tenant):
    """Makes a target that behaves so, and gives its id."""
    made = []

    def make(behave, *, ring_timeout_s=5):
        made.append(Target(behave))
        return tenant.target(f"sip:t@{HOST}:{made[-1].port}", ring_timeout_s=ring_timeout_s)

    yield make
    for one in made:
        one.close()


class Stage:
    """A switch, a worker and a monitor, and what the database says of their calls."""

    def __init__(self, processes, engine, line):
        self.processes, self.engine, self.line = processes, engine, line
        self.switch, self.node = processes.switch()
        self.sip = self.switch.sip
        processes.worker()
        self.monitor = processes.monitor(self.node)
        eventually(lambda: self._ask(text("SELECT 1 FROM nodes WHERE state = 'up'")))

    def _ask(self, query):
        with self.engine.connect() as connection:
            return connection.execute(query).all()

    def rows(self, state=None):
        found = self._ask(select(live_calls))
        return [row for row in found if state in (None, row.state)]

    def events(self):
        return self._ask(select(events).order_by(events.c.occurred_at))


@pytest.fixture
def stage(processes, owner_engine, line):
    return Stage(processes, owner_engine, line)


def ring(*targets):
    return {"type": "ring", "targets": [str(one) for one in targets]}


def hold(phone, sip):
    dialog = phone.call(sip, DIGITS, hertz=440.0)
    dialog.answered()
    return dialog


def test_given_a_call_then_its_row_tells_whose_it_is_and_with_whom_it_talks_and_goes_with_it(
    tenant, stage, station, phone
):
    desk = station(answers(1.5))
    flow_id = tenant.flow(ring(desk))
    number_id = tenant.number(NUMBER, flow_id)
    dialog = phone.call(stage.sip, DIGITS, hertz=440.0)
    (ringing,) = eventually(lambda: stage.rows("ringing"), timeout_s=3)
    assert (ringing.agency_id, ringing.client_id, ringing.number_id, ringing.flow_id) == (
        tenant.agency_id, tenant.client_id, number_id, flow_id,
    )  # fmt: skip
    assert (ringing.number, ringing.caller, ringing.node, ringing.target_id) == (NUMBER, "+74955550123", "node-1", None)
    dialog.answered()
    (talking,) = eventually(lambda: [row for row in stage.rows("answered") if row.target_id], timeout_s=3)
    assert talking.target_id == desk
    assert talking.started_at < talking.ringing_at < talking.answered_at <= talking.connected_at
    dialog.bye()
    eventually(lambda: not stage.rows(), timeout_s=3)


def test_given_a_call_then_its_events_are_in_the_log_with_the_switchs_stamps_and_get_positions(
    tenant, stage, station, phone, database
):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.6)))))
    dialog = hold(phone, stage.sip)
    dialog.bye()
    told = eventually(lambda: len(found := stage.events()) == 3 and found, timeout_s=4)
    (row,) = journal_rows(stage.node).values()
    assert [event.type for event in told] == ["call.started", "call.ringing", "call.answered"]
    assert {(str(event.call_id), event.agency_id, event.client_id, event.revision) for event in told} == {
        (row.call_id, tenant.agency_id, tenant.client_id, 1)
    }
    assert told[0].occurred_at.timestamp() * 1e6 == pytest.approx(row.started_us, abs=1)
    assert set(told[0].data) == {"number_id", "flow_id"}
    assert sequence(database, tenant.agency_id) == 3


def test_given_the_database_away_then_calls_go_on_and_everything_is_there_when_it_is_back(
    tenant, stage, station, phone
):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    before = hold(phone, stage.sip)
    (first,) = eventually(stage.rows)
    stage.line.cut()
    during = hold(phone, stage.sip)
    before.bye()
    time.sleep(2.0)
    assert [row.call_id for row in stage.rows()] == [first.call_id]
    stage.line.mend()
    (second,) = eventually(lambda: [row for row in stage.rows("answered") if row.call_id != first.call_id])
    eventually(lambda: len(stage.rows()) == 1)
    kinds = eventually(lambda: len(found := stage.events()) >= 4 and found)
    assert {event.call_id for event in kinds} == {first.call_id, second.call_id}
    during.bye()
    eventually(lambda: not stage.rows())


def test_given_the_monitor_killed_and_back_then_rows_are_what_the_switch_says(tenant, stage, station, phone):
    desk = station(answers(0.1))
    tenant.number(NUMBER, tenant.flow(ring(desk)))
    ends_unheard, stands = hold(phone, stage.sip), hold(phone, stage.sip)
    eventually(lambda: len([row for row in stage.rows() if row.target_id]) == 2)
    kill(stage.monitor)
    began_unheard = hold(phone, stage.sip)
    ends_unheard.bye()
    stage.processes.monitor(stage.node)
    listed = json.loads(stage.switch.api("show channels as json"))["rows"]
    standing = {row["uuid"] for row in listed if row["direction"] == "inbound"}
    assert len(standing) == 2
    eventually(lambda: {str(row.call_id) for row in stage.rows("answered")} == standing)
    assert {row.agency_id for row in stage.rows()} == {tenant.agency_id}
    eventually(lambda: len([event for event in stage.events() if event.type == "call.started"]) == 3)
    eventually(lambda: all(row.target_id == desk for row in stage.rows()))
    for dialog in (stands, began_unheard):
        dialog.bye()
    eventually(lambda: not stage.rows())
    assert len({(event.call_id, event.type) for event in stage.events()}) == len(stage.events())


def test_given_the_switch_killed_then_its_calls_are_over_once_it_is_proven_down(tenant, stage, station, phone):
    tenant.number(NUMBER, tenant.flow(ring(station(rings_for_ever, ring_timeout_s=60))))
    phone.call(stage.sip, DIGITS)
    eventually(stage.rows)
    kill(stage.switch.process)
    time.sleep(1.5)
    assert stage.rows(), "not yet proven: unknown ends no call"
    eventually(lambda: not stage.rows(), timeout_s=20)

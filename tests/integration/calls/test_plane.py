"""The call plane whole: real SIP calls through the embedded switch, decided by real workers or by the fallback plans
that a real monitor keeps, on a real database."""

from __future__ import annotations

import json
import signal
import time
import wave

import pytest

from dialtrace.admission.model import Limits, NewBlock
from dialtrace.admission.service import AdmissionService
from dialtrace.db.tables import OPERATOR_AGENCY, nodes
from dialtrace.journal.store import Journal

from ..node.phone import HOST, Phone, Target, answers, loudest_hertz, refuses, rings_for_ever
from .processes import eventually, journal_rows, kill

NUMBER = "+74955550101"
DIGITS = NUMBER[1:]
TONE = {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": 700, "duration_ms": 400}}


def ring(*targets):
    return {"type": "ring", "targets": [str(one) for one in targets]}


@pytest.fixture
def phone():
    made = Phone()
    yield made
    made.close()


@pytest.fixture
def station(tenant):
    """Makes a target that behaves so, and gives its id."""
    made = []

    def make(behave, *, ring_timeout_s=5, hertz=0.0):
        made.append(Target(behave, hertz=hertz))
        return tenant.target(f"sip:t@{HOST}:{made[-1].port}", ring_timeout_s=ring_timeout_s)

    yield make
    for one in made:
        one.close()


@pytest.fixture
def stage(processes, owner_engine):
    """A switch with its monitor, linked to each other."""
    switch, node = processes.switch()
    monitor = processes.monitor(node)
    eventually(lambda: node_row(owner_engine, "up"))
    return Stage(processes, switch, node, monitor)


class Stage:
    def __init__(self, processes, switch, node, monitor):
        self.processes, self.switch, self.node, self.monitor = processes, switch, node, monitor
        self.sip = switch.sip

    def plan_file(self, number=NUMBER):
        return self.node.spool / "plans" / number[-3:] / f"{number[1:]}.plan"

    def records(self):
        """Variables of every finished call."""
        return [json.loads(path.read_text())["variables"] for path in (self.node.spool / "cdr").glob("a_*.json")]

    def record(self, legs=0):
        """Variables of the one finished call, and of its legs."""
        files = eventually(lambda: list((self.node.spool / "cdr").glob("a_*.json")))
        found = self.switch.cdrs(files[0].name[2:38], legs)
        return found["a"]["variables"], [leg["variables"] for leg in found["b"]]


def node_row(engine, state=None):
    with engine.connect() as connection:
        row = connection.execute(nodes.select()).one_or_none()
    return row if row is not None and state in (None, row.state) else None


def hold(phone, sip, number=DIGITS):
    dialog = phone.call(sip, number, hertz=440.0)
    dialog.answered()
    return dialog


def test_given_a_recorded_flow_with_a_busy_first_target_then_the_second_answers_and_every_fact_is_in_the_cdr(
    tenant, stage, station, phone
):
    busy, desk = station(refuses(486)), station(answers(0.2), hertz=1000.0)
    flow_id = tenant.flow(TONE, ring(busy, desk), record=True)
    number_id = tenant.number(NUMBER, flow_id)
    stage.processes.worker()
    dialog = hold(phone, stage.sip)
    time.sleep(2.0)
    dialog.bye()
    a, (first, second) = stage.record(legs=2)
    call_id = a["uuid"]
    expected = {
        "agency": str(tenant.agency_id), "client": str(tenant.client_id), "number": str(number_id),
        "flow": str(flow_id), "flow_version": "1", "decided": "worker", "record": "yes",
        "recordings": f"{call_id}-1.wav", "attempts": f"{busy},{desk}", "call": call_id,
    }  # fmt: skip
    assert {name: a.get(f"dialtrace_{name}") for name in expected} == expected
    assert "dialtrace_fallback" not in a
    for leg, target in ((first, busy), (second, desk)):
        assert leg["dialtrace_target"] == str(target)
        assert leg["dialtrace_agency"] == str(tenant.agency_id)
        assert leg["dialtrace_client"] == str(tenant.client_id)
        assert leg["dialtrace_call"] == call_id
    (recording,) = (stage.node.spool / "recordings").glob(f"*/{call_id}-1.wav")
    with wave.open(str(recording)) as audio:
        assert audio.getnchannels() == 2
        assert audio.getnframes() > 8000
    assert loudest_hertz(dialog.audio.codec.decode(bytes(dialog.audio.heard[:3200]))) == 700


def test_given_a_call_that_stands_then_the_journal_has_it_with_the_switchs_own_stamp_and_keeps_its_hangup(
    tenant, stage, station, phone
):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    stage.processes.worker()
    dialog = hold(phone, stage.sip)
    (row,) = eventually(lambda: list(journal_rows(stage.node).values()))
    assert (row.dialled, row.caller, row.caller_name, row.ended_event) == (DIGITS, "+74955550123", "Caller", None)
    dialog.bye()
    a, _ = stage.record(legs=1)
    assert a["dialtrace_started"] == str(row.started_us)
    (ended,) = eventually(lambda: [r for r in journal_rows(stage.node).values() if r.ended_event])
    assert '"CHANNEL_HANGUP_COMPLETE"' in ended.ended_event
    assert '"variable_dialtrace_agency"' in ended.ended_event


def test_given_numbers_that_take_no_calls_then_callers_get_a_proper_refusal_and_each_call_a_cdr(
    tenant, stage, station, phone
):
    flow_id = tenant.flow(ring(station(answers())))
    tenant.set_number(tenant.number("+74955550201", flow_id), status="suspended")
    tenant.set_number(tenant.number("+74955550202", flow_id), status="released", flow_id=None)
    tenant.number("+74955550203", None)
    stage.processes.worker()
    cases = {
        "74955550201": (480, "suspended", str(tenant.agency_id)),
        "74955550202": (404, "released", OPERATOR_AGENCY),
        "74955550203": (480, "no_flow", str(tenant.agency_id)),
        "74955550204": (404, "unknown", OPERATOR_AGENCY),
    }
    statuses = {digits: phone.call(stage.sip, digits).final().status for digits in cases}
    records = eventually(lambda: len(found := stage.records()) == len(cases) and found)
    told = {a["dialtrace_dialled"]: (a["dialtrace_refused"], a["dialtrace_agency"]) for a in records}
    assert {digits: (statuses[digits], *told[digits]) for digits in cases} == cases


def test_given_no_target_that_answers_then_the_caller_hears_why(tenant, stage, station, phone):
    cases = {
        "74955550301": (refuses(486), 486),
        "74955550302": (refuses(603), 603),
        "74955550303": (rings_for_ever, 480),
    }
    for digits, (behave, _) in cases.items():
        tenant.number(f"+{digits}", tenant.flow(ring(station(behave, ring_timeout_s=1))))
    stage.processes.worker()
    dialogs = {digits: phone.call(stage.sip, digits) for digits in cases}
    heard = {digits: dialog.final(timeout_s=15).status for digits, dialog in dialogs.items()}
    assert heard == {digits: status for digits, (_, status) in cases.items()}


def test_given_no_worker_at_all_then_the_plan_on_the_node_announces_records_and_connects(tenant, stage, station, phone):
    tenant.number(NUMBER, tenant.flow(TONE, ring(station(answers(0.1))), record=True))
    eventually(stage.plan_file().exists)
    dialog = hold(phone, stage.sip)
    time.sleep(1.0)
    dialog.bye()
    a, _ = stage.record(legs=1)
    assert (a["dialtrace_decided"], a["dialtrace_fallback"]) == ("fallback", "plan")
    assert a["dialtrace_agency"] == str(tenant.agency_id)
    assert a["dialtrace_recordings"] == f"{a['uuid']}-1.wav"
    assert list((stage.node.spool / "recordings").glob(f"*/{a['uuid']}-1.wav"))


def test_given_no_worker_then_block_lists_and_limits_hold_by_the_nodes_own_copy_and_follow_a_change(
    tenant, stage, station, phone, database
):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    admission = AdmissionService(database)
    admission.add_blocks(tenant.agency_id, tenant.client_id, [NewBlock("number", "+74955550123")])
    eventually(stage.plan_file().exists)
    eventually((stage.node.spool / "rules" / f"{tenant.client_id}.rules").exists)
    assert phone.call(stage.sip, DIGITS, caller="+74955550123").final().status == 603
    record, _ = stage.record()
    assert (record["dialtrace_refused"], record["dialtrace_decided"]) == ("blocked_number", "fallback")
    assert record["dialtrace_client"] == str(tenant.client_id)
    admission.set_limits(tenant.agency_id, None, Limits(0, None))
    limits = stage.node.spool / "rules" / f"{tenant.agency_id}.rules"
    eventually(limits.exists)
    assert phone.call(stage.sip, DIGITS, caller="+74955550124").final().status == 486
    admission.set_limits(tenant.agency_id, None, Limits(None, None))
    eventually(lambda: not limits.exists())
    dialog = phone.call(stage.sip, DIGITS, caller="+74955550124", hertz=440.0)
    dialog.answered()
    dialog.bye()


def test_given_no_worker_and_a_suspended_number_then_the_plan_on_the_node_refuses_it(tenant, stage, station, phone):
    number = tenant.number(NUMBER, tenant.flow(ring(station(answers()))))
    tenant.set_number(number, status="suspended")
    eventually(stage.plan_file().exists)
    assert phone.call(stage.sip, DIGITS).final().status == 480
    a, _ = stage.record()
    assert a["dialtrace_refused"] == "suspended"


def test_given_the_worker_killed_then_standing_calls_stand_and_new_calls_are_connected(tenant, stage, station, phone):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    worker = stage.processes.worker()
    eventually(stage.plan_file().exists)
    standing = [hold(phone, stage.sip) for _ in range(3)]
    kill(worker)
    fresh = hold(phone, stage.sip)
    time.sleep(2.5)  # longer than the guard
    assert not any(dialog.ended.is_set() for dialog in [*standing, fresh])
    stage.processes.worker()
    decided_again = hold(phone, stage.sip)
    for dialog in [*standing, fresh, decided_again]:
        dialog.bye()


def test_given_changes_of_numbers_then_the_files_follow_and_stay_while_the_database_is_away(
    tenant, stage, station, line
):
    target = station(answers())
    number = tenant.number(NUMBER, tenant.flow(ring(target)))
    eventually(stage.plan_file().exists)
    before = stage.plan_file().read_text()
    assert before.splitlines()[0] == "dialtrace-plans 2"
    tenant.calls.update_target(tenant.agency_id, target, address="sip:moved@10.9.9.9")
    eventually(lambda: "moved@10.9.9.9" in stage.plan_file().read_text())
    line.cut()
    tenant.set_number(number, status="released", flow_id=None)
    time.sleep(2.5)
    assert stage.plan_file().exists()
    line.mend()
    eventually(lambda: not stage.plan_file().exists())


def test_given_files_of_numbers_that_left_while_the_monitor_was_away_then_it_removes_them_at_its_start(
    tenant, processes, station
):
    _, node = processes.switch()
    tenant.number(NUMBER, tenant.flow(ring(station(answers()))))
    stranger = node.spool / "plans" / "999" / "74955550999.plan"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("dialtrace-plans 1\n")
    processes.monitor(node)
    eventually((node.spool / "plans" / "101" / f"{DIGITS}.plan").exists)
    eventually(lambda: not stranger.exists())


def test_given_the_monitor_killed_and_back_then_the_journal_knows_what_began_and_what_ended_meanwhile(
    tenant, stage, station, phone
):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    stage.processes.worker()
    ended_unheard = hold(phone, stage.sip)
    (first_id,) = eventually(lambda: list(journal_rows(stage.node)))
    kill(stage.monitor)
    began_unheard = hold(phone, stage.sip)
    ended_unheard.bye()
    stage.record(legs=1)
    stage.processes.monitor(stage.node)
    rows = eventually(lambda: len(journal_rows(stage.node)) == 2 and journal_rows(stage.node))
    eventually(lambda: journal_rows(stage.node)[first_id].core_uuid == "")
    (second,) = (row for call_id, row in rows.items() if call_id != first_id)
    assert stage.switch.api(f"uuid_getvar {second.call_id} dialtrace_started").strip() == str(second.started_us)
    assert second.dialled == DIGITS
    assert second.core_uuid == stage.switch.api("global_getvar core_uuid").strip()
    began_unheard.bye()
    eventually(lambda: journal_rows(stage.node)[second.call_id].ended_event)


def test_given_a_monitor_told_to_stop_then_what_it_heard_is_in_the_journal(tenant, stage, station, phone):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    stage.processes.worker()
    dialogs = [hold(phone, stage.sip) for _ in range(5)]
    stage.monitor.send_signal(signal.SIGTERM)
    assert stage.monitor.wait(timeout=10) == 0
    assert len(journal_rows(stage.node)) == 5
    for dialog in dialogs:
        dialog.bye()


def test_given_the_switch_killed_then_its_calls_are_lost_and_it_is_down_and_a_new_run_is_up_again(
    tenant, stage, station, phone, owner_engine
):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    stage.processes.worker()
    hold(phone, stage.sip)
    (call_id,) = eventually(lambda: list(journal_rows(stage.node)))
    first_core = node_row(owner_engine, "up").core_uuid
    journal = Journal(stage.node.journal_path)
    assert journal.lost(far_ahead_us()) == []
    kill(stage.switch.process)
    eventually(lambda: node_row(owner_engine, "down"), timeout_s=20)
    eventually(lambda: [row.call_id for row in journal.lost(far_ahead_us())] == [call_id])
    stage.processes.switch(again=stage.node)
    row = eventually(lambda: node_row(owner_engine, "up"), timeout_s=20)
    assert row.core_uuid != first_core
    assert [row.call_id for row in journal.lost(far_ahead_us())] == [call_id]
    journal.close()


def test_given_a_switch_that_does_not_answer_then_it_is_unknown_until_it_does_and_no_call_is_lost(
    tenant, stage, station, phone, owner_engine
):
    tenant.number(NUMBER, tenant.flow(ring(station(answers(0.1)))))
    stage.processes.worker()
    dialog = hold(phone, stage.sip)
    eventually(lambda: list(journal_rows(stage.node)))
    stage.switch.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: node_row(owner_engine, "unknown"), timeout_s=25)
        time.sleep(4.0)  # longer than it takes to prove that a switch is down
        assert node_row(owner_engine, "unknown")
    finally:
        stage.switch.process.send_signal(signal.SIGCONT)
    eventually(lambda: node_row(owner_engine, "up"), timeout_s=20)
    journal = Journal(stage.node.journal_path)
    assert journal.lost(far_ahead_us()) == []
    journal.close()
    dialog.bye()
    # The next heartbeat is 20 s away at most; what it tells is what the operator sees.
    row = eventually(lambda: (found := node_row(owner_engine)) and found.max_sessions and found, timeout_s=25)
    assert (row.kind, row.sip_address) == ("embedded", stage.node.sip)
    assert row.switch_version
    assert row.sessions is not None
    assert row.last_seen_at is not None


def far_ahead_us():
    return time.time_ns() // 1000 + 3_600_000_000

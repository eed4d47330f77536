"""Calls through a real FreeSWITCH with the shipped configuration: the plan, the fallback and the guard."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ..node.phone import Phone, Target, answers, refuses, rings_for_ever, stays_silent
from .switch import MAX_CALLS, MEDIA_TIMEOUT_S, UNAVOIDABLE, RealSwitch, StubWorker, put_plan_file, ringing

pytestmark = pytest.mark.freeswitch
MakeTarget = Callable[..., Target]


def test_given_the_configuration_when_the_switch_has_started_then_its_log_holds_no_fault(switch: RealSwitch) -> None:
    started = switch.log_lines("ERR", "WARNING", "CRIT", "ALERT", "EMERG")
    until = next((i for i, line in enumerate(started) if "sofia/external" in line), len(started))
    assert [line for line in started[:until] if not any(known in line for known in UNAVOIDABLE)] == []


def test_given_a_plan_when_the_target_answers_then_the_call_is_connected_and_both_legs_are_on_record(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers())
    worker.plans["74955550101"] = ringing(desk.address)
    call = phone.call(switch.sip, "+74955550101")
    call.answered()
    call.bye()
    found = switch.records("74955550101", legs=2)
    a, (b,) = found["a"], found["b"]
    assert a["dialtrace_node"] == b["dialtrace_node"] == "fs-1"
    assert a["dialtrace_call"] == b["dialtrace_call"] == a["uuid"]
    assert a["dialtrace_started"] == b["dialtrace_started"] == a["start_uepoch"]
    assert int(b["bridge_uepoch"]) > 0
    assert a["hangup_cause"] == "NORMAL_CLEARING"


def test_given_a_target_that_is_busy_when_the_plan_ends_then_the_caller_hears_busy(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    worker.plans["74955550102"] = ringing(target(refuses(486)).address)
    assert phone.call(switch.sip, "+74955550102").final().status == 486
    assert switch.records("74955550102", legs=2)["a"]["hangup_cause"] == "USER_BUSY"


def test_given_a_target_that_answers_503_when_the_plan_ends_then_the_caller_never_sees_it(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    worker.plans["74955550103"] = ringing(target(refuses(503)).address)
    assert phone.call(switch.sip, "+74955550103").final().status == 480


def test_given_a_ringing_target_when_the_caller_gives_up_then_both_legs_end(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(rings_for_ever)
    worker.plans["74955550104"] = ringing(desk.address)
    call = phone.call(switch.sip, "+74955550104")
    call.wait_for("180 INVITE")
    call.cancel()
    assert call.final().status == 487
    assert desk.first().cancelled.wait(3)
    assert switch.records("74955550104", legs=2)["a"]["hangup_cause"] == "ORIGINATOR_CANCEL"


def test_given_what_is_no_telephone_number_when_called_then_404_and_no_worker_is_asked(
    switch: RealSwitch, worker: StubWorker, phone: Phone
) -> None:
    assert phone.call(switch.sip, "fallback").final().status == 404
    assert phone.call(switch.sip, "resume").final().status == 404
    assert worker.questions == []


def test_given_no_worker_when_the_number_has_a_plan_file_then_the_call_is_connected_by_it(
    switch: RealSwitch, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.05))
    put_plan_file(switch, "74955550105", ringing(desk.address, call="set:dialtrace_kept=@CALL@_@DAY@~"))
    began_s = time.monotonic()
    call = phone.call(switch.sip, "+74955550105")
    call.answered()
    assert time.monotonic() - began_s < 1.0
    call.bye()
    a = switch.records("74955550105", legs=2)["a"]
    assert a["dialtrace_fallback"] == "plan"
    assert a["dialtrace_kept"] == f"{a['uuid']}_{time.strftime('%Y%m%d', time.gmtime())}"


def test_given_no_worker_and_no_plan_file_when_called_then_the_caller_may_try_later(
    switch: RealSwitch, phone: Phone
) -> None:
    assert phone.call(switch.sip, "+74955550106").final().status == 480
    assert switch.records("74955550106", legs=1)["a"]["dialtrace_fallback"] == "no_plan"


def test_given_a_worker_that_lets_go_without_a_plan_when_called_then_the_fallback_takes_the_call(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    worker.manner = "nothing"
    put_plan_file(switch, "74955550107", ringing(target(answers(0.05)).address))
    call = phone.call(switch.sip, "+74955550107")
    call.answered()
    call.bye()
    assert switch.records("74955550107", legs=2)["a"]["dialtrace_fallback"] == "plan"


def test_given_a_silent_worker_when_the_guard_fires_then_the_caller_is_answered_within_two_and_a_half_seconds(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    worker.manner = "silent"
    put_plan_file(switch, "74955550108", ringing(target(answers(0.05)).address))
    began_s = time.monotonic()
    call = phone.call(switch.sip, "+74955550108")
    call.answered()
    assert time.monotonic() - began_s < 2.5
    time.sleep(2.5)
    assert not call.ended.is_set(), "the guard cut a connected call"
    call.bye()


def test_given_a_plan_that_comes_back_when_resumed_then_a_worker_is_asked_again(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.05))
    first = "m:~:set:dialtrace_step=1~transfer:resume\\sXML\\sflow"
    worker.plans["74955550109"] = [first, ringing(desk.address)]
    call = phone.call(switch.sip, "+74955550109")
    call.answered()
    call.bye()
    assert [one.get("variable_dialtrace_step") for one in worker.questions] == [None, "1"]


def test_given_a_full_node_when_one_more_calls_then_it_is_refused_at_once_and_room_comes_back(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.0))
    numbers = [f"749555502{index:02}" for index in range(MAX_CALLS + 2)]
    for number in numbers:
        worker.plans[number] = ringing(desk.address)
    calls = [phone.call(switch.sip, number) for number in numbers[:MAX_CALLS]]
    for call in calls:
        call.answered()
    refused = phone.call(switch.sip, numbers[MAX_CALLS]).final()
    assert refused.status == 503
    assert refused.get("retry-after") == "", "a carrier may shun the node for as long as that says"
    assert phone.options(switch.sip).status == 200
    calls[0].bye()
    again = phone.call(switch.sip, numbers[MAX_CALLS + 1])
    again.answered()
    for call in [*calls[1:], again]:
        call.bye()
    record = switch.records(numbers[MAX_CALLS], legs=1)["a"]
    assert record["hangup_cause"] == "SWITCH_CONGESTION"


def test_given_legs_that_send_no_sound_when_the_media_timeout_passes_then_the_call_ends(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    worker.plans["74955550110"] = ringing(target(answers(0.0)).address)
    call = phone.call(switch.sip, "+74955550110")
    call.answered()
    assert call.ended.wait(MEDIA_TIMEOUT_S + 3)
    found = switch.records("74955550110", legs=2)
    assert "MEDIA_TIMEOUT" in {found["a"]["hangup_cause"], *(leg["hangup_cause"] for leg in found["b"])}


def test_given_a_target_that_says_nothing_when_its_time_is_up_then_the_next_one_rings(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    worker.plans["74955550111"] = ringing(target(stays_silent).address, target(answers(0.0)).address)
    call = phone.call(switch.sip, "+74955550111")
    call.answered(8)
    call.bye()
    assert len(switch.records("74955550111", legs=3)["b"]) == 2

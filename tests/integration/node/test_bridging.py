"""Calls through the node to targets: what caller, targets, events and CDR files see of each ending."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from .calls import FINISH, GO_ON, call_id, plan, samples_of
from .phone import Dialog, Phone, Target, answers, loudest_hertz, refuses, rings_for_ever, stays_silent
from .switch import Events, Switch, Worker

Make = Callable[..., Target]


@pytest.mark.parametrize("codec", [0, 8])
def test_given_an_answering_target_when_both_speak_then_each_hears_the_other_and_the_recording_holds_both_apart(
    codec: int, switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(answers(0.2), hertz=1000.0, codec=codec)
    path = switch.spool / "recordings" / "20261122" / f"pair-{codec}.wav"
    record = f"set:RECORD_STEREO=true~set:execute_on_answer=record_session\\s{path}~"
    number = plan(worker, f"{GO_ON}{record}bridge:[dialtrace_target=t1]{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number, codec=codec, hertz=440.0)
    dialog.answered()
    assert "180 INVITE" in dialog.seen
    time.sleep(1.2)
    dialog.bye()
    call = call_id(events, number)
    events.wait_for(call, "CHANNEL_DESTROY")
    callee.first().wait_for("BYE")
    assert dialog.audio.loudest_hertz() == 1000
    assert callee.first().audio.loudest_hertz() == 440
    samples = samples_of(path, 2)
    assert 0.9 <= len(samples) / 8000 <= 1.6
    assert loudest_hertz(samples[1600:-1600, 0]) == 440
    assert loudest_hertz(samples[1600:-1600, 1]) == 1000
    assert len(dialog.audio.sources) == 1
    check_answered_records(switch, call)


def test_given_a_node_that_gets_no_processor_when_the_target_has_answered_then_it_is_not_asked_again(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    """SIPp takes an INVITE that comes after its 200 for a fault, speaks no word and answers no BYE."""

    def behave(dialog: Dialog) -> None:
        switch.process.send_signal(signal.SIGSTOP)
        try:
            dialog.ring()
            dialog.answer()
            time.sleep(0.9)  # RFC 3261 T1 is half a second.
        finally:
            switch.process.send_signal(signal.SIGCONT)

    callee = target(behave)
    number = plan(worker, f"{GO_ON}bridge:[dialtrace_target=t1]{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    callee.first().wait_for("ACK")
    dialog.bye()
    callee.first().wait_for("BYE")
    assert "INVITE again" not in callee.first().seen
    events.wait_for(call_id(events, number), "CHANNEL_DESTROY")


def check_answered_records(switch: Switch, call: str) -> None:
    records = switch.cdrs(call, 1)
    a, b = records["a"]["variables"], records["b"][0]["variables"]
    assert a["originate_disposition"] == "SUCCESS"
    assert a["originate_causes"] == f"{b['uuid']};NONE"
    assert (a["hangup_cause"], a["sip_hangup_disposition"]) == ("NORMAL_CLEARING", "recv_bye")
    assert (b["hangup_cause"], b["sip_hangup_disposition"]) == ("NORMAL_CLEARING", "send_bye")
    assert b["dialtrace_target"] == "t1"
    assert b["dialtrace_call"] == a["uuid"] == a["dialtrace_call"]
    assert int(a["bridge_uepoch"]) >= int(a["answer_uepoch"]) > int(a["progress_uepoch"]) >= int(a["start_uepoch"])
    assert int(a["rtp_audio_in_packet_count"]) > 40
    assert a["record_completion_cause"] == "success-silence"


@pytest.mark.parametrize(
    ("status", "cause", "to_caller"),
    [
        (486, "USER_BUSY", 486),
        (603, "CALL_REJECTED", 603),
        (480, "NO_USER_RESPONSE", 480),
        (404, "UNALLOCATED_NUMBER", 480),
        (503, "NORMAL_TEMPORARY_FAILURE", 480),
    ],
)
def test_given_a_refusing_target_when_it_is_the_last_then_the_caller_gets_a_cause_that_blames_no_node(
    status: int, cause: str, to_caller: int, switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(refuses(status))
    number = plan(worker, f"{GO_ON}bridge:[dialtrace_target=t1]{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    assert dialog.final().status == to_caller
    records = switch.cdrs(call_id(events, number), 1)
    a, b = records["a"]["variables"], records["b"][0]["variables"]
    assert b["hangup_cause"] == a["originate_disposition"] == a["last_bridge_hangup_cause"] == cause
    assert (b["sip_hangup_disposition"], b["sip_term_status"]) == ("recv_refuse", str(status))
    assert (a["sip_hangup_disposition"], a["sip_invite_failure_status"]) == ("send_refuse", str(status))
    assert int(a["answer_uepoch"]) == 0


def test_given_a_target_that_rings_when_its_leg_timeout_is_over_then_the_next_one_is_tried(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    first, second = target(rings_for_ever), target(answers(0.05))
    bridges = f"bridge:[leg_timeout=1]{first.address}~bridge:{second.address}"
    number = plan(worker, f"{GO_ON}{bridges}{FINISH}")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    first.first().wait_for("CANCEL")
    dialog.bye()
    records = switch.cdrs(call_id(events, number), 2)
    assert [record["variables"]["hangup_cause"] for record in records["b"]] == ["ALLOTTED_TIMEOUT", "NORMAL_CLEARING"]
    causes = records["a"]["variables"]["originate_causes"]
    assert causes == "ARRAY::" + "|:".join(
        f"{record['variables']['uuid']};{cause}"
        for record, cause in zip(records["b"], ("ALLOTTED_TIMEOUT", "NONE"), strict=True)
    )


def test_given_two_targets_at_once_when_one_answers_then_the_other_is_cancelled_and_lost_the_race(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    slow, quick = target(rings_for_ever), target(answers(0.2))
    number = plan(
        worker, f"{GO_ON}bridge:[dialtrace_target=slow]{slow.address},[dialtrace_target=quick]{quick.address}"
    )
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    slow.first().wait_for("CANCEL")
    dialog.bye()
    records = switch.cdrs(call_id(events, number), 2)
    causes = {r["variables"]["dialtrace_target"]: r["variables"]["hangup_cause"] for r in records["b"]}
    assert causes == {"slow": "LOSE_RACE", "quick": "NORMAL_CLEARING"}


def test_given_targets_that_answer_in_the_same_moment_when_they_race_then_every_call_keeps_exactly_one(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    left, right = target(answers(0.0)), target(answers(0.0))
    number = plan(worker, f"{GO_ON}bridge:{left.address},{right.address}")
    dialogs = [phone.call(switch.sip, number) for _ in range(10)]
    for dialog in dialogs:
        dialog.answered()
    time.sleep(0.3)
    standing = [d for d in (*left.taken, *right.taken) if not d.ended.is_set() and not d.cancelled.is_set()]
    assert len(standing) == len(dialogs)
    for dialog in dialogs:
        assert not dialog.ended.is_set()
        dialog.bye()


def test_given_a_ringing_target_when_the_caller_cancels_then_the_target_is_cancelled_and_both_say_so(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(rings_for_ever)
    number = plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    dialog.wait_for("180 INVITE")
    dialog.cancel()
    assert dialog.final().status == 487
    callee.first().wait_for("CANCEL")
    records = switch.cdrs(call_id(events, number), 1)
    a, b = records["a"]["variables"], records["b"][0]["variables"]
    assert (a["hangup_cause"], a["sip_hangup_disposition"]) == ("ORIGINATOR_CANCEL", "recv_cancel")
    assert (b["hangup_cause"], b["sip_hangup_disposition"]) == ("ORIGINATOR_CANCEL", "send_cancel")


def test_given_a_bridged_call_when_the_target_hangs_up_then_the_caller_is_hung_up(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(answers(0.05, hang_up_after_s=0.2))
    number = plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    dialog.wait_for("BYE")
    records = switch.cdrs(call_id(events, number), 1)
    a, b = records["a"]["variables"], records["b"][0]["variables"]
    assert (a["hangup_cause"], a["sip_hangup_disposition"]) == ("NORMAL_CLEARING", "send_bye")
    assert (b["hangup_cause"], b["sip_hangup_disposition"]) == ("NORMAL_CLEARING", "recv_bye")


def test_given_a_target_whose_port_is_closed_when_it_is_dialled_then_the_plan_goes_on_at_once(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    gone = target(stays_silent)
    gone.close()
    number = plan(worker, f"{GO_ON}bridge:[leg_timeout=9]{gone.address}{FINISH}")
    started = time.monotonic()
    assert phone.call(switch.sip, number).final().status == 480
    assert time.monotonic() - started < 2
    records = switch.cdrs(call_id(events, number), 1)
    assert records["b"][0]["variables"]["hangup_cause"] == "NORMAL_TEMPORARY_FAILURE"


def test_given_early_media_when_it_is_ignored_then_the_caller_hears_the_ringback_and_a_busy_passes_on(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    early = target(refuses(486, after_s=0.5, early=True), hertz=1000.0)
    second = target(answers(0.4), hertz=700.0)
    number = plan(worker, f"{GO_ON}set:ringback=%(1000,0,425)~bridge:{early.address}~bridge:{second.address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    dialog.wait_for("183 INVITE")
    time.sleep(0.4)
    assert dialog.audio.loudest_hertz(skip=800) == 425
    dialog.answered()
    del dialog.audio.heard[:]
    time.sleep(0.5)
    assert dialog.audio.loudest_hertz(skip=800) == 700
    dialog.bye()


def test_given_early_media_when_it_is_not_ignored_then_the_caller_hears_it_and_the_answer_comes_through(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    def early_then_answer(dialog: Any) -> None:
        dialog.early()
        time.sleep(0.6)
        dialog.answer()

    callee = target(early_then_answer, hertz=1000.0)
    number = plan(worker, f"set:hangup_after_bridge=true~bridge:{callee.address}")
    dialog = phone.call(switch.sip, number)
    dialog.wait_for("183 INVITE")
    time.sleep(0.4)
    assert dialog.audio.loudest_hertz(skip=800) == 1000
    dialog.answered()
    dialog.bye()
    a = switch.cdrs(call_id(events, number), 1)["a"]["variables"]
    assert 0 < int(a["progress_media_uepoch"]) < int(a["answer_uepoch"])

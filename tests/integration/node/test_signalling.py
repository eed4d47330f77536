"""SIP at the node's edge: what it refuses and how, admission, re-INVITEs, late offers, its start and its end."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dialtrace.esl.commands import execute, exit_

from .calls import FINISH, GO_ON, call_id, fresh_number, plan
from .phone import HOST, Phone, Target, answers, free_port, refuses, rings_for_ever, sdp
from .switch import Connection, Events, Switch, Worker

Make = Callable[..., Target]


def test_given_an_options_probe_when_the_node_is_well_or_paused_then_it_says_200_or_503(
    switch: Switch, phone: Phone
) -> None:
    assert phone.options(switch.sip).status == 200
    assert switch.api("fsctl pause inbound") == "+OK\n"
    try:
        refused = phone.options(switch.sip)
        assert (refused.status, refused.get("retry-after")) == (503, "300")
        assert phone.call(switch.sip, fresh_number()).final().status == 503
        assert switch.api("fsctl pause_check") == "false"
        assert switch.api("fsctl pause_check inbound") == "true"
    finally:
        switch.api("fsctl resume inbound")
    assert phone.options(switch.sip).status == 200


def test_given_a_destination_that_is_no_number_when_it_is_dialled_then_it_is_refused_with_a_record(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    assert phone.call(switch.sip, "sales").final().status == 404
    call = call_id(events, "sales")
    a = switch.cdrs(call, 0)["a"]["variables"]
    assert (a["dialtrace_refused"], a["hangup_cause"]) == ("unknown", "UNALLOCATED_NUMBER")
    assert a["dialtrace_started"] == a["start_uepoch"]


def test_given_a_plus_when_a_number_is_dialled_then_the_dialled_digits_are_without_it(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = plan(worker, "hangup:USER_BUSY")
    assert phone.call(switch.sip, f"+{number}").final().status == 486
    assert switch.cdrs(call_id(events, f"+{number}"), 0)["a"]["variables"]["dialtrace_dialled"] == number


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        ("USER_BUSY", 486),
        ("CALL_REJECTED", 603),
        ("NO_ANSWER", 480),
        ("UNALLOCATED_NUMBER", 404),
        ("SUBSCRIBER_ABSENT", 480),
        ("NORMAL_TEMPORARY_FAILURE", 503),
        ("21", 603),
    ],
)
def test_given_a_cause_when_an_unanswered_call_is_hung_up_with_it_then_the_status_is_the_switchs(
    cause: str, status: int, switch: Switch, worker: Worker, phone: Phone
) -> None:
    final = phone.call(switch.sip, plan(worker, f"hangup:{cause}")).final()
    assert final.status == status
    assert final.get("reason").startswith("Q.850")


def test_given_an_offer_without_a_codec_of_ours_when_the_call_comes_then_it_is_refused_with_a_record(
    switch: Switch, events: Events, phone: Phone
) -> None:
    number = fresh_number()
    assert phone.call(switch.sip, number, codec=9).final().status == 488
    events.wait_for(call_id(events, number), "CHANNEL_DESTROY")
    found = [json.loads(path.read_text()) for path in (switch.spool / "cdr").glob("a_*.json")]
    causes = [r["variables"]["hangup_cause"] for r in found if r["variables"]["sip_req_user"] == number]
    assert causes == ["INCOMPATIBLE_DESTINATION"]


def test_given_a_call_without_an_offer_when_it_is_answered_then_we_offer_and_the_ack_tells_where_the_caller_listens(
    switch: Switch, worker: Worker, phone: Phone
) -> None:
    dialog = phone.call(
        switch.sip, plan(worker, "answer~playback:tone_stream://%(600,0,700)~hangup:"), offer=False, codec=0
    )
    dialog.answered()
    dialog.wait_for("BYE")
    assert dialog.audio.loudest_hertz(skip=400) == 700


def test_given_a_required_extension_when_it_is_100rel_then_it_is_refused_as_unsupported(
    switch: Switch, phone: Phone
) -> None:
    final = phone.call(switch.sip, fresh_number(), headers="Require: 100rel\r\n").final()
    assert (final.status, final.get("unsupported")) == (420, "100rel")


def test_given_a_standing_call_when_the_caller_sends_the_same_offer_again_then_it_gets_the_same_answer(
    switch: Switch, worker: Worker, phone: Phone, target: Make
) -> None:
    callee = target(answers(0.0), hertz=900.0)
    dialog = phone.call(switch.sip, plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}"))
    first = dialog.answered()
    del dialog.finals["INVITE"]
    dialog.request("INVITE", sdp(dialog.audio.port, 8))
    second = dialog.answered()
    assert second.body == first.body
    del dialog.audio.heard[:]
    time.sleep(0.3)
    assert dialog.audio.loudest_hertz(skip=0) == 900
    dialog.bye()


def test_given_a_caller_whose_name_holds_code_and_a_header_when_the_call_comes_then_it_stays_a_name(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = plan(worker, "hangup:USER_BUSY")
    name = "${hangup_cause} %0AReply-Text: forged"
    assert phone.call(switch.sip, number, name=name).final().status == 486
    a = switch.cdrs(call_id(events, number), 0)["a"]
    # Decoded once, as the switch does; in events it is encoded again.
    assert a["callflow"][0]["caller_profile"]["caller_id_name"] == "%{hangup_cause} \nReply-Text: forged"


def test_given_headers_of_the_caller_when_copying_is_off_then_only_those_of_the_dial_string_reach_the_target(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(rings_for_ever)
    number = plan(worker, f"{GO_ON}bridge:[sip_h_X-Ours=yes,leg_timeout=1]{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number, headers="X-Theirs: secret\r\n")
    invite = callee.first().invite
    assert invite is not None
    assert (invite.get("x-ours"), invite.get("x-theirs")) == ("yes", "")
    assert dialog.final().status == 480
    a = switch.cdrs(call_id(events, number), 1)["a"]["variables"]
    assert a["sip_h_X-Theirs"] == "secret"


def test_given_a_bye_or_junk_that_belongs_to_nothing_when_it_comes_then_the_node_answers_or_ignores_it(
    switch: Switch, phone: Phone
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.settimeout(5)
        sock.sendto(b"\x00\xff" * 40, switch.sip)
        sock.sendto(b"INVITE sip:1@x SIP/2.0\r\nVia: nonsense\r\n\r\n" + b" " * 40, switch.sip)
        sock.sendto(
            f"BYE sip:1@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{sock.getsockname()[1]};branch=z9hG4bKx\r\n"
            f"From: <sip:a@{HOST}>;tag=1\r\nTo: <sip:b@{HOST}>;tag=2\r\nCall-ID: nobody\r\nCSeq: 2 BYE\r\n"
            "Content-Length: 0\r\n\r\n".encode(),
            switch.sip,
        )
        while not (answer := sock.recv(4096)).startswith(b"SIP/2.0 481"):
            assert answer.startswith(b"SIP/2.0 400")
    assert phone.options(switch.sip).status == 200


def test_given_more_calls_than_the_node_takes_when_they_come_then_the_rest_get_503_and_none_is_stuck(
    tmp_path: Path, worker: Worker, phone: Phone, target: Make
) -> None:
    small = Switch(tmp_path, worker.port, max_calls=3)
    try:
        callee = target(rings_for_ever)
        number = plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}")
        dialogs = [phone.call(small.sip, number) for _ in range(6)]
        refused = [dialog for dialog in dialogs if _refused(dialog)]
        assert len(refused) == 3
        # Without a Retry-After, for which a carrier might shun the node.
        assert not refused[0].final().get("retry-after")
        for dialog in dialogs:
            if dialog not in refused:
                dialog.cancel()
                assert dialog.final().status == 487
        small.wait_until_free(phone)
    finally:
        small.stop()


def _refused(dialog: object) -> bool:
    with dialog.changed:  # type: ignore[attr-defined]
        dialog.changed.wait_for(lambda: dialog.finals or "180 INVITE" in dialog.seen, 5)  # type: ignore[attr-defined]
    return bool(dialog.finals) and dialog.final().status == 503  # type: ignore[attr-defined]


def test_given_few_rtp_ports_when_they_are_all_taken_then_calls_are_refused_before_they_run_out_and_ports_come_back(
    tmp_path: Path, worker: Worker, phone: Phone, target: Make
) -> None:
    first = 44000 + os.getpid() % 120 * 8
    small = Switch(tmp_path, worker.port, rtp_first=first, rtp_last=first + 6)
    try:
        callee = target(rings_for_ever)
        number = plan(worker, f"{GO_ON}bridge:{callee.address},{callee.address},{callee.address}{FINISH}")
        standing = phone.call(small.sip, number)
        standing.wait_for("180 INVITE")
        assert phone.call(small.sip, number).final().status == 503
        standing.cancel()
        standing.final()
        small.wait_until_free(phone)
        assert "4 of 4 RTP ports free" in small.api("status")
    finally:
        small.stop()


def test_given_a_standing_call_when_the_node_is_stopped_then_both_sides_are_hung_up_and_the_record_says_why(
    tmp_path: Path, worker: Worker, phone: Phone, target: Make
) -> None:
    node = Switch(tmp_path, worker.port)
    ear = Events(node.event_port)
    callee = target(answers(0.0))
    number = plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}")
    dialog = phone.call(node.sip, number)
    dialog.answered()
    call = call_id(ear, number)
    node.stop()
    dialog.wait_for("BYE")
    callee.first().wait_for("BYE")
    a = node.cdrs(call, 1)["a"]["variables"]
    assert a["hangup_cause"] == "SYSTEM_SHUTDOWN"
    assert "SHUTDOWN" in [event["Event-Name"] for event in ear.seen]
    ear.close()


def test_given_a_node_when_it_starts_then_it_says_what_it_is_for_and_a_second_one_on_its_port_does_not_start(
    switch: Switch, worker: Worker, tmp_path: Path
) -> None:
    assert "for development, demonstration and tests only" in switch.greeting[0]
    with pytest.raises(RuntimeError, match=r"AddressTaken: SIP cannot listen on udp .* give another sip_port"):
        Switch(tmp_path, worker.port, sip_port=switch.sip[1])


def run_sipp(switch: Switch, number: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Twenty calls, one each 50 ms. SIPp takes ports beside the one it is given, so it may have to be started again."""
    scenario = Path(__file__).with_name("sipp_caller.xml")
    for _ in range(5):
        command = ["sipp", "-sf", str(scenario), "-s", number, "-i", HOST, f"{HOST}:{switch.sip[1]}", "-nostdin"]
        ports = ["-p", str(free_port()), "-mp", str(free_port())]
        load = ["-r", "20", "-m", "20", "-d", "700", "-timeout", "20s"]
        done = subprocess.run([*command, *ports, *load], capture_output=True, text=True, timeout=30, cwd=folder)
        if "Unable to bind" not in done.stderr:
            break
    return done


def test_given_sipp_when_it_places_calls_with_audio_then_every_one_is_answered_and_recorded(
    switch: Switch, worker: Worker, phone: Phone, target: Make, tmp_path: Path
) -> None:
    callee = target(answers(0.0), hertz=800.0, codec=0)
    folder = switch.spool / "recordings"
    number = fresh_number()

    def release(connection: Connection, headers: dict[str, str]) -> None:
        record = f"set:RECORD_STEREO=true~record_session:{folder}/sipp-{headers['Unique-ID']}.wav"
        text = f"m:~:{GO_ON}answer~{record}~bridge:{callee.address}"
        connection.send(execute("set", f"dialtrace_plan={text}"), exit_())
        connection.at_end()

    worker.handlers[number] = release
    try:
        done = run_sipp(switch, number, tmp_path)
    except FileNotFoundError:
        pytest.skip("SIPp is not installed")
    assert done.returncode == 0, done.stdout[-2000:]
    deadline = time.monotonic() + 5
    while "0 session(s) - peak" not in (status := switch.api("status")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert re.search(r"^0 fault", status, re.MULTILINE)
    assert len([path for path in folder.glob("sipp-*.wav") if path.stat().st_size > 16_000]) == 20


@pytest.mark.parametrize(("method", "status"), [("REFER", 405), ("UPDATE", 501), ("OPTIONS", 200)])
def test_given_a_standing_call_when_a_side_asks_for_what_the_node_does_not_do_then_it_is_refused_and_the_call_stands(
    method: str, status: int, switch: Switch, worker: Worker, phone: Phone, target: Make
) -> None:
    callee = target(answers(0.0))
    dialog = phone.call(switch.sip, plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}"))
    dialog.answered()
    dialog.request(method)
    dialog.wait_for(f"{status} {method}")
    assert not dialog.ended.wait(0.1)
    dialog.bye()


def test_given_a_caller_who_withholds_the_number_when_a_target_is_rung_then_it_is_not_told(
    switch: Switch, worker: Worker, phone: Phone, target: Make
) -> None:
    callee = target(refuses(486))
    number = plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}")
    assert phone.call(switch.sip, number, headers="Privacy: id\r\n").final().status == 486
    invite = callee.first().invite
    assert invite is not None
    assert "anonymous" in invite.get("from")
    assert "74955550123" not in str(invite.headers)


@pytest.mark.slow
def test_given_a_worker_that_stays_silent_when_its_25_seconds_are_over_then_a_call_the_fallback_connected_still_stands(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(answers(0.0))
    number = fresh_number()
    folder = switch.spool / "plans" / number[-3:]
    folder.mkdir(parents=True, exist_ok=True)
    now = int(time.time())
    bridge = f"m:~:set:hangup_after_bridge=true~bridge:{callee.address}"
    (folder / f"{number}.plan").write_text(f"dialtrace-plans 1\n{now - 60} {now + 600} start {bridge}\n")

    def silent(connection: Connection) -> bool:
        connection.at_end()
        return False

    worker.before_connect = silent
    try:
        dialog = phone.call(switch.sip, number)
        dialog.answered()
        assert not dialog.ended.wait(30), "the listener's limit cut a live call"
        dialog.bye()
    finally:
        worker.before_connect = None


def test_given_a_call_that_bears_our_own_mark_when_it_comes_back_then_it_is_refused_as_going_round(
    switch: Switch, phone: Phone
) -> None:
    mark = "X-Dialtrace-Call: 0b6a0c1e-1111-4222-8333-444455556666\r\n"
    assert phone.call(switch.sip, fresh_number(), headers=mark).final().status == 483

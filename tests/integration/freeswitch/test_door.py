"""What a real FreeSWITCH with the shipped configuration refuses: strangers, transfers, redirects, commands in text."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
import pytest_socket

from dialtrace.freeswitch_launch import freeswitch_spec, logs_in, options_status

from ..node.phone import Dialog, Message, Phone, Target, answers, sdp
from .switch import PASSWORD, RealSwitch, StubWorker, eventually, freeswitch_binary, put_plan_file, ringing

pytestmark = pytest.mark.freeswitch
MakeTarget = Callable[..., Target]
STRANGER = "127.0.0.2"


def ask_from(address: str, node: tuple[str, int], method: str, *, extra: str = "", body: str = "") -> Message:
    """A request of its own from that address, and its final answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((address, 0))
        line.settimeout(3)
        port, tag = line.getsockname()[1], uuid.uuid4().hex
        kind = "Content-Type: application/sdp\r\n" if body else ""
        head = (
            f"{method} sip:+74955550101@{node[0]}:{node[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{tag}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:x@{address}>;tag={tag}\r\nTo: <sip:+74955550101@{node[0]}:{node[1]}>\r\n"
            f"Call-ID: {tag}\r\nCSeq: 1 {method}\r\nContact: <sip:x@{address}:{port}>\r\n{extra}{kind}"
        )
        line.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), node)
        while True:
            answer = Message.read(line.recv(65_535))
            if answer.status >= 200:
                if method == "INVITE":
                    line.sendto(f"{head.replace('INVITE', 'ACK')}Content-Length: 0\r\n\r\n".encode(), node)
                return answer


@pytest.fixture
def stranger() -> str:
    """An address of this machine that is no carrier's; the tests' network guard knows only the usual ones."""
    pytest_socket.enable_socket()
    pytest_socket._remove_restrictions()
    return STRANGER


def test_given_an_address_that_is_no_carriers_when_it_calls_then_403_and_no_worker_is_asked(
    switch: RealSwitch, worker: StubWorker, stranger: str
) -> None:
    assert ask_from(stranger, switch.sip, "INVITE", body=sdp(20_000, 8)).status == 403
    assert ask_from(stranger, switch.sip, "INVITE", extra="X-AUTH-IP: 127.0.0.1\r\n", body=sdp(20_000, 8)).status == 403
    assert worker.questions == []


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "NOTIFY", "REFER"])
def test_given_a_request_that_is_no_call_when_it_comes_then_it_is_refused(switch: RealSwitch, method: str) -> None:
    extra = "Event: presence\r\nExpires: 60\r\nRefer-To: <sip:+74955550199@127.0.0.1>\r\n"
    assert ask_from("127.0.0.1", switch.sip, method, extra=extra).status >= 400


def test_given_the_edge_when_it_asks_with_options_then_200_and_503_while_the_node_drains(
    switch: RealSwitch, phone: Phone
) -> None:
    answer = phone.options(switch.sip)
    assert answer.status == 200
    assert "1.10" not in "".join(value for _, value in answer.headers), "the version is nobody's business"
    switch.api("fsctl pause inbound")
    try:
        assert options_status(switch.sip) == 503
    finally:
        switch.api("fsctl resume inbound")
    assert options_status(switch.sip) == 200


@pytest.mark.parametrize("who", ["caller", "target"])
def test_given_a_connected_call_when_a_side_asks_for_a_transfer_then_it_is_refused_and_the_call_goes_on(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget, who: str
) -> None:
    desk, elsewhere = target(answers(0.0)), target(answers(0.0))
    number = f"7495555030{len(who) % 10}"
    worker.plans[number] = ringing(desk.address)
    call = phone.call(switch.sip, number)
    call.answered()
    side: Dialog = call if who == "caller" else desk.first()
    if who == "target":
        assert side.acknowledged.wait(3)
    refer(side, f"sip:t@127.0.0.1:{elsewhere.port}")
    status = eventually(lambda: next((s for s in side.seen if s.endswith("REFER") and s[0].isdigit()), ""))
    assert int(status.split()[0]) >= 400, status
    time.sleep(0.3)
    assert elsewhere.taken == []
    assert not call.ended.is_set()
    call.bye()


def refer(side: Dialog, to: str) -> None:
    side.sequence += 1
    side.send(
        f"REFER {side.request_uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{side.port};branch=z9hG4bK{uuid.uuid4().hex}\r\n"
        f"Max-Forwards: 70\r\nFrom: {side.local}\r\nTo: {side.remote}\r\nCall-ID: {side.call_id}\r\n"
        f"CSeq: {side.sequence} REFER\r\nContact: <sip:127.0.0.1:{side.port}>\r\nRefer-To: <{to}>\r\n"
    )


def test_given_a_target_that_redirects_when_rung_then_the_redirect_is_not_followed(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    elsewhere = target(answers(0.0))

    def redirect(dialog: Dialog) -> None:
        assert dialog.invite
        copied = "".join(f"{name}: {value}\r\n" for name, value in dialog.invite.headers if name == "via")
        dialog.send(
            f"SIP/2.0 302 Moved\r\n{copied}From: {dialog.invite.get('from')}\r\nTo: {dialog.local}\r\n"
            f"Call-ID: {dialog.call_id}\r\nCSeq: {dialog.invite.get('cseq')}\r\n"
            f"Contact: <sip:t@127.0.0.1:{elsewhere.port}>\r\n"
        )

    worker.plans["74955550303"] = ringing(target(redirect).address)
    assert phone.call(switch.sip, "74955550303").final().status == 480
    assert elsewhere.taken == []


def test_given_the_callers_private_headers_when_the_target_is_rung_then_none_of_them_arrives(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.0))
    worker.plans["74955550304"] = ringing(desk.address)
    private = (
        "X-Account: 4711\r\nP-Charging-Vector: icid=1\r\nUser-to-User: 00C8\r\nDiversion: <sip:7@127.0.0.1>\r\n"
        "K-Any: 1\r\nOn-Behalf: me\r\nIdentity: abc\r\nHistory-Info: <sip:8@127.0.0.1>\r\nAccept-Language: ru\r\n"
    )
    call = phone.call(switch.sip, "74955550304", headers=private)
    call.answered()
    call.bye()
    invite = desk.first().invite
    assert invite
    sent = {line.split(":")[0].lower() for line in private.strip().split("\r\n")}
    assert sent & {name for name, _ in invite.headers} == set()


def test_given_a_caller_who_withholds_the_number_when_the_target_is_rung_then_it_stays_withheld(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.0))
    worker.plans["74955550305"] = ringing(desk.address)
    call = phone.call(
        switch.sip,
        "74955550305",
        caller="anonymous",
        name="Anonymous",
        headers="P-Asserted-Identity: <sip:+74957770001@127.0.0.1>\r\nPrivacy: id\r\n",
    )
    call.answered()
    call.bye()
    invite = desk.first().invite
    assert invite
    assert [one for one in invite.headers if "74957770001" in one[1]] == []


def test_given_a_connected_call_when_the_caller_looks_at_the_answers_then_the_target_is_not_in_them(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.1))
    worker.plans["74955550306"] = ringing(desk.address.replace("/t@", "/secret-desk@"))
    call = phone.call(switch.sip, "74955550306", headers="Allow: INVITE, ACK, BYE, CANCEL, UPDATE, INFO\r\n")
    answer = call.answered()
    time.sleep(0.3)
    call.bye()
    assert [one for one in answer.headers if "secret-desk" in one[1]] == []
    assert [one for one in call.seen if not one[0].isdigit()] == [], "the switch sent the caller a request"


def test_given_a_command_in_text_when_the_switch_expands_it_then_it_is_not_carried_out(
    switch: RealSwitch, phone: Phone
) -> None:
    put_plan_file(switch, "74955550307", "m:~:set:dialtrace_trial=${global_setvar(dialtrace_hit=1)}~hangup:USER_BUSY")
    call = phone.call(switch.sip, "74955550307", name="${global_setvar(dialtrace_hit=2)}")
    call.final()
    assert "dialtrace_hit" not in switch.api("global_getvar")


def test_given_the_running_switch_when_others_look_then_the_password_is_nowhere_to_be_read(switch: RealSwitch) -> None:
    assert PASSWORD not in switch.api("global_getvar")
    assert PASSWORD not in " ".join(switch.spec.argv)
    assert (switch.folder / "run").stat().st_mode & 0o077 == 0
    assert logs_in(switch.node.event_socket_address, PASSWORD)
    assert not logs_in(switch.node.event_socket_address, "ClueCon")


def test_given_a_re_invite_of_a_target_that_is_no_carrier_when_it_comes_then_it_is_taken(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.0))
    worker.plans["74955550308"] = ringing(desk.address)
    call = phone.call(switch.sip, "74955550308")
    call.answered()
    side = desk.first()
    assert side.acknowledged.wait(3)
    side.request("INVITE", sdp(side.audio.port, 8))
    side.wait_for("200 INVITE", 3)
    call.bye()


def test_given_a_taken_sip_port_when_a_second_switch_starts_then_it_ends_instead_of_running_deaf(
    switch: RealSwitch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("second")
    first, last = 30_498, 30_526
    binary = freeswitch_binary()
    assert binary
    node = replace(switch.node, event_socket=f"127.0.0.1:{switch.node.event_socket_address[1] + 1}", spool=folder / "s")
    spec = freeswitch_spec(
        node, binary=binary, run_folder=folder / "r", worker="127.0.0.1:9", rtp=(first, last), max_calls=2
    )
    process = subprocess.Popen(list(spec.argv), env={**os.environ, **spec.environment}, stdin=subprocess.DEVNULL)
    try:
        assert process.wait(20) != 0
    finally:
        process.kill()
        process.wait(5)
    assert options_status(switch.sip) == 200


def test_given_a_target_that_leads_back_to_us_when_it_is_rung_then_the_call_goes_round_once_and_not_for_ever(
    switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.0))
    worker.plans["74955550311"] = ringing(desk.address)
    call = phone.call(switch.sip, "74955550311")
    call.answered()
    call.bye()
    marks = [value for name, value in desk.first().invite.headers if name.lower() == "x-dialtrace-call"]
    assert len(marks) == 1, "every leg bears the mark"
    assert phone.call(switch.sip, "74955550311", headers=f"X-Dialtrace-Call: {marks[0]}\r\n").final().status == 483


@pytest.mark.parametrize("privacy", ["ID", "Header;critical", "user"])
def test_given_privacy_in_any_spelling_when_the_target_is_rung_then_the_number_stays_withheld(
    privacy: str, switch: RealSwitch, worker: StubWorker, phone: Phone, target: MakeTarget
) -> None:
    desk = target(answers(0.0))
    worker.plans["74955550312"] = ringing(desk.address)
    asserted = "P-Asserted-Identity: <sip:+74957770001@127.0.0.1>\r\n"
    call = phone.call(
        switch.sip, "74955550312", caller="anonymous", name="Anonymous", headers=f"{asserted}Privacy: {privacy}\r\n"
    )
    call.answered()
    call.bye()
    assert [one for one in desk.first().invite.headers if "74957770001" in one[1]] == []

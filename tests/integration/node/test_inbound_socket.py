"""The inbound event socket: login, subscriptions, filters, commands, and clients that do not read."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from dialtrace.esl.events import parse_event

from .calls import FINISH, GO_ON, call_id, plan
from .phone import HOST, PATIENCE_S, Phone, Target, answers, rings_for_ever
from .switch import PASSWORD, Connection, Events, Switch, Worker

Make = Callable[..., Target]


@pytest.fixture
def client(switch: Switch) -> Iterator[Connection]:
    connection = Connection(socket.create_connection((HOST, switch.event_port), timeout=PATIENCE_S))
    assert connection.frame().content_type == "auth/request"
    yield connection
    connection.close()


def log_in(client: Connection) -> None:
    assert client.ask(f"auth {PASSWORD}\n\n".encode()).reply_text == "+OK accepted"


def test_given_a_wrong_password_when_a_client_logs_in_then_it_is_refused_and_disconnected(client: Connection) -> None:
    assert client.ask(b"auth wrong\n\n").reply_text == "-ERR invalid"
    assert client.at_end()


def test_given_no_login_when_a_command_comes_then_it_is_not_found(client: Connection) -> None:
    assert client.ask(b"api status\n\n").reply_text == "-ERR command not found"


def test_given_a_login_when_the_client_leaves_then_it_is_told_goodbye(client: Connection) -> None:
    log_in(client)
    assert client.ask(b"exit\n\n").reply_text == "+OK bye"
    notice = client.frame()
    assert (notice.content_type, len(notice.body)) == ("text/disconnect-notice", 67)
    assert client.at_end()


def test_given_a_call_when_it_goes_its_way_then_the_events_come_in_the_switchs_order_with_rising_sequence(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(answers(0.1))
    number = plan(worker, f"{GO_ON}bridge:[dialtrace_target=t1]{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    dialog.bye()
    call = call_id(events, number)
    events.wait_for(call, "CHANNEL_DESTROY")
    milestones = [name for name in events.of(call) if "EXECUTE" not in name and "PARK" not in name]
    assert milestones == [
        "CHANNEL_CREATE",
        "CHANNEL_PROGRESS",
        "CHANNEL_PROGRESS_MEDIA",
        "CHANNEL_ANSWER",
        "CHANNEL_BRIDGE",
        "CHANNEL_HANGUP",
        "CHANNEL_UNBRIDGE",
        "CHANNEL_HANGUP_COMPLETE",
        "CHANNEL_DESTROY",
    ]
    sequence = [int(event["Event-Sequence"]) for event in events.seen]
    assert sequence == sorted(set(sequence))
    bridge = events.wait_for(call, "CHANNEL_BRIDGE")
    other = bridge["Bridge-B-Unique-ID"]
    assert (bridge["Bridge-A-Unique-ID"], bridge["Other-Leg-Unique-ID"]) == (call, other)
    assert bridge["variable_signal_bond"] == other
    assert events.wait_for(other, "CHANNEL_CREATE")["variable_dialtrace_target"] == "t1"
    complete = events.wait_for(call, "CHANNEL_HANGUP_COMPLETE")
    assert complete["Hangup-Cause"] == complete["variable_hangup_cause"] == "NORMAL_CLEARING"
    assert complete["Caller-Channel-Bridged-Time"] == complete["variable_bridge_uepoch"]


def test_given_plain_and_json_when_the_same_call_is_heard_then_both_tell_the_same(
    switch: Switch, worker: Worker, events: Events, phone: Phone, client: Connection
) -> None:
    log_in(client)
    assert client.ask(b"event plain CHANNEL_CREATE\n\n").reply_text == "+OK event listener enabled plain"
    number = plan(worker, "hangup:USER_BUSY")
    phone.call(switch.sip, number, name="Анна + 100%").final()
    plain = parse_event(client.frame())
    wanted = events.wait_for(call_id(events, number), "CHANNEL_CREATE")
    assert {name: plain.get(name) for name in wanted} == wanted


def test_given_a_filter_when_events_pass_then_only_those_that_match_come(
    switch: Switch, worker: Worker, events: Events, phone: Phone, client: Connection
) -> None:
    log_in(client)
    first, second = plan(worker, "hangup:USER_BUSY"), plan(worker, "hangup:USER_BUSY")
    client.ask(b"event json CHANNEL_CREATE\n\n")
    assert client.ask(f"filter Caller-Destination-Number {second}\n\n".encode()).reply_text.startswith("+OK filter")
    phone.call(switch.sip, first).final()
    phone.call(switch.sip, second).final()
    assert json.loads(client.frame().body)["Caller-Destination-Number"] == second
    assert client.ask(b"filter delete all\n\n").reply_text.startswith("+OK filter deleted")
    assert client.ask(b"nixevent CHANNEL_CREATE\n\n").reply_text == "+OK events nixed"
    phone.call(switch.sip, first).final()
    assert client.ask(b"noevents\n\n").reply_text.startswith("+OK no longer")


def test_given_api_commands_when_they_are_asked_of_a_live_call_then_they_answer_as_the_switch_does(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    number = plan(worker, f"{GO_ON}bridge:{target(rings_for_ever).address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    dialog.wait_for("180 INVITE")
    call = call_id(events, number)
    shown = json.loads(switch.api("show channels as json"))
    mine = next(row for row in shown["rows"] if row["uuid"] == call)
    assert shown["row_count"] == len(shown["rows"]) >= 2
    assert (mine["direction"], mine["application"], mine["callstate"]) == ("inbound", "bridge", "RINGING")
    assert switch.api(f"uuid_exists {call}") == "true"
    assert switch.api(f"uuid_setvar {call} mood good") == "+OK\n"
    assert switch.api(f"uuid_getvar {call} mood") == "good"
    assert switch.api(f"uuid_getvar {call} nothing") == "_undef_"
    assert switch.api(f"uuid_kill {call} CALL_REJECTED") == "+OK\n"
    assert dialog.final().status == 603
    events.wait_for(call, "CHANNEL_DESTROY")
    assert switch.api(f"uuid_kill {call}") == "-ERR No such channel!\n"
    assert call not in switch.api("show channels as json")
    assert switch.api("global_getvar dialtrace_node") == "node-1"
    assert switch.api("frobnicate") == "-ERR frobnicate Command not found!\n"


def test_given_bgapi_when_the_job_is_done_then_its_event_comes_after_the_reply_with_its_body(
    switch: Switch, client: Connection
) -> None:
    log_in(client)
    client.ask(b"event json BACKGROUND_JOB\n\n")
    reply = client.ask(b"bgapi uuid_exists nobody\nJob-UUID: my-job\n\n")
    assert (reply.reply_text, reply.headers["Job-UUID"]) == ("+OK Job-UUID: my-job", "my-job")
    event = parse_event(client.frame())
    assert (event.get("Job-UUID"), event.get("Job-Command"), event.body) == ("my-job", "uuid_exists", "false")


def test_given_a_node_when_its_status_is_asked_then_it_names_its_release_and_its_core(switch: Switch) -> None:
    status = switch.api("status")
    assert "is ready" in status
    assert "FreeSWITCH (Version 1.10.12" in status
    assert switch.api("global_getvar core_uuid")


@pytest.mark.slow
def test_given_a_listener_when_twenty_seconds_pass_then_a_heartbeat_tells_counts_and_core(switch: Switch) -> None:
    ear = Events(switch.event_port, "HEARTBEAT")
    deadline = time.monotonic() + 22
    while not ear.seen and time.monotonic() < deadline:
        time.sleep(0.1)
    ear.close()
    beat = ear.seen[0]
    assert beat["Core-UUID"] == switch.api("global_getvar core_uuid")
    assert (beat["Event-Info"], beat["Max-Sessions"]) == ("System Ready", "1000")
    assert int(beat["Session-Count"]) >= 0
    assert int(beat["Session-Since-Startup"]) >= int(beat["Session-Peak-Max"])


def test_given_a_client_that_does_not_read_when_calls_go_on_then_no_call_waits_for_it(
    switch: Switch, worker: Worker, phone: Phone
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect((HOST, switch.event_port))
        deaf.sendall(f"auth {PASSWORD}\n\nevent json ALL\n\n".encode())
        number = plan(worker, "hangup:USER_BUSY")
        dialogs = [phone.call(switch.sip, number) for _ in range(20)]
        assert {dialog.final().status for dialog in dialogs} == {486}

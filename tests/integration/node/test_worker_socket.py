"""The outbound socket: a worker that does well, badly, or nothing (reference freeswitch 1.2 to 1.4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from dialtrace.esl.commands import execute, exit_, hangup, linger
from dialtrace.esl.events import parse_event
from dialtrace.esl.wire import Frame

from .calls import call_id, fresh_number
from .phone import Phone, Target, answers
from .switch import Connection, Events, Switch, Worker

MARKED = "m:~:set:reached=plan~hangup:CALL_REJECTED"


@pytest.fixture(autouse=True)
def _well_again(worker: Worker) -> Iterator[None]:
    yield
    worker.before_connect = None
    worker.handlers.clear()


def write_plan(switch: Switch, number: str, plan: str, *, kind: str = "start") -> None:
    """A fallback plan as the monitor keeps it (docs/architecture.md)."""
    folder = switch.spool / "plans" / number[-3:]
    folder.mkdir(parents=True, exist_ok=True)
    now = int(time.time())
    (folder / f"{number}.plan").write_text(f"dialtrace-plans 1\n{now - 60} {now + 600} {kind} {plan}\n")


def seconds_to_refusal(phone: Phone, switch: Switch, number: str, status: int) -> float:
    started = time.monotonic()
    assert phone.call(switch.sip, number).final().status == status
    return time.monotonic() - started


def close_at_once(connection: Connection) -> bool:
    connection.close()
    return False


def stay_silent(connection: Connection) -> bool:
    with suppress(EOFError, OSError):
        connection.sock.settimeout(20)
        connection.frame()
    return False


@pytest.mark.parametrize("behaviour", [close_at_once, "closes after connect"], ids=["at once", "after connect"])
def test_given_a_worker_that_goes_away_when_the_call_comes_then_the_fallback_takes_it_without_delay(
    behaviour: object, switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = fresh_number()
    write_plan(switch, number, MARKED)
    if callable(behaviour):
        worker.before_connect = behaviour
    else:
        worker.handlers[number] = lambda connection, headers: connection.close()
    assert seconds_to_refusal(phone, switch, number, 603) < 1.0
    a = switch.cdrs(call_id(events, number), 0)["a"]["variables"]
    assert (a["dialtrace_fallback"], a["reached"]) == ("plan", "plan")


@pytest.mark.parametrize("behaviour", [stay_silent, None], ids=["silent", "hangs after connect"])
def test_given_a_worker_that_says_nothing_when_two_seconds_are_over_then_the_guard_takes_the_fallback(
    behaviour: Callable[[Connection], bool] | None, switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = fresh_number()
    write_plan(switch, number, MARKED)
    worker.before_connect = behaviour
    worker.handlers[number] = lambda connection, headers: stay_silent(connection) and None
    assert 1.2 < seconds_to_refusal(phone, switch, number, 603) < 2.9
    assert switch.cdrs(call_id(events, number), 0)["a"]["variables"]["dialtrace_fallback"] == "plan"


def test_given_no_plan_file_when_the_worker_is_away_then_the_caller_is_refused_as_a_temporary_matter(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = fresh_number()
    worker.before_connect = close_at_once
    assert seconds_to_refusal(phone, switch, number, 480) < 1.0
    a = switch.cdrs(call_id(events, number), 0)["a"]["variables"]
    assert (a["dialtrace_fallback"], a["hangup_cause"]) == ("no_plan", "SUBSCRIBER_ABSENT")


def test_given_a_plan_file_when_the_fallback_runs_it_then_its_marks_are_the_calls_own(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = fresh_number()
    write_plan(switch, number, "m:~:set:file=@DAY@/@CALL@-1.wav~hangup:USER_BUSY")
    worker.before_connect = close_at_once
    assert phone.call(switch.sip, number).final().status == 486
    call = call_id(events, number)
    day = time.strftime("%Y%m%d", time.gmtime())
    assert switch.cdrs(call, 0)["a"]["variables"]["file"] == f"{day}/{call}-1.wav"


def test_given_a_step_when_the_worker_is_away_then_the_ring_plan_is_taken(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = fresh_number()
    write_plan(switch, number, MARKED, kind="ring")
    worker.plans[number] = ["m:~:set:dialtrace_step=2~transfer:resume\\sXML\\sflow"]

    def first_only(connection: Connection) -> bool:
        worker.before_connect = close_at_once
        return True

    worker.before_connect = first_only
    assert phone.call(switch.sip, number).final().status == 603


def test_given_a_plan_that_resumes_when_the_second_plan_comes_then_variables_persist_and_the_guard_is_gone(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Callable[..., Target]
) -> None:
    callee = target(answers(0.0))
    number = fresh_number()
    worker.plans[number] = [
        "m:~:set:dialtrace_step=2~transfer:resume\\sXML\\sflow",
        f"m:~:set:hangup_after_bridge=true~bridge:{callee.address}",
    ]
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    assert [headers.get("variable_dialtrace_step") for headers in worker.connects[-2:]] == [None, "2"]
    assert not dialog.ended.wait(2.4), "the guard cut a live call"
    dialog.bye()
    record = switch.cdrs(call_id(events, number), 1)["a"]
    assert [flow["extension"]["name"] for flow in record["callflow"]] == ["resume", "number"]


def handled(worker: Worker, run: Callable[[Connection], None]) -> str:
    """A number whose calls this function drives over the socket."""
    number = fresh_number()
    worker.handlers[number] = lambda connection, headers: run(connection)
    return number


def test_given_socket_resume_off_when_the_worker_dies_in_a_playback_then_it_is_finished_and_the_dialplan_goes_on(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    def run(connection: Connection) -> None:
        connection.ask(execute("set", "socket_resume=false"))
        connection.ask(execute("set", "dialtrace_plan=hangup:USER_BUSY"))
        connection.ask(execute("playback", "silence_stream://900"))
        time.sleep(0.1)
        connection.close()

    number = handled(worker, run)
    assert 0.8 < seconds_to_refusal(phone, switch, number, 486) < 1.9


def test_given_socket_resume_on_when_the_worker_dies_in_a_playback_then_it_is_cut_and_the_dialplan_goes_on(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    def run(connection: Connection) -> None:
        connection.ask(execute("set", "dialtrace_plan=hangup:USER_BUSY"))
        connection.ask(execute("playback", "silence_stream://9000"))
        time.sleep(0.1)
        connection.close()

    number = handled(worker, run)
    assert seconds_to_refusal(phone, switch, number, 486) < 1.0


def test_given_commands_without_a_lock_when_one_is_running_then_the_next_runs_inside_it(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    def run(connection: Connection) -> None:
        connection.send(
            execute("playback", "silence_stream://600", lock=False),
            execute("set", "order=inside", lock=False),
        )
        time.sleep(0.8)
        connection.send(exit_())
        connection.at_end()

    number = handled(worker, run)
    write_plan(switch, number, "hangup:USER_BUSY")
    assert phone.call(switch.sip, number).final().status == 486
    call = call_id(events, number)
    events.wait_for(call, "CHANNEL_DESTROY")
    names = [
        (event["Event-Name"], event["Application"])
        for event in events.seen
        if event.get("Unique-ID") == call
        and event.get("Application") in {"playback", "set"}
        and event.get("Application-Data", "").startswith(("silence", "order"))
    ]
    assert [name for name, _ in names] == [
        "CHANNEL_EXECUTE",
        "CHANNEL_EXECUTE",
        "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_EXECUTE_COMPLETE",
    ]


def test_given_an_application_nobody_knows_when_it_is_executed_then_the_call_is_hung_up_out_of_order(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = handled(worker, lambda connection: connection.at_end() if connection.ask(execute("nonsense")) else None)
    assert phone.call(switch.sip, number).final().status == 502
    call = call_id(events, number)
    events.wait_for(call, "CHANNEL_DESTROY")
    executed = [event["Application"] for event in events.seen if event.get("Application")]
    assert "nonsense" not in executed


def test_given_an_event_id_when_the_application_ends_then_the_socket_hears_it_under_that_id(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    seen: list[Frame] = []

    def run(connection: Connection) -> None:
        assert connection.ask(b"myevents json\n\n").reply_text == "+OK Events Enabled"
        assert connection.ask(execute("answer", event_id="id-of-mine")).reply_text == "+OK"
        with suppress(EOFError):
            while True:
                seen.append(connection.frame())
                event = parse_event(seen[-1])
                if (event.name, event.get("Application-UUID")) == ("CHANNEL_EXECUTE_COMPLETE", "id-of-mine"):
                    break
        connection.send(hangup("CALL_REJECTED"))
        connection.at_end()

    dialog = phone.call(switch.sip, handled(worker, run))
    dialog.answered()
    dialog.wait_for("BYE")
    names = [parse_event(frame).name for frame in seen]
    assert names[0] == "CHANNEL_EXECUTE"
    assert {"CHANNEL_ANSWER", "CHANNEL_EXECUTE_COMPLETE"} <= set(names)
    assert not any(name.startswith(("RECORD", "HEARTBEAT")) for name in names)


@pytest.mark.parametrize("lingering", [True, False])
def test_given_linger_when_the_call_ends_then_the_socket_hears_hangup_complete_and_without_it_does_not(
    lingering: bool, switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    heard: list[str] = []
    done: list[bool] = []

    def run(connection: Connection) -> None:
        connection.ask(b"myevents json\n\n")
        if lingering:
            assert connection.ask(linger(1)).reply_text == "+OK will linger"
        connection.send(hangup("USER_BUSY"))
        with suppress(EOFError):
            while True:
                frame = connection.frame()
                heard.append(parse_event(frame).name if frame.content_type == "text/event-json" else frame.content_type)
        done.append(True)

    assert phone.call(switch.sip, handled(worker, run)).final().status == 486
    deadline = time.monotonic() + 4
    while not done and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "CHANNEL_HANGUP" in heard
    assert ("CHANNEL_HANGUP_COMPLETE" in heard) is lingering
    assert heard[-1] == "text/disconnect-notice"


def test_given_the_connect_reply_when_it_is_read_then_it_tells_the_call_twice_and_every_variable(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = fresh_number()
    worker.plans[number] = ["hangup:USER_BUSY"]
    phone.call(switch.sip, number, name="Анна 100% & <x>").final()
    headers = worker.connects[-1]
    call = call_id(events, number)
    assert headers["Unique-ID"] == headers["Caller-Unique-ID"] == headers["variable_dialtrace_call"] == call
    assert headers["Channel-Destination-Number"] == headers["Caller-Destination-Number"] == number
    assert (headers["Socket-Mode"], headers["Control"]) == ("async", "full")
    assert headers["Content-Type"] == "command/reply"
    assert headers["Caller-Caller-ID-Name"] == "Анна 100% & <x>"
    assert headers["variable_dialtrace_started"] == headers["Caller-Channel-Created-Time"]
    assert headers["variable_sip_from_user"] == "+74955550123"


def test_given_getvar_and_api_when_asked_on_the_calls_own_socket_then_they_answer(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    answers_: dict[str, str] = {}

    def run(connection: Connection) -> None:
        answers_["getvar"] = connection.ask(b"getvar dialtrace_dialled\n\n").reply_text
        answers_["api"] = connection.ask(b"api global_getvar dialtrace_node\n\n").text
        answers_["unknown"] = connection.ask(b"frobnicate\n\n").reply_text
        answers_["bgapi"] = connection.ask(b"bgapi create_uuid\nJob-UUID: j1\n\n").reply_text
        connection.send(hangup("USER_BUSY"))
        connection.at_end()

    number = handled(worker, run)
    phone.call(switch.sip, number).final()
    assert answers_ == {
        "getvar": number,
        "api": "node-1",
        "unknown": "-ERR command not found",
        "bgapi": "+OK Job-UUID: j1",
    }

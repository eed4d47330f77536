"""The simulated switch says what a real one says, in the order in which it does."""

from itertools import islice

import pytest

from dialtrace.esl import commands
from dialtrace.esl.events import parse_connect, parse_event
from dialtrace.esl.wire import FrameReader
from dialtrace.loadtest.bench_control import Turn, ratios
from dialtrace.loadtest.eslsim import (
    CapturedCall,
    EventLink,
    OutboundCall,
    Placed,
    asked_of,
    calls_events,
    filled,
    in_plain,
)

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
PLAN = "m:~:hangup:USER_BUSY"
CORE = "00000000-0000-4000-8000-00000000c0de"


@pytest.fixture(scope="module")
def captured():
    return CapturedCall.read()


@pytest.fixture
def call(captured):
    return OutboundCall(CALL, f"{CALL}|442079460100|1|/s|", captured)


def frames(data):
    return FrameReader().feed(data)


def test_given_a_worker_that_asks_and_leaves_then_the_call_has_its_plan_and_goes_on(call):
    # The first command is not answered, as on the real switch.
    (told,) = frames(call.receive(b"x\n\ngetvar asks\n\n"))
    assert told.reply_text == f"{CALL}|442079460100|1|/s|"
    set_plan = commands.execute("set", f"dialtrace_plan={PLAN}", lock=False)
    answers = frames(call.receive(set_plan) + call.receive(commands.exit_()))
    assert [frame.reply_text or frame.content_type for frame in answers] == ["+OK", "+OK bye", "text/disconnect-notice"]
    assert (call.plan, call.decided, call.closed) == (PLAN, True, True)


def test_given_a_worker_that_leaves_without_a_plan_then_nothing_was_decided(call):
    call.receive(b"x\n\n" + commands.exit_())
    assert (call.decided, call.closed) == (False, True)


def test_given_a_command_in_pieces_then_it_is_answered_once_it_is_whole(call):
    call.receive(b"x\n\n")
    assert call.receive(b"getvar as") == b""
    assert len(frames(call.receive(b"ks\n\n"))) == 1


def test_given_a_server_that_holds_the_call_then_it_is_told_of_it_to_its_end(call):
    (connected,) = frames(call.receive(b"connect\n\n"))
    assert parse_connect(connected).call_id == CALL
    call.receive(b"myevents\n\nlinger\n\n")
    assert not call.decided
    call.receive(b"sendmsg\ncall-command: execute\nexecute-app-name: bridge\nexecute-app-arg: sofia/external/x\n\n")
    assert call.decided
    *events, end = frames(call.hang_up())
    names = [parse_event(frame).name for frame in events]
    assert names[0] == "CHANNEL_CREATE"
    assert names[-1] == "CHANNEL_DESTROY"
    assert end.content_type == "text/disconnect-notice"


def test_given_the_packaged_dialplan_then_what_a_worker_asks_for_is_found_and_filled():
    dialplan = (
        '<action data="^^;asks=${uuid}|${dialtrace_dialled}"/>\n<action data="a=b;asks=${uuid}|$1|$${spool}|${no}"/>'
    )
    values = {"uuid": CALL, "1": "442079460100", "spool": "/s"}
    assert filled(asked_of(dialplan), values) == f"{CALL}|442079460100|/s|"


@pytest.mark.parametrize("dialplan", ["", '<action data="asks=$1"/><action data="asks=$1|x"/>'])
def test_given_a_dialplan_that_asks_otherwise_then_it_is_refused(dialplan):
    with pytest.raises(ValueError, match=r"eslsim\.py"):
        asked_of(dialplan)


def test_given_a_monitor_that_logs_in_then_it_learns_the_run_and_that_no_call_stands():
    link = EventLink(CORE)
    said = frames(
        link.receive(commands.auth("secret") + commands.api("global_getvar", "core_uuid"))
        + link.receive(commands.events_json("CHANNEL_CREATE") + commands.api("show", "channels", "as", "json"))
    )
    assert [frame.reply_text or frame.text for frame in said] == [
        "+OK accepted", CORE, "+OK event listener enabled json", '{"row_count": 0}\n',
    ]  # fmt: skip
    assert link.subscribed
    assert link.as_json


def test_given_the_events_of_calls_then_each_is_another_call_on_this_switch_in_json_and_in_plain(captured):
    names = ("CHANNEL_CREATE", "CHANNEL_HANGUP_COMPLETE")
    calls = list(islice(calls_events(captured, names, core_uuid=CORE, dialled="74955510099"), 3))
    read = [[parse_event(frame) for frame in frames(piece)] for piece in calls]
    assert [[event.name for event in events] for events in read] == [list(names)] * 3
    assert len({events[0].call_id for events in read}) == 3
    assert {event.core_id for events in read for event in events} == {CORE}
    plain = [parse_event(frame) for frame in frames(in_plain(calls[0]))]
    assert [(event.name, event.call_id) for event in plain] == [(event.name, event.call_id) for event in read[0]]


def turn(count, ms):
    return Turn(Placed(asked=count, decided_ms=[ms] * count, span_s=1.0), 1.0)


def test_given_both_contestants_then_ratios_are_ours_over_stocks_and_several_processes_over_one():
    turns = {
        "worker x1": turn(600, 5.0), "worker x2": turn(900, 5.0), "worker x4": turn(1200, 5.0),
        "worker half": turn(100, 4.0), "stock": turn(200, 90.0), "stock half": turn(100, 80.0),
    }  # fmt: skip
    assert ratios(turns, {"monitor": 2000, "stock": 1000}) == {
        "cps": 3.0, "p50": 0.05, "p99": 0.05, "events": 2.0, "two": 1.5, "four": 2.0,
    }  # fmt: skip


def test_given_calls_of_which_some_were_never_decided_then_these_have_failed():
    assert Placed(asked=10, decided_ms=[1.0] * 7).failed == 3

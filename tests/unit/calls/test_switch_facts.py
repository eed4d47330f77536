"""What the monitor makes of a switch's events and lists; the good ones have the form that FreeSWITCH 1.10.12 sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.esl.events import Event
from dialtrace.workers.switch_facts import LONGEST_TEXT, event_json, is_caller_leg, live_calls, stamp_us, started_of

CALL, CORE = "8adbf110-dccb-4047-b40c-ecda6bb8a575", "9cfb8e26-8f36-4441-a30d-9634d837ee25"
CREATED = {
    "Event-Name": "CHANNEL_CREATE",
    "Core-UUID": CORE,
    "Unique-ID": CALL,
    "Call-Direction": "inbound",
    "Caller-Caller-ID-Name": "Ann",
    "Caller-Caller-ID-Number": "+74955550123",
    "Caller-Destination-Number": "74955550601",
    "Caller-Channel-Created-Time": "1795325718709881",
}
ROW = {
    "uuid": CALL,
    "direction": "inbound",
    "created_epoch": "1795325718",
    "cid_name": "Ann",
    "cid_num": "+74955550123",
    "dest": "finish",
    "initial_dest": "74955550601",
}


def created(**changes):
    headers = {**CREATED, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return Event("CHANNEL_CREATE", {name: value for name, value in headers.items() if value is not None})


def test_given_a_call_that_begins_then_its_row_has_the_switchs_stamp_to_the_microsecond():
    row = started_of(created(), now_us=5)
    assert (row.call_id, row.core_uuid, row.started_us, row.recorded_at_us) == (CALL, CORE, 1795325718709881, 5)
    assert (row.dialled, row.caller, row.caller_name) == ("74955550601", "+74955550123", "Ann")


@pytest.mark.parametrize(
    "changes",
    [
        {"Unique_ID": None},
        {"Unique_ID": "not-a-uuid"},
        {"Core_UUID": None},
        {"Caller_Channel_Created_Time": None},
        {"Caller_Channel_Created_Time": "0"},
        {"Caller_Channel_Created_Time": "soon"},
    ],
)
def test_given_an_event_without_what_a_row_needs_then_there_is_no_row(changes):
    assert started_of(created(**changes), now_us=5) is None


def test_given_a_hostile_caller_name_then_it_is_bounded_and_holds_no_control_character():
    row = started_of(created(Caller_Caller_ID_Name="A\nB\x00\ud800" + "x" * 5000), now_us=5)
    assert row.caller_name.startswith("A\ufffdB\ufffd\ufffdx")
    assert len(row.caller_name) == LONGEST_TEXT


def test_given_a_withheld_caller_then_the_row_says_nothing_rather_than_empty():
    assert started_of(created(Caller_Caller_ID_Number=""), now_us=5).caller is None


@pytest.mark.parametrize(("direction", "ours"), [("inbound", True), ("outbound", False), (None, False)])
def test_given_a_leg_then_only_one_that_came_in_is_a_call(direction, ours):
    assert is_caller_leg(created(Call_Direction=direction)) is ours


def test_given_an_event_with_lists_and_broken_text_when_kept_then_it_can_be_read_again():
    event = Event("CHANNEL_HANGUP_COMPLETE", {"variable_originate_causes": ["a;B", "c;D"], "x": "\udcff"})
    assert json.loads(event_json(event)) == event.headers


def test_given_a_list_of_channels_then_callers_are_told_with_what_they_dialled_first():
    answer = json.dumps({"row_count": 2, "rows": [ROW, {**ROW, "direction": "outbound"}]})
    (live,) = live_calls(answer)
    assert (live.call_id, live.started_us, live.dialled) == (CALL, 1795325718000000, "74955550601")


@pytest.mark.parametrize(
    "answer", ['{"row_count":0}', json.dumps({"row_count": 1, "rows": [{"direction": "inbound"}, 5]})]
)
def test_given_no_usable_channel_then_the_list_is_empty(answer):
    assert live_calls(answer) == []


@pytest.mark.parametrize("answer", ["", "-ERR no", "[]", "5", '{"rows":[]}', '{"row_count":1,"rows":{}}'])
def test_given_something_else_than_a_list_then_nothing_is_concluded_from_it(answer):
    with pytest.raises(ValueError):
        live_calls(answer)


@pytest.mark.parametrize(
    ("answer", "value"),
    [("1795325718709881", 1795325718709881), (" 17\n", 17), ("_undef_", None), ("-ERR", None), ("²", None)],
)
def test_given_an_answer_to_a_variable_then_only_a_whole_number_counts(answer, value):
    assert stamp_us(answer) == value


@given(st.dictionaries(st.sampled_from(list(CREATED)), st.one_of(st.text(), st.lists(st.text(), max_size=2))))
def test_given_any_event_then_reading_it_never_fails(headers):
    event = Event("CHANNEL_CREATE", headers)
    is_caller_leg(event)
    row = started_of(event, now_us=1)
    assert row is None or row.started_us > 0
    json.loads(event_json(event))

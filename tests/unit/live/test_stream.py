"""What listeners are told: everything first, then changes only; and never a byte of somebody else's calls."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.live.model import ShownCall
from dialtrace.live.stream import Listener, Reading, message, shown

AGENCY, STRANGER, CLIENT, SIBLING = (UUID(int=n) for n in range(1, 5))
CALL = ShownCall(
    id=UUID(int=10), agency_id=AGENCY, client_id=CLIENT, number_id=None, number="+442079460123",
    caller="+442079460999", flow_id=None, node="node-1", state="started",
    started_at=datetime(2026, 11, 22, 9, 30, 0, 125_000, UTC), ringing_at=None, answered_at=None, connected_at=None,
    queued_at=None, target_id=None, source={}, seen_ms=100,
)  # fmt: skip


def told(listener):
    """Events and their data."""
    found = []
    for one in listener.take():
        event, data, *rest = one.decode().split("\n")
        assert rest == ["", ""]
        found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def look(listener, *calls):
    return listener.look(Reading(calls))


@pytest.fixture
def listener():
    return Listener(AGENCY, None)


def test_given_a_new_listener_then_it_gets_the_whole_picture_even_an_empty_one(listener):
    assert look(listener)
    assert told(listener) == [("snapshot", {"calls": [], "unknown_nodes": []})]


def test_given_changes_then_only_these_are_told(listener):
    other = replace(CALL, id=UUID(int=11))
    look(listener, CALL, other)
    told(listener)
    ringing = replace(CALL, state="ringing", ringing_at=CALL.started_at)
    assert look(listener, ringing)
    assert told(listener) == [("call", shown(ringing)), ("gone", {"id": str(other.id)})]
    assert not look(listener, ringing)
    assert told(listener) == []


def test_given_a_row_that_only_grows_older_then_nothing_is_told_until_its_node_is_unknown(listener):
    look(listener, CALL)
    told(listener)
    assert not look(listener, replace(CALL, seen_ms=29_000))
    silent = replace(CALL, seen_ms=31_000)
    assert look(listener, silent)
    assert told(listener) == [("call", shown(silent)), ("nodes", {"unknown_nodes": ["node-1"]})]


def test_given_a_slow_reader_then_it_is_told_the_newest_of_each_call_once(listener):
    look(listener, CALL)
    told(listener)
    for state in ("ringing", "answered"):
        look(listener, replace(CALL, state=state))
    assert [data["state"] for _, data in told(listener)] == ["answered"]


def test_given_a_database_that_is_away_then_the_listener_is_told_once_and_again_when_it_is_back(listener):
    look(listener, CALL)
    told(listener)
    assert listener.miss()
    assert told(listener) == [("state", {"state": "stale"})]
    assert not listener.miss()
    assert look(listener, CALL)
    assert told(listener) == [("state", {"state": "fresh"})]


def test_given_other_tenants_calls_in_the_same_reading_then_no_byte_of_them_is_told(listener):
    secret = "+442079467777"
    foreign = replace(CALL, id=UUID(int=12), agency_id=STRANGER, caller=secret)
    siblings = replace(CALL, id=UUID(int=13), client_id=SIBLING, caller=secret)
    own = Listener(AGENCY, CLIENT)
    look(own, CALL, foreign, siblings)
    text = b"".join(own.take()).decode()
    assert str(CALL.id) in text
    assert not any(one in text for one in (secret, str(STRANGER), str(SIBLING), str(foreign.id), str(siblings.id)))
    look(listener, CALL, foreign, siblings)
    assert {call["id"] for call in told(listener)[0][1]["calls"]} == {str(CALL.id), str(siblings.id)}


@given(st.text())
def test_given_any_text_then_a_message_has_one_line_of_data(text):
    lines = message("call", {"caller": text}).decode("ascii").split("\n")
    assert lines[0] == "event: call"
    assert len(lines) == 4
    assert json.loads(lines[1].removeprefix("data: ")) == {"caller": text}

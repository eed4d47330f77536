"""Thousands of calls as a switch tells them: each its own, none out of order, every frame whole."""

import json
from collections import defaultdict

import pytest

from dialtrace.esl.events import parse_event
from dialtrace.esl.wire import FrameReader
from dialtrace.loadtest.eslsim_calls import MIX, CapturedKind, Exchange
from dialtrace.workers.live_facts import heard_of

CORE = "00000000-0000-4000-8000-00000000c0de"
OWNER = {
    "the agency": "01991111-0000-7000-8000-000000000001",
    "the client": "01991111-0000-7000-8000-000000000002",
    "the number": "01991111-0000-7000-8000-000000000003",
    "the flow": "01991111-0000-7000-8000-000000000004",
}
NOW_US = 1_900_000_000_000_000


@pytest.fixture(scope="module")
def kinds():
    return [CapturedKind.read(name, owner=OWNER, dialled="441632960200") for name in MIX]


def played(kinds, count, *, hold_us=60_000_000):
    exchange = Exchange(core_uuid=CORE)
    begun = {
        exchange.begin(kinds[place % len(kinds)], at_us=NOW_US + place * 1000, hold_us=hold_us): kinds[
            place % len(kinds)
        ]
        for place in range(count)
    }
    return exchange, begun


def test_given_calls_of_every_kind_then_each_frame_is_whole_and_says_whose_call_it_is(kinds):
    exchange, begun = played(kinds, 50)
    sent = list(exchange.take(NOW_US + 10**9))
    frames = FrameReader().feed(b"".join(one.frame for one in sent))
    assert len(frames) == len(sent)
    by_call = defaultdict(list)
    for one, frame in zip(sent, frames, strict=True):
        heard = heard_of(parse_event(frame))
        assert heard.call_id == one.call_id
        assert parse_event(frame).get("Core-UUID") == CORE
        assert heard.dialled == "+441632960200"
        assert abs(heard.started_us - NOW_US) < 10**6
        if one.owned:
            assert str(heard.owner.agency_id) == OWNER["the agency"]
        by_call[one.call_id].append(parse_event(frame))
    assert set(by_call) == set(begun)
    for call_id, events in by_call.items():
        assert [one.name for one in events] == [told.name for told in begun[call_id].events]
        assert json.dumps(events[0].get("Unique-ID")) == json.dumps(call_id)


def test_given_a_connected_call_then_it_stands_as_long_as_is_wanted_and_a_busy_one_does_not(kinds):
    exchange, begun = played(kinds, 10)
    list(exchange.take(NOW_US + 50_000_000))
    assert exchange.standing == {call for call, kind in begun.items() if kind.connects}
    list(exchange.take(NOW_US + 70_000_000))
    assert exchange.standing == set()
    assert exchange.next_due_us() is None


def test_given_many_calls_then_their_events_come_in_the_order_of_their_moments(kinds):
    exchange, _ = played(kinds, 200, hold_us=3_000_000)
    sent = []
    while (due_us := exchange.next_due_us()) is not None:
        sent += list(exchange.take(due_us))
    assert [one.due_us for one in sent] == sorted(one.due_us for one in sent)
    stamps = [parse_event(FrameReader().feed(one.frame)[0]).stamp_us for one in sent]
    assert stamps == [one.due_us for one in sent]

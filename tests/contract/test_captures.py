"""The codec, the interpreter and the embedded node against what a real switch wrote (capture.py)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtrace.calls.live import LiveCalls
from dialtrace.cdr.interpret import interpret
from dialtrace.cdr.model import CallFacts
from dialtrace.esl.events import parse_connect, parse_event
from dialtrace.esl.wire import Frame, FrameReader
from dialtrace.workers.live_facts import LIVE_EVENTS, heard_of

from .captured import CAPTURED, WITH_EVENTS
from .case import CASES
from .conftest import Rehearsed
from .facts import comparable
from .frames import split_frames
from .headers import difference, union

DATA = Path(__file__).parents[1] / "data" / "contract"
CAPTURES = DATA / "captures"
REPLIES = sorted(str(path.relative_to(CAPTURES)) for path in CAPTURES.glob("*/connect-*.reply"))


def read(name: str) -> Any:
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def in_pieces(data: bytes, size: int) -> list[Frame]:
    """What the codec makes of a stream that arrives in pieces of this size."""
    reader = FrameReader()
    frames = [frame for start in range(0, len(data), size) for frame in reader.feed(data[start : start + size])]
    assert reader.at_boundary
    return frames


def records_of(name: str) -> list[dict[str, Any]]:
    """The captured files of a case: the A leg's first, the others in the order in which the switch made the legs."""
    folder = CAPTURES / name
    (a,) = [json.loads(path.read_bytes()) for path in folder.glob("a_*.cdr.json")]
    legs = re.findall(r"(?:ARRAY::|\|:|^)([0-9a-f-]{36});", a["variables"].get("originated_legs", ""))
    return [a, *(json.loads((folder / f"{leg}.cdr.json").read_bytes()) for leg in dict.fromkeys(legs))]


def test_given_the_captures_when_counting_then_every_kind_is_there() -> None:
    assert sorted(path.name for path in CAPTURES.iterdir() if path.is_dir()) == sorted(CAPTURED)
    assert all((CAPTURES / name / "events.raw").exists() for name in WITH_EVENTS)


@pytest.mark.parametrize("reply", REPLIES)
def test_given_a_real_reply_to_connect_when_the_codec_reads_it_in_any_pieces_then_it_is_one_call(reply: str) -> None:
    data = (CAPTURES / reply).read_bytes()
    name = reply.split("/")[0]
    call = records_of(name)[0]["variables"]

    for size in (1, 7, 1460, len(data)):
        (frame,) = in_pieces(data, size)
        told = parse_connect(frame)
        assert told.call_id == call["uuid"] == told.variable("dialtrace_call")
        assert str(told.created_us) == call["start_uepoch"]
        assert told.variable("dialtrace_dialled") == read(f"captures/{name}/case.json")["number"]
        assert told.variable("dialtrace_spool") == "/var/lib/dialtrace/nodes/node-1"


@pytest.mark.parametrize("name", WITH_EVENTS)
def test_given_a_real_event_stream_when_the_codec_reads_it_in_any_pieces_then_no_event_is_lost_or_changed(
    name: str,
) -> None:
    data = (CAPTURES / name / "events.raw").read_bytes()
    bodies = [json.loads(body) for _, body in split_frames(data)]

    for size in (11, 1460, len(data)):
        events = [parse_event(frame) for frame in in_pieces(data, size)]
        assert [event.headers for event in events] == bodies
        # Of two threads' events the later may be sent first: the number is what sorts them, not the order of arrival.
        assert len({event.sequence for event in events}) == len(events)


@pytest.mark.parametrize("name", WITH_EVENTS)
def test_given_a_real_event_stream_when_following_each_leg_then_it_begins_ends_and_names_its_call(name: str) -> None:
    frames = in_pieces((CAPTURES / name / "events.raw").read_bytes(), 65_536)
    events = [parse_event(frame) for frame in frames]
    call = records_of(name)[0]["variables"]["uuid"]

    for channel in {event.call_id for event in events}:
        own = [event for event in events if event.call_id == channel]
        assert own[0].name == "CHANNEL_CREATE"
        assert [event.name for event in own[-2:]] == ["CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY"]
        assert own[-1].variable("dialtrace_call") == call


def told_of(events: list[Any], *, ends: str | None = None) -> tuple[list[str], int]:
    """What a monitor puts into the log of these events of a caller's leg, and how many calls stand for it afterwards;
    ``ends``: the switch says of itself that this call is no more."""
    live = LiveCalls()
    live.listed()
    for event in events:
        if (heard := heard_of(event)) is not None:
            live.hear(heard)
    if ends is not None:
        live.end(ends)
    batch = live.take(now_us=2**62, most=100)
    return sorted(one.type for one in batch.events), len(live)


@pytest.mark.parametrize("name", WITH_EVENTS)
@settings(max_examples=40)
@given(data=st.data())
def test_given_a_real_calls_events_in_any_order_twice_or_not_at_all_when_the_monitor_hears_them_then_the_call_ends(
    name: str, data: st.DataObject
) -> None:
    stream = in_pieces((CAPTURES / name / "events.raw").read_bytes(), 65_536)
    call = records_of(name)[0]["variables"]["uuid"]
    own = [event for event in map(parse_event, stream) if event.call_id == call and event.name in LIVE_EVENTS]
    expected, standing = told_of(own)
    assert standing == 0
    assert "call.started" in expected

    *others, complete = own
    some = data.draw(st.lists(st.sampled_from(others), max_size=2 * len(others)))
    # With the last one at whatever place nothing is missing; without it the switch's own word ends the call.
    told, standing = told_of(data.draw(st.permutations([*some, complete])))
    assert (told, standing) == (expected, 0)
    told, standing = told_of(data.draw(st.permutations(some)), ends=call)
    assert standing == 0
    assert len(set(told)) == len(told)


def test_given_a_real_login_when_the_codec_reads_it_then_it_is_asked_for_a_password_and_let_in() -> None:
    greeting, *replies = in_pieces((CAPTURES / "login.raw").read_bytes(), 3)

    assert greeting.content_type == "auth/request"
    assert [reply.reply_text for reply in replies] == ["+OK accepted", "+OK event listener enabled json"]


@pytest.mark.parametrize("name", CAPTURED)
def test_given_real_records_when_interpreting_then_the_facts_are_those_that_both_switches_are_held_to(
    name: str,
) -> None:
    case = read(f"captures/{name}/case.json")

    assert comparable(records_of(name), number=case["number"], names=case["names"]) == read(f"expected/{name}.json")[0]


def test_given_an_answer_whose_two_stamps_differ_when_interpreting_then_it_is_no_ringing() -> None:
    """As a switch under load wrote it: the media's stamp 12 ms before the answer's."""
    (record,) = records_of("announced-only")
    answered_us = int(record["variables"]["answer_uepoch"])
    record["variables"]["progress_media_uepoch"] = str(answered_us - 12_000)

    facts = interpret(record, node="node-1")

    assert isinstance(facts, CallFacts)
    assert (facts.ringing_at, facts.ring_ms) == (None, None)


def test_given_the_captures_when_looking_for_the_machine_they_were_made_on_then_nothing_is_found() -> None:
    folders = rb"/(?:tmp|work|opt|root|home|usr|src)/"
    address = rb'FreeSWITCH-IPv[46](?:":"|: )(?!192\.0\.2\.10|2001%3Adb8|2001:db8)[^",\n]*'
    told = re.compile(folders + b"|" + address)
    found = {
        str(path.relative_to(CAPTURES)): match[0]
        for path in CAPTURES.rglob("*")
        if path.is_file() and (match := told.search(path.read_bytes()))
    }
    assert found == {}


@pytest.mark.timeout(320)
def test_given_the_same_calls_when_comparing_names_then_the_node_differs_from_the_switch_only_as_is_known(
    rehearsed: Rehearsed,
) -> None:
    """A name that is new on either list wants a look: `python -m contract.capture` writes them anew."""
    results = rehearsed("embedded")["results"]
    if set(results) != set(CASES):
        pytest.skip("only some cases were selected: the union over all of them is compared")
    found = difference(read("headers.json"), union(one["headers"] for one in results.values()))

    known = read("differences.json")
    # Only what is new: whether an event is told a moment before or after another one's headers are there is not ours.
    new = {
        (kind, which, name)
        for kind, lists in found.items()
        for which, names in lists.items()
        for name in set(names) - set(known.get(kind, {}).get(which, []))
    }
    assert new == set()

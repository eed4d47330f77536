"""The codec: every split of real traffic, and garbage."""

import contextlib
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtrace.esl import events
from dialtrace.esl.errors import BadEvent, CommandRefused, ConnectionLost, UnsafeValue, WireError
from dialtrace.esl.wire import (
    CommandReader,
    Frame,
    FrameReader,
    Limits,
    decode_headers,
    decode_value,
    encode_frame,
    encode_plain,
    encode_value,
)

QUICK = settings(deadline=None, max_examples=60)
DATA = Path(__file__).parents[2] / "data" / "esl"
CONNECT = (DATA / "connect.reply").read_bytes()
HEARTBEAT = (DATA / "heartbeat-plain.events").read_bytes()
CALL = (DATA / "answered-call.events").read_bytes()
TRAFFIC = (
    HEARTBEAT
    + CONNECT
    + b"Content-Type: command/reply\nReply-Text: +OK Job-UUID: 7\nJob-UUID: 7\n\n"
    + b"Content-Type: api/response\nContent-Length: 4\n\n\n\n\n\n"
    + CALL[:5000].rsplit(b"Content-Length", 1)[0]
    + b"Content-Type: text/disconnect-notice\nContent-Length: 3\n\nbye\n"
)
COMMANDS = (
    b"\r\nconnect\r\n\r\nsendmsg\ncall-command: execute\nContent-Length: 7\n\na\n\nb\r\nc"
    b"api status\n\n\n\nexit\r\n\nbgapi x\nJob-UUID:  1 2 \nnonsense\n\n"
)


def pieces_of(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def read(reader, pieces):
    """What a reader made of the pieces: the items, and whether it died."""
    items = []
    try:
        for piece in pieces:
            items += reader.feed(piece)
    except WireError as fault:
        return [*items, *fault.before], True
    return items, False


@QUICK
@given(st.lists(st.integers(0, 100_000), max_size=40))
def test_given_any_split_of_real_traffic_when_read_then_the_frames_are_the_same(cuts):
    assert read(FrameReader(), pieces_of(TRAFFIC, cuts)) == (FrameReader().feed(TRAFFIC), False)


@QUICK
@given(st.lists(st.integers(0, 1000), max_size=40))
def test_given_any_split_of_commands_when_read_then_they_are_the_same(cuts):
    assert read(CommandReader(), pieces_of(COMMANDS, cuts)) == (CommandReader().feed(COMMANDS), False)


def test_given_single_bytes_when_read_then_the_frames_are_the_same():
    reader = FrameReader()
    assert [frame for byte in TRAFFIC for frame in reader.feed(bytes([byte]))] == FrameReader().feed(TRAFFIC)
    assert reader.at_boundary


@QUICK
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_given_garbage_when_read_in_any_split_then_nothing_but_a_wire_error_comes_out(data, cuts):
    for make in (FrameReader, CommandReader):
        whole = read(make(), [data])
        assert read(make(), pieces_of(data, cuts)) == whole


@QUICK
@given(st.integers(0, len(TRAFFIC)), st.binary(min_size=1, max_size=6), st.lists(st.integers(0, 100_000), max_size=5))
def test_given_traffic_with_damage_when_read_in_any_split_then_the_outcome_is_the_same(at, damage, cuts):
    broken = TRAFFIC[:at] + damage + TRAFFIC[at + len(damage) :]
    items, died = read(FrameReader(), pieces_of(broken, cuts))
    assert (items, died) == read(FrameReader(), [broken])
    for item in items:
        with contextlib.suppress(BadEvent):
            events.parse_event(item)


@QUICK
@given(st.binary(max_size=400), st.sampled_from(["text/event-json", "text/event-plain"]))
def test_given_any_body_when_parsed_as_an_event_then_it_is_an_event_or_a_bad_one(body, kind):
    try:
        event = events.parse_event(Frame({"Content-Type": kind}, body))
    except BadEvent:
        return
    for name in event.headers:
        assert event.get(name) is None or isinstance(event.get(name), str)
        assert all(isinstance(one, str) for one in event.all(name))


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@QUICK
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5))
def test_given_any_json_object_when_parsed_then_the_accessors_are_total(headers):
    body = json.dumps({"Event-Name": "X", **headers}).encode()
    try:
        event = events.parse_event(Frame({"Content-Type": "text/event-json"}, body))
    except BadEvent:
        return
    for name in (*headers, "absent"):
        assert event.get(name) is None or isinstance(event.get(name), str)
    assert event.sequence is None or isinstance(event.sequence, int)


def test_given_a_captured_call_when_parsed_then_the_events_are_those_the_switch_sent():
    parsed = [events.parse_event(one) for one in FrameReader().feed(CALL) if one.content_type == "text/event-json"]
    names = [event.name for event in parsed]
    assert names[0] == "CHANNEL_CREATE"
    assert names[-2:] == ["CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY"]
    assert [event.sequence for event in parsed] == sorted(event.sequence for event in parsed)
    complete = parsed[-2]
    assert complete.variable("hangup_cause") == "NORMAL_CLEARING"
    assert complete.stamp_us > 1_790_000_000_000_000
    assert complete.call_id == complete.variable("uuid")
    assert complete.core_id == parsed[0].core_id
    assert complete.variable("DP_MATCH") == complete.all("variable_DP_MATCH")[0]


def test_given_a_captured_connect_reply_when_parsed_then_the_call_is_known():
    (frame,) = FrameReader().feed(CONNECT)
    reply = events.parse_connect(frame)
    assert reply.call_id == "f0e116a3-6eb5-402d-8186-74a68ea240bd"
    assert (reply.dialled, reply.caller_number, reply.caller_name) == ("442079460607", "+442079460123", "Caller")
    assert reply.created_us == 1795325748630484
    assert reply.variable("dialtrace_plan") == r"transfer:fallback\sXML\sinbound"
    assert reply.get("Reply-Text") == "+OK\n"
    assert reply.variable("absent") is None
    assert reply.core_id
    assert decode_headers(frame)["variable_switch_r_sdp"].startswith("v=0\r\n")


def test_given_captured_plain_text_when_encoded_again_then_it_is_the_same_to_the_byte():
    (reply,) = FrameReader().feed(CONNECT)
    assert encode_plain(decode_headers(reply)) == CONNECT
    heartbeat = next(one for one in FrameReader().feed(HEARTBEAT) if one.content_type == "text/event-plain")
    event = events.parse_event(heartbeat)
    assert event.name == "HEARTBEAT"
    assert encode_plain(event.headers) == heartbeat.body


header_values = st.text(st.characters(codec="utf-8", exclude_characters="%\0"), max_size=30).filter(
    lambda text: text != "_undef_"
)


@QUICK
@given(st.dictionaries(st.text("abcXYZ_-", min_size=1, max_size=8), header_values), st.text(max_size=30) | st.none())
def test_given_any_headers_when_encoded_as_an_event_then_both_formats_give_them_back(headers, body):
    whole = {"Event-Name": "X", **{name: value for name, value in headers.items() if value}}
    (plain,) = FrameReader().feed(events.encode_plain_event(whole, body))
    (as_json,) = FrameReader().feed(events.encode_json_event(whole, body))
    for event in (events.parse_event(plain), events.parse_event(as_json)):
        assert {name: value for name, value in event.headers.items() if name != "Content-Length"} == whole
        assert (event.body or "") == (body or "")


@QUICK
@given(st.text(), st.binary(max_size=20))
def test_given_any_value_when_percent_encoded_then_it_stays_on_its_line(value, raw):
    for text in (value, raw.decode("utf-8", "surrogateescape")):
        try:
            encoded = encode_value(text)
        except UnicodeEncodeError:
            continue  # a lone surrogate that stands for no byte
        assert encoded.isascii()
        assert encoded.isprintable()


def test_given_what_the_switch_leaves_alone_when_encoded_then_percent_and_two_digits_stay():
    assert encode_value("50%2C") == "50%2C"
    assert encode_value("50%2c, 5%") == "50%252c,%205%25"
    assert encode_value("") == "_undef_"
    assert decode_value("a+b%20c%2B") == "a+b c+"
    assert encode_plain([("a", ["1", "2"])]) == b"a: ARRAY%3A%3A1%7C%3A2\n\n"


def test_given_equal_names_when_read_then_the_first_value_wins():
    (frame,) = FrameReader().feed(b"A: 1\nA: 2\n\n")
    assert frame.headers == {"A": "1"}
    assert (
        events.parse_event(
            Frame({"Content-Type": "text/event-json"}, b'{"Event-Name":"A","Event-Name":"B","x":"1"}')
        ).name
        == "A"
    )
    assert (
        events.parse_event(Frame({"Content-Type": "text/event-plain"}, b"Event-Name: A\nEvent-Name: B\n\n")).name == "A"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"no colon here\n\n",
        b": no name\n\n",
        b"Content-Length: -1\n\n",
        b"Content-Length: ten\n\n",
        b"Content-Length: 99999999999999999999\n\n",
        "Content-Length: ١\n\n".encode(),
        b"Content-Length: 101\n\n",
        b"Content-Length: 101\nContent-Type: text/event-json\n\n",
        b"A: " + b"x" * 200 + b"\n\n",
        b"A: " + "é".encode() * 60 + b"\n\n",
        b"A: 1\n" * 20 + b"\n",
        b"A: x\n" + b"B: " + b"y" * 400,
    ],
)
def test_given_a_broken_or_oversized_frame_when_read_then_the_reader_dies_for_good(data):
    reader = FrameReader(limits=Limits(line_bytes=100, header_bytes=300, headers=10, body_bytes=100))
    with pytest.raises(WireError) as fault:
        reader.feed(b"A: 1\n\n" + data)
    assert fault.value.before == (Frame({"A": "1"}),)
    assert fault.value.connection_dead
    for _ in range(2):
        with pytest.raises(WireError) as again:
            reader.feed(b"A: 1\n\n")
        assert again.value.before == ()


def test_given_half_a_frame_when_asked_then_the_reader_is_not_at_a_boundary():
    reader = FrameReader()
    assert reader.at_boundary
    reader.feed(b"A: 1\n")
    assert not reader.at_boundary
    reader.feed(b"Content-Length: 2\n\nx")
    assert not reader.at_boundary
    reader.feed(b"y\n")
    assert reader.at_boundary


def test_given_commands_when_read_as_a_switch_then_case_and_carriage_returns_do_not_matter():
    commands = CommandReader().feed(COMMANDS)
    assert [command.line for command in commands] == ["connect", "sendmsg", "api status", "exit", "bgapi x"]
    assert commands[1].headers == {"call-command": "execute", "content-length": "7"}
    assert commands[1].body == b"a\n\nb\r\nc"
    assert commands[4].headers == {"job-uuid": "1 2 "}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], b""),
        ([("A\nB", "x")], b""),
        ([("A", "x\ny")], b""),
        ([("A:", "x")], b""),
        ([("", "x")], b""),
        ([("Content-Length", "3")], b"four"),
    ],
)
def test_given_a_frame_that_would_break_the_framing_when_encoded_then_it_is_refused(headers, body):
    with pytest.raises(UnsafeValue):
        encode_frame(headers, body)
    if headers and headers[0][0] != "A" and not body:
        with pytest.raises(UnsafeValue):
            encode_plain(headers)


def test_given_a_connect_reply_that_is_none_when_parsed_then_the_error_says_what_is_dead():
    with pytest.raises(ConnectionLost):
        events.parse_connect(Frame({"Content-Type": "text/disconnect-notice"}))
    with pytest.raises(CommandRefused):
        events.parse_connect(Frame({"Content-Type": "command/reply", "Reply-Text": "-ERR no"}))
    with pytest.raises(BadEvent):
        events.parse_connect(Frame({"Content-Type": "log/data"}))
    with pytest.raises(BadEvent):
        events.parse_connect(Frame({"Content-Type": "command/reply", "Reply-Text": "%2BOK%0A"}))
    reply = events.ConnectReply("x", {"Caller-Channel-Created-Time": "soon", "Caller-Caller-ID-Name": "_undef_"})
    assert reply.caller_name == ""
    with pytest.raises(BadEvent):
        _ = reply.created_us

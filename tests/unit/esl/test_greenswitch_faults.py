"""greenswitch 0.0.19's faults that sit in its parser and command builder, one test each, ours against the cure.

The id in a test's name is that of the list in the project's notes on its peers; the faults that need a socket are in
``tests/integration/esl/test_greenswitch_faults.py``. Where it is cheap, stock greenswitch is shown to have the fault,
so that the test proves something.
"""

import timeit
from pathlib import Path

import pytest
from greenswitch.esl import ESLEvent as StockEvent

from dialtrace.esl import commands, events
from dialtrace.esl.errors import BadEvent, UnsafeValue, WireError
from dialtrace.esl.greenswitch_base import ESLEvent, event_from_frame
from dialtrace.esl.wire import FrameReader, Limits, decode_headers, encode_frame, encode_plain

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
# FreeSWITCH leaves a %0A that a caller typed as it is (switch_utils.c, switch_url_encode_opt).
FORGED_NAME = "Mallory%0AEvent-Name: CHANNEL_HANGUP_COMPLETE%0AUnique-ID: ffffffff-0000-4000-8000-000000000000"
HEADERS = {
    "Event-Name": "CHANNEL_CREATE",
    "Unique-ID": CALL,
    "Caller-Caller-ID-Name": FORGED_NAME,
    "Caller-Destination-Number": "+442079460100",
    "variable_billsec": "0",
}


def only(stream):
    (frame,) = FrameReader().feed(stream)
    return frame


@pytest.mark.parametrize("encode", [events.encode_plain_event, events.encode_json_event])
def test_s1_given_encoded_newline_in_caller_name_when_parsed_then_no_header_is_forged(encode):
    event = events.parse_event(only(encode(HEADERS)))
    assert (event.name, event.call_id) == ("CHANNEL_CREATE", CALL)
    assert set(event.headers) == set(HEADERS)
    greenswitch_style = event_from_frame(only(encode(HEADERS)))
    assert greenswitch_style.headers["Unique-ID"] == CALL
    assert ESLEvent(encode_plain(HEADERS).decode()).headers["Event-Name"] == "CHANNEL_CREATE"
    assert StockEvent(encode_plain(HEADERS).decode()).headers["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"])
def test_s2_given_a_unicode_line_separator_in_a_name_when_parsed_then_it_separates_nothing(separator):
    headers = {**HEADERS, "Caller-Caller-ID-Name": f"Mallory{separator}Event-Name: FORGED"}
    for encode in (events.encode_plain_event, events.encode_json_event):
        event = events.parse_event(only(encode(headers)))
        assert event.name == "CHANNEL_CREATE"
        assert event.get("Caller-Caller-ID-Name") == headers["Caller-Caller-ID-Name"]
    raw = only(f"Reply-Text: a{separator}Content-Length: 9\nB: c\n\n".encode())
    assert set(raw.headers) == {"Reply-Text", "B"}
    assert "FORGED" in StockEvent(encode_plain(headers).decode()).headers["Event-Name"]


def test_s4_given_a_forged_name_when_the_connect_reply_is_parsed_then_number_and_uuid_are_the_switchs():
    stream = encode_plain({**HEADERS, "Content-Type": "command/reply", "Reply-Text": "+OK\n"})
    frame = only(stream.replace(b"%0AUnique", b"%0ACaller-Destination-Number: 666%0AUnique"))
    reply = events.parse_connect(frame)
    assert (reply.call_id, reply.dialled) == (CALL, "+442079460100")
    assert decode_headers(frame)["Unique-ID"] == CALL
    assert "\n" in reply.caller_name  # hostile, and kept where it belongs


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\0", "\u2028", "\x85"])
def test_s5_given_a_newline_in_an_argument_when_a_command_is_built_then_it_is_refused(line_break):
    with pytest.raises(UnsafeValue):
        commands.execute("playback", f"/a.wav{line_break}{line_break}api system id")
    with pytest.raises(UnsafeValue):
        commands.raw_line(f"api status{line_break}{line_break}api system id")


def test_s7_given_endless_input_when_read_then_every_part_has_a_cap():
    limits = Limits(line_bytes=64, header_bytes=128, headers=4, body_bytes=64)
    for endless in (b"A" * 129, b"A: " + b"x" * 100 + b"\n\n", b"A: 1\n" * 5 + b"\n", b"Content-Length: 65\n\n"):
        with pytest.raises(WireError):
            FrameReader(limits=limits).feed(endless)


def test_l5_given_a_bad_utf8_byte_in_a_header_when_read_then_it_is_kept_and_nothing_ends():
    frame = only(b"Content-Type: command/reply\nReply-Text: +OK \xff\n\n")
    assert frame.reply_text.encode("utf-8", "surrogateescape") == b"+OK \xff"


def test_c10_given_a_background_job_when_parsed_then_its_output_is_the_body_and_makes_no_headers():
    output = "Event-Name: FORGED\n+OK 1\n\nlast line"
    for encode in (events.encode_plain_event, events.encode_json_event):
        event = events.parse_event(only(encode({"Event-Name": "BACKGROUND_JOB", "Job-UUID": "j"}, output)))
        assert (event.name, event.body, event.get("Content-Length")) == ("BACKGROUND_JOB", output, str(len(output)))
        stock_shaped = event_from_frame(only(encode({"Event-Name": "BACKGROUND_JOB", "Job-UUID": "j"}, output)))
        assert (stock_shaped.data, stock_shaped.headers["Job-UUID"]) == (output, "j")


def test_d7_given_duplicates_arrays_blanks_and_odd_bytes_when_parsed_then_nothing_is_lost_or_moved():
    frame = only(
        encode_frame([("Content-Type", "log/data"), ("A", "first"), ("A", "second"), ("Blank", "")], b"%41\xff")
    )
    assert (frame.headers["A"], frame.headers["Blank"], frame.body) == ("first", "", b"%41\xff")
    assert event_from_frame(frame).data == "%41\udcff"  # a log line was never encoded, so it is not decoded
    assert only(b"Content-Type: command/reply\nReply-Text: +OK 100%25\n\n").reply_text == "+OK 100%25"
    event = events.parse_event(only(events.encode_json_event({"Event-Name": "X", "List": ["a", "b"], "Last": ""})))
    assert (event.get("List"), event.all("List"), event.get("Last")) == ("a", ["a", "b"], "")
    odd = events.parse_event(
        only(encode_frame([("Content-Type", "text/event-json")], b'{"Event-Name":"X","N":"\xff"}'))
    )
    assert odd.get("N").encode("utf-8", "surrogateescape") == b"\xff"


def test_l4_given_what_kills_the_stock_reader_when_read_then_it_is_a_frame_or_a_typed_error():
    assert only(b"X: no content type\n\n").content_type == ""
    assert only(b"Content-Type: text/event-plain\n\n").body == b""  # no Content-Length
    assert only(b"Content-Type: text/disconnect-notice\nContent-Length: 5\n\nbye.\n").body == b"bye.\n"
    for broken in (b"Content-Type: a\nContent-Length: x\n\n", b"first line without a colon\n\n"):
        with pytest.raises(WireError):
            FrameReader().feed(broken)
    for kind, body in (("plain", b""), ("plain", b"no colon"), ("json", b"[]"), ("json", b"{"), ("xml", b"<event/>")):
        with pytest.raises(BadEvent):
            events.parse_event(only(encode_frame([("Content-Type", f"text/event-{kind}")], body)))


def test_d6_given_a_captured_call_when_parsed_then_it_takes_less_time_than_stock():
    """The figure is ``loadtest/bench_esl.py``'s (goal: 3 times as fast); this only notices a disaster."""
    captured = Path(__file__).parents[2] / "data" / "esl" / "answered-call.events"
    frames = [one for one in FrameReader().feed(captured.read_bytes()) if one.content_type == "text/event-json"]
    plain = [encode_plain(events.parse_event(frame).headers).decode() for frame in frames]
    ours = min(timeit.repeat(lambda: [events.parse_event(frame) for frame in frames], number=1, repeat=10))
    stock = min(timeit.repeat(lambda: [StockEvent(text) for text in plain], number=1, repeat=10))
    assert ours < stock

"""How fast events are read: ours against stock greenswitch, on the events of one captured call.

Run it by itself: ``python loadtest/bench_esl.py``. Both sides take the same events off a byte stream and end with
headers that can be looked up; stock greenswitch does it in plain text, which is all it can read, ours in JSON, which
is what we subscribe to. Ours in plain text is shown too. They take turns, and the best round of each
counts, since other work on the machine can only make a round slower. Prints one line of JSON at the end.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

from greenswitch.esl import ESLProtocol

from dialtrace.esl.events import Event, encode_json_event, encode_plain_event, parse_event
from dialtrace.esl.wire import FrameReader

CAPTURE = Path(__file__).resolve().parent.parent / "tests" / "data" / "esl" / "answered-call.events"
CHUNK_BYTES = 65_536
ROUNDS_PER_TURN = 20


def captured_events() -> list[Event]:
    """The events of the captured call."""
    frames = FrameReader().feed(CAPTURE.read_bytes())
    return [parse_event(frame) for frame in frames if frame.content_type.startswith("text/event-")]


def read_ours(stream: bytes) -> int:
    """Frame and parse a stream as the monitor does; returns the number of events."""
    reader = FrameReader()
    events: list[Event] = []  # kept until the end of the stream, as stock's queue keeps them
    for at in range(0, len(stream), CHUNK_BYTES):
        events += map(parse_event, reader.feed(stream[at : at + CHUNK_BYTES]))
    return len(events)


def read_stock(stream: bytes) -> int:
    """The same with greenswitch's own receive loop."""
    protocol = ESLProtocol()
    protocol.sock_file = io.BufferedReader(io.BytesIO(stream), CHUNK_BYTES)
    protocol.receive_events()
    return protocol._esl_event_queue.qsize()


def one_round(read: Callable[[bytes], int], stream: bytes, expected: int) -> float:
    """Events per second of one pass."""
    started = time.perf_counter()
    count = read(stream)
    taken_s = time.perf_counter() - started
    if count != expected:
        raise SystemExit(f"{read.__name__} read {count} events of {expected}")
    return count / taken_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure")
    parser.add_argument("--repeat", type=int, default=1, help="how often the captured call is in the stream")
    options = parser.parse_args()
    events = captured_events()
    in_json = b"".join(encode_json_event(event.headers, event.body) for event in events) * options.repeat
    in_plain = b"".join(encode_plain_event(event.headers, event.body) for event in events) * options.repeat
    expected = len(events) * options.repeat
    contestants = ((read_ours, in_json), (read_ours, in_plain), (read_stock, in_plain))
    best = [0.0] * len(contestants)
    ends = time.perf_counter() + options.seconds
    while not all(best) or time.perf_counter() < ends:
        for index, (read, stream) in enumerate(contestants):
            best[index] = max(best[index], *(one_round(read, stream, expected) for _ in range(ROUNDS_PER_TURN)))
    ours, ours_plain, stock = best
    figures = {
        "events": len(events),
        "mean_headers": round(sum(len(event.headers) for event in events) / len(events)),
        "ours_json_events_per_s": round(ours),
        "ours_plain_events_per_s": round(ours_plain),
        "stock_plain_events_per_s": round(stock),
    }
    ratio = {"parse": round(ours / stock, 2), "parse_plain": round(ours_plain / stock, 2)}
    print(json.dumps({"bench": "esl", "figures": figures, "ratio": ratio}))


if __name__ == "__main__":
    main()

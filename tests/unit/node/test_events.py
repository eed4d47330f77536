"""Events are numbered whether heard or not, built only when heard, and told in both formats."""

import json
from types import SimpleNamespace

import gevent

from dialtrace.esl.events import parse_event
from dialtrace.esl.wire import FrameReader
from dialtrace.node.esocket import Connection, filters_pass
from dialtrace.node.events import Event, EventBus
from dialtrace.node.faults import Faults
from dialtrace.node.outbound import read_hosts


class Ear:
    def __init__(self, *names: str) -> None:
        self.names = names
        self.heard: list[Event] = []

    def wants(self, name: str, call_id: str | None) -> bool:
        return name in self.names

    def offer(self, event: Event) -> None:
        self.heard.append(event)


def test_given_nobody_who_listens_when_an_event_is_fired_then_it_costs_a_number_only() -> None:
    bus = EventBus("core", "host", "node-1", "127.0.0.1")
    built: list[int] = []

    def headers() -> list[tuple[str, str]]:
        built.append(1)
        return [("A", "b")]

    bus.fire("HEARTBEAT", headers)
    ear = Ear("HEARTBEAT")
    bus.add(ear)
    bus.add(ear)
    bus.fire("CHANNEL_CREATE", headers)
    bus.fire("HEARTBEAT", headers)
    assert built == [1]
    assert [event.get("Event-Sequence") for event in ear.heard] == ["3"]
    bus.remove(ear)
    bus.fire("HEARTBEAT", headers)
    assert len(ear.heard) == 1


def test_given_hostile_values_when_an_event_is_sent_then_both_formats_bring_them_whole() -> None:
    name = "Анна %0A\nReply-Text: forged 50%2C"
    event = Event("CHANNEL_CREATE", [("Event-Name", "CHANNEL_CREATE"), ("Caller-Caller-ID-Name", name)])
    as_json, as_plain = (FrameReader().feed(event.frame(form))[0] for form in ("json", "plain"))
    assert parse_event(as_json).get("Caller-Caller-ID-Name") == name
    plain = parse_event(as_plain)
    assert "Reply-Text" not in plain.headers
    assert (plain.get("Caller-Caller-ID-Name") or "").startswith("Анна")


def test_given_a_list_and_a_body_when_told_as_json_then_they_are_a_list_and_a_body() -> None:
    event = Event("X", [("variable_legs", "ARRAY::a|:b"), ("one", "a")], b"text")
    data = json.loads(FrameReader().feed(event.frame("json"))[0].body)
    assert data == {"variable_legs": ["a", "b"], "one": "a", "Content-Length": "4", "_body": "text"}


def test_given_filters_when_an_event_is_tested_then_any_match_passes_and_a_minus_vetoes() -> None:
    event = Event("X", [("Unique-ID", "abc"), ("Event-Name", "X")])
    assert filters_pass([], event)
    assert filters_pass([("Unique-ID", "abc")], event)
    assert not filters_pass([("Unique-ID", "other")], event)
    assert filters_pass([("Unique-ID", "other"), ("Event-Name", "/^X$/")], event)
    assert not filters_pass([("Event-Name", "X"), ("Unique-ID", "-abc")], event)
    assert not filters_pass([("Unique-ID", "-other")], event)


def test_given_hosts_when_a_socket_is_dialled_then_an_omitted_port_is_the_one_before() -> None:
    assert read_hosts("127.0.0.1") == [("127.0.0.1", 8084)]
    assert read_hosts("a:9|b|c:7/path") == [("a", 9), ("b", 9), ("c", 7)]


class DeafPeer:
    """A socket that takes nothing."""

    def __init__(self) -> None:
        self.closed = False

    def sendall(self, data: bytes) -> None:
        gevent.sleep(3600)

    def shutdown(self, how: int) -> None:
        raise OSError

    def close(self) -> None:
        self.closed = True


def test_given_a_client_that_does_not_read_when_its_queue_is_full_then_it_is_dropped_and_nobody_waited() -> None:
    bus = EventBus("core", "host", "node-1", "127.0.0.1")
    peer = DeafPeer()
    connection = Connection(SimpleNamespace(bus=bus, faults=Faults()), peer)  # type: ignore[arg-type]
    connection.subscribe("json HEARTBEAT")
    other = Ear("HEARTBEAT")
    bus.add(other)
    body = b"x" * 1_000_000
    for _ in range(20):
        bus.fire("HEARTBEAT", body=body)
    assert connection.closed
    assert peer.closed
    assert len(other.heard) == 20
    assert not connection.wants("HEARTBEAT", None)

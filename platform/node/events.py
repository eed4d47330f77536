"""The node's events: built once, numbered, and offered to whoever listens. Knows channels only as headers.

Order and names of the common headers are those of ``switch_event.c`` (switch_event_prep_for_delivery_detailed).
Every event gets a sequence number, heard or not; its headers are only built when somebody listens.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Protocol

from ..esl.wire import encode_frame, encode_plain

Headers = list[tuple[str, str]]


class Event:
    """One event, serialised at most once per format."""

    def __init__(self, name: str, headers: Headers, body: bytes = b"") -> None:
        self.name = name
        self.headers = headers
        self.body = body
        self._index: dict[str, str] | None = None
        self._frames: dict[str, bytes] = {}

    def get(self, name: str) -> str | None:
        if self._index is None:
            self._index = {key.lower(): value for key, value in self.headers}
        return self._index.get(name.lower())

    def frame(self, form: str) -> bytes:
        """The whole frame for a listener, ``form`` being ``plain`` or ``json``."""
        if form not in self._frames:
            body = self._json() if form == "json" else encode_plain(self.headers, self.body)
            self._frames[form] = encode_frame(
                [("Content-Length", str(len(body))), ("Content-Type", f"text/event-{form}")], body
            )
        return self._frames[form]

    def _json(self) -> bytes:
        """Arrays become lists, the body ``_body`` (switch_event_serialize_json_obj)."""
        data: dict[str, object] = {}
        for name, value in self.headers:
            data[name] = value[7:].split("|:") if value.startswith("ARRAY::") else value
        if self.body:
            data["Content-Length"] = str(len(self.body))
            data["_body"] = self.body.decode("utf-8", "replace")
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Listener(Protocol):
    """Somebody who may want events. ``offer`` never waits."""

    def wants(self, name: str, call_id: str | None) -> bool: ...

    def offer(self, event: Event) -> None: ...


class EventBus:
    """Numbers events and hands them out."""

    def __init__(self, core_uuid: str, hostname: str, switchname: str, address: str) -> None:
        self.core_uuid = core_uuid
        self.hostname = hostname
        self.switchname = switchname
        self.address = address
        self.sequence = 0
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        if listener not in self._listeners:
            self._listeners.append(listener)

    def remove(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def fire(
        self,
        name: str,
        headers: Callable[[], Iterable[tuple[str, str]]] = tuple,
        *,
        call_id: str | None = None,
        body: bytes = b"",
    ) -> None:
        """Offer an event to everyone who wants it."""
        self.sequence += 1
        wanting = [listener for listener in self._listeners if listener.wants(name, call_id)]
        if not wanting:
            return
        event = Event(name, [*self.common(name), *headers()], body)
        for listener in wanting:
            listener.offer(event)

    def common(self, name: str) -> Headers:
        """The headers that every event begins with."""
        now_us = time.time_ns() // 1000
        return [
            ("Event-Name", name),
            ("Core-UUID", self.core_uuid),
            ("FreeSWITCH-Hostname", self.hostname),
            ("FreeSWITCH-Switchname", self.switchname),
            ("FreeSWITCH-IPv4", self.address),
            ("FreeSWITCH-IPv6", "::1"),
            ("Event-Date-Local", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now_us // 1_000_000))),
            ("Event-Date-GMT", formatdate(now_us / 1_000_000, usegmt=True)),
            ("Event-Date-Timestamp", str(now_us)),
            ("Event-Calling-File", "dialtrace_node"),
            ("Event-Calling-Function", name.lower()),
            ("Event-Calling-Line-Number", "0"),
            ("Event-Sequence", str(self.sequence)),
        ]

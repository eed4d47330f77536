"""Frames as typed values: events, and the reply to ``connect``.

Identity (event name, call id, times) is taken from JSON events and from the switch's own headers, never from a
caller's. Values are what callers and carriers sent: any of them may hold control characters, surrogates or lies.
Use ``safe`` before one goes anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BadEvent, CommandRefused, ConnectionLost, UnsafeValue
from .safe import call_uuid
from .wire import Frame, decode_value, encode_frame, encode_plain

#: How the switch writes an empty value in plain text (switch_event.c, switch_event_serialize).
UNDEFINED = "_undef_"

Value = str | list[str]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a switch. ``headers`` are decoded; a list where the switch has an array.

    A switch writes nothing but texts and lists of texts. Checking each of 200 values of each event would cost a
    tenth of the parse, so it is the methods here that pass over anything else, as if it were absent.
    """

    name: str
    headers: dict[str, Value]
    body: str | None = None

    def get(self, name: str, default: str | None = None) -> str | None:
        """A header's value; of an array its first; ``default`` if it is absent."""
        value = self.headers.get(name)
        if isinstance(value, str):
            return value
        return next(iter(_texts(value)), default)

    def all(self, name: str) -> list[str]:
        """Every value of a header; empty if it is absent."""
        value = self.headers.get(name)
        return [value] if isinstance(value, str) else _texts(value)

    def variable(self, name: str) -> str | None:
        """A channel variable that the event carries."""
        return self.get("variable_" + name)

    @property
    def call_id(self) -> str | None:
        """The UUID of the channel that the event is about."""
        return self.get("Unique-ID")

    @property
    def subclass(self) -> str | None:
        """What kind of CUSTOM event this is."""
        return self.get("Event-Subclass")

    @property
    def core_id(self) -> str | None:
        """The switch's run; another one means that it was restarted."""
        return self.get("Core-UUID")

    @property
    def sequence(self) -> int | None:
        """Rises by one with every event of a run: the sort key, and the detector of gaps."""
        return _whole(self.get("Event-Sequence"))

    @property
    def stamp_us(self) -> int | None:
        """When the event was made, in microseconds since 1970, UTC."""
        return _whole(self.get("Event-Date-Timestamp"))


@dataclass(frozen=True, slots=True)
class ConnectReply:
    """What the switch tells of a call that it hands to a worker. Values are decoded when they are asked for."""

    call_id: str
    raw: Mapping[str, str]

    def get(self, header: str) -> str | None:
        """A header's value, percent-decoded once; ``None`` if it is absent or empty. Treat it as hostile."""
        value = self.raw.get(header)
        return None if value is None or value == UNDEFINED else decode_value(value)

    def variable(self, name: str) -> str | None:
        """A channel variable's value, under the same warning."""
        return self.get("variable_" + name)

    @property
    def created_us(self) -> int:
        """When the channel was made, in microseconds since 1970, UTC. Raises :class:`BadEvent` if it is missing."""
        created = _whole(self.get("Caller-Channel-Created-Time"))
        if not created:
            raise BadEvent("a connect reply has no Caller-Channel-Created-Time")
        return created

    @property
    def dialled(self) -> str:
        """What the caller dialled, raw; empty if the switch does not say."""
        return self.get("Caller-Destination-Number") or ""

    @property
    def caller_number(self) -> str:
        """What the caller claims to be calling from, raw."""
        return self.get("Caller-Caller-ID-Number") or ""

    @property
    def caller_name(self) -> str:
        """What the caller claims to be called, raw."""
        return self.get("Caller-Caller-ID-Name") or ""

    @property
    def core_id(self) -> str:
        """The run of the switch that the call belongs to."""
        return self.get("Core-UUID") or ""


def parse_event(frame: Frame) -> Event:
    """The event in a ``text/event-json`` or ``text/event-plain`` frame.

    Raises :class:`BadEvent` if it is neither or makes no sense; the connection is not harmed by that.
    """
    if frame.content_type == "text/event-json":
        headers = _json_headers(frame)
        body = headers.pop("_body", None)
        if body is not None and not isinstance(body, str):
            raise BadEvent("an event's body is not text")
    elif frame.content_type == "text/event-plain":
        headers, body = _plain_headers(frame)
    else:
        raise BadEvent(f"not an event: {frame.content_type!r:.60}")
    name = headers.get("Event-Name")
    if not isinstance(name, str):
        raise BadEvent("an event has no name")
    return Event(name, headers, body)


def parse_connect(frame: Frame) -> ConnectReply:
    """The reply to ``connect``.

    Raises :class:`CommandRefused` if the switch refused, :class:`ConnectionLost` if the call is already gone, and
    :class:`BadEvent` if the reply lacks a proper channel UUID.
    """
    if frame.content_type == "text/disconnect-notice":
        raise ConnectionLost("the call ended before it could be handled")
    if frame.content_type != "command/reply":
        raise BadEvent(f"not a reply to connect: {frame.content_type!r:.60}")
    reply_text = decode_value(frame.reply_text)
    if reply_text.startswith("-ERR"):
        raise CommandRefused(reply_text)
    try:
        call_id = call_uuid(decode_value(frame.headers.get("Unique-ID", "")))
    except UnsafeValue as fault:
        raise BadEvent(f"a connect reply has no call id: {fault}") from fault
    return ConnectReply(call_id, frame.headers)


def encode_json_event(headers: Mapping[str, Value], body: str | None = None) -> bytes:
    """A ``text/event-json`` frame (the switch's role)."""
    whole: dict[str, Value] = dict(headers)
    if body is not None:
        whole["Content-Length"] = str(len(body.encode("utf-8", "surrogateescape")))
        whole["_body"] = body
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    return encode_frame([("Content-Type", "text/event-json")], text.encode("utf-8", "surrogateescape"))


def encode_plain_event(headers: Mapping[str, Value], body: str | None = None) -> bytes:
    """A ``text/event-plain`` frame (the switch's role)."""
    inner = encode_plain(headers, (body or "").encode("utf-8", "surrogateescape"))
    return encode_frame([("Content-Type", "text/event-plain")], inner)


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        whole = dict(reversed(pairs))
    return whole


_JSON = json.JSONDecoder(object_pairs_hook=_first_wins, strict=False)


def _json_headers(frame: Frame) -> dict[str, Value]:
    try:
        headers = _JSON.decode(frame.text)
    except (ValueError, RecursionError) as fault:
        raise BadEvent("an event is not JSON") from fault
    if not isinstance(headers, dict):
        raise BadEvent("an event is not a JSON object")
    return headers


def _plain_headers(frame: Frame) -> tuple[dict[str, Value], str | None]:
    head, blank, rest = frame.body.partition(b"\n\n")
    headers: dict[str, Value] = {}
    for line in head.decode("utf-8", "surrogateescape").split("\n"):
        name, colon, value = line.partition(":")
        if not colon or not name:
            raise BadEvent("an event has a header line without a name")
        value = value.strip(" ")
        if value != UNDEFINED:
            headers.setdefault(name, decode_value(value))
    return headers, _plain_body(headers, rest) if blank else None


def _plain_body(headers: Mapping[str, Value], rest: bytes) -> str | None:
    if not rest:
        return None
    length = _whole(headers.get("Content-Length"))
    if length != len(rest):
        raise BadEvent("an event's body is not as long as it says")
    return rest.decode("utf-8", "surrogateescape")


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _whole(value: Value | None) -> int | None:
    """A whole number of up to 18 digits, or nothing."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return None

"""Bytes to frames and back: the event socket's framing, for both of its roles, without a socket.

``FrameReader`` reads what a switch sends; ``CommandReader`` and ``encode_frame`` play the switch. Nothing here waits,
decodes an event or trusts a value. The rules that keep call data from forging structure:

* lines end at ``\\n`` and nowhere else (a caller's name may legally hold U+2028 or U+0085);
* values are percent-decoded one by one, after the split, never as a block;
* the first of two equal header names wins, so that something appended later changes nothing;
* every ``Content-Length`` has its body taken off the wire, whatever the content type.

Sources: FreeSWITCH 1.10.12 ``mod_event_socket.c`` (read_packet, listener_run), ``switch_event.c``
(switch_event_serialize), ``switch_utils.c`` (switch_url_encode_opt).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from .errors import UnsafeValue, WireError

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps, in bytes or pieces, on what one peer can make us hold.

    A real ``connect`` reply has 100 to 300 headers and 5 to 60 kB; ``show channels as json`` on a full node
    some 5 MB.
    """

    line_bytes: int = 262_144
    header_bytes: int = 1_048_576
    headers: int = 4_096
    body_bytes: int = 33_554_432


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing a switch said: a header block and its body.

    ``headers`` holds raw values (not percent-decoded), names as sent; of equal names the first is kept.
    Bytes that are not UTF-8 are kept as surrogates (``surrogateescape``).
    """

    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The frame's kind, for example ``command/reply``; empty if the switch named none."""
        return self.headers.get("Content-Type", "")

    @property
    def reply_text(self) -> str:
        """The raw ``Reply-Text`` (percent-encoded in a connect reply, plain in every other); empty if absent."""
        return self.headers.get("Reply-Text", "")

    @property
    def refused(self) -> bool:
        """Whether this reply says that its command was not carried out."""
        if self.content_type == "api/response":
            return self.body.startswith((b"-ERR", b"-USAGE"))
        return self.reply_text.startswith("-ERR")

    @property
    def text(self) -> str:
        """The body as text, bytes that are not UTF-8 kept as surrogates."""
        return self.body.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Command:
    """One thing a client said. Header names are lower-cased, since the switch compares them without case."""

    line: str
    headers: Mapping[str, str]
    body: bytes = b""


_Item = TypeVar("_Item", Frame, Command)


class _BlockReader(Generic[_Item]):
    """Cuts a byte stream into header blocks with counted bodies; subclasses say what a block means."""

    _peer = "peer"

    def __init__(self, *, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._at = 0  # where the unread part begins
        self._scan = 0  # no block ends before this position
        self._block: tuple[str, dict[str, str]] | None = None  # a block whose body has not arrived yet
        self._body_bytes = 0
        self._fault: str | None = None
        self._roomy = min(limits.line_bytes, limits.header_bytes) >= _EVENT_HEAD_BYTES and limits.headers >= 2

    @property
    def at_boundary(self) -> bool:
        """Whether nothing is half read, so that an end of stream here cuts nothing in two."""
        return self._block is None and not self._buffer.strip(b"\r\n")

    def feed(self, data: bytes) -> list[_Item]:
        """Take what arrived (any split is fine) and return what became complete, in order.

        Raises :class:`WireError` when the stream cannot be understood or breaks a cap; what was complete before the
        fault is in its ``before``. The reader is dead from then on: each further call raises again and reads nothing.
        """
        if self._fault is not None:
            raise WireError(self._fault)
        self._buffer += data
        done: list[_Item] = []
        try:
            while (item := self._next()) is not None:
                done.append(item)
        except WireError as fault:
            self._fault = str(fault)
            self._buffer.clear()
            raise WireError(self._fault, before=done) from None
        self._compact()
        return done

    def _next(self) -> _Item | None:
        if self._block is None:
            self._block = self._take_block()
            if self._block is None:
                return None
        line, headers = self._block
        end = self._at + self._body_bytes
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[self._at : end])
        self._at = self._scan = end
        self._block = None
        return self._item(line, headers, body)

    def _take_block(self) -> tuple[str, dict[str, str]] | None:
        self._skip_blank_lines()
        found = self._find_end()
        if found is None:
            if len(self._buffer) - self._at > self._limits.header_bytes:
                raise self._broken(f"sent a header block over {self._limits.header_bytes} bytes")
            return None
        stop, after = found
        if stop - self._at > self._limits.header_bytes:
            raise self._broken(f"sent a header block over {self._limits.header_bytes} bytes")
        raw = bytes(self._buffer[self._at : stop])
        self._at = self._scan = after
        line, headers = self._split(raw.decode("utf-8", "surrogateescape"))
        self._body_bytes = self._length(headers)
        return line, headers

    def _skip_blank_lines(self) -> None:
        while self._at < len(self._buffer) and self._buffer[self._at] in b"\r\n":
            self._at += 1
        self._scan = max(self._scan, self._at)

    def _compact(self) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._scan -= self._at
            self._at = 0

    def _check_lines(self, lines: list[str]) -> None:
        if len(lines) > self._limits.headers:
            raise self._broken(f"sent more than {self._limits.headers} headers in one block")
        longest = max(map(len, lines))
        # A character takes at most four bytes, so encoding is needed only near the cap.
        if longest * 4 > self._limits.line_bytes and any(
            len(line.encode("utf-8", "surrogateescape")) > self._limits.line_bytes for line in lines
        ):
            raise self._broken(f"sent a line over {self._limits.line_bytes} bytes")

    def _length(self, headers: dict[str, str]) -> int:
        value = self._length_header(headers)
        if value is None:
            return 0
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise self._broken("sent a Content-Length that is no number")
        if int(value) > self._limits.body_bytes:
            raise self._broken(f"announced a body over {self._limits.body_bytes} bytes")
        return int(value)

    def _broken(self, what: str) -> WireError:
        return WireError(f"the {self._peer} {what}")

    def _find_end(self) -> tuple[int, int] | None:
        """Where the block's text stops and where what follows it begins."""
        raise NotImplementedError

    def _split(self, text: str) -> tuple[str, dict[str, str]]:
        raise NotImplementedError

    def _length_header(self, headers: dict[str, str]) -> str | None:
        raise NotImplementedError

    def _item(self, line: str, headers: dict[str, str], body: bytes) -> _Item:
        raise NotImplementedError


# The head of nearly every frame of a busy link, exactly as mod_event_socket.c writes it (listener_run).
_EVENT_HEAD = re.compile(rb"Content-Length: ([0-9]{1,9})\nContent-Type: (text/event-json|text/event-plain)\n\n")
_EVENT_HEAD_BYTES = 80
# Nearly all that a worker hears: a reply of printable ASCII. Anything else is read in the general way.
_PLAIN_REPLY = re.compile(rb"Content-Type: command/reply\nReply-Text: ([!-~](?:[ -~]{0,510}[!-~])?)\n\n")


class FrameReader(_BlockReader[Frame]):
    """Reads what a switch sends, in whatever pieces it arrives."""

    _peer = "switch"

    def _next(self) -> Frame | None:
        return self._whole_event() or self._plain_reply() or super()._next()

    def _plain_reply(self) -> Frame | None:
        """A reply that is all here and has nothing that needs care."""
        if self._block is not None or not self._roomy:
            return None
        found = _PLAIN_REPLY.match(self._buffer, self._at)
        if found is None or found.end() - self._at > min(self._limits.line_bytes, self._limits.header_bytes):
            return None
        self._at = self._scan = found.end()
        return Frame({"Content-Type": "command/reply", "Reply-Text": found[1].decode("ascii")})

    def _whole_event(self) -> Frame | None:
        """An event that is all here, in a tenth of the time; anything else is left to the general way."""
        if self._block is not None:
            return None
        head = _EVENT_HEAD.match(self._buffer, self._at)
        if head is None:
            return None
        length, kind, start = head[1].decode(), head[2].decode(), head.end()
        end = start + int(length)
        if end > len(self._buffer) or int(length) > self._limits.body_bytes or not self._roomy:
            return None
        self._at = self._scan = end
        return Frame({"Content-Length": length, "Content-Type": kind}, bytes(self._buffer[start:end]))

    def _find_end(self) -> tuple[int, int] | None:
        stop = self._buffer.find(b"\n\n", self._scan)
        if stop < 0:
            self._scan = max(self._at, len(self._buffer) - 1)
            return None
        return stop, stop + 2

    def _split(self, text: str) -> tuple[str, dict[str, str]]:
        lines = text.split("\n")
        self._check_lines(lines)
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise self._broken("sent a header line without a name")
            headers.setdefault(name, value.strip(" \t\r"))
        return "", headers

    def _length_header(self, headers: dict[str, str]) -> str | None:
        return headers.get("Content-Length")

    def _item(self, line: str, headers: dict[str, str], body: bytes) -> Frame:
        return Frame(headers, body)


# A switch ends a block at two line feeds with any carriage returns between them, and a line at either character
# (mod_event_socket.c, read_packet).
_COMMAND_END = re.compile(rb"\n\r*\n")
_COMMAND_LINES = re.compile(r"[\r\n]+")


class CommandReader(_BlockReader[Command]):
    """Reads what a client sends, as a switch does: a command line, headers, an optional counted body."""

    _peer = "client"

    def _find_end(self) -> tuple[int, int] | None:
        found = _COMMAND_END.search(self._buffer, self._scan)
        if found is not None:
            return found.span()
        # An end may have begun: go back over carriage returns to the line feed before them.
        self._scan = max(self._at, len(self._buffer.rstrip(b"\r")) - 1)
        return None

    def _split(self, text: str) -> tuple[str, dict[str, str]]:
        lines = [line for line in _COMMAND_LINES.split(text) if line]
        self._check_lines(lines)
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:  # the switch passes over lines without one
                headers.setdefault(name.lower(), value.lstrip(" "))
        return lines[0], headers

    def _length_header(self, headers: dict[str, str]) -> str | None:
        return headers.get("content-length")

    def _item(self, line: str, headers: dict[str, str], body: bytes) -> Command:
        return Command(line, headers, body)


def encode_frame(headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """A frame as a switch sends it; ``Content-Length`` is added for a body unless ``headers`` already has it.

    Raises :class:`UnsafeValue` for a name or value that would break the framing, or a length that is not the body's.
    """
    pairs = list(headers)
    lengths = [value for name, value in pairs if name == "Content-Length"]
    if body and not lengths:
        pairs.insert(0, ("Content-Length", str(len(body))))
    elif lengths and lengths != [str(len(body))]:
        raise UnsafeValue("Content-Length is not the length of the body")
    if not pairs:
        raise UnsafeValue("a frame needs a header")
    for name, value in pairs:
        if not name or ":" in name or "\n" in name or "\n" in value:
            raise UnsafeValue(f"a header would break the framing: {name!r:.40}")
    text = "".join(f"{name}: {value}\n" for name, value in pairs) + "\n"
    return text.encode("utf-8", "surrogateescape") + body


def decode_value(value: str) -> str:
    """One percent-encoded value decoded once. ``+`` stays a plus. The result may hold control characters."""
    if "%" not in value:
        return value
    return unquote_to_bytes(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def decode_headers(frame: Frame) -> dict[str, str]:
    """All headers of a frame whose values are percent-encoded (the ``connect`` reply), each decoded once.

    Callers must treat every value as hostile: FreeSWITCH leaves a ``%0A`` that a caller typed as it is, so a value
    may hold line breaks that were never there.
    """
    return {name: decode_value(value) for name, value in frame.headers.items()}


# SWITCH_URL_UNSAFE of switch_utils.h, and all that is not printable ASCII.
_ENCODED = bytes(byte for byte in range(256) if byte < 0x20 or byte > 0x7E or byte in b'\r\n #%&+:;<=>?@[\\]^`{|}"')
_TO_ENCODE = re.compile(rb"%(?![0-9A-F]{2})|[" + re.escape(_ENCODED.replace(b"%", b"")) + rb"]")


def encode_value(value: str) -> str:
    """A value in FreeSWITCH's percent-encoding, which is not reversible: ``%`` and two upper-case hex digits stay."""
    raw = value.encode("utf-8", "surrogateescape")
    return _TO_ENCODE.sub(lambda found: b"%%%02X" % found[0][0], raw).decode("ascii") or "_undef_"


def join_list(value: str | Iterable[str]) -> str:
    """A header's value as the switch writes it in plain text: a list becomes ``ARRAY::a|:b``."""
    return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)


def encode_plain(
    headers: Mapping[str, str | list[str]] | Iterable[tuple[str, str | list[str]]], body: bytes = b""
) -> bytes:
    """Headers as a switch serialises them in plain text, blank line included (the switch's role).

    This is a whole ``connect`` reply, or the body of a ``text/event-plain`` frame. Raises :class:`UnsafeValue` for a
    name that would break the framing; values cannot, they are percent-encoded.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = []
    for name, value in pairs:
        if not name or ":" in name or "\n" in name:
            raise UnsafeValue(f"a header name would break the framing: {name!r:.40}")
        lines.append(f"{name}: {encode_value(join_list(value))}\n")
    if body:
        lines.append(f"Content-Length: {len(body)}\n")
    return ("".join(lines) + "\n").encode("utf-8", "surrogateescape") + body

"""RTP: a port pool with a free list, and one leg's stream in and out. Runs on libev watchers in the node's hub.

A watcher per socket, not a greenlet (reference node 5.10: half the CPU). No transcoding, no jitter buffer, no RTCP.
Outgoing packets keep one SSRC and one clock per leg whatever their source is, as FreeSWITCH's do. Knows nothing of SIP.
"""

from __future__ import annotations

import os
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent import monkey

from .audio import FRAME, Codec
from .errors import NoPortLeft

# The unpatched socket: watchers tell when it is readable, so gevent's own waiting would only cost.
_socket = monkey.get_original("socket", "socket")
_AF_INET, _SOCK_DGRAM = 2, 2
_HEADER = struct.Struct("!BBHII")
_DIGITS = "0123456789*#ABCD"
_BIND_TRIES = 8
_EVENT_PACKETS = 8


class Tap(Protocol):
    """Something that hears both directions of a leg: side 0 is what the peer says, side 1 what it hears."""

    def push(self, side: int, payload: bytes) -> None: ...


class PortPool:
    """Even UDP ports of a range. A free list, never a scan (reference node 5.9)."""

    def __init__(self, host: str, first: int, last: int) -> None:
        self.host = host
        self._free = deque(range(first + first % 2, last + 1, 2))
        self.total = len(self._free)

    @property
    def free(self) -> int:
        return len(self._free)

    def take(self) -> tuple[Any, int]:
        """A bound, non-blocking socket and its port; raises :class:`NoPortLeft`.

        A port that another program holds goes to the end of the list, and the next one is tried, a few times.
        """
        for _ in range(min(_BIND_TRIES, len(self._free))):
            port = self._free.popleft()
            sock = _socket(_AF_INET, _SOCK_DGRAM)
            try:
                sock.bind((self.host, port))
            except OSError:
                sock.close()
                self._free.append(port)
                continue
            sock.setblocking(False)
            return sock, port
        raise NoPortLeft

    def give_back(self, port: int) -> None:
        self._free.append(port)


#: Sequence numbers that are further apart belong to different streams: half a minute of sound.
_OTHER_STREAM = 1500


class Counts:
    """What a leg received and sent, for ``rtp_audio_*``."""

    __slots__ = ("digits", "last", "missing", "packets", "size_bytes")

    def __init__(self) -> None:
        self.packets = self.size_bytes = self.digits = self.missing = 0
        #: Sequence number of the last packet.
        self.last = -1

    def follow(self, sequence: int) -> None:
        """Counts the packets that are missing before this one; a jump of more is another stream."""
        gap = (sequence - self.last - 1) & 0xFFFF if self.last >= 0 else 0
        if 0 < gap < _OTHER_STREAM:
            self.missing += gap
        self.last = sequence


class RtpLeg:
    """One side of a call's audio."""

    def __init__(self, pool: PortPool, codec: Codec) -> None:
        self._pool = pool
        self._sock, self.port = pool.take()
        self.codec = codec
        self.event_type: int | None = None
        self.remote: tuple[str, int] | None = None
        self.peer: RtpLeg | None = None
        self.taps: tuple[Tap, ...] = ()
        self.on_digit: Callable[[str, int], None] = lambda digit, samples: None
        self.received, self.sent = Counts(), Counts()
        self._latched = False
        self._last_digit_stamp: int | None = None
        self._ssrc = int.from_bytes(os.urandom(4), "big")
        self._sequence = int.from_bytes(os.urandom(2), "big")
        self._base = int.from_bytes(os.urandom(3), "big")
        self._started = time.monotonic()
        self._source: object = None
        self._shift = 0
        self._watcher = gevent.get_hub().loop.io(self._sock.fileno(), 1)
        self._watcher.start(self._readable)

    @property
    def ssrc(self) -> int:
        return self._ssrc

    def close(self) -> None:
        """Stop listening and give the port back; safe to call twice."""
        if self._sock is None:
            return
        self._watcher.stop()
        self._watcher.close()
        self._sock.close()
        self._sock = None
        self.peer = None
        self.taps = ()
        self._pool.give_back(self.port)

    def aim(self, host: str, port: int) -> None:
        """Where to send, as the peer's description says; the first packet may correct it (symmetric RTP)."""
        if self.remote != (host, port):
            self.remote = (host, port) if port else None
            self._latched = False

    def _readable(self) -> None:
        """One packet per wake-up: the watcher is level-triggered, and reading on until none is left costs a call."""
        try:
            data, source = self._sock.recvfrom(2048)
        except (BlockingIOError, ConnectionError):
            return
        self._packet(data, source)

    def _packet(self, data: bytes, source: tuple[str, int]) -> None:
        if len(data) < 12 or data[0] >> 6 != 2:
            return
        start = 12 + 4 * (data[0] & 15)
        if data[0] & 16:
            if len(data) < start + 4:
                return
            start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        if not self._latched:
            self.remote, self._latched = source, True
        kind = data[1] & 0x7F
        payload = data[start:]
        if kind == self.event_type:
            self.received.last = data[2] << 8 | data[3]
            self._event(data, payload)
        elif kind == self.codec.payload_type and payload:
            received = self.received
            received.packets += 1
            received.size_bytes += len(data)
            received.follow(data[2] << 8 | data[3])
            for tap in self.taps:
                tap.push(0, payload)
            if self.peer is not None:
                stamp = int.from_bytes(data[4:8], "big")
                self.peer.send(payload, stamp, self, marker=data[1] >> 7)

    def _event(self, data: bytes, payload: bytes) -> None:
        """RFC 2833: act on the first packet of a digit, since a caller who hangs up may never send its end."""
        if len(payload) < 4 or payload[0] >= len(_DIGITS):
            return
        stamp = int.from_bytes(data[4:8], "big")
        if self.peer is not None and self.peer.event_type is not None:
            self.peer.send(payload, stamp, self, kind=self.peer.event_type, marker=data[1] >> 7)
        if stamp == self._last_digit_stamp:
            return
        self._last_digit_stamp = stamp
        self.received.digits += 1
        self.on_digit(_DIGITS[payload[0]], max(int.from_bytes(payload[2:4], "big"), 800))

    def send(self, payload: bytes, stamp: int, source: object, *, kind: int | None = None, marker: int = 0) -> None:
        """One packet out. ``stamp`` counts on the source's own clock; a change of source is bridged over in ours."""
        sock, remote = self._sock, self.remote
        if sock is None or remote is None:
            return
        if source is not self._source:
            self._source = source
            now = self._base + int((time.monotonic() - self._started) * 8000)
            self._shift = now - stamp
            marker = 1
        self._sequence = (self._sequence + 1) & 0xFFFF
        first = (marker << 7) | (self.codec.payload_type if kind is None else kind)
        packet = _HEADER.pack(0x80, first, self._sequence, (stamp + self._shift) & 0xFFFFFFFF, self._ssrc) + payload
        try:
            sock.sendto(packet, remote)
        except OSError:
            return  # A full buffer or a peer that is gone: RTP is not repeated.
        if kind is None:
            sent = self.sent
            sent.packets += 1
            sent.size_bytes += len(packet)
            for tap in self.taps:
                tap.push(1, payload)

    def send_digit(self, digit: str, stamp: int) -> None:
        """A digit as RFC 2833 events, 160 ms, its end three times."""
        if self.event_type is None or digit not in _DIGITS:
            return
        source = object()
        code = _DIGITS.index(digit)
        for step in range(1, _EVENT_PACKETS + 1):
            body = struct.pack("!BBH", code, 10, step * FRAME)
            self.send(body, stamp, source, kind=self.event_type, marker=int(step == 1))
        for _ in range(3):
            body = struct.pack("!BBH", code, 0x80 | 10, _EVENT_PACKETS * FRAME)
            self.send(body, stamp, source, kind=self.event_type)

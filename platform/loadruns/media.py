"""Sends and hears the RTP of SIPp's calls, and measures what comes: loss, order, jitter.

A program of its own that imports nothing but the standard library: it is copied to the machines that place and answer
calls and runs there with their `python3`. SIPp writes a line to its log when a call's sound begins and one when it
ends; this program follows those logs. All calls of one program share one socket; streams are told apart by where they
come from.

    python3 media.py CONFIG.json

Loss is counted as RFC 3550 A.3 does: from the first to the highest sequence number, less what came. Jitter is that of
A.8, on the kernel's own moments of arrival, so that a late turn of this program is no jitter. A stream whose source or
SSRC changes goes on as another segment; only what lies between a segment's first and last packet can be missed.
"""

from __future__ import annotations

import heapq
import ipaddress
import json
import random
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

PACKET_S, SAMPLES, RATE_HZ = 0.020, 160, 8000
AUDIO, EVENT = 0, 101
#: A jump in sequence numbers beyond this is a new beginning, not a loss (RFC 3550 A.1, MAX_DROPOUT).
MOST_JUMP = 3000
#: Of Linux (asm-generic/socket.h): the kernel's moment of arrival, and how many datagrams found no room.
SO_TIMESTAMPNS, SO_RXQ_OVFL = 35, 40
LOGS_EVERY_S = 0.01
#: A sender that is so far behind does not catch up: a burst would be no telephone.
MOST_BEHIND_S = 0.2
DIGIT_AFTER_S, DIGIT_PACKETS = 1.0, 5
DIGITS = "0123456789*#"


class Segment:
    """Packets of one source from the first on."""

    def __init__(self, ssrc: int, sequence: int) -> None:
        self.ssrc = ssrc
        self.first = self.highest = sequence
        self.received = self.duplicates = self.reordered = 0
        #: Of the last 64 sequence numbers, which have come.
        self._seen = 0

    @property
    def expected(self) -> int:
        return self.highest - self.first + 1

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)

    def take(self, sequence: int) -> bool:
        """One packet; False if it cannot be of this segment."""
        ahead = (sequence - self.highest) & 0xFFFF
        if ahead == 0 and self.received:
            self.duplicates += 1
            return True
        if ahead < MOST_JUMP:
            self.highest += ahead
            self._seen = (self._seen << ahead | 1) & (2**64 - 1)
            self.received += 1
            return True
        behind = 0x10000 - ahead
        if behind > 63:
            return False
        if self.highest - behind < self.first:
            self.first = self.highest - behind
        if self._seen >> behind & 1:
            self.duplicates += 1
        else:
            self._seen |= 1 << behind
            self.received += 1
            self.reordered += 1
        return True


class Heard:
    """What came of one call's sound."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.jitter = self.most_jitter = 0.0
        self.first_s = 0.0
        self._transit: float | None = None

    def take(self, packet: bytes, at_s: float) -> None:
        """One packet with the moment of its arrival. What is no RTP is passed over."""
        if len(packet) < 12 or packet[0] >> 6 != 2:
            return
        marked, kind = packet[1] >> 7, packet[1] & 0x7F
        sequence, stamp, ssrc = struct.unpack_from("!HII", packet, 2)
        self.first_s = self.first_s or at_s
        if not self.segments or self.segments[-1].ssrc != ssrc or not self.segments[-1].take(sequence):
            self.segments.append(Segment(ssrc, sequence))
            self.segments[-1].take(sequence)
            self._transit = None
        if kind != EVENT:
            self._time(at_s, stamp, fresh=bool(marked))

    def _time(self, at_s: float, stamp: int, *, fresh: bool) -> None:
        transit = at_s * RATE_HZ - stamp
        if self._transit is not None and not fresh:
            moved = abs(transit - self._transit)
            # A switch that changes its source changes its clock too: no line is a second late from packet to packet.
            if moved < RATE_HZ:
                self.jitter += (moved - self.jitter) / 16
                self.most_jitter = max(self.most_jitter, self.jitter)
        self._transit = transit

    def told(self) -> dict[str, float]:
        """For the report; jitter in ms."""
        return {
            "received": sum(one.received for one in self.segments),
            "expected": sum(one.expected for one in self.segments),
            "lost": sum(one.lost for one in self.segments),
            "reordered": sum(one.reordered for one in self.segments),
            "duplicates": sum(one.duplicates for one in self.segments),
            "segments": len(self.segments),
            "jitter_ms": round(self.jitter * 1000 / RATE_HZ, 3),
            "most_jitter_ms": round(self.most_jitter * 1000 / RATE_HZ, 3),
        }


class Stream:
    """One call's sound in both directions."""

    def __init__(self, name: str, remote: tuple[str, int], *, speaks: bool, digits: str, now_s: float) -> None:
        chance = random.Random(f"{name} {remote}")  # noqa: S311 (no secret)
        self.name, self.remote, self.speaks = name, remote, speaks
        self.began_s, self.due_s = time.time(), now_s
        self.sent = self.dropped = self.place = 0
        self.heard = Heard()
        self._ssrc, self._sequence = chance.getrandbits(32), chance.getrandbits(16)
        self._stamp = chance.getrandbits(32)
        self._first, self._digits, self._digit_s = True, digits, now_s + DIGIT_AFTER_S
        self._event: list[bytes] = []
        self._event_stamp = 0

    def next_packet(self, audio: bytes, now_s: float) -> bytes:
        """What is to be sent now, 20 ms after the last."""
        if self._digits and now_s >= self._digit_s and not self._event:
            self._event = _event_packets(DIGITS.index(self._digits[0]))
            self._digits, self._digit_s = self._digits[1:], now_s + 0.3
            self._event_stamp = self._stamp
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._stamp = (self._stamp + SAMPLES) & 0xFFFFFFFF
        if self._event:
            payload = self._event.pop(0)
            kind, marked, stamp = EVENT, payload[2:4] == b"\x00\xa0", self._event_stamp
        else:
            payload = audio[self.place : self.place + SAMPLES]
            payload += audio[: SAMPLES - len(payload)]
            self.place = (self.place + SAMPLES) % len(audio)
            kind, marked, stamp = AUDIO, self._first, self._stamp
            self._first = False
        return struct.pack("!BBHII", 0x80, kind | marked << 7, self._sequence, stamp, self._ssrc) + payload

    def told(self) -> dict[str, object]:
        """Its line in the output."""
        return {
            "call": self.name,
            "remote": f"{self.remote[0]}:{self.remote[1]}",
            "began_s": round(self.began_s, 6),
            "ended_s": round(time.time(), 6),
            "sent": self.sent,
            "dropped": self.dropped,
            **self.heard.told(),
        }


def _event_packets(event: int) -> list[bytes]:
    """A key (RFC 4733): pressed for 100 ms, its end said three times."""
    pressed = [struct.pack("!BBH", event, 10, SAMPLES * (place + 1)) for place in range(DIGIT_PACKETS)]
    return pressed + [struct.pack("!BBH", event, 0x80 | 10, SAMPLES * DIGIT_PACKETS)] * 3


class Follower:
    """Reads what is appended to a file, line by line."""

    def __init__(self, path: str) -> None:
        self._path, self._rest = path, b""
        self._file: object | None = None

    def lines(self) -> list[str]:
        if self._file is None:
            try:
                self._file = open(self._path, "rb")  # noqa: SIM115 (as long as the program runs)
            except OSError:
                return []
        parts = (self._rest + self._file.read()).split(b"\n")  # type: ignore[attr-defined]
        self._rest = parts.pop()
        return [part.decode("ascii", "replace") for part in parts]


class Telephones:
    """The sound of all calls of this program."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._audio: bytes = b"\xff" * SAMPLES
        if config["audio"]:
            with open(config["audio"], "rb") as file:
                self._audio = file.read()
        self._networks = [ipaddress.ip_network(one) for one in config["allowed"]]
        self._logs = [Follower(path) for path in config["logs"]]
        self._chance = random.Random(config["seed"])  # noqa: S311
        self._streams: dict[str, Stream] = {}
        self._by_remote: dict[tuple[str, int], Stream] = {}
        self._due: list[tuple[float, str]] = []
        self._ended = False
        self.late = self.strangers = self.refused = self.overflow = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for kind in (33, socket.SO_RCVBUF):  # SO_RCVBUFFORCE is root's
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, kind, 16 * 2**20)
                break
            except OSError:
                continue
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        self._socket.bind((config["address"], config["port"]))
        self._socket.setblocking(False)
        # Before it says that it is ready: from then on it may be told to end.
        signal.signal(signal.SIGTERM, self.end)
        signal.signal(signal.SIGINT, self.end)
        self._output = open(config["output"], "w", encoding="ascii")  # noqa: SIM115
        self._output.write('{"ready": true}\n')
        self._output.flush()

    def end(self, *_: object) -> None:
        """At the next turn."""
        self._ended = True

    def run(self) -> None:
        """Until it is told to end, or its time is up."""
        ends_s = time.monotonic() + self._config["limit_s"]
        logs_s = 0.0
        while not self._ended and (now_s := time.monotonic()) < ends_s:
            if now_s >= logs_s:
                self._read_logs(now_s)
                logs_s = now_s + LOGS_EVERY_S
            self._send(now_s)
            until_s = min(logs_s, self._due[0][0] if self._due else logs_s)
            if select.select([self._socket], [], [], max(0.0, until_s - time.monotonic()))[0]:
                self._receive()
        for name in list(self._streams):
            self._stop(name)
        counted = {"late": self.late, "strangers": self.strangers, "refused": self.refused, "overflow": self.overflow}
        self._output.write(json.dumps({"end": counted}) + "\n")
        self._output.close()

    def _read_logs(self, now_s: float) -> None:
        # What has come before a call's end was said belongs to the call.
        while self._receive():
            pass
        for log in self._logs:
            for line in log.lines():
                words = line.split()
                if len(words) >= 5 and words[0] == "start":
                    self._start(words[1], words[2], words[3], words[4] == "1", words[5:], now_s)
                elif len(words) == 2 and words[0] == "stop":
                    self._stop(words[1])

    def _start(self, name: str, host: str, port: str, speaks: bool, digits: list[str], now_s: float) -> None:
        if name in self._streams:
            return  # said again: a 200 that came twice
        try:
            allowed = any(ipaddress.ip_address(host) in network for network in self._networks)
            remote = (host, int(port))
        except ValueError:
            allowed = False
        if not allowed or not 0 < remote[1] < 65536:
            self.refused += 1
            return
        stream = Stream(name, remote, speaks=speaks, digits="".join(digits), now_s=now_s)
        self._streams[name] = self._by_remote[remote] = stream
        if speaks:
            heapq.heappush(self._due, (now_s, name))

    def _stop(self, name: str) -> None:
        stream = self._streams.pop(name, None)
        if stream is None:
            return
        if self._by_remote.get(stream.remote) is stream:
            del self._by_remote[stream.remote]
        self._output.write(json.dumps(stream.told()) + "\n")
        self._output.flush()

    def _send(self, now_s: float) -> None:
        while self._due and self._due[0][0] <= now_s:
            due_s, name = heapq.heappop(self._due)
            stream = self._streams.get(name)
            if stream is None:
                continue
            packet = stream.next_packet(self._audio, now_s)
            if self._config["drop"] and self._chance.random() < self._config["drop"]:
                stream.dropped += 1
            else:
                try:
                    self._socket.sendto(packet, stream.remote)
                    stream.sent += 1
                except OSError:
                    stream.dropped += 1  # nobody listens there any more, or no room: either way it was not sent
            self.late += now_s - due_s > PACKET_S
            next_s = due_s + PACKET_S
            heapq.heappush(self._due, (next_s if now_s - next_s < MOST_BEHIND_S else now_s + PACKET_S, name))

    def _receive(self) -> bool:
        """Takes in what has come; whether there may be more."""
        for _ in range(256):
            try:
                packet, told, _, remote = self._socket.recvmsg(2048, 128)
            except (BlockingIOError, ConnectionRefusedError):
                return False
            at_s = time.time()
            for _, kind, value in told:
                if kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("@ll", value[:16])
                    at_s = seconds + nanoseconds / 1e9
                elif kind == SO_RXQ_OVFL:
                    self.overflow = struct.unpack("@I", value[:4])[0]
            stream = self._by_remote.get(remote)
            if stream is None:
                self.strangers += 1
            else:
                stream.heard.take(packet, at_s)
        return True


def main() -> None:
    """From the command line."""
    with open(sys.argv[1], encoding="utf-8") as file:
        telephones = Telephones(json.load(file))
    telephones.run()


if __name__ == "__main__":
    main()

"""A small telephone for tests: SIP over UDP and G.711 over RTP, in threads. Written apart from the node and from sippy.

``Phone.call`` places a call; ``Target`` answers calls as a given behaviour says. Both keep what they saw.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from dialtrace.node.audio import CODECS, FRAME

HOST = "127.0.0.1"
PATIENCE_S = 20.0


def bound_socket(kind: int = socket.SOCK_DGRAM) -> socket.socket:
    """A socket on a free port of this test process's own range."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for _ in range(400):
        bound_socket.next = (getattr(bound_socket, "next", os.getpid()) + 1) % 120  # type: ignore[attr-defined]
        sock = socket.socket(socket.AF_INET, kind)
        try:
            sock.bind((HOST, 21000 + (worker % 8) * 120 + bound_socket.next))  # type: ignore[attr-defined]
        except OSError:
            sock.close()
            continue
        return sock
    raise AssertionError("no free port")


def free_port(kind: int = socket.SOCK_DGRAM) -> int:
    sock = bound_socket(kind)
    port: int = sock.getsockname()[1]
    sock.close()
    return port


@dataclass
class Message:
    start: str
    headers: list[tuple[str, str]]
    body: str

    @classmethod
    def read(cls, data: bytes) -> Message:
        head, _, body = data.decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        headers = [
            (name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])
        ]
        return cls(lines[0], headers, body)

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def status(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return self.start.split()[0]


class Audio:
    """One side's RTP: sends a tone, keeps what it hears."""

    def __init__(self, codec: int = 8, hertz: float = 0.0) -> None:
        self.codec = CODECS[codec]
        self.sock = bound_socket()
        self.sock.settimeout(0.03)
        self.port: int = self.sock.getsockname()[1]
        self.remote: tuple[str, int] | None = None
        self.heard = bytearray()
        self.sources: set[bytes] = set()
        self.digits: list[int] = []
        self._stop = threading.Event()
        self._sequence = 0
        self._lock = threading.Lock()
        samples = np.arange(8000) / 8000
        tone = (8000 * np.sin(2 * np.pi * hertz * samples)).astype(np.int16)
        self._tone = self.codec.encode(tone)
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        if hertz:
            self._threads.append(threading.Thread(target=self._speak, daemon=True))

    def start(self, sdp: str) -> None:
        port = re.search(r"^m=audio (\d+)", sdp, re.MULTILINE)
        assert port
        self.remote = (HOST, int(port[1]))
        for thread in self._threads:
            if not thread.is_alive() and thread.ident is None:
                thread.start()

    def quiet(self) -> None:
        self._stop.set()

    def stop(self) -> None:
        self.quiet()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(2)
        self.sock.close()

    def press(self, digit: str) -> None:
        """RFC 2833, three packets and its end three times."""
        stamp = 1_000_000 + self._sequence * 160
        code = "0123456789*#".index(digit)
        for end, duration in ((0, 160), (0, 320), (0x80, 480), (0x80, 480), (0x80, 480)):
            self._send(101, stamp, struct.pack("!BBH", code, end | 10, duration))

    def _send(self, kind: int, stamp: int, payload: bytes) -> None:
        with self._lock:
            self._sequence = (self._sequence + 1) & 0xFFFF
            head = struct.pack("!BBHII", 0x80, kind, self._sequence, stamp, id(self) & 0xFFFFFFFF)
            with suppress(OSError):
                self.sock.sendto(head + payload, self.remote or (HOST, 9))

    def _speak(self) -> None:
        due, frame = time.monotonic(), 0
        while not self._stop.is_set():
            start = frame * FRAME % 8000
            self._send(self.codec.payload_type, frame * FRAME, self._tone[start : start + FRAME])
            frame += 1
            due += 0.02
            time.sleep(max(0, due - time.monotonic()))

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                data = self.sock.recv(2048)
            except OSError:
                continue
            if data[1] & 0x7F == self.codec.payload_type:
                self.heard += data[12:]
                self.sources.add(data[8:12])
            elif data[12 + 1] & 0x80 and (data[12] not in self.digits[-1:] or data[4:8] != self._last):
                self.digits.append(data[12])
                self._last = data[4:8]

    _last = b""

    def loudest_hertz(self, *, skip: int = 1600) -> float:
        """The main tone of what was heard (0 for silence)."""
        return loudest_hertz(self.codec.decode(bytes(self.heard[skip:])))


def loudest_hertz(samples: np.ndarray) -> float:
    if len(samples) < 800 or np.abs(samples).max() < 200:
        return 0.0
    points = 65536
    spectrum = np.abs(np.fft.rfft(samples[:points].astype(float) * np.hanning(len(samples[:points])), points))
    return round(float(np.argmax(spectrum)) * 8000 / points / 5) * 5


def sdp(port: int, codec: int) -> str:
    name = {0: "PCMU", 8: "PCMA", 9: "G722"}[codec]
    return (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP {codec} 101\r\n"
        f"a=rtpmap:{codec} {name}/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
    )


@dataclass
class Dialog:
    """One call as one telephone sees it."""

    sock: socket.socket
    peer: tuple[str, int]
    call_id: str
    local: str
    remote: str
    request_uri: str
    audio: Audio
    invite: Message | None = None
    seen: list[str] = field(default_factory=list)
    finals: dict[str, Message] = field(default_factory=dict)
    offered: str = ""
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    acknowledged: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)
    sequence: int = 1
    branch: str = ""
    #: What a proxy on the way asked to be named (Record-Route), for what belongs to the call.
    route: str = ""
    port: int = 0
    started: float = field(default_factory=time.monotonic)
    stamps: list[tuple[str, float]] = field(default_factory=list)

    # --- both sides ---

    def note(self, what: str) -> None:
        with self.changed:
            self.seen.append(what)
            self.stamps.append((what, time.monotonic() - self.started))
            self.changed.notify_all()

    def wait_for(self, what: str, timeout_s: float = PATIENCE_S) -> None:
        with self.changed:
            found = self.changed.wait_for(lambda: what in self.seen, timeout_s)
        assert found, f"waited for {what}, saw {self.seen}"

    def send(self, text: str, body: str = "") -> None:
        kind = "Content-Type: application/sdp\r\n" if body.startswith("v=0") else ""
        if body and not kind:
            kind = "Content-Type: application/dtmf-relay\r\n"
        self.sock.sendto(f"{text}{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.peer)

    def request(self, method: str, body: str = "", *, sequence: int | None = None, branch: str = "") -> None:
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        branch = branch or f"z9hG4bK{uuid.uuid4().hex}"
        self.send(
            f"{method} {self.request_uri} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{self.port};branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.local}\r\nTo: {self.remote}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {sequence} {method}\r\nContact: <sip:{HOST}:{self.port};transport=UDP>\r\n"
            + (f"Route: {self.route}\r\n" if self.route and method != "CANCEL" else ""),
            body,
        )

    def bye(self) -> None:
        self.request("BYE")
        self.wait_for("200 BYE")
        self.ended.set()

    def info_digit(self, digit: str) -> None:
        self.request("INFO", f"Signal={digit}\r\nDuration=160\r\n")
        self.wait_for("200 INFO")

    # --- the caller's ---

    def ack(self, *, sequence: int = 1, branch: str = "", body: str = "") -> None:
        self.request("ACK", body, sequence=sequence, branch=branch)

    def answered(self, timeout_s: float = PATIENCE_S) -> Message:
        """Wait for the 200, acknowledge it, start the audio."""
        final = self.final(timeout_s)
        assert final.status == 200, final.start
        return final

    def final(self, timeout_s: float = PATIENCE_S) -> Message:
        with self.changed:
            found = self.changed.wait_for(lambda: "INVITE" in self.finals, timeout_s)
        assert found, f"no final answer, saw {self.seen}"
        return self.finals["INVITE"]

    def cancel(self) -> None:
        self.request("CANCEL", sequence=1, branch=self.branch)

    # --- the callee's ---

    def respond(self, status: int, reason: str, body: str = "", request: Message | None = None) -> None:
        request = request or self.invite
        assert request
        copied = "".join(f"{name}: {value}\r\n" for name, value in request.headers if name in {"via", "record-route"})
        to = self.local if "tag=" not in request.get("to") and status > 100 else request.get("to")
        self.send(
            f"SIP/2.0 {status} {reason}\r\n{copied}From: {request.get('from')}\r\nTo: {to}\r\n"
            f"Call-ID: {request.get('call-id')}\r\nCSeq: {request.get('cseq')}\r\n"
            f"Contact: <sip:{HOST}:{self.port};transport=UDP>\r\n",
            body,
        )

    def ring(self) -> None:
        self.respond(180, "Ringing")

    def early(self) -> None:
        self.respond(183, "Session Progress", sdp(self.audio.port, self.audio.codec.payload_type))
        self.audio.start(self.offered)

    def answer(self) -> None:
        self.respond(200, "OK", sdp(self.audio.port, self.audio.codec.payload_type))
        self.audio.start(self.offered)

    def refuse(self, status: int, reason: str = "No") -> None:
        self.respond(status, reason)


class _Station:
    """A UDP port that hands messages to dialogs."""

    def __init__(self) -> None:
        self.sock = bound_socket()
        self.sock.settimeout(0.03)
        self.port: int = self.sock.getsockname()[1]
        self.dialogs: dict[str, Dialog] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        for dialog in self.dialogs.values():
            dialog.audio.quiet()
        self._thread.join(2)
        self.sock.close()
        for dialog in self.dialogs.values():
            dialog.audio.stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                data, source = self.sock.recvfrom(65535)
            except OSError:
                continue
            message = Message.read(data)
            if message.status:
                self._response(message)
            else:
                self._request(message, source)

    def _response(self, message: Message) -> None:
        dialog = self.dialogs.get(message.get("call-id"))
        if dialog is None:
            return
        method = message.get("cseq").split()[1]
        if method == "INVITE" and message.status > 100:
            dialog.remote = message.get("to")
        if method == "INVITE" and message.status >= 200:
            self._final(dialog, message)
        if message.body.startswith("v=0"):
            dialog.audio.start(message.body)
        dialog.note(f"{message.status} {method}")

    def _final(self, dialog: Dialog, message: Message) -> None:
        number = int(message.get("cseq").split()[0])
        contact = re.search(r"<([^>]+)>", message.get("contact"))
        if message.status < 300 and contact:
            dialog.request_uri = contact[1]
            dialog.route = message.get("record-route")
        late = "" if dialog.offered else sdp(dialog.audio.port, 0)
        dialog.ack(
            sequence=number,
            branch="" if message.status < 300 else dialog.branch,
            body=late if message.status < 300 else "",
        )
        dialog.finals["INVITE"] = message
        if message.status >= 300:
            dialog.ended.set()

    def _request(self, message: Message, source: tuple[str, int]) -> None:
        dialog = self.dialogs.get(message.get("call-id"))
        if dialog is None:
            return
        dialog.note(message.method)
        if message.method == "BYE":
            dialog.respond(200, "OK", request=message)
            dialog.finals["BYE"] = message
            dialog.ended.set()
        elif message.method in {"INFO", "OPTIONS"}:
            dialog.respond(200, "OK", request=message)


class Phone(_Station):
    """Places calls."""

    def call(
        self,
        node: tuple[str, int],
        number: str,
        *,
        codec: int = 8,
        hertz: float = 0.0,
        offer: bool = True,
        caller: str = "+74955550123",
        name: str = "Caller",
        headers: str = "",
    ) -> Dialog:
        audio = Audio(codec if codec in CODECS else 8, hertz)
        uri = f"sip:{number}@{node[0]}:{node[1]}"
        dialog = Dialog(
            self.sock,
            node,
            f"{uuid.uuid4().hex}@test",
            f'"{name}" <sip:{caller}@{HOST}:{self.port}>;tag={uuid.uuid4().hex[:8]}',
            f"<{uri}>",
            uri,
            audio,
            branch=f"z9hG4bK{uuid.uuid4().hex}",
            port=self.port,
            offered="yes" if offer else "",
        )
        self.dialogs[dialog.call_id] = dialog
        dialog.send(
            f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{self.port};branch={dialog.branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {dialog.local}\r\nTo: {dialog.remote}\r\n"
            f"Call-ID: {dialog.call_id}\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:{caller}@{HOST}:{self.port};transport=UDP>\r\n{headers}",
            sdp(audio.port, codec) if offer else "",
        )
        return dialog

    def options(self, node: tuple[str, int]) -> Message:
        """An OPTIONS outside of any dialog and its answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((HOST, 0))
            sock.settimeout(PATIENCE_S)
            port = sock.getsockname()[1]
            text = (
                f"OPTIONS sip:{node[0]}:{node[1]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK{uuid.uuid4().hex}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:probe@{HOST}>;tag=1\r\nTo: <sip:{HOST}>\r\n"
                f"Call-ID: {uuid.uuid4().hex}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            sock.sendto(text.encode(), node)
            return Message.read(sock.recv(65535))


class Target(_Station):
    """Takes calls; the behaviour runs in a thread per call."""

    def __init__(self, behave: Callable[[Dialog], None], *, hertz: float = 0.0, codec: int = 8) -> None:
        self._behave = behave
        self._hertz = hertz
        self._codec = codec
        super().__init__()

    @property
    def address(self) -> str:
        """The target as a dial string's endpoint."""
        return f"sofia/external/t@{HOST}:{self.port}"

    @property
    def taken(self) -> list[Dialog]:
        return list(self.dialogs.values())

    def first(self, timeout_s: float = PATIENCE_S) -> Dialog:
        """The first call it got."""
        deadline = time.monotonic() + timeout_s
        while not self.dialogs and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.dialogs, "the target was not called"
        return self.taken[0]

    def _request(self, message: Message, source: tuple[str, int]) -> None:
        dialog = self.dialogs.get(message.get("call-id"))
        if message.method == "INVITE" and dialog is None:
            self._take(message, source)
        elif message.method == "INVITE" and dialog is not None and dialog.invite is not None:
            again = message.get("cseq") == dialog.invite.get("cseq")
            dialog.note("INVITE again" if again else "INVITE within")
            if not again:
                super()._request(message, source)
        elif message.method == "CANCEL" and dialog is not None:
            dialog.note("CANCEL")
            dialog.respond(200, "OK", request=message)
            dialog.cancelled.set()
            dialog.respond(487, "Request Terminated")
        elif message.method == "ACK" and dialog is not None:
            dialog.acknowledged.set()
            dialog.note("ACK")
        else:
            super()._request(message, source)

    def _take(self, message: Message, source: tuple[str, int]) -> None:
        contact = re.search(r"<([^>]+)>", message.get("contact"))
        dialog = Dialog(
            self.sock,
            source,
            message.get("call-id"),
            f"{message.get('to')};tag={uuid.uuid4().hex[:8]}",
            message.get("from"),
            contact[1] if contact else "",
            Audio(self._codec, self._hertz),
            invite=message,
            offered=message.body,
            port=self.port,
        )
        dialog.seen.append("INVITE")
        self.dialogs[dialog.call_id] = dialog
        threading.Thread(target=self._behave, args=(dialog,), daemon=True).start()


# --- behaviours ---


def answers(after_s: float = 0.1, *, hang_up_after_s: float | None = None) -> Callable[[Dialog], None]:
    def behave(dialog: Dialog) -> None:
        dialog.ring()
        if dialog.cancelled.wait(after_s):
            return
        dialog.answer()
        if hang_up_after_s is not None and not dialog.ended.wait(hang_up_after_s):
            dialog.bye()

    return behave


def refuses(status: int, *, after_s: float = 0.0, ring: bool = False, early: bool = False) -> Callable[[Dialog], None]:
    def behave(dialog: Dialog) -> None:
        if ring:
            dialog.ring()
        if early:
            dialog.early()
        if not dialog.cancelled.wait(after_s):
            dialog.refuse(status)

    return behave


def rings_for_ever(dialog: Dialog) -> None:
    dialog.ring()


def stays_silent(dialog: Dialog) -> None:
    return None

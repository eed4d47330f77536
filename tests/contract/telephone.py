"""Telephones for the suite: SIP over UDP as a carrier and its targets speak it, one greenlet a line.

``Line`` is one telephone (one UDP port); ``Line.call`` places a call, ``Line.on_call`` runs for each one that comes in.
A :class:`Dialog` keeps what was seen and when. Runs in a process that gevent has patched; knows no switch.
"""

from __future__ import annotations

import hashlib
import re
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event

from .ports import HOST, bind_udp
from .sound import Media

PATIENCE_S = 12.0


class NotSeen(AssertionError):
    """What a telephone waited for did not come."""


@dataclass
class Message:
    """One SIP message. Header names in lower case."""

    start: str
    headers: list[tuple[str, str]]
    body: str

    @classmethod
    def read(cls, data: bytes) -> Message:
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        first, *rest = head.split("\r\n")
        pairs = (line.partition(":") for line in rest)
        return cls(first, [(name.strip().lower(), value.strip()) for name, _, value in pairs], body)

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def status(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        """Of a request itself; of a response that of the request it answers."""
        return self.get("cseq").split()[-1] if self.status else self.start.split()[0]

    @property
    def what(self) -> str:
        return f"{self.status} {self.method}" if self.status else self.method


@dataclass(eq=False)
class Dialog:
    """One call as one telephone sees it. ``seen`` holds (what, seconds since the INVITE)."""

    line: Line
    peer: tuple[str, int]
    call_id: str
    local: str
    remote: str
    uri: str
    media: Media
    invite: Message | None = None
    seen: list[tuple[str, float]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    final: Message | None = None
    branch: str = field(default_factory=lambda: f"z9hG4bK{uuid.uuid4().hex}")
    begun: float = field(default_factory=time.monotonic)
    over: bool = False
    _sequence: int = 1
    _changed: Event = field(default_factory=Event)

    def _tell(self) -> None:
        self._changed.set()
        self._changed.clear()

    def has(self, what: str) -> bool:
        return any(one == what for one, _ in self.seen)

    def when(self, what: str) -> float | None:
        """Seconds from the INVITE to the first of these."""
        return next((at for one, at in self.seen if one == what), None)

    def wait(self, found: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        until = time.monotonic() + timeout_s
        while not found():
            left = until - time.monotonic()
            if left <= 0:
                raise NotSeen(f"waited {timeout_s} s for {what}, saw {[one for one, _ in self.seen]}")
            self._changed.wait(min(left, 0.5))

    def wait_for(self, what: str, timeout_s: float = PATIENCE_S) -> float:
        self.wait(lambda: self.has(what), what, timeout_s)
        return self.when(what) or 0.0

    # --- what both sides say ---

    def request(
        self,
        method: str,
        *,
        sequence: int | None = None,
        branch: str = "",
        to: str = "",
        more: str = "",
        body: str = "",
    ) -> None:
        if sequence is None:
            self._sequence = sequence = self._sequence + 1
        self._send(
            f"{method} {self.uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self.line.port};branch={branch or f'z9hG4bK{uuid.uuid4().hex}'}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.local}\r\nTo: {to or self.remote}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {sequence} {method}\r\nContact: <sip:{HOST}:{self.line.port}>\r\n{more}",
            body,
        )

    def offer_again(self, direction: str = "sendrecv", *, media: Media | None = None) -> None:
        """A re-INVITE: to hold, to come back, or to go on with another telephone's sound, as a branch exchange does."""
        before = self._answers()
        self.request("INVITE", body=_sdp((media or self.media).port, direction))
        self.wait(lambda: self._answers() > before, "the answer to a re-INVITE")

    def _answers(self) -> int:
        return sum(what == "200 INVITE" for what, _ in self.seen)

    def respond(self, status: int, reason: str, *, to: Message | None = None, sdp: bool = False) -> None:
        request = to or self.invite
        assert request
        copied = "".join(f"{name}: {value}\r\n" for name, value in request.headers if name in ("via", "record-route"))
        tagged = self.local if request.method == "INVITE" and status > 100 else request.get("to")
        self._send(
            f"SIP/2.0 {status} {reason}\r\n{copied}From: {request.get('from')}\r\nTo: {tagged}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {request.get('cseq')}\r\nContact: <sip:t@{HOST}:{self.line.port}>\r\n",
            _sdp(self.media.port) if sdp else "",
        )

    def hang_up(self) -> None:
        """BYE, and wait for its answer."""
        if self.over:
            return
        self.request("BYE")
        # 481 if the other side was quicker.
        self.wait(lambda: self.has("200 BYE") or self.has("481 BYE"), "the answer to BYE")
        self.end()

    def end(self) -> None:
        self.over = True
        self.media.stop()
        self._tell()

    def _send(self, text: str, body: str = "") -> None:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.line.sock.sendto(f"{text}{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.peer)

    # --- the caller ---

    def answer_of_invite(self, timeout_s: float = PATIENCE_S) -> int:
        """The final status."""
        self.wait(lambda: self.final, "a final answer", timeout_s)
        assert self.final
        return self.final.status

    def cancel(self) -> None:
        self.request("CANCEL", sequence=1, branch=self.branch, to=f"<{self.uri}>")

    # --- the target ---

    def ring(self) -> None:
        self.respond(180, "Ringing")

    def early_media(self) -> None:
        self.respond(183, "Session Progress", sdp=True)
        self._hear(self.invite)

    def answer(self) -> None:
        self.respond(200, "OK", sdp=True)
        self._hear(self.invite)

    def sleep(self, seconds: float) -> bool:
        """Wait; true when the call was cancelled or ended in the meantime."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.over:
            self._changed.wait(max(0.0, until - time.monotonic()))
        return self.over

    # --- what the line hands over ---

    def take(self, message: Message) -> None:
        """Seen first, then answered, then told to who waits."""
        self.messages.append(message)
        self.seen.append((message.what, time.monotonic() - self.begun))
        self._react(message)
        self._tell()

    def _react(self, message: Message) -> None:
        method = message.method
        if message.status:
            if method == "INVITE":
                self._invite_answered(message)
        elif method == "BYE":
            self.respond(200, "OK", to=message)
            self.end()
        elif method == "CANCEL":
            self.respond(200, "OK", to=message)
            if self.final is None and not self.over:
                self.respond(487, "Request Terminated")
                self.over = True
        elif method not in ("ACK", "INVITE"):
            self.respond(200, "OK", to=message)

    def _invite_answered(self, message: Message) -> None:
        if message.body:
            self._hear(message)
        if message.status > 100:
            self.remote = message.get("to")
        if message.status < 200:
            return
        contact = re.search(r"<([^>]+)>", message.get("contact"))
        if message.status < 300 and contact:
            self.uri = contact[1]
        sequence = int(message.get("cseq").split()[0])
        self.request("ACK", sequence=sequence, branch="" if message.status < 300 else self.branch)
        self.final = self.final or message
        if message.status >= 300:
            self.end()

    def _hear(self, message: Message | None) -> None:
        port = re.search(r"^m=audio (\d+)", message.body if message else "", re.MULTILINE)
        if port and not self.over:
            self.media.start((HOST, int(port[1])))


def _sdp(port: int, direction: str = "sendrecv") -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
        f"a={direction}\r\n"
    )


@dataclass
class Challenge:
    """What a carrier with digest authentication asks of an INVITE: MD5 with `auth` (RFC 2617), by 401 or 407."""

    username: str
    password: str
    status: int = 407
    realm: str = "carrier"
    refusals: int = 0
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)

    def refusal(self, invite: Message) -> bytes:
        copied = "".join(f"Via: {value}\r\n" for name, value in invite.headers if name == "via")
        asks = "Proxy-Authenticate" if self.status == 407 else "WWW-Authenticate"
        return (
            f"SIP/2.0 {self.status} Who are you\r\n{copied}From: {invite.get('from')}\r\n"
            f"To: {invite.get('to')};tag={self.nonce[:8]}\r\nCall-ID: {invite.get('call-id')}\r\n"
            f'CSeq: {invite.get("cseq")}\r\n{asks}: Digest realm="{self.realm}", nonce="{self.nonce}", algorithm=MD5,'
            f' qop="auth"\r\nContent-Length: 0\r\n\r\n'
        ).encode()

    def is_met(self, invite: Message) -> bool:
        said = invite.get("proxy-authorization" if self.status == 407 else "authorization")
        told = {name.lower(): quoted or plain for name, quoted, plain in _DIGEST.findall(said)}
        if told.get("username") != self.username or told.get("nonce") != self.nonce:
            return False
        secret = _md5(f"{self.username}:{self.realm}:{self.password}")
        asked = _md5(f"INVITE:{told['uri']}")
        extra = f"{told['nc']}:{told['cnonce']}:{told['qop']}:" if "qop" in told else ""
        return told.get("response") == _md5(f"{secret}:{self.nonce}:{extra}{asked}")


_DIGEST = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Line:
    """A telephone."""

    def __init__(
        self,
        *,
        tone_hz: int = 0,
        on_call: Callable[[Dialog], None] | None = None,
        challenge: Challenge | None = None,
    ) -> None:
        self.challenge = challenge
        self.sock: socket.socket = bind_udp()
        self.port: int = self.sock.getsockname()[1]
        self.tone_hz = tone_hz
        self.dialogs: dict[str, Dialog] = {}
        self._on_call = on_call
        self._greenlets: list[Any] = [gevent.spawn(self._run)]

    @property
    def calls(self) -> list[Dialog]:
        return list(self.dialogs.values())

    def close(self) -> None:
        gevent.killall(self._greenlets)
        for dialog in self.calls:
            dialog.media.stop()
        self.sock.close()

    def call(
        self,
        switch: tuple[str, int],
        number: str,
        *,
        caller: str = "+74955550123",
        name: str = '"Caller"',
        more: str = "",
    ) -> Dialog:
        """Send an INVITE. ``name`` is the display name as it stands in the header, quotes included; ``more`` are
        header lines besides."""
        uri = f"sip:{number}@{switch[0]}:{switch[1]}"
        tag = uuid.uuid4().hex[:10]
        local = f"{name} <sip:{caller}@{HOST}:{self.port}>;tag={tag}".strip()
        dialog = Dialog(self, switch, f"{uuid.uuid4().hex}@caller", local, f"<{uri}>", uri, Media(self.tone_hz))
        self.dialogs[dialog.call_id] = dialog
        dialog._send(
            f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{self.port};branch={dialog.branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {local}\r\nTo: <{uri}>\r\nCall-ID: {dialog.call_id}\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:{caller}@{HOST}:{self.port}>\r\n{more}",
            _sdp(dialog.media.port),
        )
        return dialog

    def options(self, switch: tuple[str, int]) -> int:
        """The status of an OPTIONS outside of any call."""
        uri = f"sip:{switch[0]}:{switch[1]}"
        dialog = Dialog(
            self, switch, f"{uuid.uuid4().hex}@probe", f"<sip:probe@{HOST}>;tag=1", f"<{uri}>", uri, Media()
        )
        self.dialogs[dialog.call_id] = dialog
        dialog.request("OPTIONS")
        dialog.wait(lambda: dialog.messages, "an answer to OPTIONS")
        dialog.end()
        return dialog.messages[0].status

    def _run(self) -> None:
        while True:
            try:
                data, source = self.sock.recvfrom(65_535)
            except ConnectionRefusedError:
                continue
            message = Message.read(data)
            dialog = self.dialogs.get(message.get("call-id"))
            if self._asks_again(message, source):
                continue
            if dialog is not None:
                dialog.take(message)
            elif message.method == "INVITE" and not message.status and self._on_call is not None:
                self._ring(message, source)

    def _asks_again(self, message: Message, source: tuple[str, int]) -> bool:
        """Whether this was an INVITE without the password that this line wants, or the ACK of its refusal: a carrier
        challenges it (RFC 3261 22) and knows nothing of a call yet."""
        if self.challenge is None or message.status or message.method not in ("INVITE", "ACK"):
            return False
        if message.method == "ACK":
            return message.get("call-id") not in self.dialogs
        if self.challenge.is_met(message):
            return False
        self.challenge.refusals += 1
        self.sock.sendto(self.challenge.refusal(message), source)
        return True

    def _ring(self, message: Message, source: tuple[str, int]) -> None:
        contact = re.search(r"<([^>]+)>", message.get("contact"))
        local = f"{message.get('to')};tag={uuid.uuid4().hex[:10]}"
        dialog = Dialog(
            self, source, message.get("call-id"), local, message.get("from"), contact[1] if contact else "",
            Media(self.tone_hz), invite=message,
        )  # fmt: skip
        self.dialogs[dialog.call_id] = dialog
        dialog.take(message)
        self._greenlets.append(gevent.spawn(self._on_call, dialog))


# --- how a target behaves ---


def answers(ring_s: float = 0.2, *, hang_up_after_s: float | None = None) -> Callable[[Dialog], None]:
    """Rings, answers, and hangs up after a while if told to."""

    def behave(dialog: Dialog) -> None:
        dialog.ring()
        if dialog.sleep(ring_s):
            return
        dialog.answer()
        if hang_up_after_s is not None and not dialog.sleep(hang_up_after_s):
            dialog.hang_up()

    return behave


def accepts_with(digit: str | None, *, after_s: float = 0.5) -> Callable[[Dialog], None]:
    """Answers and presses a key; None: a voicemail that picks up and presses nothing."""

    def behave(dialog: Dialog) -> None:
        dialog.answer()
        if digit is not None and not dialog.sleep(after_s):
            dialog.media.press(digit)

    return behave


def refuses(status: int, reason: str, *, early_media_s: float = 0.0) -> Callable[[Dialog], None]:
    """Refuses, after its own sound for a while if told to."""

    def behave(dialog: Dialog) -> None:
        if early_media_s:
            dialog.early_media()
            if dialog.sleep(early_media_s):
                return
        dialog.respond(status, reason)

    return behave


def rings(dialog: Dialog) -> None:
    """Rings until somebody loses patience."""
    dialog.ring()

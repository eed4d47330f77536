"""Offers a node more calls than it admits, and counts what each caller hears. Plain SIP over UDP from one socket, one
thread: SIPp takes a final answer that its scenario does not name for a fault and counts no codes."""

from __future__ import annotations

import re
import select
import socket
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

#: RFC 3261, T1: a request that nobody answers is sent again after so long, and again after twice that.
T1_S = 0.5
ANSWERED_WITHIN_S = 20.0
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2}) ")
_CALL_ID = re.compile(r"^Call-ID: *(\S+)", re.MULTILINE | re.IGNORECASE)
_TO = re.compile(r"^To: *(.+?)\r?$", re.MULTILINE | re.IGNORECASE)
_METHOD = re.compile(r"^CSeq: *[0-9]+ +([A-Z]+)", re.MULTILINE | re.IGNORECASE)


@dataclass
class _Offered:
    """One call that waits for its final answer."""

    branch: str
    again_s: float
    pause_s: float = T1_S
    provisional: bool = False


@dataclass
class Offer:
    """Calls to one number of one node, evenly, and the final statuses of all of them."""

    node: tuple[str, int]
    number: str
    caller: str = "+447700900999"
    _waiting: dict[str, _Offered] = field(default_factory=dict)

    def place(self, count: int, rate: float) -> Counter[int]:
        """Blocks until every call has its final answer; 0 counts those that never got one."""
        heard: Counter[int] = Counter()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind(("127.0.0.1", 0))
            line.setblocking(False)
            began_s, placed = time.monotonic(), 0
            until_s = began_s + count / rate + ANSWERED_WITHIN_S
            while (placed < count or self._waiting) and time.monotonic() < until_s:
                while placed < count and time.monotonic() >= began_s + placed / rate:
                    self._invite(line)
                    placed += 1
                self._repeat(line)
                if select.select([line], [], [], 0.01)[0]:
                    self._hear(line, heard)
        heard[0] += len(self._waiting) + count - placed
        return heard

    def _invite(self, line: socket.socket) -> None:
        call_id = uuid.uuid4().hex
        self._waiting[call_id] = _Offered(f"z9hG4bK{call_id}", time.monotonic() + T1_S)
        self._send(line, call_id)

    def _repeat(self, line: socket.socket) -> None:
        now_s = time.monotonic()
        for call_id, one in self._waiting.items():
            if not one.provisional and now_s >= one.again_s:
                one.pause_s *= 2
                one.again_s = now_s + one.pause_s
                self._send(line, call_id)

    def _send(self, line: socket.socket, call_id: str) -> None:
        host, port = line.getsockname()
        sdp = f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
        head = self._head(line, call_id, "INVITE", f"<sip:{self.number}@{self.node[0]}:{self.node[1]}>")
        more = f"Contact: <sip:o@{host}:{port}>\r\nContent-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n"
        line.sendto((head + more + sdp).encode(), self.node)

    def _head(self, line: socket.socket, call_id: str, method: str, to: str) -> str:
        host, port = line.getsockname()
        branch = self._waiting[call_id].branch
        return (
            f"{method} sip:{self.number}@{self.node[0]}:{self.node[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{self.caller}@{host}:{port}>;tag={call_id[:8]}\r\nTo: {to}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n"
        )

    def _hear(self, line: socket.socket, heard: Counter[int]) -> None:
        text = line.recv(65_535).decode("utf-8", "replace")
        status, call, to, method = (one.search(text) for one in (_STATUS, _CALL_ID, _TO, _METHOD))
        if not (status and call and to and method) or call[1] not in self._waiting or method[1] != "INVITE":
            return
        self._waiting[call[1]].provisional = True
        if int(status[1]) < 200:
            return
        # The ACK of a final answer that is no 2xx is part of the INVITE's transaction (RFC 3261, 17.1.1.3).
        line.sendto((self._head(line, call[1], "ACK", to[1]) + "Content-Length: 0\r\n\r\n").encode(), self.node)
        del self._waiting[call[1]]
        heard[int(status[1])] += 1

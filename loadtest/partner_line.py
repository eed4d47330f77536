"""One partner's line to the API: plain HTTP over a kept connection that is cut in the middle now and then.

A cut is what a bad line does: the request is not whole yet, or it is and nobody reads the answer. Both times the
partner knows nothing of what came of it, and sends the same again under the same `Idempotency-Key`.
"""

from __future__ import annotations

import json
import random
import socket
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

from dialtrace.errors import DialtraceError

TIMEOUT_S = 30.0
MOST_TRIES = 50
LONGEST_WAIT_S = 65.0


class LineDead(DialtraceError):
    """The API gave no final answer, however often it was asked."""


@dataclass(frozen=True)
class Answered:
    """A final answer."""

    status: int
    document: dict[str, Any]
    is_replay: bool


class Line:
    """``cut_share``: of connections that are cut; one is used for as many requests as it lives."""

    def __init__(self, address: tuple[str, int], token: str, cut_share: float, seed: int) -> None:
        self._address = address
        self._token = token
        self._cut_share = cut_share
        self._random = random.Random(seed)
        self._socket: socket.socket | None = None
        self.requests = 0
        self.cuts = 0
        self.waited = 0

    def post(self, path: str, body: dict[str, Any], key: str) -> Answered:
        """Until there is a final answer: a cut line, a first request that still runs, a used-up quota and a platform
        that is away for a moment are none. Raises LineDead."""
        message = self._message(path, body, key)
        for _ in range(MOST_TRIES):
            if self._random.random() < self._cut_share:
                self._send_and_cut(message)
                continue
            answer, retry_s = self._ask(message)
            if answer is not None:
                return answer
            self.waited += 1
            time.sleep(min(retry_s, LONGEST_WAIT_S))
        raise LineDead(f"{path}: no final answer after {MOST_TRIES} tries")

    def _message(self, path: str, body: dict[str, Any], key: str) -> bytes:
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._address[0]}\r\nAuthorization: Bearer {self._token}\r\n"
            f'Content-Type: application/json\r\nIdempotency-Key: "{key}"\r\nContent-Length: {len(content)}\r\n\r\n'
        )
        return head.encode() + content

    def _send_and_cut(self, message: bytes) -> None:
        """Half of it and away, or all of it and away before the answer."""
        self.cuts += 1
        self.requests += 1
        line = self._connected()
        whole = self._random.random() < 0.5
        part = message if whole else message[: self._random.randrange(1, len(message))]
        try:
            line.sendall(part)
            if whole:
                # Sometimes while it is being done, sometimes when the answer is there already.
                time.sleep(self._random.random() * 0.01)
        except OSError:
            pass
        self._hang_up()

    def _ask(self, message: bytes) -> tuple[Answered | None, float]:
        """The answer, or after how many seconds to ask again."""
        self.requests += 1
        try:
            line = self._connected()
            line.sendall(message)
            response = HTTPResponse(line, method="POST")
            response.begin()
            content = response.read()
        except (OSError, HTTPException):
            self._hang_up()
            return None, 0.05
        document = json.loads(content) if content else {}
        unfinished = response.status == 409 and document.get("code") == "idempotency_key_in_use"
        if unfinished or response.status in {429, 503}:
            # A first request that was cut off in the middle is done within milliseconds.
            return None, 0.02 if unfinished else float(response.headers.get("Retry-After", "1"))
        return Answered(response.status, document, response.headers.get("Idempotent-Replayed") == "true"), 0.0

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

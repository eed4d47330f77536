"""A receiver of webhooks that behaves as it is told: away, failing, busy, slow, well. A real HTTP server on loopback.

It checks every signature, keeps what came and when, and says whether the books balance: everything there, each call's
events in their order, nothing twice once equal ids are taken together.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request. ``status``: what it was answered with."""

    id: str
    message: Mapping[str, Any]
    at_s: float
    status: int


#: What to answer: status, headers, and after how many seconds.
Mood = Callable[[], tuple[int, Mapping[str, str], float]]

WELL: Mood = lambda: (200, {}, 0.0)  # noqa: E731
FAILING: Mood = lambda: (500, {}, 0.0)  # noqa: E731
BUSY: Mood = lambda: (429, {"Retry-After": "1"}, 0.0)  # noqa: E731


def slow(seconds: float) -> Mood:
    return lambda: (200, {}, seconds)


@dataclass
class Receiver:
    """Listens on one port of 127.0.0.1, also after it was away."""

    port: int = 0
    mood: Mood = WELL
    keys: list[bytes] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    forged: int = 0

    def __post_init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> Receiver:
        """Takes connections from now on."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, wait_s = receiver.mood()
                receiver._keep(self.headers, body, status)
                time.sleep(wait_s)
                answer = f"answered with {status}".encode()
                with suppress(OSError):
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Nobody takes connections any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _keep(self, headers: Any, body: bytes, status: int) -> None:
        message_id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        signed = f"{message_id}.{stamp}.".encode() + body
        wanted = {
            "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in self.keys
        }
        with self._lock:
            if not wanted & set(headers["webhook-signature"].split(" ")) or abs(time.time() - int(stamp)) > 300:
                self.forged += 1
            self.received.append(Received(message_id, json.loads(body), time.time(), status))

    # --- The books. ---

    def taken(self) -> dict[str, Received]:
        """What was answered with 200, by id, in the order of its first coming."""
        with self._lock:
            received = list(self.received)
        found: dict[str, Received] = {}
        for one in received:
            if one.status == 200:
                found.setdefault(one.id, one)
        return found

    def faults(self, wanted: Collection[str]) -> list[str]:
        """What is wrong, if these ids are all that was to come."""
        taken = self.taken()
        told = [f"{self.forged} requests have no right signature"] if self.forged else []
        if missing := set(wanted) - taken.keys():
            told.append(f"{len(missing)} of {len(wanted)} messages never came")
        if foreign := taken.keys() - set(wanted):
            told.append(f"{len(foreign)} messages were nobody's")
        told += disordered(taken)
        return told

    def repeats(self) -> int:
        """Requests beyond the first of each id."""
        with self._lock:
            return sum(count - 1 for count in Counter(one.id for one in self.received).values())


def disordered(taken: Mapping[str, Received]) -> list[str]:
    """Calls with an event that came after one that it stands before, by `rank` and `revision`, although it was before
    it in the log too. (What a node told late is late in the log, and may come late.)"""
    seen: dict[str, list[tuple[tuple[int, int], int]]] = defaultdict(list)
    for one in taken.values():
        data = one.message["data"]
        if "call_id" in data:
            seen[data["call_id"]].append(((data["rank"], data["revision"]), one.message["position"] or 0))
    wrong = [call for call, events in seen.items() if _has_inversion(events)]
    return [f"{len(wrong)} calls were told out of order, such as {wrong[0]}: {seen[wrong[0]]}"] if wrong else []


def _has_inversion(events: Sequence[tuple[tuple[int, int], int]]) -> bool:
    return any(
        later_key < key and later_position <= position
        for index, (key, position) in enumerate(events)
        for later_key, later_position in events[index + 1 :]
    )

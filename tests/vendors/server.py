"""What every stand-in shares: a port, a list of what came, and ways to misbehave.

A fault is taken from a queue by the next request that it matches, so a test says exactly which request fails and how:
`Fault("refuse", 500, "…")` answers without doing anything, `Fault("lose", …)` does what was asked and then gives no
answer in time, `Fault("answer", …)` does what was asked and answers something else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came. ``body`` is read as JSON or a form, by its media type."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """One misbehaviour. ``wanted`` says for which request; the first that it holds for gets it."""

    kind: Literal["refuse", "lose", "answer"]
    status: int = 500
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    wanted: Callable[[Asked], bool] = lambda _asked: True


class VendorServer:
    """Base of the stand-ins: they say what a request does (`handle`)."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self._faults: list[Fault] = []
        #: Decides for every request whether it misbehaves: for runs with many calls.
        self.mood: Callable[[Asked], Fault | None] = lambda _asked: None
        self.lock = threading.RLock()
        self._let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()

    def misbehave(self, *faults: Fault) -> None:
        """What the next requests that match get, in this order."""
        with self.lock:
            self._faults.extend(faults)

    def handle(self, asked: Asked) -> Said:
        """What a request does, and its answer."""
        raise NotImplementedError

    def _answer(self, asked: Asked) -> Said | None:
        """None: there is none in time."""
        with self.lock:
            self.requests.append(asked)
            fault = next((one for one in self._faults if one.wanted(asked)), None)
            if fault is not None:
                self._faults.remove(fault)
            fault = fault or self.mood(asked)
            if fault is None:
                return self.handle(asked)
            if fault.kind == "refuse":
                return Said(fault.status, fault.body, fault.headers)
            self.handle(asked)
            return None if fault.kind == "lose" else Said(fault.status, fault.body, fault.headers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(
                    self.command, parts.path, dict(parse_qsl(parts.query)), headers,
                    read_body(raw, headers.get("content-type", "")),
                )  # fmt: skip
                said = vendor._answer(asked)
                if said is None:
                    # Until the asker has long given up, or the test is over.
                    vendor._let_go.wait(30)
                    self.close_connection = True
                    return
                self._write(said)

            def _write(self, said: Said) -> None:
                body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                if isinstance(said.body, str):
                    body = said.body.encode()
                self.send_response(said.status)
                for name, value in {"Content-Type": "application/json", **said.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def read_body(raw: bytes, media_type: str) -> Any:
    if not raw:
        return None
    if "json" in media_type:
        return json.loads(raw)
    if "urlencoded" in media_type:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True))
    return raw

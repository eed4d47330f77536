"""The object store of a platform under drill: a real S3 service, a proxy before it that can be away or ill, and what
the nodes wrote, kept aside to be compared with what the store has in the end."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import random
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from dialtrace.demo.books import Line
from dialtrace.errors import DialtraceError

BUCKET = "drilled"
#: A switch that is killed leaves this much of a recording without sound.
EMPTY_WAV_BYTES = 44
LINK_EVERY_S = 0.05
#: Of the requests to a store that is ill, so many go wrong.
ILL_PART = 1 / 3
_ACCESS = {"AWS_ACCESS_KEY_ID": "drill", "AWS_SECRET_ACCESS_KEY": "drill", "AWS_REGION": "us-east-1"}

Mood = Literal["well", "ill", "away"]


class StoreMissing(DialtraceError):
    """The drills with an object store need moto's server: pip install 'moto[server]'."""


class FaultyProxy:
    """Stands before the store. Well it passes everything on; ill it answers a third of the requests with errors and
    requests to slow down, or cuts the line before or after the store did what was asked; away nobody listens."""

    def __init__(self, store: tuple[str, int], seed: int) -> None:
        self._store = store
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.mood: Mood = "well"
        self.passed = self.spoiled = 0
        self._server: ThreadingHTTPServer | None = None
        self._listen(0)
        assert self._server is not None
        self.address = ("127.0.0.1", self._server.server_address[1])

    def be(self, mood: Mood) -> None:
        """From now on."""
        if mood == "away":
            self._close()
        elif self._server is None:
            self._listen(self.address[1])
        self.mood = mood

    def fate(self) -> str:
        """What becomes of the next request."""
        with self._lock:
            is_spoiled = self.mood == "ill" and self._dice.random() < ILL_PART
            fate = self._dice.choice(["SlowDown", "InternalError", "cut", "cut after"]) if is_spoiled else "passed"
            self.passed += fate == "passed"
            self.spoiled += fate != "passed"
        return fate

    def close(self) -> None:
        """Nobody listens any more."""
        self._close()

    def _listen(self, port: int) -> None:
        proxy, store = self, self._store

        class Handler(_Passing):
            fates = proxy
            target = store

        self._server = _Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="proxy", daemon=True).start()

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut_all()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *given: Any) -> None:
        self._lines: set[socket.socket] = set()
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._lines.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._lines.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        """A store that goes away takes its lines with it."""
        for line in list(self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Lines that are cut are the point."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fates: FaultyProxy
    target: tuple[str, int]

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = self.fates.fate()
        if fate == "cut":
            self._cut()
        elif fate in {"SlowDown", "InternalError"}:
            self._refuse(fate)
        else:
            status, headers, answer = self._ask(body)
            if fate == "cut after":
                self._cut()
            else:
                self._answer(status, headers, answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        line = http.client.HTTPConnection(*self.target, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            line.request(self.command, self.path, body=body, headers=headers)
            answer = line.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            line.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(body)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>drilled</Message></Error>".encode()
        self.send_response_only(503 if code == "SlowDown" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class NodeCopies:
    """Every recording that a node writes gets a second name in a folder of ours, so that it can be compared with the
    store's after the node has let go of it. The bytes are the node's own: it is one file with two names."""

    def __init__(self, folder: Path, spools: list[Path]) -> None:
        self._folder = folder
        self._spools = spools
        self._stop = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="copies", daemon=True)
        self._thread.start()

    def sha256_by_name(self) -> dict[str, bytes]:
        """`<call>-<segment>.wav` → SHA-256, of those that hold sound."""
        found = {}
        for path in self._folder.iterdir():
            body = path.read_bytes()
            if len(body) > EMPTY_WAV_BYTES:
                found[path.name] = hashlib.sha256(body).digest()
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(LINK_EVERY_S):
            for spool in self._spools:
                for path in (spool / "recordings").glob("*/*.wav"):
                    with suppress(FileExistsError, FileNotFoundError):
                        os.link(path, self._folder / path.name)


class DrilledStore:
    """The store with its proxy."""

    def __init__(self, seed: int) -> None:
        try:
            from moto.server import ThreadedMotoServer
        except ImportError as error:
            raise StoreMissing(StoreMissing.__doc__) from error
        # A line for each request is nothing that anybody reads.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self._direct = f"http://{host}:{port}"
        self.client = self._make_client()
        self.client.create_bucket(Bucket=BUCKET)
        self.proxy = FaultyProxy((host, port), seed)

    def _make_client(self) -> Any:
        import boto3

        return boto3.session.Session().client(
            "s3", endpoint_url=self._direct, region_name=_ACCESS["AWS_REGION"],
            aws_access_key_id=_ACCESS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=_ACCESS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    @property
    def environment(self) -> Mapping[str, str]:
        """What the platform is told."""
        host, port = self.proxy.address
        return {"DIALTRACE_RECORDINGS_URL": f"s3://{BUCKET}/home", "DIALTRACE_S3_ENDPOINT_URL": f"http://{host}:{port}"}

    def sha256_by_name(self) -> dict[str, bytes]:
        """Of every object, read from the store itself and not through the proxy."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for one in page.get("Contents", []):
                body = self.client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
                found[one["Key"].rsplit("/", 1)[1]] = hashlib.sha256(body).digest()
        return found

    def close(self) -> None:
        self.proxy.close()
        self._server.stop()


@contextmanager
def drilled_store(seed: int, wanted: bool) -> Iterator[DrilledStore | None]:
    """The store, where a drill needs one; its credentials stand in the environment meanwhile."""
    if not wanted:
        yield None
        return
    before = {name: os.environ.get(name) for name in _ACCESS}
    os.environ.update(_ACCESS)
    store = DrilledStore(seed)
    try:
        yield store
    finally:
        store.close()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def compare(nodes: Mapping[str, bytes], store: Mapping[str, bytes], calls: set[str], *, heard: int) -> list[Line]:
    """The books of the store: every recording that a node wrote of these calls is there, byte for byte. ``heard``: how
    many were fetched, which a comparison of nothing would not notice."""
    wanted = {name: sha256 for name, sha256 in nodes.items() if name.rsplit("-", 1)[0] in calls}
    there = {name for name in wanted if name in store}
    same = {name for name in there if store[name] == wanted[name]}
    return [
        Line("recordings fetched / written by the nodes", heard, len(wanted)),
        Line("recordings on the nodes / in the store", len(wanted), len(there)),
        Line("recordings on the nodes / the same SHA-256 in the store", len(wanted), len(same)),
    ]

"""Peers for the tests of the call plane: the switch's end of an outbound socket, and a line to the database that can be
frozen or cut without touching the server that other tests use."""

from __future__ import annotations

import itertools
import os
import select
import socket
import threading
import time
from dataclasses import dataclass

from sqlalchemy import make_url

from dialtrace.esl.wire import CommandReader, encode_frame, encode_plain

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
STARTED_US = 1_767_312_000_000_000  # 2026-01-02 00:00 UTC
PORTS, PORTS_EACH = range(23_000, 23_180), 45
_taken = itertools.count(os.getpid())


def own_ports() -> range:
    """This process's part of the room's range: workers would share a port without a word."""
    return PORTS[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4 * PORTS_EACH :][:PORTS_EACH]


def free_port() -> int:
    """A TCP port of our part that nobody has."""
    own = own_ports()
    for _ in own:
        port = own[next(_taken) % PORTS_EACH]
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")


@dataclass
class Answer:
    """What a worker did with one call."""

    plan: str | None
    commands: list[str]
    seconds: float


def question(dialled: str, **variables: str) -> dict[str, str]:
    """The headers that the switch answers ``connect`` with."""
    told = {
        "dialtrace_dialled": dialled,
        "dialtrace_spool": "/var/spool/n1",
        "dialtrace_call": CALL,
        **variables,
    }
    return {
        "Event-Name": "CHANNEL_DATA",
        "Unique-ID": CALL,
        "Core-UUID": "c0de0000-0000-4000-8000-000000000001",
        "Caller-Destination-Number": dialled,
        "Caller-Channel-Created-Time": str(STARTED_US),
        **{f"variable_{name}": value for name, value in told.items() if value},
        "Content-Type": "command/reply",
        "Reply-Text": "+OK\n",
    }


def ask(port: int, dialled: str, *, timeout_s: float = 5.0, **variables: str) -> Answer:
    """Plays the switch for one call: connects, tells the call's facts, and takes what comes until ``exit``."""
    began_s = time.monotonic()
    reader, heard = CommandReader(), []
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as line:
        while True:
            data = line.recv(65_536)
            if not data:
                break
            for command in reader.feed(data):
                heard.append(command)
                if command.line == "connect":
                    line.sendall(encode_plain(question(dialled, **variables)))
                else:
                    line.sendall(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", "+OK")]))
            if heard and heard[-1].line == "exit":
                break
    plans = [one.body.decode() for one in heard if one.line == "sendmsg"]
    assert len(plans) <= 1
    plan = plans[0].removeprefix("dialtrace_plan=") if plans else None
    return Answer(plan, [one.line for one in heard], time.monotonic() - began_s)


class DatabaseLine:
    """A proxy in front of the tests' server."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        host = parsed.query.get("host") or parsed.host or "127.0.0.1"
        port = int(parsed.query.get("port") or parsed.port or 5432)
        self._upstream: tuple[str, int] | str = f"{host}/.s.PGSQL.{port}" if str(host).startswith("/") else (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._passing = threading.Event()
        self._passing.set()
        self._cut = False
        self._open: list[socket.socket] = []
        own = self._listener.getsockname()[1]
        self.url = parsed.set(host="127.0.0.1", port=own, query={}).render_as_string(hide_password=False)
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Connections stand, new ones are accepted, and nothing passes."""
        self._passing.clear()

    def cut(self) -> None:
        """Every connection breaks, and new ones break at once."""
        self._cut = True
        self._drop()

    def mend(self) -> None:
        self._cut = False
        self._passing.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut = True
        self._passing.set()
        self._drop()

    def _drop(self) -> None:
        for one in self._open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        family = socket.AF_UNIX if isinstance(self._upstream, str) else socket.AF_INET
        with near, socket.socket(family) as far:
            self._open += [near, far]
            try:
                if not self._cut:
                    far.connect(self._upstream)
                while not self._cut:
                    for one in select.select([near, far], [], [], 0.2)[0]:
                        data = one.recv(65_536)
                        self._passing.wait()
                        if not data:
                            return
                        (far if one is near else near).sendall(data)
            except OSError:
                return

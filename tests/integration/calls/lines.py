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

from dialtrace.esl.wire import CommandReader, encode_frame
from dialtrace.workers.call import ASKED

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
#: The call begins as the tests do: one that has stood longer than its flow may is led out of it.
STARTED_US = int(time.time()) * 1_000_000
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
    """What a worker did with one call; ``commands`` are those that followed its questions."""

    plan: str | None
    commands: list[str]
    seconds: float


def ask(
    port: int, dialled: str, *, timeout_s: float = 5.0, connected: threading.Event | None = None, **variables: str
) -> Answer:
    """Plays the switch for one call: connects (``connected`` is set then), tells what it is asked for, and takes what
    comes until ``exit``. Like the switch it never answers a first command that is not ``connect``."""
    told = {
        "dialtrace_dialled": dialled,
        "dialtrace_started": str(STARTED_US),
        "dialtrace_spool": "/var/spool/n1",
        **variables,
    }
    asks = "|".join([CALL, *(told.get(name, "") for name in ASKED)])
    began_s = time.monotonic()
    reader, heard = CommandReader(), []
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as line:
        if connected is not None:
            connected.set()
        while not (heard and heard[-1].line == "exit"):
            data = line.recv(65_536)
            if not data:
                break
            for command in reader.feed(data):
                heard.append(command)
                if len(heard) > 1:
                    text = asks if command.line == "getvar asks" else "+OK"
                    line.sendall(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", text)]))
    plans = [_whole(one.body.decode()) for one in heard if one.line == "sendmsg"]
    assert len(plans) <= 1
    plan = plans[0] if plans else None
    lines = [one.line for one in heard if one.line not in ("x", "getvar asks")]
    return Answer(plan, lines, time.monotonic() - began_s)


def _whole(given: str) -> str:
    """The plan that was handed over, its opening back in its place."""
    opening, _, rest = given.partition(";asks=;dialtrace_plan=m:~:")
    if not rest:
        return given.removeprefix("dialtrace_plan=")
    return f"m:~:multiset:{opening}~" + rest.replace("\\" * 4, "\\")


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

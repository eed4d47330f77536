"""The node as a process, a worker that does as a test tells it, and a client of the event socket. All in threads."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dialtrace.esl.commands import execute, exit_
from dialtrace.esl.wire import Frame, FrameReader, decode_headers

from .phone import HOST, PATIENCE_S, Phone, free_port

PASSWORD = "test-password"
START_TRIES = 5

_LAUNCH = """
from gevent import monkey
monkey.patch_all()
import json, logging, pathlib, sys
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
from dialtrace.node.main import run_node
from dialtrace.node.model import NodeConfig
settings = json.loads(sys.argv[1])
settings["spool"] = pathlib.Path(settings["spool"])
run_node(NodeConfig(**settings))
"""


class Connection:
    """A blocking event-socket connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE_S)
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def send(self, *commands: bytes) -> None:
        self.sock.sendall(b"".join(commands))

    def frame(self) -> Frame:
        """The next frame; raises EOFError at the end of the stream."""
        while not self._frames:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def ask(self, command: bytes) -> Frame:
        self.send(command)
        return self.frame()

    def at_end(self) -> bool:
        """Read to the end of the stream; true when it comes in time."""
        try:
            while True:
                self.frame()
        except EOFError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


Handler = Callable[[Connection, dict[str, str]], None]


class Worker:
    """Listens for calls. By default it sets the number's plan and lets the call go, as the platform's own does."""

    def __init__(self) -> None:
        self.port = free_port(socket.SOCK_STREAM)
        self.plans: dict[str, list[str]] = {}
        self.handlers: dict[str, Handler] = {}
        self.connects: list[dict[str, str]] = []
        self.before_connect: Callable[[Connection], bool] | None = None
        self._server = socket.create_server((HOST, self.port), backlog=256)
        self._server.settimeout(0.2)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._stop.set()
        for thread in list(self._threads):
            thread.join(2)
        self._server.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._server.accept()
            except OSError:
                continue
            connection = Connection(sock)
            self._threads.append(threading.Thread(target=self._run_one, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _run_one(self, connection: Connection) -> None:
        try:
            self._serve(connection)
        finally:
            connection.close()

    def _serve(self, connection: Connection) -> None:
        if self.before_connect is not None and not self.before_connect(connection):
            return
        with suppress(EOFError, OSError):
            headers = decode_headers(connection.ask(b"connect\n\n"))
            self.connects.append(headers)
            number = headers.get("variable_dialtrace_dialled", "")
            handler = self.handlers.get(number)
            if handler is not None:
                handler(connection, headers)
                return
            plans = self.plans.get(number) or ["hangup:UNALLOCATED_NUMBER"]
            plan = plans.pop(0) if len(plans) > 1 else plans[0]
            connection.send(execute("set", f"dialtrace_plan={plan}"), exit_())
            connection.at_end()


class Events:
    """Hears every event of the node, in order."""

    def __init__(self, port: int, *names: str, form: str = "json") -> None:
        self.connection = Connection(socket.create_connection((HOST, port), timeout=PATIENCE_S))
        assert self.connection.frame().content_type == "auth/request"
        assert self.connection.ask(f"auth {PASSWORD}\n\n".encode()).reply_text == "+OK accepted"
        reply = self.connection.ask(f"event {form} {' '.join(names or ('ALL',))}\n\n".encode())
        assert reply.reply_text.startswith("+OK")
        self.seen: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                try:
                    frame = self.connection.frame()
                except TimeoutError:
                    continue
                if frame.content_type == "text/event-json":
                    with self._changed:
                        self.seen.append(json.loads(frame.body))
                        self._changed.notify_all()

    def wait_for(self, call_id: str, name: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            return next((e for e in self.seen if e["Event-Name"] == name and e.get("Unique-ID") == call_id), None)

        with self._changed:
            self._changed.wait_for(lambda: find() is not None, timeout_s)
        found = find()
        assert found is not None, f"no {name} for {call_id}: {[e['Event-Name'] for e in self.seen]}"
        return found

    def of(self, call_id: str) -> list[str]:
        """The names of a leg's events, in order."""
        with self._changed:
            return [event["Event-Name"] for event in self.seen if event.get("Unique-ID") == call_id]

    def close(self) -> None:
        self.connection.close()
        self._thread.join(2)


class Switch:
    """A running node with its spool. Raises RuntimeError with the node's own words when it does not start."""

    def __init__(self, folder: Path, worker_port: int, **settings: Any) -> None:
        self.spool = folder / "spool"
        self._worker_port = worker_port
        for _ in range(START_TRIES):
            error = self._start(folder, settings)
            # Another run on this machine may take a port between our choosing and the node's listening.
            if not error or "AddressTaken" not in error or "sip_port" in settings:
                break
        if error:
            raise RuntimeError(error)

    def _start(self, folder: Path, settings: dict[str, Any]) -> str:
        """Start once; returns what went wrong, or nothing."""
        index = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
        first = 40000 + index * 600 + (os.getpid() % 3) * 200
        chosen: dict[str, Any] = {
            "name": "node-1",
            "sip_host": HOST,
            "sip_port": free_port(),
            "event_socket_host": HOST,
            "event_socket_port": free_port(socket.SOCK_STREAM),
            "event_socket_password": PASSWORD,
            "spool": str(self.spool),
            "worker": f"{HOST}:{self._worker_port}",
            "rtp_first": first,
            "rtp_last": first + 198,
        } | settings
        self.sip, self.event_port = (HOST, chosen["sip_port"]), chosen["event_socket_port"]
        self._log = (folder / "node.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, json.dumps(chosen)], stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self.process.stdout
        self.greeting = [self.process.stdout.readline(), self.process.stdout.readline()]
        if "ready" in self.greeting[1]:
            return ""
        self.process.wait(10)
        self.process.stdout.close()
        self._log.seek(0)
        text = self._log.read()
        self._log.close()
        return text or "it said nothing"

    def wait_until_free(self, phone: Phone) -> None:
        """Wait until calls are taken again: the last one's record is written a moment after its final response."""
        deadline = time.monotonic() + PATIENCE_S
        while (status := phone.options(self.sip).status) != 200 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert status == 200

    def stop(self) -> list[str]:
        """End it as an operator would; no fault may have happened, no warning been given by Python."""
        assert self.process.stdout
        self.process.terminate()
        rest = self.process.stdout.read().splitlines()
        assert self.process.wait(10) == 0
        self._log.seek(0)
        log = self._log.read()
        self._log.close()
        self.process.stdout.close()
        assert "Traceback" not in log, log
        assert rest[-1].endswith("stopped, 0 faults"), rest
        return rest

    def api(self, text: str) -> str:
        """One ``api`` command over a connection of its own."""
        connection = Connection(socket.create_connection((HOST, self.event_port), timeout=PATIENCE_S))
        connection.frame()
        connection.ask(f"auth {PASSWORD}\n\n".encode())
        answer = connection.ask(f"api {text}\n\n".encode()).text
        connection.close()
        return answer

    def cdrs(self, call_id: str, legs: int, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The call's records by leg: ``a``, then the dialled legs by their start."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = [json.loads(path.read_text()) for path in (self.spool / "cdr").glob("*.json")]
            mine = [record for record in found if record["variables"].get("dialtrace_call") == call_id]
            if len(mine) == legs + 1:
                a = next(record for record in mine if record["variables"]["direction"] == "inbound")
                rest = sorted((r for r in mine if r is not a), key=lambda r: int(r["variables"]["start_uepoch"]))
                return {"a": a, "b": rest}
            time.sleep(0.02)
        raise AssertionError(f"expected {legs} dialled legs, found {[r['variables']['direction'] for r in mine]}")

"""A real FreeSWITCH, started as the platform starts it, and the little that a test asks of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dialtrace.esl.commands import execute, exit_
from dialtrace.esl.wire import decode_headers
from dialtrace.freeswitch_launch import freeswitch_spec
from dialtrace.nodesfile import NodeSettings
from dialtrace.supervisor import ChildSpec, Supervisor

from ..node.switch import Connection

T = TypeVar("T")
HOST = "127.0.0.1"
PASSWORD = "test-password"
MAX_CALLS = 6
MEDIA_TIMEOUT_S = 5
#: What a real switch says on every start, whatever its configuration (freeswitch/README.md).
UNAVOIDABLE = ("MSG Thread",)


def freeswitch_binary() -> Path | None:
    named = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
    return Path(named) if named else None


def own_ports() -> tuple[int, int]:
    """The first port of this test process and its first RTP port."""
    index = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    return 26_000 + 100 * index, 30_000 + 500 * index


def eventually(look: Callable[[], T | None], timeout_s: float = 5.0) -> T:
    """What ``look`` finds, as soon as it finds something; fails the test otherwise."""
    until_s = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until_s, f"waited {timeout_s} s in vain"
        time.sleep(0.05)


class RealSwitch:
    """One node. Start and stop it with :func:`running`."""

    def __init__(self, folder: Path, binary: Path) -> None:
        first, rtp = own_ports()
        self.folder = folder
        self.worker_port = first + 40
        self.node = NodeSettings(
            name="fs-1",
            kind="freeswitch",
            sip=f"{HOST}:{first}",
            event_socket=f"{HOST}:{first + 21}",
            event_socket_password=PASSWORD,
            spool=folder / "spool",
        )
        spec = freeswitch_spec(
            self.node,
            binary=binary,
            run_folder=folder / "run",
            worker=f"{HOST}:{self.worker_port}",
            rtp=(rtp, rtp + 498),
            max_calls=MAX_CALLS,
        )
        trial = {
            "DIALTRACE_NODE_LOG_LEVEL": "debug",
            "DIALTRACE_NODE_MEDIA_TIMEOUT_MS": str(MEDIA_TIMEOUT_S * 1000),
        }
        self.spec: ChildSpec = replace(spec, environment={**spec.environment, **trial})

    @property
    def sip(self) -> tuple[str, int]:
        return self.node.sip_address

    @property
    def spool(self) -> Path:
        return self.node.spool

    def api(self, text: str) -> str:
        """One ``api`` command over a connection of its own."""
        connection = Connection(socket.create_connection(self.node.event_socket_address, timeout=5))
        connection.frame()
        connection.ask(f"auth {PASSWORD}\n\n".encode())
        answer = connection.ask(f"api {text}\n\n".encode()).text
        connection.close()
        return answer

    def log_lines(self, *levels: str) -> list[str]:
        text = (self.folder / "run" / "log" / "freeswitch.log").read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if any(f"[{level}]" in line for level in levels)]

    def records(self, dialled: str, legs: int) -> dict[str, Any]:
        """The variables of the one call to that number: ``a``, and the other legs as ``b``, once all are written."""

        def look() -> dict[str, Any] | None:
            read = [variables(path) for path in (self.spool / "cdr").glob("*.cdr.json")]
            a_legs = [one for one in read if one.get("dialtrace_dialled") == dialled]
            if len(a_legs) != 1:
                return None
            others = [one for one in read if one.get("dialtrace_call") == a_legs[0]["uuid"] and one not in a_legs]
            return {"a": a_legs[0], "b": others} if len(others) == legs - 1 else None

        return eventually(look)

    def channels(self) -> int:
        return int(json.loads(self.api("show channels as json"))["row_count"])


def variables(path: Path) -> dict[str, Any]:
    """A leg's variables; nothing for a file that is being written."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["variables"]
    except ValueError:
        return {}
    return found


@contextmanager
def running(switch: RealSwitch) -> Iterator[RealSwitch]:
    with Supervisor(log_folder=switch.folder / "logs") as supervisor:
        supervisor.start([switch.spec])
        yield switch


class StubWorker:
    """Answers with a number's plan (of several the next), or as ``manner`` says: ``silent`` (not a word), ``nothing``
    (it lets go without a plan)."""

    def __init__(self, port: int) -> None:
        self.plans: dict[str, str | list[str]] = {}
        self.manner = "plan"
        self.questions: list[dict[str, str]] = []
        self._server = socket.create_server((HOST, port), backlog=64)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(2)
        self._server.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Connection(line),), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            if self.manner == "silent":
                self._stop.wait(20)
                return
            with suppress(EOFError, OSError):
                headers = decode_headers(connection.ask(b"connect\n\n"))
                self.questions.append(headers)
                plan = self.plans.get(headers.get("variable_dialtrace_dialled", ""))
                if isinstance(plan, list):
                    plan = plan.pop(0)
                if plan is not None and self.manner == "plan":
                    connection.send(execute("set", f"dialtrace_plan={plan}"))
                connection.send(exit_())
                connection.at_end()
        finally:
            connection.close()


def ringing(*targets: str, call: str = "") -> str:
    """A plan that rings targets one after the other, as the platform writes it."""
    bridges = "~".join(f"bridge:[leg_timeout=4]{target}" for target in targets)
    return (
        f"m:~:multiset:^^;continue_on_fail=true;hangup_after_bridge=true;ignore_early_media=true"
        f"~{call}{bridges}~transfer:finish\\sXML\\sflow"
    )


def put_plan_file(switch: RealSwitch, digits: str, plan: str, kind: str = "start") -> None:
    """What the monitor would have put on the node's disk for this number."""
    folder = switch.spool / "plans" / digits[-3:]
    folder.mkdir(parents=True, exist_ok=True)
    now = int(time.time())
    text = f"dialtrace-plans 1\n{now - 60} {now + 3600} {kind} {plan}\n"
    (folder / f"{digits}.plan").write_text(text, encoding="utf-8")

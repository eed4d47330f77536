"""The switches that the suite runs on: the embedded node always, a real FreeSWITCH where there is one.

Both are started as the platform starts them, each on a spool and ports of its own. Runs in a process that gevent has
patched.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent

from dialtrace.cdr.interpret import interpret
from dialtrace.cdr.model import CallFacts
from dialtrace.esl.errors import EslError
from dialtrace.esl.events import Event
from dialtrace.esl.inbound import InboundClient
from dialtrace.freeswitch_launch import freeswitch_spec, logs_in, options_status
from dialtrace.nodesfile import NodeSettings
from dialtrace.supervisor import ChildSpec, Supervisor

from .ports import HOST, RTP, free_port
from .telephone import NotSeen

KINDS = ("embedded", "freeswitch")
NAME = "node-1"
MAX_CALLS = 150
_PASSWORD = "contract-password"
#: What the platform's monitor and this suite listen to.
EVENTS = (
    "CHANNEL_CREATE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_ANSWER", "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY", "RECORD_START", "RECORD_STOP",
    "HEARTBEAT",
)  # fmt: skip


def freeswitch_binary() -> Path | None:
    """The real switch, if this machine has one."""
    named = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
    return Path(named) if named else None


class Switch:
    """A running switch with its spool, and an ear on its events."""

    def __init__(self, kind: str, settings: NodeSettings) -> None:
        self.kind = kind
        self.sip = settings.sip_address
        self.spool = settings.spool
        self.heartbeats: list[Event] = []
        self._by_channel: dict[str, list[Event]] = defaultdict(list)
        self._lost: list[str] = []
        self._heard = bytearray()
        host, port = settings.event_socket_address
        self._client = InboundClient(
            host, port, settings.event_socket_password, on_event=self._hear,
            on_disconnect=lambda fault: self._lost.append(repr(fault)), command_timeout_s=10.0,
        )  # fmt: skip

    def listen(self) -> None:
        self._client.connect()
        self._client.subscribe(*EVENTS)

    def record(self, settings: NodeSettings) -> None:
        """Keep every byte that a second connection is sent, its login included."""
        sock = socket.create_connection(settings.event_socket_address, timeout=5.0)
        sock.settimeout(None)
        sock.sendall(f"auth {settings.event_socket_password}\n\nevent json {' '.join(EVENTS)}\n\n".encode())
        gevent.spawn(self._record, sock)

    def _record(self, sock: socket.socket) -> None:
        with sock:
            while data := sock.recv(65_536):
                self._heard += data

    def heard(self) -> bytes:
        """The recorded bytes."""
        return bytes(self._heard)

    def close(self) -> None:
        self._client.close()

    def api(self, name: str, *arguments: str) -> str:
        return self._client.api(name, *arguments)

    def _hear(self, event: Event) -> None:
        if event.call_id:
            self._by_channel[event.call_id].append(event)
        elif event.name == "HEARTBEAT":
            self.heartbeats.append(event)

    def call_id_of(self, sip_call_id: str, timeout_s: float = 8.0) -> str:
        """The A leg's UUID of the call with this Call-ID."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for channel, events in list(self._by_channel.items()):
                if events[0].variable("sip_call_id") == sip_call_id:
                    return channel
            gevent.sleep(0.02)
        raise NotSeen(f"no CHANNEL_CREATE for the call {sip_call_id}; lost: {self._lost}")

    def events_of(self, channel: str) -> list[Event]:
        return list(self._by_channel.get(channel, []))

    def wait_for_event(self, channel: str, name: str, timeout_s: float = 8.0) -> Event:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for event in self.events_of(channel):
                if event.name == name:
                    return event
            gevent.sleep(0.02)
        raise NotSeen(f"no {name} of {channel}, only {[event.name for event in self.events_of(channel)]}")

    # --- records ---

    def records(self, call_id: str, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """The call's CDR files: the A leg's first, then the legs in the order in which they were originated."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            a = _read(self.spool / "cdr" / f"a_{call_id}.cdr.json")
            if a is not None:
                legs = _legs_of(a)
                files = [_read(self.spool / "cdr" / f"{leg}.cdr.json") for leg in legs]
                if all(files):
                    return [a, *(one for one in files if one is not None)]
            gevent.sleep(0.05)
        found = sorted(path.name for path in (self.spool / "cdr").glob("*.json"))
        raise NotSeen(f"the records of {call_id} are not complete; there are {len(found)} files")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there yet, or half of it
        return None
    return found


def _legs_of(a: dict[str, Any]) -> list[str]:
    facts = interpret(a, node=NAME)
    assert isinstance(facts, CallFacts)
    return [str(leg) for leg in facts.facts.get("legs", [])]


@contextmanager
def running(kind: str, folder: Path, worker_port: int, *, record: bool = False) -> Iterator[Switch]:
    """One switch for as long as the block lasts; ``record`` keeps the bytes of its events. Raises ChildNotReady."""
    settings = NodeSettings(
        NAME, kind, f"{HOST}:{free_port()}", f"{HOST}:{free_port()}", _PASSWORD, folder / "spool"
    )  # fmt: skip
    with Supervisor(log_folder=folder / "logs") as supervisor:
        supervisor.start([_spec(settings, folder, f"{HOST}:{worker_port}")])
        switch = Switch(kind, settings)
        switch.listen()
        if record:
            switch.record(settings)
        try:
            yield switch
        finally:
            with suppress(EslError):
                switch.close()


def _spec(settings: NodeSettings, folder: Path, worker: str) -> ChildSpec:
    rtp = RTP[settings.kind]
    if settings.kind == "freeswitch":
        binary = freeswitch_binary()
        assert binary is not None, "no FreeSWITCH here"
        return freeswitch_spec(
            settings, binary=binary, run_folder=folder / "run", worker=worker, rtp=rtp, max_calls=MAX_CALLS,
            edges=[HOST],
        )  # fmt: skip
    settings.spool.mkdir(parents=True, exist_ok=True)
    return ChildSpec(
        name=settings.name,
        kind="node",
        argv=[
            sys.executable, "-m", "dialtrace", "node", "--name", settings.name, "--sip", settings.sip,
            "--event-socket", settings.event_socket, "--worker", worker, "--spool", str(settings.spool),
            "--rtp", f"{rtp[0]}-{rtp[1]}", "--max-calls", str(MAX_CALLS),
        ],
        environment={"DIALTRACE_NODE_PASSWORD": settings.event_socket_password, "DIALTRACE_NODE_EDGES": HOST},
        ready=lambda: (
            logs_in(settings.event_socket_address, settings.event_socket_password)
            and options_status(settings.sip_address) == 200
        ),
        ready_timeout_s=30.0,
    )  # fmt: skip

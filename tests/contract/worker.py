"""A call worker that does as a case says: the door that the switch's `socket` application knocks at.

An *act* is what happens to one knock, once `connect` has said whose call it is; a number's acts are taken in order,
the last one for ever. Before `connect` nobody can tell one call from another, so a shut, silent or slamming door is a
matter of the whole worker. Runs in a process that gevent has patched.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import gevent
from gevent.server import StreamServer

from dialtrace.calls.plan import handed_over
from dialtrace.esl import commands
from dialtrace.esl.errors import EslError
from dialtrace.esl.events import ConnectReply, parse_connect
from dialtrace.esl.wire import Frame, FrameReader

from .ports import HOST, free_port

Door = Literal["open", "shut", "silent", "slams"]
#: Longer than any guard: what hangs is never the one who gives up first.
HANG_S = 30.0
_REPLY_S = 5.0


@dataclass
class Knock:
    """One connection of the switch. ``raw`` are the bytes it answered `connect` with."""

    sock: Any
    reply: ConnectReply
    raw: bytes
    at: float

    def read_to_end(self, timeout_s: float = _REPLY_S) -> None:
        self.sock.settimeout(timeout_s)
        with suppress(OSError):
            while self.sock.recv(65_536):
                pass

    def reset(self) -> None:
        """Go as a killed process with unread input goes: RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Act = Callable[[Knock], None]
PlanOf = Callable[[ConnectReply], str]
#: Acts of a worker that does all that it should.
GOOD: set[Act] = set()


def _set_plan(plan: str | PlanOf, reply: ConnectReply) -> bytes:
    text = plan if isinstance(plan, str) else plan(reply)
    return commands.execute(*handed_over(text), lock=False)


def gives(plan: str | PlanOf) -> Act:
    """What a good worker does: hand the plan over, let go."""

    def act(knock: Knock) -> None:
        knock.sock.sendall(_set_plan(plan, knock.reply) + commands.exit_())
        knock.read_to_end()

    GOOD.add(act)
    return act


def gives_no_plan(knock: Knock) -> None:
    """Lets go without a plan."""
    knock.sock.sendall(commands.exit_())
    knock.read_to_end()


def hangs(knock: Knock) -> None:
    """Says nothing more."""
    knock.read_to_end(HANG_S)


def dies_before_its_answer(knock: Knock) -> None:
    knock.reset()


def dies_in_its_answer(plan: str) -> Act:
    """Half of the command arrives."""

    def act(knock: Knock) -> None:
        block = _set_plan(plan, knock.reply)
        knock.sock.sendall(block[: len(block) // 2])
        gevent.sleep(0.05)
        knock.reset()

    return act


def dies_after_its_answer(plan: str | PlanOf) -> Act:
    """The whole command arrives, the `exit` behind it never does."""

    def act(knock: Knock) -> None:
        knock.sock.sendall(_set_plan(plan, knock.reply))
        gevent.sleep(0.05)
        knock.reset()

    return act


class ScriptedWorker:
    """Listens as long as it is open for business."""

    def __init__(self) -> None:
        self.port = free_port()
        self.door: Door = "open"
        self.acts: dict[str, list[Act]] = {}
        self.knocks: dict[str, list[Knock]] = defaultdict(list)
        self.nameless = 0
        self.faults: list[str] = []
        self._server: StreamServer | None = None

    def open(self) -> None:
        self._server = StreamServer((HOST, self.port), self._serve, backlog=256)
        self._server.start()

    def shut(self) -> None:
        """Nobody listens any more: the switch's connection is refused."""
        if self._server is not None:
            self._server.stop(timeout=0.1)
            self._server = None

    def _serve(self, sock: Any, _: object) -> None:
        try:
            if self.door != "open":
                self.nameless += 1
                if self.door == "silent":
                    sock.settimeout(HANG_S)
                    sock.recv(1)
                return
            knock = _ask(sock)
            if knock is not None:
                self._act(knock)
        except (OSError, EslError) as fault:
            self.faults.append(repr(fault))
        finally:
            sock.close()

    def _act(self, knock: Knock) -> None:
        number = knock.reply.variable("dialtrace_dialled") or ""
        self.knocks[number].append(knock)
        acts = self.acts.get(number)
        if not acts:
            raise OSError(f"nothing said about {number}")
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        act(knock)


def _ask(sock: Any) -> Knock | None:
    """`connect` and its reply; None when the call ended first."""
    sock.settimeout(_REPLY_S)
    sock.sendall(commands.connect())
    reader, raw = FrameReader(), b""
    frames: list[Frame] = []
    while not frames:
        data = sock.recv(65_536)
        if not data:
            return None
        raw += data
        frames = reader.feed(data)
    return Knock(sock, parse_connect(frames[0]), raw, time.monotonic())

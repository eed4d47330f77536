"""The processes that place and answer calls, on whatever machine: SIPp for SIP, media.py for sound.

Every process has hard bounds of its own (calls, calls at a time, seconds), so that it ends and holds back even if
whoever started it is gone.
"""

from __future__ import annotations

import io
import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from ..demo.sipp import FATAL_STATUS, last_row
from .allow import AllowList
from .errors import GeneratorFailed, HostFailed
from .hosts import LocalMachine, Machine, Running
from .plan import PlannedCall, most_open

#: Above what `launch.free_port` gives and off Linux' ephemeral ports; each generator takes a block of eight by chance:
#: SIPp binds ports for sound and pictures too.
BLOCK = 8
PORTS = (*range(19_000, 20_000, BLOCK), *range(61_000, 65_000, BLOCK))
#: SIPp opens a call so long before its moment, and keeps it so long after its conversation.
AHEAD_S, LINGER_S = 8.0, 45.0

#: How often a generator is told to end, so that a busy one has heard it twice.
SIGNALS, SIGNALS_APART_S = 3, 0.1

_PORT_TRIAL = (
    "import socket,sys\n"
    "for port in map(int, sys.argv[2:]):\n"
    "    try:\n"
    "        ones = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]\n"
    "        for place, one in enumerate(ones): one.bind((sys.argv[1], port + place))\n"
    "        print(port); break\n"
    "    except OSError: continue\n"
)


def python_of(machine: Machine) -> str:
    """The interpreter there."""
    return sys.executable if isinstance(machine, LocalMachine) else "python3"


def free_block(machine: Machine, taken: set[int]) -> int:
    """The first of eight UDP ports there that nobody has. Raises GeneratorFailed."""
    some = sorted(set(PORTS) - taken, key=lambda _: secrets.randbelow(2**30))[:60]
    found = machine.ask([python_of(machine), "-c", _PORT_TRIAL, machine.address, *map(str, some)]).strip()
    if not found:
        raise GeneratorFailed(f"{machine.name}: no eight free UDP ports in a row on {machine.address}")
    taken.add(int(found))
    return int(found)


def tool(name: str) -> bytes:
    """One of our programs for other machines."""
    return files("dialtrace.loadruns").joinpath(name).read_bytes()


@dataclass
class Counted:
    """SIPp's own statistics of one process, as it wrote them last."""

    created: int = 0
    successful: int = 0
    failed: int = 0
    #: By the counters of the scenario: invited, answered, refused, asked.
    counters: dict[str, int] = field(default_factory=dict)


@dataclass
class SippProcess:
    """One SIPp."""

    machine: Machine
    name: str
    scenario: str
    port: int
    arguments: Sequence[str]
    words: Mapping[str, str]
    running: Running | None = None
    _read_bytes: int = 0
    _rest: bytes = b""

    def start(self) -> None:
        """Write the scenario and go."""
        text = self.scenario
        for word, value in self.words.items():
            text = text.replace(f"@{word}@", value)
        self.machine.put(f"{self.name}.xml", text.encode())
        own = self.machine.address
        self.running = self.machine.start(
            self.name,
            [
                "sipp", "-sf", f"{self.name}.xml", "-i", own, "-p", str(self.port), "-mi", own,
                # Not used: media.py has the sound. SIPp wants ports of its own all the same.
                "-mp", str(self.port + 2), "-nostdin", "-timer_resol", "1",
                "-trace_err", "-error_file", f"{self.name}.err",
                "-trace_stat", "-stf", f"{self.name}.csv", "-fd", "1",
                "-trace_logs", "-log_file", f"{self.name}.logs",
                "-trace_shortmsg", "-shortmessage_file", f"{self.name}.trace", "-shortmessage_overwrite", "false",
                *self.arguments,
            ],
        )  # fmt: skip

    @property
    def log_path(self) -> str:
        """Where media.py reads of its calls."""
        return self.machine.path(f"{self.name}.logs")

    def check(self) -> None:
        """Raises GeneratorFailed where it could not begin."""
        status = self.running.status if self.running is not None else None
        if status is not None and (status >= FATAL_STATUS or status < 0 or status == 127):
            told = self.machine.get(f"{self.name}.err") or self.machine.get(f"{self.name}.out")
            said = told.decode("utf-8", "replace").strip()[-400:]
            raise GeneratorFailed(
                f"{self.machine.name}: SIPp {self.name} ended with status {status}: {said or 'no word'}"
            )

    def more_trace(self) -> str:
        """What its log of messages has since it was last asked, whole lines."""
        more = self._rest + self.machine.get(f"{self.name}.trace", after=self._read_bytes)
        self._read_bytes += len(more) - len(self._rest)
        lines, newline, self._rest = more.rpartition(b"\n")
        return (lines + newline).decode("utf-8", "replace")

    def counted(self) -> Counted:
        """Its own statistics: the last line that is whole."""
        text = self.machine.get(f"{self.name}.csv").decode("utf-8", "replace")
        last = last_row(io.StringIO(text))
        if not last:
            return Counted()
        counters = {
            name.removesuffix("(C)"): int(value)
            for name, value in last.items()
            if name and name.removesuffix("(C)") in ("invited", "answered", "refused", "asked") and name.endswith("(C)")
        }
        return Counted(
            int(last["TotalCallCreated"]), int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), counters
        )

    def give_up(self) -> None:
        """Ends its calls as a telephone does, by BYE or CANCEL, and places no more: SIPp's second SIGUSR1 does not wait
        for calls that stand (sipp.cpp, traffic_thread)."""
        for _ in range(SIGNALS):
            if self.running is not None:
                self.running.signal("USR1")
                # A signal that the first one still waits for is none: Linux keeps one of a kind.
                time.sleep(SIGNALS_APART_S)

    def stop(self) -> None:
        """Now."""
        if self.running is not None:
            with suppress(HostFailed):
                self.running.stop()


def calls_file(calls: Sequence[PlannedCall], numbers: Sequence[str]) -> bytes:
    """What SIPp reads, a line a call: number, caller, ms until it is made, ms that it stays. The numbers take turns."""
    lines = [
        f"{numbers[place % len(numbers)]};{call.caller};{call.at_s * 1000:.0f};{call.hold_ms}"
        for place, call in enumerate(calls)
    ]
    return ("\n".join(["SEQUENTIAL", *lines]) + "\n").encode("ascii")


def placing_arguments(
    node: tuple[str, int], file: str, calls: Sequence[PlannedCall], *, tail: str, standing: int, limit_s: float
) -> list[str]:
    """SIPp's bounds and pace: it opens calls some seconds ahead of their moments, each then waits for its own.
    ``tail``: what stands behind a call's place in its Call-ID."""
    span_s = max(1.0, calls[-1].at_s - calls[0].at_s)
    busiest = most_open([PlannedCall("", call.at_s, "", 0) for call in calls], ahead_s=0.5, linger_s=0.5)
    waiting = most_open([PlannedCall("", call.at_s, "", 0) for call in calls], ahead_s=AHEAD_S, linger_s=0.0)
    at_once = min(standing + waiting, most_open(calls, ahead_s=AHEAD_S, linger_s=LINGER_S)) + 1
    # Twice as fast as they come at the busiest: the limit of calls at a time holds it back to so many seconds ahead.
    rate = max(10, 2 * busiest, round(2 * len(calls) / span_s))
    return [
        f"{node[0]}:{node[1]}", "-inf", file, "-m", str(len(calls)), "-r", str(rate), "-l", str(at_once),
        "-cid_str", f"%u{tail}", "-timeout", f"{limit_s:.0f}s",
    ]  # fmt: skip


@dataclass
class MediaProcess:
    """The sound of all calls of one side on one machine."""

    machine: Machine
    name: str
    port: int
    running: Running | None = None

    def start(
        self, logs: Sequence[str], audio: bytes, allowed: AllowList, *, drop: float, seed: int, limit_s: float
    ) -> None:
        """Put the program, its sound and its configuration there, and go."""
        self.machine.put("media.py", tool("media.py"))
        if audio:
            self.machine.put(f"{self.name}.ulaw", audio)
        config = {
            "address": self.machine.address,
            "port": self.port,
            "logs": list(logs),
            "audio": self.machine.path(f"{self.name}.ulaw") if audio else "",
            "allowed": [str(network) for network in allowed.networks],
            "output": self.machine.path(f"{self.name}.jsonl"),
            "drop": drop,
            "seed": seed,
            "limit_s": limit_s,
        }
        self.machine.put(f"{self.name}.json", json.dumps(config).encode())
        argv = [python_of(self.machine), self.machine.path("media.py"), self.machine.path(f"{self.name}.json")]
        self.running = self.machine.start(self.name, argv)

    def check(self) -> None:
        """Raises GeneratorFailed where it has ended before it was told to."""
        if self.running is not None and self.running.status is not None:
            said = self.machine.get(f"{self.name}.out").decode("utf-8", "replace").strip()[-400:]
            raise GeneratorFailed(f"{self.machine.name}: {self.name} ended with status {self.running.status}: {said}")

    def await_ready(self, *, within_s: float = 30.0) -> None:
        """Until it has its socket. Raises GeneratorFailed."""
        until_s = time.monotonic() + within_s
        while not self.machine.get(f"{self.name}.jsonl"):
            self.check()
            if time.monotonic() > until_s:
                raise GeneratorFailed(f"{self.machine.name}: {self.name} was not ready within {within_s:.0f} s")
            time.sleep(0.1)

    def heard(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """After it has ended: the streams, and what it says of itself."""
        rows = [json.loads(line) for line in self.machine.get(f"{self.name}.jsonl").decode("ascii").splitlines()]
        return [row for row in rows if "call" in row], [row["end"] for row in rows if "end" in row]

    def stop(self) -> None:
        """It writes down the rest and ends."""
        if self.running is not None:
            with suppress(HostFailed):
                self.running.stop()


@dataclass
class SamplerProcess:
    """Watches processes of one machine."""

    machine: Machine
    name: str
    running: Running | None = None

    def start(self, roots: Mapping[str, Sequence[int]], patterns: Mapping[str, str], *, limit_s: float) -> None:
        """Put it there and go."""
        self.machine.put("sampler.py", tool("sampler.py"))
        self.watch(roots, patterns, limit_s=limit_s)
        argv = [python_of(self.machine), self.machine.path("sampler.py"), self.machine.path(f"{self.name}.json")]
        self.running = self.machine.start(self.name, argv)

    def watch(self, roots: Mapping[str, Sequence[int]], patterns: Mapping[str, str], *, limit_s: float) -> None:
        """Other processes from the next second on."""
        config = {
            "roots": {kind: list(pids) for kind, pids in roots.items()},
            "patterns": dict(patterns),
            "every_s": 1.0,
            "limit_s": limit_s,
            "output": self.machine.path(f"{self.name}.jsonl"),
        }
        self.machine.put(f"{self.name}.json", json.dumps(config).encode())

    def samples(self) -> list[dict[str, Any]]:
        """All so far; a last line that is not whole is left out."""
        found = []
        for line in self.machine.get(f"{self.name}.jsonl").decode("ascii").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def stop(self) -> None:
        """Now."""
        if self.running is not None:
            with suppress(HostFailed):
                self.running.stop()

"""Traffic beside the calls that is none: OPTIONS and REGISTER by SIPp, malformed datagrams by malformed.py."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from . import scenarios
from .errors import GeneratorFailed, HostFailed
from .figures import signalling, spread
from .generators import SippProcess, calls_file, placing_arguments, python_of, tool
from .hosts import Machine, Running
from .plan import PlannedCall
from .seen import Reader
from .tables import Flood

_KEPT = ("asked", "sent", "never_sent", "late_share", "statuses", "repeats")


@dataclass
class Flooding:
    """A flood that runs."""

    flood: Flood
    machine: Machine
    name: str
    sipp: SippProcess | None = None
    reader: Reader | None = None
    program: Running | None = None

    @property
    def running(self) -> Running | None:
        return self.program if self.sipp is None else self.sipp.running

    def stop(self) -> None:
        """Now."""
        if self.running is not None:
            with suppress(HostFailed):
                self.running.stop()

    def told(self) -> dict[str, Any]:
        """After its end: what was sent and what came back."""
        if self.sipp is not None and self.reader is not None:
            self.reader.feed(self.sipp.more_trace())
            found = signalling(self.reader.calls)
            waited = [(one.final_s - one.planned_s) * 1000 for one in self.reader.calls if one.final_s is not None]
            return {"kind": self.flood.kind, **{key: found[key] for key in _KEPT}, "answer_ms": spread(waited)}
        text = self.machine.get(f"{self.name}.result")
        if not text:
            said = self.machine.get(f"{self.name}.out").decode("utf-8", "replace").strip()[-300:]
            raise GeneratorFailed(f"{self.machine.name}: {self.name} wrote no result: {said or 'no word'}")
        return {"kind": self.flood.kind, **json.loads(text)}


def requests(
    machine: Machine,
    flood: Flood,
    node: tuple[str, int],
    *,
    name: str,
    port: int,
    words: Mapping[str, str],
    base_s: float,
    limit_s: float,
) -> Flooding:
    """OPTIONS or REGISTER, each at its planned moment; SIPp is still to be started."""
    count = max(1, round(flood.cps * flood.for_s))
    calls = [PlannedCall(flood.name, flood.from_s + place / flood.cps, "+447700900999", 0) for place in range(count)]
    tail = f".{flood.name}.{secrets.token_hex(4)}@load"
    machine.put(f"{name}.calls", calls_file(calls, ["+441632960999"]))
    arguments = placing_arguments(node, f"{name}.calls", calls, tail=tail, standing=count, limit_s=limit_s)
    sipp = SippProcess(machine, name, scenarios.flood(flood.kind), port, arguments, words)
    reader = Reader(calls, tail=tail, base_s=base_s, expected={flood.name: 200})
    return Flooding(flood, machine, name, sipp, reader)


def malformed(
    machine: Machine, flood: Flood, node: tuple[str, int], *, name: str, base_s: float, seed: int
) -> Flooding:
    """Begins to send what is no SIP."""
    config = {
        "address": machine.address,
        "host": node[0],
        "port": node[1],
        "cps": flood.cps,
        "for_s": flood.for_s,
        "begin_s": base_s + flood.from_s,
        "seed": seed,
        "output": machine.path(f"{name}.result"),
    }
    machine.put("malformed.py", tool("malformed.py"))
    machine.put(f"{name}.json", json.dumps(config).encode())
    program = machine.start(name, [python_of(machine), machine.path("malformed.py"), machine.path(f"{name}.json")])
    return Flooding(flood, machine, name, program=program)

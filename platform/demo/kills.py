"""Killing parts of the platform while it works: who, and when. What a supervisor keeps is expected back at once."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DialtraceError
from ..supervisor import Supervisor

_KILL = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,62})@(?P<moment_s>[0-9]{1,5}(\.[0-9]{1,3})?)")


class KillFaulty(DialtraceError):
    """Nothing can be killed so."""


@dataclass(frozen=True)
class Kill:
    """One process, killed with -9 so many seconds after the first call."""

    name: str
    moment_s: float


def parse_kill(text: str) -> Kill:
    """`worker-1@6.5`. Raises KillFaulty."""
    match = _KILL.fullmatch(text)
    if match is None:
        raise KillFaulty(f"{text!r} must look like NAME@SECONDS, for example worker-1@6.5")
    return Kill(match["name"], float(match["moment_s"]))


class Killer:
    """Carries the kills out, once each. Raises KillFaulty for a name that no process has."""

    def __init__(self, supervisor: Supervisor, kills: Sequence[Kill]) -> None:
        self._supervisor = supervisor
        self._waiting = sorted(kills, key=lambda kill: kill.moment_s)
        self.done: list[Kill] = []
        for kill in kills:
            if kill.name not in supervisor.children:
                known = ", ".join(supervisor.children)
                raise KillFaulty(f"no process is named {kill.name!r}; there are {known}")

    def __call__(self, elapsed_s: float) -> None:
        while self._waiting and elapsed_s >= self._waiting[0].moment_s:
            kill = self._waiting.pop(0)
            kill_child(self._supervisor, kill.name)
            self.done.append(kill)


def kill_child(supervisor: Supervisor, name: str) -> None:
    """kill -9, if it runs at this moment."""
    pid = supervisor.children[name].pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)

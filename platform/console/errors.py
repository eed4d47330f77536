"""What the console may meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DialtraceError


class ConsoleError(DialtraceError):
    """The console cannot do it."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one member of what was sent. ``place``: its name, with dots between the levels; empty: the
    whole."""

    place: str
    code: str
    detail: str


class Refused(ConsoleError):
    """The API refuses: its problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "internal_error"))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.problem = problem
        super().__init__(f"{status} {self.code}: {self.detail}")

    @property
    def faults(self) -> Sequence[Fault]:
        """Every fault with its place, where the API names places."""
        return [fault_of(one) for one in self.problem.get("errors", ())]


def fault_of(error: Mapping[str, Any]) -> Fault:
    """A fault as the API writes it: `#/settings/consent`, or the name of a parameter."""
    pointer = str(error.get("pointer", "")).removeprefix("#").strip("/").replace("/", ".")
    return Fault(str(error.get("parameter", "")) or pointer, str(error.get("code", "")), str(error.get("detail", "")))

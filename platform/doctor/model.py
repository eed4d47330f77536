"""What an examination finds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..errors import DialtraceError

#: From good to bad; a fault makes the exit status 1. `unknown`: it could not be looked at.
STATES = ("well", "note", "unknown", "fault")
#: What is examined, in the order in which it is told.
AREAS = ("machine", "database", "nodes", "store", "api", "numbers")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: which ``state`` of `STATES` it is in, what was found, and how to ``mend`` it (empty
    where it is well)."""

    area: str
    what: str
    state: str
    found: str
    mend: str = ""

    def __post_init__(self) -> None:
        if self.area not in AREAS or self.state not in STATES or (self.state == "fault" and not self.mend):
            raise ValueError(f"not a finding: {self}")


Check = Callable[[], Iterable[Finding]]


def examine(area: str, checks: Sequence[tuple[str, Check]]) -> list[Finding]:
    """Every check of an area, each for itself: one that cannot be made is a finding, and the others are made still."""
    findings: list[Finding] = []
    for what, check in checks:
        try:
            findings += check()
        except (DialtraceError, OSError) as error:
            findings.append(Finding(area, what, "unknown", str(error), "mend that, then look again"))
    return findings


def worst(findings: Iterable[Finding]) -> str:
    """The worst state there is; `well` of nothing."""
    return max((finding.state for finding in findings), key=STATES.index, default="well")


def at_most(area: str, what: str, found: str, value: float, *, note: float, fault: float, mend: str) -> Finding:
    """A figure that should be small: from ``note`` on it is noted, from ``fault`` on it is one."""
    state = "fault" if value >= fault else "note" if value >= note else "well"
    return Finding(area, what, state, found, "" if state == "well" else mend)

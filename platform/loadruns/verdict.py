"""Whether a run kept its limits: what makes the exit status. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .compare import at
from .tables import Limits

#: Of SIP statuses, RTP and so on: (what, where in the report, the limit's name, its unit).
_ASKED = (
    ("set-up, p99", ("signalling", "setup_ms", "p99"), "setup_p99_ms", "ms"),
    ("post-dial delay, p99", ("signalling", "post_dial_delay_ms", "p99"), "post_dial_delay_p99_ms", "ms"),
    ("failed calls", ("signalling", "failed_share"), "failed", ""),
    ("calls that our generator began late", ("signalling", "late_share"), "late", ""),
    ("RTP lost, worse side", ("sound", "lost_share"), "rtp_lost", ""),
    ("jitter, p99, worse side", ("sound", "jitter_p99_ms"), "jitter_p99_ms", "ms"),
)


@dataclass(frozen=True)
class Verdict:
    """One limit. ``found`` None: there was nothing to measure, and that is not kept."""

    what: str
    limit: float
    found: float | None
    unit: str = ""

    @property
    def kept(self) -> bool:
        return self.found is not None and self.found <= self.limit

    def told(self) -> dict[str, Any]:
        return {"what": self.what, "limit": self.limit, "found": self.found, "unit": self.unit, "kept": self.kept}


def judge(limits: Limits, report: Mapping[str, Any]) -> list[Verdict]:
    """All limits that are asked for."""
    found = []
    for what, path, name, unit in _ASKED:
        limit = getattr(limits, name)
        if limit is not None:
            found.append(Verdict(what, limit, at(report, path), unit))
    if limits.books:
        lines = [*report["books"]["lines"], *report["books"]["against_sipp"]]
        found.append(Verdict("books that do not balance", 0, sum(not line["balances"] for line in lines)))
    if report["soak"]:
        found.append(Verdict("series that grow", 0, sum(not one["flat"] for one in report["soak"])))
    if report["stopped"]:
        found.append(Verdict("ended before its time", 0, 1))
    return found

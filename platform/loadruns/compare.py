"""One run beside an earlier one. Pure, but for reading the earlier one's file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import ReportUnknown

FORMAT = 1
#: What is compared, and where it is in the document.
_COMPARED = (
    ("calls asked", ("signalling", "asked")),
    ("failed", ("signalling", "failed_share")),
    ("ASR", ("signalling", "asr")),
    ("set-up p50 ms", ("signalling", "setup_ms", "p50")),
    ("set-up p99 ms", ("signalling", "setup_ms", "p99")),
    ("post-dial delay p99 ms", ("signalling", "post_dial_delay_ms", "p99")),
    ("begun late", ("signalling", "late_share")),
    ("RTP lost", ("sound", "lost_share")),
    ("jitter p99 ms", ("sound", "jitter_p99_ms")),
    ("highest rate", ("search", "held_cps")),
)


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of a run. Raises ReportUnknown."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = found["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportUnknown(f"{path} is not the JSON of a load run ({type(error).__name__}: {error})") from error
    if known != FORMAT:
        raise ReportUnknown(f"{path} is of another release: its format is {known}, {FORMAT} is known")
    return found


def at(report: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What the document has there; None if it has nothing."""
    value: Any = report
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of what both have: before, now, and the change in words."""
    rows = []
    if before["profile"] != now["profile"]:
        rows.append({"what": "the profiles differ", "before": None, "now": None, "change": ""})
    for what, path in _COMPARED:
        rows += _row(what, at(before, path), at(now, path))
    old, new = _kinds(before), _kinds(now)
    for kind in old:
        rows += _row(f"processors of {kind}", old[kind], new.get(kind))
    return rows


def _row(what: str, before: float | None, now: float | None) -> list[dict[str, Any]]:
    if before is None or now is None:
        return []
    change = f"{(now - before) / before:+.1%}" if before else ("none" if now == before else "from nothing")
    return [{"what": what, "before": before, "now": now, "change": change}]


def _kinds(report: Mapping[str, Any]) -> dict[str, float]:
    """Processors by kind of process, all machines together."""
    found: dict[str, float] = {}
    for machine in report.get("processes", {}).values():
        for kind, use in sorted(machine["kinds"].items()):
            found[kind] = round(found.get(kind, 0.0) + use["processors"], 4)
    return found

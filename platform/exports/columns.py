"""Which columns an export may have. Names are stable: what was published never changes its meaning, and new ones are
added at the end, so that whoever reads by position is not misled by an upgrade.

A row is what `store` reads: the record's own columns, the names of what it points at, and for a call its legs and
segments. Pure; must not know any file format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .errors import ValueRefused

Content = Literal["calls", "events", "audit"]
#: text, whole number, measured number, exact decimal (money), moment, yes or no, or a value of several parts (JSON).
Kind = Literal["text", "integer", "number", "decimal", "moment", "boolean", "json"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: its stable name, what it holds, and how it is read from a row."""

    name: str
    kind: Kind
    value: Callable[[Row], Any]


def _plain(kind: Kind, *names: str) -> list[Column]:
    return [Column(name, kind, lambda row, name=name: row[name]) for name in names]  # type: ignore[misc]


def _fact(name: str, kind: Kind, default: Any = None) -> Column:
    return Column(name, kind, lambda row: row["facts"].get(name, default))


def _attributed(name: str, kind: Kind, member: str | None = None) -> Column:
    """Of the last revision of the call's attribution; empty where nothing is known."""
    return Column(name, kind, lambda row: row["attribution"].get(member or name))


#: What the store holds is stored, whether it has confirmed that or not; what is no end of a life is pending.
_STATES = {"stored": "stored", "verified": "stored", "absent": "absent"}
#: Of several segments the least settled one speaks for the call, as in GET /v1/calls.
_RANK = ("none", "absent", "stored", "pending")


def _recording(row: Row) -> str:
    states = [_STATES.get(part["state"], "pending") for part in row["recordings"]]
    return max(states, key=_RANK.index, default="none")


def _recorded_ms(row: Row) -> int | None:
    spans = [part["duration_ms"] for part in row["recordings"] if part["duration_ms"] is not None]
    return sum(spans) if spans else None


def _absences(row: Row) -> str | None:
    reasons = sorted({part["absence_reason"] for part in row["recordings"] if part["absence_reason"]})
    return " ".join(reasons) or None


CALLS: tuple[Column, ...] = (
    *_plain("text", "id", "client_id", "client_name", "number", "number_label", "caller", "caller_name", "outcome"),
    *_plain("moment", "started_at", "ringing_at", "answered_at", "connected_at", "ended_at"),
    *_plain("integer", "duration_ms", "ring_ms", "talk_ms", "billed_ms", "pdd_ms", "hold_ms", "queue_ms"),
    *_plain("text", "target_id", "target_name", "hangup_side", "hangup_cause"),
    *_plain("integer", "cause_q850", "sip_status"),
    *_plain("text", "flow_id", "flow_name"),
    *_plain("integer", "flow_version"),
    *_plain("text", "decided_by", "fallback_reason", "node", "codec", "sip_call_id"),
    Column("recording", "text", _recording),
    Column("recording_absence", "text", _absences),
    Column("recording_segments", "integer", lambda row: len(row["recordings"])),
    Column("recording_ms", "integer", _recorded_ms),
    Column("legs_count", "integer", lambda row: len(row["legs"])),
    Column("legs", "json", lambda row: row["legs"]),
    *_plain("number", "mos", "r_factor", "loss_percent", "jitter_ms"),
    *_plain("text", "attestation", "verstat", "attested_by", "diversion", "diverted_from"),
    *_plain("integer", "spam_score"),
    *_plain("decimal", "cost"),
    *_plain("text", "cost_currency"),
    _fact("consent", "text"),
    _fact("tags", "json", []),
    _fact("variables", "json", {}),
    *_plain("boolean", "is_test"),
    *_plain("integer", "revision"),
    *_plain("moment", "created_at", "updated_at"),
    *_plain("text", "agency_id", "number_id", "caller_raw"),
    _attributed("attribution_method", "text", "method"),
    _attributed("attribution_rung", "text", "rung"),
    _attributed("attribution_revision", "integer", "revision"),
    *(_attributed(name, "text") for name in ("channel", "source", "medium", "campaign", "content", "keyword")),
    _attributed("source_probability", "number"),
    _attributed("visit_id", "text"),
    _attributed("visit_probability", "number", "probability"),
)  # fmt: skip

EVENTS: tuple[Column, ...] = (
    *_plain("text", "id", "client_id", "type", "call_id"),
    *_plain("integer", "revision", "position"),
    *_plain("moment", "occurred_at", "recorded_at"),
    *_plain("json", "data"),
    *_plain("text", "agency_id"),
)

AUDIT: tuple[Column, ...] = (
    *_plain("text", "id", "client_id"),
    *_plain("moment", "at"),
    *_plain("text", "actor_kind", "actor_id", "actor_name", "address", "request_id"),
    *_plain("text", "action", "object_kind", "object_id"),
    *_plain("json", "details"),
    *_plain("text", "agency_id"),
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {"calls": CALLS, "events": EVENTS, "audit": AUDIT}


def names_of(content: str) -> list[str]:
    """Every column there is, in the order of an export that chooses none."""
    return [column.name for column in COLUMNS[content]]


def chosen(content: str, names: Sequence[str] | None) -> list[Column]:
    """The columns by their names, in the order asked for; all of them for None. Raises ValueRefused."""
    if names is None:
        return list(COLUMNS[content])
    known = {column.name: column for column in COLUMNS[content]}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueRefused(content, f"no such column: {', '.join(unknown)}; there are: {', '.join(known)}")
    if len(set(names)) != len(names):
        raise ValueRefused(content, "a column is named twice")
    if not names:
        raise ValueRefused(content, "at least one column is needed")
    return [known[name] for name in names]

"""Numbers as values, and the rules that need no database. Must not know how they are stored."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ..phone import parse_e164
from .errors import ValueRefused

KINDS = ("static", "dynamic")
#: What may be asked for; `released` is reached by releasing only.
STATUSES = ("active", "suspended")
LABEL_LENGTH = 200
#: What a static number may stand for.
SOURCE_FIELDS = ("channel", "source", "medium", "campaign", "content", "keyword")
SOURCE_LENGTH = 300
#: How long a released number rests before its carrier gets it back: whoever saw or saved it calls for days, and whoever
#: released it by mistake wants it again.
REST = timedelta(days=7)
#: Where a number stands in the inventory. `soaking` and `resting`: its calls are counted, nobody is shown it.
STATES = ("free", "soaking", "in_pool", "static", "resting", "quarantined", "released")


class Unchanged(enum.Enum):
    """Stands where a change says nothing; None would mean "none" for a flow."""

    UNCHANGED = enum.auto()


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True)
class ProofStep:
    """One thing that a proof looked at. ``ms`` counts from the INVITE; ``detail`` says what was wrong, or odd."""

    name: str
    ok: bool
    ms: int | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Proof:
    """What a call of our own to a number has shown."""

    outcome: str
    tried_at: datetime
    call_id: UUID | None
    node: str | None
    total_ms: int
    steps: Sequence[ProofStep]

    @property
    def is_proven(self) -> bool:
        return self.outcome == "proven"


@dataclass(frozen=True)
class InService:
    """A number whose calls are answered at this moment, as the directory has it."""

    e164: str
    agency_id: UUID
    client_id: UUID
    number_id: UUID
    flow_id: UUID


@dataclass(frozen=True)
class LastProof:
    """When a number was tried last, and when it was proven last, if ever."""

    tried_at: datetime
    proven_at: datetime | None


@dataclass(frozen=True)
class Number:
    """A telephone number that callers dial. ``flow_id`` None: its calls are refused as `no_flow`."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    e164: str
    kind: str
    status: str
    label: str
    flow_id: UUID | None
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None
    version: int
    pool_id: UUID | None = None
    region: str | None = None
    state: str = "free"
    state_at: datetime | None = None
    state_reason: str | None = None
    free_from: datetime | None = None
    channel: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    content: str | None = None
    keyword: str | None = None
    carrier_id: UUID | None = None
    last_proven_at: datetime | None = None
    last_proof: Proof | None = None


@dataclass(frozen=True)
class Inventory:
    """How a number comes into the inventory. ``soak_days``: nobody is given a dynamic one before its calls were counted
    for so long."""

    region: str | None = None
    soak_days: int = 0


def check_number(raw: str, region: str | None) -> str:
    """E.164 of what was written. Raises ValueRefused."""
    e164 = parse_e164(raw, region)
    if e164 is None:
        raise ValueRefused("number", "must be a telephone number in E.164, such as +442079460001")
    return e164


def check_kind(kind: str) -> str:
    """Raises ValueRefused."""
    if kind not in KINDS:
        raise ValueRefused("kind", "must be static or dynamic")
    return kind


def check_status(status: str) -> str:
    """Raises ValueRefused."""
    if status not in STATUSES:
        raise ValueRefused("status", "must be active or suspended; release a number to give it back")
    return status


def check_label(label: str) -> str:
    """A label as it is kept: without blanks around it, perhaps empty. Raises ValueRefused."""
    kept = label.strip()
    if len(kept) > LABEL_LENGTH:
        raise ValueRefused("label", f"must have at most {LABEL_LENGTH} characters")
    if not kept.isprintable():
        raise ValueRefused("label", "must hold no line breaks or other control characters")
    return kept


def check_source(kind: str, values: Mapping[str, str | None]) -> dict[str, str | None]:
    """What a number stands for, as it is kept: every field, None where nothing is said. Raises ValueRefused."""
    kept = {name: _source_text(name, values.get(name)) for name in SOURCE_FIELDS}
    if not any(kept.values()):
        return kept
    if kind != "static":
        raise ValueRefused("source", "must be left out: a dynamic number has the source of the visit that holds it")
    for name in ("channel", "source"):
        if kept[name] is None:
            raise ValueRefused(name, "must be said where anything is said of where the number's callers come from")
    return kept


def _source_text(name: str, value: str | None) -> str | None:
    text = (value or "").strip()
    if len(text) > SOURCE_LENGTH or not text.isprintable():
        raise ValueRefused(name, f"must have at most {SOURCE_LENGTH} characters, and no line breaks")
    return text or None

"""How long what is kept, what is held, what persons ask for: values and rules. No I/O.

A client's rule goes before its agency's; where neither says anything, what the operator's bounds say at most, and
without them everything is kept. Bounds that were narrowed later hold over rules that were made before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from .errors import ValueRefused

DataClass = Literal["cdr", "recording", "caller", "visit"]
CallerBecomes = Literal["key", "nothing"]
RequestKind = Literal["export", "erase"]
HoldKind = Literal["call", "caller", "client"]

#: cdr: the record with everything that hangs on it. recording: its audio. caller: the number and all else that tells
#: who called, while the record stays. visit: browsing sessions.
CLASSES: tuple[DataClass, ...] = ("cdr", "recording", "caller", "visit")
MOST_DAYS = 36_500
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an agency or a client has said; None: as the level above."""

    cdr_days: int | None = None
    recording_days: int | None = None
    caller_days: int | None = None
    visit_days: int | None = None
    caller_becomes: CallerBecomes | None = None

    def days(self, data_class: DataClass) -> int | None:
        found: int | None = getattr(self, f"{data_class}_days")
        return found


@dataclass(frozen=True, slots=True)
class Bound:
    """Within which days an agency and its clients may choose; None: no bound on that side."""

    least_days: int | None = None
    most_days: int | None = None


Bounds = Mapping[DataClass, Bound]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """What holds for a client at last; None: for ever."""

    days: Mapping[DataClass, int | None]
    caller_becomes: CallerBecomes

    def cutoff(self, data_class: DataClass, now: datetime) -> datetime | None:
        """What began before this is to go; None: nothing is."""
        days = self.days[data_class]
        return None if days is None else now - timedelta(days=days)


def effective(client: Rules, agency: Rules, bounds: Bounds) -> Effective:
    """What holds where all three have spoken."""
    days: dict[DataClass, int | None] = {}
    for one in CLASSES:
        said = client.days(one) if client.days(one) is not None else agency.days(one)
        days[one] = _within(said, bounds.get(one, Bound()))
    becomes = client.caller_becomes or agency.caller_becomes or "nothing"
    return Effective(days=days, caller_becomes=becomes)


def _within(said: int | None, bound: Bound) -> int | None:
    if said is None:
        return bound.most_days
    said = said if bound.most_days is None else min(said, bound.most_days)
    return said if bound.least_days is None else max(said, bound.least_days)


def check_rules(rules: Rules, bounds: Bounds) -> None:
    """Raises ValueRefused with the member at fault and how to mend it."""
    for one in CLASSES:
        days, bound = rules.days(one), bounds.get(one, Bound())
        if days is None:
            continue
        if not 1 <= days <= MOST_DAYS:
            raise ValueRefused(f"{one}_days", f"must be 1 to {MOST_DAYS}, or null: as the level above says")
        if bound.least_days is not None and days < bound.least_days:
            raise ValueRefused(f"{one}_days", f"the operator asks for {bound.least_days} days at least")
        if bound.most_days is not None and days > bound.most_days:
            raise ValueRefused(f"{one}_days", f"the operator allows {bound.most_days} days at most")
    if rules.cdr_days is not None:
        for one in ("recording", "caller"):
            days = rules.days(one)
            if days is not None and days > rules.cdr_days:
                detail = f"a call's {one} cannot outlive its record: {rules.cdr_days} days at most, as cdr_days says"
                raise ValueRefused(f"{one}_days", detail)


def check_bounds(bounds: Bounds) -> None:
    """Raises ValueRefused."""
    for one, bound in bounds.items():
        for days in (bound.least_days, bound.most_days):
            if days is not None and not 1 <= days <= MOST_DAYS:
                raise ValueRefused(f"bounds/{one}", f"days must be 1 to {MOST_DAYS}")
        if bound.least_days is not None and bound.most_days is not None and bound.least_days > bound.most_days:
            raise ValueRefused(f"bounds/{one}", "least_days must not be more than most_days")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is said at one level, and what holds there."""

    rules: Rules
    bounds: Bounds
    effective: Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: nothing of what it names is deleted or anonymised while it stands. Of a caller only the agency's
    keyed hash is kept, and a hint."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    kind: HoldKind
    call_id: UUID | None
    hint: str
    reason: str
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRequest:
    """What a person has asked for. ``phone`` is there until it is done; readers get the hint."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    kind: RequestKind
    phone: str | None = field(repr=False)
    person_key: bytes
    hint: str
    state: str
    phase: str
    counts: Mapping[str, Any]
    waits: Mapping[str, Any]
    requested_by: str
    requested_at: datetime
    before_at: datetime | None
    attempts: int
    fault: str | None
    object_id: UUID | None
    receipt_id: UUID | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A proof: ``document`` is the text that was signed, byte for byte (receipts.py)."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    kind: str
    request_id: UUID | None
    document: str
    signature: bytes
    key_id: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """How a call's caller came to be recorded, or not. ``rule``: ask (a key refuses), notice (it is announced), none
    (recorded without a word), off. Moments are those at which the switch came to the step; None: it never did."""

    agency_id: UUID
    call_id: UUID
    rule: str
    step: str | None
    notice: str | None
    notice_sha256: bytes | None
    played_at: datetime | None
    answer: str
    answered_at: datetime | None
    flow_id: UUID | None
    flow_version: int | None

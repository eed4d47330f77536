"""What a call record says, as values. No I/O; knows neither files nor SQL.

:class:`CallFacts` and :class:`LegFacts` are what the interpreter reads out of one file of the switch; their field names
are the columns of `calls` and `legs`. :class:`Call`, :class:`Leg` and :class:`CallDetail` are what readers get.
Every moment is aware, in UTC and exact to the microsecond; lengths are whole milliseconds, rounded down.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from ..recording.model import Recording
from .attestation import Attestation, AttestedBy
from .causes import q850_name

Outcome = Literal[
    "answered", "no_answer", "busy", "rejected", "caller_cancelled", "unallocated", "unreachable", "congestion",
    "network_failure", "blocked", "voicemail", "system_error", "node_lost",
]  # fmt: skip
HangupSide = Literal["caller", "target", "platform", "unknown"]
DecidedBy = Literal["worker", "fallback", "none"]

#: Every outcome that a call or a leg may have (docs/glossary.md).
OUTCOMES: frozenset[str] = frozenset(Outcome.__args__)  # type: ignore[attr-defined]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """One call as its A leg's file tells it. ``agency_id`` None: the file does not say whose it is."""

    id: uuid.UUID
    started_at: datetime
    node: str
    number: str
    outcome: Outcome
    agency_id: uuid.UUID | None = None
    client_id: uuid.UUID | None = None
    number_id: uuid.UUID | None = None
    caller: str | None = None
    caller_raw: str | None = None
    caller_name: str | None = None
    core_uuid: uuid.UUID | None = None
    flow_id: uuid.UUID | None = None
    flow_version: int | None = None
    decided_by: DecidedBy = "none"
    fallback_reason: str | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    ring_ms: int | None = None
    talk_ms: int | None = None
    billed_ms: int | None = None
    hangup_cause: str | None = None
    cause_q850: int | None = None
    sip_status: int | None = None
    hangup_side: HangupSide = "unknown"
    codec: str | None = None
    sip_call_id: str | None = None
    #: From the INVITE to the first sign of life that the caller got: ringing, early media or an answer.
    pdd_ms: int | None = None
    hold_ms: int | None = None
    #: In queues, until the caller was connected, went on or gave up; None: the call was in none.
    queue_ms: int | None = None
    #: What came from the caller's side (media.py).
    loss_percent: float | None = None
    jitter_ms: float | None = None
    r_factor: float | None = None
    mos: float | None = None
    verstat: str | None = None
    attestation: Attestation | None = None
    attested_by: AttestedBy | None = None
    #: The `Diversion` header as it came, and its number in E.164.
    diversion: str | None = None
    diverted_from: str | None = None
    spam_score: int | None = None
    should_record: bool = False
    legs_expected: int = 0
    #: Channel UUID of the leg that was connected; its target is known from that leg's own file.
    connected_leg_id: uuid.UUID | None = None
    #: Numbers of the recording segments that may exist.
    segments: tuple[int, ...] = ()
    #: A call that the installation placed itself, to prove a number.
    is_test: bool = False
    facts: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @property
    def is_stand_in(self) -> bool:
        """Whether this is what we say only because nothing better is known; it never replaces a record."""
        return "source" in self.facts


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFacts:
    """One attempt to reach a target as its own file tells it."""

    id: uuid.UUID
    call_id: uuid.UUID
    call_started_at: datetime
    outcome: Outcome
    agency_id: uuid.UUID | None = None
    client_id: uuid.UUID | None = None
    target_id: uuid.UUID | None = None
    address: str | None = None
    started_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    ring_ms: int | None = None
    talk_ms: int | None = None
    hangup_cause: str | None = None
    cause_q850: int | None = None
    sip_status: int | None = None
    hangup_side: HangupSide = "unknown"
    codec: str | None = None
    sip_call_id: str | None = None
    trunk: str | None = None
    pdd_ms: int | None = None
    hold_ms: int | None = None
    #: What came from the target's side (media.py).
    loss_percent: float | None = None
    jitter_ms: float | None = None
    r_factor: float | None = None
    mos: float | None = None
    facts: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


Facts = CallFacts | LegFacts

#: In the order of names at every depth.
_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=dict)


def as_columns(facts: Facts) -> dict[str, Any]:
    """Field name → value, with ``facts`` as a plain dict."""
    values = {name: getattr(facts, name) for name in facts.__dataclass_fields__}
    return values | {"facts": dict(facts.facts)}


def as_json(facts: Facts) -> bytes:
    """:func:`as_columns` as a JSON object: the same facts are the same bytes, whatever the file's spelling."""
    return _ENCODER.encode(facts)


def digest_of_json(encoded: bytes) -> bytes:
    """SHA-256 of what :func:`as_json` has given: the same facts again have the same digest."""
    return hashlib.sha256(encoded).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg as it is kept."""

    id: uuid.UUID
    call_id: uuid.UUID
    target_id: uuid.UUID | None
    address: str | None
    outcome: str
    started_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    ring_ms: int | None
    talk_ms: int | None
    hangup_cause: str | None
    cause_q850: int | None
    sip_status: int | None
    hangup_side: str
    codec: str | None
    sip_call_id: str | None
    trunk: str | None
    pdd_ms: int | None
    hold_ms: int | None
    loss_percent: float | None
    jitter_ms: float | None
    r_factor: float | None
    mos: float | None
    facts: Mapping[str, Any]
    revision: int

    @property
    def q850_name(self) -> str | None:
        """What ITU-T Q.850 calls ``cause_q850``."""
        return q850_name(self.cause_q850)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it is kept."""

    agency_id: uuid.UUID
    id: uuid.UUID
    started_at: datetime
    client_id: uuid.UUID
    number_id: uuid.UUID | None
    number: str
    caller: str | None
    caller_raw: str | None
    caller_name: str | None
    node: str
    core_uuid: uuid.UUID | None
    flow_id: uuid.UUID | None
    flow_version: int | None
    decided_by: str
    fallback_reason: str | None
    outcome: str
    ringing_at: datetime | None
    answered_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    duration_ms: int | None
    ring_ms: int | None
    talk_ms: int | None
    billed_ms: int | None
    target_id: uuid.UUID | None
    hangup_cause: str | None
    cause_q850: int | None
    sip_status: int | None
    hangup_side: str
    codec: str | None
    sip_call_id: str | None
    pdd_ms: int | None
    hold_ms: int | None
    queue_ms: int | None
    loss_percent: float | None
    jitter_ms: float | None
    r_factor: float | None
    mos: float | None
    verstat: str | None
    attestation: str | None
    attested_by: str | None
    diversion: str | None
    diverted_from: str | None
    spam_score: int | None
    #: None until the call was priced; ``cost_revision`` is the revision of the record that was priced.
    cost: Decimal | None
    cost_currency: str | None
    cost_revision: int | None
    should_record: bool
    legs_expected: int
    is_test: bool
    facts: Mapping[str, Any]
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def q850_name(self) -> str | None:
        """What ITU-T Q.850 calls ``cause_q850``."""
        return q850_name(self.cause_q850)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetail:
    """A call with its legs in the order of their start, its recordings, and the targets that got no channel at all."""

    call: Call
    legs: Sequence[Leg]
    recordings: Sequence[Recording]
    attempts_without_leg: Sequence[uuid.UUID]


def attempts_without_leg(
    planned: Sequence[uuid.UUID], legs: Sequence[Leg], *, outcome: str, legs_expected: int
) -> list[uuid.UUID]:
    """Targets that the plan tried and that never got a channel, so that no file of theirs exists (call-setup.md).

    ``planned`` is every target that the plan may ring, in order. What comes after the last leg was tried only if the
    plan ran to its end: not when a target was connected, and not when the caller gave up. As long as a leg's file is
    missing nothing can be said about anybody.
    """
    if len(legs) < legs_expected:
        return []
    had_leg = {leg.target_id for leg in legs}
    last = max((index for index, target in enumerate(planned) if target in had_leg), default=-1)
    ended_early = outcome in {"answered", "voicemail", "caller_cancelled", "node_lost"}
    tried = planned[: last + 1] if ended_early else planned
    return [target for target in dict.fromkeys(tried) if target not in had_leg]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilters:
    """What a reader may ask for; None asks nothing. The start is bounded from (inclusive) and until (exclusive)."""

    number: str | None = None
    caller: str | None = None
    outcome: str | None = None
    node: str | None = None
    started_from: datetime | None = None
    started_until: datetime | None = None
    answered_only: bool = False
    min_talk_ms: int | None = None
    #: None: with test calls; False: without them; True: nothing else.
    is_test: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of one file's facts: ``changed`` False when the same facts were there already."""

    facts: Facts
    agency_id: uuid.UUID
    changed: bool
    revision: int
    refused: str | None = None
    #: The caller is on the erasure list: nothing of the call may stay on the node.
    erased: bool = False

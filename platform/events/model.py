"""Events of the log as values. Data holds ids and moments only, never a personal value: those are stored once, with the
call, and a body is rendered when it is sent (DESIGN, Data). Must not know who listens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from .errors import EventRefused

#: Every type of event there is, and its place within a call: what monitor and agent saw of one call is told in this
#: order, whichever of them was first at the database (the function dialtrace_event_rank says the same). 0: of no call.
RANKS: Mapping[str, int] = {
    "call.started": 1,
    "call.ringing": 2,
    "call.answered": 3,
    "call.ended": 4,
    "call.revised": 5,
    "recording.ready": 6,
    "attribution.revised": 7,
    "person.erased": 0,
    "number.quarantined": 0,
    "pool.resized": 0,
    "balance.low": 0,
    "account.changed": 0,
    "statement.made": 0,
    "webhook.paused": 0,
    "webhook.disabled": 0,
    "webhook.resumed": 0,
    "webhook.test": 0,
}


@dataclass(frozen=True)
class NewEvent:
    """Something that happened. ``revision`` counts what is told again of one call: the same call, type and revision is
    the same event, however often it is appended. ``client_id`` None: it concerns the agency as a whole."""

    type: str
    occurred_at: datetime
    client_id: UUID | None = None
    call_id: UUID | None = None
    revision: int = 1
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.type not in RANKS:
            raise EventRefused(f"an event's type is one of {', '.join(RANKS)}, not {self.type!r}")
        if (RANKS[self.type] > 0) != (self.call_id is not None):
            raise EventRefused(f"an event of the type {self.type} {'names' if RANKS[self.type] else 'has no'} call")
        if self.occurred_at.tzinfo is None:
            raise EventRefused("an event's moment carries a UTC offset")
        if self.revision < 1:
            raise EventRefused("an event's revision counts from 1")


@dataclass(frozen=True)
class Event:
    """An event as it stands in the log. ``position`` counts from 1 without a gap within the agency."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    type: str
    call_id: UUID | None
    revision: int
    occurred_at: datetime
    position: int
    data: Mapping[str, Any]
    recorded_at: datetime


@dataclass(frozen=True)
class LogPage:
    """A stretch of the log. ``until``: the position up to which everything that was asked for is in ``events``."""

    events: Sequence[Event]
    until: int
    has_more: bool


def matches(type_: str, wanted: Collection[str]) -> bool:
    """Whether a type is among those that are wanted: its name, or `call.*` for all that begin so; none: every type."""
    return not wanted or type_ in wanted or type_.split(".", 1)[0] + ".*" in wanted


def types_of(wanted: Collection[str]) -> list[str]:
    """The types that these words stand for. Raises EventRefused for a word that stands for none."""
    for word in wanted:
        if not any(matches(type_, [word]) for type_ in RANKS):
            raise EventRefused(
                f"{word!r} is no type of event; there are {', '.join(RANKS)}, and call.* for all of call"
            )
    return [type_ for type_ in RANKS if matches(type_, wanted)]

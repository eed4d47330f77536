"""A call that stands, as it is shown to those whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

#: `queued` is told by the queue, the others by the call's own leg.
State = Literal["started", "ringing", "answered", "queued", "held"]
STATES: tuple[State, ...] = get_args(State)

#: A row that its node's monitor has not spoken for in so long may be over: nobody knows, and nobody ends it.
UNKNOWN_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class ShownCall:
    """One call. ``seen_ms``: for how long nobody has spoken for it; ``queued_at``: since when it waits for a target."""

    id: UUID
    agency_id: UUID
    client_id: UUID
    number_id: UUID | None
    number: str
    caller: str | None
    flow_id: UUID | None
    node: str
    state: State
    started_at: datetime
    ringing_at: datetime | None
    answered_at: datetime | None
    connected_at: datetime | None
    queued_at: datetime | None
    target_id: UUID | None
    source: Mapping[str, str]
    seen_ms: int

    @property
    def is_unknown(self) -> bool:
        """Whether its node has been silent for so long that it may be over."""
        return self.seen_ms > UNKNOWN_AFTER_S * 1_000


@dataclass(frozen=True, slots=True)
class LiveFilters:
    """What a list is narrowed to; None: not."""

    state: State | None = None
    node: str | None = None

"""Events of the log as values. Data holds ids and moments only, never a personal value: those are stored once, with the
call, and a body is rendered when it is sent (DESIGN, Data). Must not know who listens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from .errors import EventRefused

_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


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
        if not _TYPE.fullmatch(self.type):
            raise EventRefused(f"an event's type looks like call.ended, not {self.type!r}")
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

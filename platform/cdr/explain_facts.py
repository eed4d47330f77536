"""What other tables say of a call that is to be explained: values for explain.py, read by store.py. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFacts:
    """The number's row as it is now."""

    kind: str
    label: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """One event of the call in the log."""

    type: str
    revision: int
    occurred_at: datetime
    recorded_at: datetime
    position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFacts:
    """What an integration was to be told of the call, and what became of it. ``requests``: when, what, and what was
    answered (its status, or why there was no answer)."""

    id: uuid.UUID
    integration_id: uuid.UUID
    integration: str
    system: str
    type: str
    state: str
    reason: str | None
    detail: str | None
    tries: int
    created_at: datetime
    settled_at: datetime | None
    requests: Sequence[Mapping[str, Any]]

    @property
    def code(self) -> str:
        """Which sentence tells it."""
        if self.state == "done":
            return "integration_done" if self.reason is None else "integration_not_needed"
        return "integration_given_up" if self.state == "given_up" else "integration_waiting"

    @property
    def why(self) -> str:
        return ": ".join(filter(None, (self.reason, self.detail)))

    def data(self) -> dict[str, Any]:
        """The facts, as plain JSON."""
        plain = ("integration", "system", "type", "state", "reason", "detail", "tries")
        ids = {"delivery_id": str(self.id), "integration_id": str(self.integration_id)}
        return ids | {name: getattr(self, name) for name in plain} | {"requests": list(self.requests)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What other tables say of a call: names as they are now, None where the row is gone."""

    client_name: str | None = None
    number: NumberFacts | None = None
    flow_name: str | None = None
    targets: Mapping[uuid.UUID, str] = field(default_factory=dict)
    events: Sequence[EventFacts] = ()
    told: Sequence[ToldFacts] = ()

"""What `dialtrace work webhooks` asks of the database: each call is one exchange, through the narrow functions, for it
serves all tenants. Raises the errors of `db.errors`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..db.engine import Database
from .model import Claimed, Schedule, Verdict

#: More than this on its way to one endpoint, and the rest stays in the log.
MOST_OPEN = 5_000
_CLAIM = (
    "SELECT agency_id, id, claim, webhook_id, owner_id, url, message_id, type, call_id, client_id, revision, position,"
    " occurred_at, data, tries, sealed FROM dialtrace_webhooks_claim(%s, %s, %s, %s, %s)"
)
_SETTLE = "SELECT agency_id, webhook_id, state, reason FROM dialtrace_webhooks_settle(%s::jsonb, %s, %s)"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be on its way at a time, over all processes: to one endpoint, to one host, for one agency."""

    each: int = 8
    host: int = 32
    agency: int = 64
    #: Longer than any request may last: whoever has not settled by then is gone.
    hold_s: int = 60


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a claimed message, and the try as it is kept (None: nothing was sent)."""

    message: Claimed
    verdict: Verdict
    attempt: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """An endpoint that stopped because of what it answered."""

    agency_id: UUID
    webhook_id: UUID
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is on its way to endpoints that are active, and how many are not. ``behind``: events without a message."""

    waiting: int
    blocked: int
    sending: int
    oldest_s: float
    paused: int
    disabled: int
    behind: int


class Claims:
    """The queue of messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, most: int, bounds: Bounds) -> list[Claimed]:
        """Up to ``most`` messages that are due; nobody else gets them."""
        values = (most, bounds.each, bounds.host, bounds.agency, bounds.hold_s)
        rows = self._database.look_up(_CLAIM, values)
        return [Claimed(**{**row._mapping, "sealed": [bytes(one) for one in row._mapping["sealed"]]}) for row in rows]

    def settle(self, results: Sequence[Result], schedule: Schedule) -> list[Stopped]:
        """Writes down what became of them, all at once; the endpoints that stopped by that."""
        rows = [
            {
                "agency_id": str(result.message.agency_id),
                "id": str(result.message.id),
                "claim": str(result.message.claim),
                "webhook_id": str(result.message.webhook_id),
                "outcome": result.verdict.outcome,
                "delay_s": result.verdict.delay_s,
                "rest_s": result.verdict.rest_s,
                "fault": result.verdict.fault,
                "attempt": result.attempt,
            }
            for result in results
        ]
        values = (json.dumps(rows), schedule.pause_after_s, schedule.away_s)
        return [Stopped(*row) for row in self._database.look_up(_SETTLE, values)]

    def catch_up(self) -> int:
        """Makes messages for endpoints that are behind their log; how many."""
        return int(self._database.look_up("SELECT dialtrace_webhooks_catch_up(%s)", (MOST_OPEN,))[0][0])

    def backlog(self) -> Backlog:
        """What there is at this moment."""
        return Backlog(*self._database.look_up("SELECT * FROM dialtrace_webhooks_backlog()", ())[0])

    def tidy(self, *, delivered_s: float, failed_s: float, most: int) -> tuple[int, int]:
        """Removes old deliveries; how many, and how many followers were freed that nothing stood before."""
        values = (delivered_s, failed_s, most)
        row = self._database.look_up("SELECT * FROM dialtrace_webhooks_tidy(%s, %s, %s)", values)[0]
        return row.removed, row.freed

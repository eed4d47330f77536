"""Rows of the calls that stand and of the queues, as monitors write and ask them: each call is one exchange with the
database, through its narrow functions, for a monitor serves all tenants. Raises the errors of `db.errors`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from ..clock import from_microseconds
from ..db.engine import Database
from .live import Batch, LiveCall, LiveEvent, event_data

#: What became of an offer (dialtrace_queue_settle).
Settled = Literal["woken", "gone", "later"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A caller who waits at a step, and the target that is held for them."""

    agency_id: UUID
    call_id: UUID
    step: str
    target_id: UUID


@dataclass(frozen=True, slots=True)
class Decision:
    """What a web hook was asked for a call; ``answer`` None in the state `failed`: the step's default applies."""

    agency_id: UUID
    id: UUID
    call_id: UUID
    step: str
    state: str
    answer: str | None


class LiveRows:
    """What monitors write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, node: str, batch: Batch) -> None:
        """Writes a batch; the same once more changes nothing."""
        self._database.look_up(
            "SELECT dialtrace_live_put(%s, %s::jsonb, %s::jsonb, %s::jsonb, %s::uuid[]),"
            " dialtrace_recordings_expect(%s, %s::jsonb)",
            (
                node,
                json.dumps([_row(call) for call in batch.rows]),
                json.dumps([{"agency_id": str(agency), "call_id": call_id} for agency, call_id in batch.ended]),
                json.dumps([_event(event) for event in batch.events]),
                batch.standing,
                node,
                json.dumps([row for call in batch.rows for row in _recordings(call)]),
            ),
        )

    def seen(self, node: str) -> int:
        """All calls of the node stand; returns how many rows it has."""
        return int(self._database.look_up("SELECT dialtrace_live_seen(%s)", (node,))[0][0])


class QueueRows:
    """Pairing callers with targets, and the decisions that calls wait for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pair(self, node: str) -> list[Offer]:
        """Pairs callers of every node, and tells those of this one who are to be woken."""
        rows = self._database.look_up(
            "SELECT agency_id, call_id, step, target_id FROM dialtrace_queue_pair(%s)", (node,)
        )
        return [Offer(*row) for row in rows]

    def settle(self, offer: Offer, how: Settled) -> bool:
        """What became of it; false: it is over, and what it says holds no longer."""
        values = (offer.agency_id, offer.call_id, offer.target_id, how)
        return bool(
            self._database.look_up(
                "SELECT dialtrace_queue_settle(%s::uuid, %s::uuid, %s::uuid, %s)", tuple(map(str, values))
            )[0][0]
        )

    def decisions(self, node: str) -> Sequence[Decision]:
        """Decisions that calls of this node wait for, settled or not."""
        rows = self._database.look_up(
            "SELECT agency_id, id, call_id, step, state, answer FROM dialtrace_decisions_of_node(%s)", (node,)
        )
        return [Decision(*row) for row in rows]

    def wake(self, decision: Decision) -> bool:
        """The call is about to be woken with it; false: it must not be."""
        found = self._database.look_up(
            "SELECT dialtrace_decision_wake(%s::uuid, %s::uuid)", (str(decision.agency_id), str(decision.id))
        )
        return bool(found[0][0])


def _row(call: LiveCall) -> dict[str, Any]:
    owner = call.owner
    assert owner is not None, "a call without an owner has no row"
    return {
        "agency_id": str(owner.agency_id),
        "call_id": call.call_id,
        "client_id": str(owner.client_id),
        "number_id": _text(owner.number_id),
        "number": call.dialled or "",
        "caller": call.caller,
        "flow_id": _text(owner.flow_id),
        "state": call.state,
        "started_at": _moment(call.started_us or call.answered_us or 0),
        "ringing_at": _moment(call.rang_us),
        "answered_at": _moment(call.answered_us),
        "connected_at": _moment(call.connected_us),
        "target_id": _text(call.target_id),
        "source": dict(owner.source),
        "is_test": owner.is_test,
    }


def _recordings(call: LiveCall) -> list[dict[str, Any]]:
    """What the ledger is told of a call that stands: the segments that its plan has named."""
    owner = call.owner
    assert owner is not None, "a call without an owner has no row"
    # The call's start is part of its key: without it nothing can be told.
    if call.started_us is None:
        return []
    return [
        {
            "agency_id": str(owner.agency_id),
            "client_id": str(owner.client_id),
            "call_id": call.call_id,
            "started_at": _moment(call.started_us),
            "answered_at": _moment(call.answered_us),
            "segment": segment,
        }
        for segment in call.segments
    ]


def _event(event: LiveEvent) -> dict[str, Any]:
    return {
        "agency_id": str(event.owner.agency_id),
        "id": str(event.id),
        "client_id": str(event.owner.client_id),
        "type": event.type,
        "call_id": event.call_id,
        "occurred_at": _moment(event.occurred_us),
        "data": event_data(event.owner),
    }


def _moment(stamp_us: int | None) -> str | None:
    return None if stamp_us is None else from_microseconds(stamp_us).isoformat()


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)

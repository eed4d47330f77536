"""SQL of the calls that stand. Reads only: monitors write them through functions of their own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, case, func, literal, select, tuple_

from ..db.tables import live_calls, queue_entries
from ..paging import Page
from .model import LiveFilters, ShownCall

_CALL, _QUEUE = live_calls.c, queue_entries.c
#: Who talks with a target waits no longer, even if the queue has not heard of it yet.
_WAITS = and_(_QUEUE.call_id.is_not(None), _CALL.target_id.is_(None))
_STATE = case((_WAITS, literal("queued")), else_=_CALL.state)


def _shown() -> Select[Any]:
    seen_ms = func.greatest(0, func.extract("epoch", func.clock_timestamp() - _CALL.seen_at) * 1_000)
    waiting = and_(
        _QUEUE.agency_id == _CALL.agency_id, _QUEUE.call_id == _CALL.call_id, _QUEUE.state.in_(("waiting", "offered"))
    )
    return select(
        _CALL.call_id.label("id"), _CALL.agency_id, _CALL.client_id, _CALL.number_id, _CALL.number, _CALL.caller,
        _CALL.flow_id, _CALL.node, _STATE.label("state"), _CALL.started_at, _CALL.ringing_at, _CALL.answered_at,
        _CALL.connected_at, case((_WAITS, _QUEUE.joined_at)).label("queued_at"), _CALL.target_id, _CALL.source,
        seen_ms.label("seen_ms"),
    ).select_from(live_calls.outerjoin(queue_entries, waiting))  # fmt: skip


def _call(row: Row[Any]) -> ShownCall:
    return ShownCall(**{**row._mapping, "seen_ms": int(row.seen_ms)})


def page_of_calls(
    connection: Connection, agency_id: UUID, filters: LiveFilters, *, limit: int, after: tuple[Any, ...] | None
) -> Page[ShownCall]:
    """The tenant's, the oldest first. One row more than asked tells whether more follow."""
    query = _shown().where(_CALL.agency_id == agency_id).order_by(_CALL.started_at, _CALL.call_id).limit(limit + 1)
    if filters.state is not None:
        query = query.where(_STATE.in_([filters.state]))
    if filters.node is not None:
        query = query.where(_CALL.node == filters.node)
    if after is not None:
        query = query.where(tuple_(_CALL.started_at, _CALL.call_id) > tuple_(*map(literal, after)))
    rows = connection.execute(query).all()
    following = (rows[limit - 1].started_at, rows[limit - 1].id) if len(rows) > limit else None
    return Page([_call(row) for row in rows[:limit]], following)


def unknown_nodes(connection: Connection, agency_id: UUID, after_s: float) -> list[str]:
    """Nodes that have calls of the tenant and have been silent."""
    silent = _CALL.seen_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, after_s)
    query = select(_CALL.node).where(_CALL.agency_id == agency_id, silent).distinct().order_by(_CALL.node)
    return list(connection.execute(query).scalars())


def calls_of(connection: Connection, agencies: Collection[UUID], most: int) -> list[ShownCall]:
    """Calls of several agencies, at most ``most``, the oldest first. Needs the system role."""
    query = _shown().where(_CALL.agency_id.in_(agencies)).order_by(_CALL.started_at, _CALL.call_id).limit(most)
    return [_call(row) for row in connection.execute(query)]

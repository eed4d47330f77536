"""Reads what an export holds, page by page, each page in a short transaction of its own and found by its key.

No cursor stays open: a reader that is slow, or an export of an hour, never holds back the database's tidying. A key
never changes, so no row comes twice. Must not know any file format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, Table, and_, func, literal, select, tuple_

from ..attribution.store import find_current
from ..cdr.model import CallFilters
from ..cdr.store import filtered_calls
from ..db.engine import Database
from ..db.tables import audit_log, calls, clients, events, flows, legs, numbers, recordings, targets
from .model import LATE

PAGE = 1_000

Rows = list[dict[str, Any]]
_LEG_MEMBERS = (
    "id", "target_id", "address", "outcome", "started_at", "ringing_at", "answered_at", "connected_at", "ended_at",
    "ring_ms", "talk_ms", "hangup_cause", "cause_q850", "sip_status", "codec", "sip_call_id",
    "hangup_side", "trunk", "pdd_ms", "hold_ms", "mos", "r_factor", "loss_percent", "jitter_ms",
)  # fmt: skip
_PART_MEMBERS = ("segment", "state", "absence_reason", "duration_ms")


class Tenant:
    """Whose rows are read. ``client_id`` None: what belongs to no client; with ``whole``: all that the agency has."""

    def __init__(self, database: Database, agency_id: UUID, client_id: UUID | None, *, whole: bool = False) -> None:
        self.database = database
        self.agency_id = agency_id
        self.client_id = client_id
        self.whole = whole


def count_calls(tenant: Tenant, filters: CallFilters, most: int) -> int:
    """How many calls there are, counted up to ``most``."""
    query = filtered_calls(tenant.agency_id, tenant.client_id, filters).with_only_columns(literal(1)).limit(most)
    with tenant.database.tenant(tenant.agency_id, tenant.client_id) as connection:
        found: int = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    return found


def call_pages(tenant: Tenant, filters: CallFilters, *, late_since: datetime | None = None) -> Iterator[Rows]:
    """Calls of a span in the order of their start; before them those that began earlier and were revised since
    ``late_since``."""
    if late_since is not None and filters.started_from is not None:
        earlier = CallFilters(
            **{name: getattr(filters, name) for name in CallFilters.__dataclass_fields__}
            | {"started_from": filters.started_from - LATE, "started_until": filters.started_from}
        )
        late = filtered_calls(tenant.agency_id, tenant.client_id, earlier).where(calls.c.updated_at >= late_since)
        yield from _pages(tenant, late, calls, "started_at", _complete)
    yield from _pages(
        tenant, filtered_calls(tenant.agency_id, tenant.client_id, filters), calls, "started_at", _complete
    )


def event_pages(tenant: Tenant, from_at: datetime, until_at: datetime) -> Iterator[Rows]:
    """Events by the moment at which they were written down: one that comes late is in the next span."""
    query = _of_client(tenant, events).where(events.c.recorded_at >= from_at, events.c.recorded_at < until_at)
    yield from _pages(tenant, query, events, "recorded_at", _as_they_are)


def audit_pages(tenant: Tenant, from_at: datetime, until_at: datetime) -> Iterator[Rows]:
    """Entries of the audit log."""
    query = _of_client(tenant, audit_log).where(audit_log.c.at >= from_at, audit_log.c.at < until_at)
    yield from _pages(tenant, query, audit_log, "at", _as_they_are)


def _of_client(tenant: Tenant, table: Table) -> Select[Any]:
    query = select(table).where(table.c.agency_id == tenant.agency_id)
    if tenant.client_id is not None:
        return query.where(table.c.client_id == tenant.client_id)
    return query if tenant.whole else query.where(table.c.client_id.is_(None))


def _pages(
    tenant: Tenant,
    query: Select[Any],
    table: Table,
    order: str,
    complete: Callable[[Connection, UUID, Rows], None],
) -> Iterator[Rows]:
    after: tuple[Any, Any] | None = None
    while True:
        page = query.order_by(table.c[order], table.c.id).limit(PAGE)
        if after is not None:
            page = page.where(tuple_(table.c[order], table.c.id) > tuple_(literal(after[0]), literal(after[1])))
        with tenant.database.tenant(tenant.agency_id, tenant.client_id) as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
            if rows:
                complete(connection, tenant.agency_id, rows)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1][order], rows[-1]["id"]


def _as_they_are(_connection: Connection, _agency_id: UUID, _rows: Rows) -> None:
    return


def _complete(connection: Connection, agency_id: UUID, rows: Rows) -> None:
    """Adds legs, segments and names, each by one statement for the page."""
    ids = [row["id"] for row in rows]
    starts = [row["started_at"] for row in rows]
    of_legs = select(legs).where(
        legs.c.agency_id == agency_id,
        legs.c.call_id.in_(ids),
        legs.c.call_started_at.between(min(starts), max(starts)),
    )
    found_legs = _grouped(connection, of_legs.order_by(legs.c.started_at, legs.c.id), _LEG_MEMBERS)
    of_parts = select(recordings).where(recordings.c.agency_id == agency_id, recordings.c.call_id.in_(ids))
    found_parts = _grouped(connection, of_parts.order_by(recordings.c.segment), _PART_MEMBERS)
    attributed = find_current(connection, agency_id, ids)
    for row in rows:
        row["attribution"] = attributed.get(row["id"], {})
        row["legs"] = found_legs.get(row["id"], [])
        row["recordings"] = found_parts.get(row["id"], [])
    for key, name, table, column in (
        ("client_id", "client_name", clients, "name"),
        ("number_id", "number_label", numbers, "label"),
        ("target_id", "target_name", targets, "name"),
        ("flow_id", "flow_name", flows, "name"),
    ):
        names = _names(connection, agency_id, table, column, {row[key] for row in rows} - {None})
        for row in rows:
            row[name] = names.get(row[key])


def _grouped(connection: Connection, query: Select[Any], members: Sequence[str]) -> dict[UUID, Rows]:
    grouped: dict[UUID, Rows] = {}
    for row in connection.execute(query).mappings():
        grouped.setdefault(row["call_id"], []).append({name: row[name] for name in members})
    return grouped


def _names(
    connection: Connection, agency_id: UUID, table: Table, column: str, ids: set[UUID]
) -> Mapping[UUID, str | None]:
    if not ids:
        return {}
    query = select(table.c.id, table.c[column]).where(and_(table.c.agency_id == agency_id, table.c.id.in_(ids)))
    return {row[0]: row[1] for row in connection.execute(query)}

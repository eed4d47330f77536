"""SQL of subscriptions of reports, and of the names that a letter says instead of ids. Every function takes a
connection whose tenant is set, but for `find_due` (`Database.system`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, tuple_, update

from ..db.tables import clients, flows, report_subscriptions, targets
from .subscription_model import Subscription, SubscriptionValues

_C = report_subscriptions.c
_VALUES = tuple(SubscriptionValues.__dataclass_fields__)


def _made(row: RowMapping) -> Subscription:
    told = {name: row[name] for name in _VALUES} | {"files": tuple(row["files"])}
    own = {name: row[name] for name in Subscription.__dataclass_fields__ if name != "values"}
    return Subscription(values=SubscriptionValues(**told), **own)


def insert_subscription(connection: Connection, row: Mapping[str, Any]) -> Subscription:
    return _made(
        connection.execute(insert(report_subscriptions).values(**row).returning(report_subscriptions)).mappings().one()
    )


def count_subscriptions(connection: Connection, agency_id: UUID) -> int:
    query = select(func.count()).select_from(report_subscriptions).where(_C.agency_id == agency_id)
    return int(connection.execute(query).scalar_one())


def find_subscriptions(
    connection: Connection,
    agency_id: UUID,
    user_id: UUID | None,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[Subscription]:
    """In the order in which they were made; of one person, or of everybody."""
    query = select(report_subscriptions).where(_C.agency_id == agency_id)
    if user_id is not None:
        query = query.where(_C.user_id == user_id)
    if after is not None:
        query = query.where(tuple_(_C.created_at, _C.id) > after)
    rows = connection.execute(query.order_by(_C.created_at, _C.id).limit(limit)).mappings()
    return [_made(row) for row in rows]


def find_subscription(
    connection: Connection, agency_id: UUID, subscription_id: UUID, *, to_change: bool = False
) -> Subscription | None:
    query = select(report_subscriptions).where(_C.agency_id == agency_id, _C.id == subscription_id)
    row = connection.execute(query.with_for_update() if to_change else query).mappings().first()
    return _made(row) if row is not None else None


def change_subscription(connection: Connection, before: Subscription, values: Mapping[str, Any]) -> Subscription:
    """The row is locked by whoever calls."""
    statement = (
        update(report_subscriptions)
        .where(_C.agency_id == before.agency_id, _C.id == before.id)
        .values(**values, version=before.version + 1, updated_at=func.now())
        .returning(report_subscriptions)
    )
    return _made(connection.execute(statement).mappings().one())


def advance_subscription(connection: Connection, before: Subscription, values: Mapping[str, Any]) -> None:
    """What is no change of anybody's."""
    connection.execute(
        update(report_subscriptions).where(_C.agency_id == before.agency_id, _C.id == before.id).values(**values)
    )


def delete_subscription(connection: Connection, agency_id: UUID, subscription_id: UUID) -> bool:
    statement = delete(report_subscriptions).where(_C.agency_id == agency_id, _C.id == subscription_id)
    return bool(connection.execute(statement).rowcount)


def find_due(connection: Connection, until: datetime, most: int) -> list[tuple[UUID, UUID]]:
    """Agency and id of those whose moment has come, of every agency (`Database.system`)."""
    query = select(_C.agency_id, _C.id).where(_C.enabled, _C.next_at <= until).order_by(_C.next_at).limit(most)
    return [(row.agency_id, row.id) for row in connection.execute(query)]


def find_client(connection: Connection, agency_id: UUID, client_id: UUID) -> tuple[str, str] | None:
    """Its name and time zone."""
    query = select(clients.c.name, clients.c.time_zone).where(
        clients.c.agency_id == agency_id, clients.c.id == client_id
    )
    row = connection.execute(query).first()
    return (row.name, row.time_zone) if row is not None else None


def find_names(connection: Connection, agency_id: UUID, ids: Collection[UUID]) -> dict[str, str]:
    """Of targets, flows and clients."""
    found: dict[str, str] = {}
    for table in (targets, flows, clients):
        query = select(table.c.id, table.c.name).where(table.c.agency_id == agency_id, table.c.id.in_(list(ids)))
        found |= {str(row.id): row.name for row in connection.execute(query)}
    return found

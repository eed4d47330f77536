"""SQL of schedules: within a tenant's transaction, and by the order of locks that `store` tells of."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from ..db.tables import flows, schedules
from ..paging import Page, cut
from .errors import ClientNotFound
from .model import Schedule


def _schedule(row: Row[Any]) -> Schedule:
    return Schedule(**{name: getattr(row, name) for name in Schedule.__slots__})


def insert_schedule(connection: Connection, values: dict[str, Any]) -> Schedule:
    """Raises ClientNotFound."""
    try:
        return _schedule(connection.execute(insert(schedules).values(**values).returning(schedules)).one())
    except IntegrityError as error:
        raise ClientNotFound from error


def find_schedule(connection: Connection, agency_id: UUID, schedule_id: UUID) -> Schedule | None:
    query = select(schedules).where(schedules.c.agency_id == agency_id, schedules.c.id == schedule_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _schedule(row)


def schedules_of(connection: Connection, client_id: UUID) -> list[Schedule]:
    """All of one client."""
    query = select(schedules).where(
        schedules.c.agency_id == text("dialtrace_agency()"), schedules.c.client_id == client_id
    )
    return [_schedule(row) for row in connection.execute(query)]


def page_of_schedules(
    connection: Connection, agency_id: UUID, *, limit: int, after: tuple[Any, ...] | None
) -> Page[Schedule]:
    """Oldest first."""
    query = select(schedules).where(schedules.c.agency_id == agency_id).order_by(schedules.c.id).limit(limit + 1)
    if after is not None:
        query = query.where(schedules.c.id > after[0])
    return cut([_schedule(row) for row in connection.execute(query)], limit, "id")


def change_schedule(connection: Connection, agency_id: UUID, schedule_id: UUID, values: dict[str, Any]) -> Schedule:
    statement = update(schedules).where(schedules.c.agency_id == agency_id, schedules.c.id == schedule_id)
    changed = statement.values(version=schedules.c.version + 1, **values).returning(schedules)
    return _schedule(connection.execute(changed).one())


def delete_schedule(connection: Connection, agency_id: UUID, schedule_id: UUID) -> None:
    connection.execute(delete(schedules).where(schedules.c.agency_id == agency_id, schedules.c.id == schedule_id))


def flows_with_schedule(connection: Connection, agency_id: UUID, client_id: UUID, schedule_id: UUID) -> list[UUID]:
    """Flows of the client that keep to it."""
    query = select(flows.c.id).where(
        flows.c.agency_id == agency_id,
        flows.c.client_id == client_id,
        text("jsonb_path_exists(document, '$.steps[*].schedule ? (@ == $id)', cast(:wanted AS jsonb))"),
    )
    return list(connection.execute(query, {"wanted": json.dumps({"id": str(schedule_id)})}).scalars())

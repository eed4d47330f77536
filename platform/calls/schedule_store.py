"""SQL of what schedules and flows have to do with one another: within a tenant's transaction, and by the order of locks
that `store` tells of, where schedules are written."""

from __future__ import annotations

import json
from uuid import UUID

from sqlalchemy import Connection, select, text

from ..db.tables import flows, schedules
from .model import Schedule
from .store import schedule_of


def schedules_of(connection: Connection, client_id: UUID) -> list[Schedule]:
    """All of one client."""
    query = select(schedules).where(
        schedules.c.agency_id == text("dialtrace_agency()"), schedules.c.client_id == client_id
    )
    return [schedule_of(row) for row in connection.execute(query)]


def flows_with_schedule(connection: Connection, agency_id: UUID, client_id: UUID, schedule_id: UUID) -> list[UUID]:
    """Flows of the client that keep to it."""
    query = select(flows.c.id).where(
        flows.c.agency_id == agency_id,
        flows.c.client_id == client_id,
        text("jsonb_path_exists(document, '$.steps[*].schedule ? (@ == $id)', cast(:wanted AS jsonb))"),
    )
    return list(connection.execute(query, {"wanted": json.dumps({"id": str(schedule_id)})}).scalars())

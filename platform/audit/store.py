"""SQL of the audit log: it is added to and read. The application's role has no other right to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, literal, select, tuple_

from ..db.tables import audit_log
from .model import Entry, EntryFilters, NewEntry

_COLUMNS = tuple(one.name for one in fields(Entry))
# One text: a listen waits for it.
_INSERT = """
INSERT INTO audit_log (agency_id, id, client_id, actor_kind, actor_id, actor_name, address, request_id, action,
                       object_kind, object_id, details)
VALUES (%(agency_id)s, %(id)s, %(client_id)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s, %(address)s,
        %(request_id)s, %(action)s, %(object_kind)s, %(object_id)s, %(details)s)
"""


def insert_entry(connection: Connection, agency_id: UUID, entry_id: UUID, new: NewEntry) -> None:
    """The moment is the database's own."""
    actor = new.actor
    values = {
        "agency_id": agency_id, "id": entry_id, "client_id": new.client_id, "actor_kind": actor.kind,
        "actor_id": actor.id, "actor_name": actor.name, "address": actor.address, "request_id": actor.request_id,
        "action": new.action, "object_kind": new.object_kind, "object_id": new.object_id,
        "details": json.dumps(dict(new.details)),
    }  # fmt: skip
    connection.exec_driver_sql(_INSERT, values)


def find_entries(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    filters: EntryFilters,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
) -> Sequence[Entry]:
    """Entries, the latest first; ``before`` (moment, id) is where the page before this one ended."""
    table = audit_log.c
    query = select(*(table[name] for name in _COLUMNS)).where(table.agency_id == agency_id)
    if client_id is not None:
        query = query.where(table.client_id == client_id)
    if filters.at_from is not None:
        query = query.where(table.at >= filters.at_from)
    if filters.at_until is not None:
        query = query.where(table.at < filters.at_until)
    if filters.action is not None:
        is_family = filters.action.endswith(".")
        query = query.where(
            table.action.startswith(filters.action, autoescape=True) if is_family else table.action == filters.action
        )
    if filters.actor_id is not None:
        query = query.where(table.actor_id == filters.actor_id)
    if filters.object_id is not None:
        query = query.where(table.object_id == filters.object_id)
    if before is not None:
        query = query.where(tuple_(table.at, table.id) < tuple_(literal(before[0]), literal(before[1])))
    query = query.order_by(table.at.desc(), table.id.desc()).limit(limit)
    return [Entry(**row) for row in connection.execute(query).mappings()]

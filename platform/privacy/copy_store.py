"""SQL of objects that hold copies of records. Each function works in its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from ..db.tables import (
    export_objects,
    legal_holds,
    subject_calls,
    subject_requests,
)


def find_copies(
    connection: Connection, agency_id: UUID, *, until: datetime, kinds: Sequence[str], after: UUID | None, limit: int
) -> list[RowMapping]:
    """Objects that may hold rows from before ``until``, by id."""
    columns = export_objects.c
    query = select(export_objects).where(
        columns.agency_id == agency_id,
        columns.state == "stored",
        columns.kind.in_(kinds),
        columns.from_at.is_(None) | (columns.from_at <= until),
    )
    if after is not None:
        query = query.where(columns.id > after)
    return list(connection.execute(query.order_by(columns.id).limit(limit)).mappings())


def find_foreign_copies(
    connection: Connection, agency_id: UUID, *, since: datetime, until: datetime, limit: int
) -> list[str]:
    """Names of objects in the agency's own bucket that may hold rows of that span of time."""
    columns = export_objects.c
    query = select(columns.object_name).where(
        columns.agency_id == agency_id,
        columns.state == "stored",
        columns.place != "",
        columns.from_at.is_(None) | (columns.from_at <= until),
        columns.until_at.is_(None) | (columns.until_at >= since),
    )
    return list(connection.execute(query.order_by(columns.id).limit(limit)).scalars())


def find_copy(connection: Connection, agency_id: UUID, object_id: UUID) -> RowMapping | None:
    query = select(export_objects).where(export_objects.c.agency_id == agency_id, export_objects.c.id == object_id)
    return connection.execute(query).mappings().first()


def find_expired_copies(connection: Connection, agency_id: UUID, *, limit: int) -> list[RowMapping]:
    columns = export_objects.c
    query = select(export_objects).where(
        columns.agency_id == agency_id, columns.state == "stored", columns.expires_at < func.now()
    )
    return list(connection.execute(query.order_by(columns.expires_at).limit(limit)).mappings())


def find_old_copies(connection: Connection, agency_id: UUID, *, before: datetime, limit: int) -> list[RowMapping]:
    """Objects that hold nothing younger than ``before``; of those in others' buckets nothing is known."""
    columns = export_objects.c
    query = select(export_objects).where(
        columns.agency_id == agency_id, columns.state == "stored", columns.until_at <= before, columns.place == ""
    )
    return list(connection.execute(query.order_by(columns.id).limit(limit)).mappings())


def call_ids_of(connection: Connection, agency_id: UUID, request_id: UUID) -> list[str]:
    """The calls that a request is about."""
    query = select(subject_calls.c.call_id).where(
        subject_calls.c.agency_id == agency_id, subject_calls.c.request_id == request_id
    )
    return [str(one) for one in connection.execute(query).scalars()]


def held_ids_of(connection: Connection, agency_id: UUID) -> list[str]:
    """Calls and clients that somebody holds. A held caller is not erased in the first place."""
    columns = legal_holds.c
    query = select(func.coalesce(columns.call_id, columns.client_id)).where(
        columns.agency_id == agency_id, columns.lifted_at.is_(None), columns.kind.in_(("call", "client"))
    )
    return [str(one) for one in connection.execute(query).scalars()]


def find_person_files(connection: Connection, agency_id: UUID, key: bytes) -> list[RowMapping]:
    """Files that were made for this person: they hold nothing else."""
    query = (
        select(export_objects)
        .join(
            subject_requests,
            (subject_requests.c.agency_id == export_objects.c.agency_id)
            & (subject_requests.c.object_id == export_objects.c.id),
        )
        .where(
            export_objects.c.agency_id == agency_id,
            export_objects.c.state == "stored",
            subject_requests.c.person_key == key,
        )
    )
    return list(connection.execute(query).mappings())


def insert_copy(connection: Connection, row: Mapping[str, Any]) -> None:
    connection.execute(upsert(export_objects).values(**row).on_conflict_do_nothing())


def change_copy(connection: Connection, agency_id: UUID, object_id: UUID, **values: Any) -> None:
    """It was deleted just now (``state``), or rewritten."""
    values["deleted_at" if values.get("state") == "deleted" else "rewritten_at"] = func.now()
    connection.execute(
        update(export_objects)
        .where(export_objects.c.agency_id == agency_id, export_objects.c.id == object_id)
        .values(**values)
    )

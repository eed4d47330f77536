"""SQL of exports, their files, their schedules and the columns that clients have chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, DateTime, RowMapping, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import clients, export_columns, export_objects, export_schedules, exports
from .model import Export, ExportFile, ExportSchedule, ScheduleValues

_CONTENTS = ("calls", "events", "audit")


def _export(row: RowMapping) -> Export:
    values = {name: row[name] for name in Export.__dataclass_fields__}
    return Export(**values | {"columns": tuple(row["columns"]) if row["columns"] is not None else None})


def _schedule(row: RowMapping) -> ExportSchedule:
    values = ScheduleValues(**{name: row[name] for name in ScheduleValues.__dataclass_fields__})
    return ExportSchedule(
        values=values,
        **{name: row[name] for name in ExportSchedule.__dataclass_fields__ if name != "values"},
    )


# --- Exports. ---


def insert_export(connection: Connection, values: Mapping[str, Any]) -> bool:
    """False: it is there already, from an earlier try."""
    done = connection.execute(insert(exports).values(**values).on_conflict_do_nothing().returning(exports.c.id))
    return done.first() is not None


def find_export(connection: Connection, agency_id: UUID, export_id: UUID) -> Export | None:
    query = select(exports).where(exports.c.agency_id == agency_id, exports.c.id == export_id)
    row = connection.execute(query).mappings().first()
    return _export(row) if row else None


def find_exports(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
) -> list[Export]:
    """The latest first."""
    query = select(exports).where(exports.c.agency_id == agency_id)
    if client_id is not None:
        query = query.where(exports.c.client_id == client_id)
    if before is not None:
        query = query.where(tuple_(exports.c.created_at, exports.c.id) < tuple_(literal(before[0]), literal(before[1])))
    query = query.order_by(exports.c.created_at.desc(), exports.c.id.desc()).limit(limit)
    return [_export(row) for row in connection.execute(query).mappings()]


def begin(connection: Connection, agency_id: UUID, export_id: UUID) -> Export | None:
    """It runs from now on; the first try's moment stays. None: there is nothing to run."""
    query = (
        update(exports)
        .where(exports.c.agency_id == agency_id, exports.c.id == export_id, exports.c.state != "done")
        .values(state="running", error=None, cut_at=func.coalesce(exports.c.cut_at, func.now()))
        .returning(exports)
    )
    row = connection.execute(query).mappings().first()
    return _export(row) if row else None


def finish(connection: Connection, export: Export, *, row_count: int) -> None:
    """It is done, whole."""
    query = update(exports).where(exports.c.agency_id == export.agency_id, exports.c.id == export.id)
    connection.execute(query.values(state="done", row_count=row_count, finished_at=func.now()))


def fail(connection: Connection, export: Export, error: str) -> None:
    """It will not be tried again."""
    query = update(exports).where(exports.c.agency_id == export.agency_id, exports.c.id == export.id)
    connection.execute(query.values(state="failed", error=error[:500], finished_at=func.now()))


# --- Files. ---


def put_file(connection: Connection, values: Mapping[str, Any]) -> None:
    """Lists a file; the same file again replaces what was said of it."""
    statement = insert(export_objects).values(**values)
    changed = {name: statement.excluded[name] for name in ("row_count", "size_bytes", "sha256", "expires_at", "place")}
    connection.execute(statement.on_conflict_do_update(index_elements=["agency_id", "id"], set_=changed))


def find_files(connection: Connection, agency_id: UUID, export_id: UUID) -> list[ExportFile]:
    """Files that are there, in the order of their names."""
    query = select(export_objects).where(
        export_objects.c.agency_id == agency_id,
        export_objects.c.export_id == export_id,
        export_objects.c.state == "stored",
    )
    rows = connection.execute(query.order_by(export_objects.c.object_name)).mappings()
    return [
        ExportFile(
            name=row["object_name"].rpartition("/")[2],
            **{name: row[name] for name in ("client_id", "row_count", "size_bytes", "sha256", "place")},
        )
        for row in rows
    ]


def find_archived_until(connection: Connection, export: Export) -> datetime | None:
    """Calls of its span that began before may have gone to the archive; None: all that it holds is here."""
    query = select(func.dialtrace_archived_until(export.from_at, export.until_at, None, type_=DateTime(timezone=True)))
    found: datetime | None = connection.execute(query).scalar_one()
    return found


# --- Clients and their columns. ---


def find_clients(connection: Connection, agency_id: UUID, client_id: UUID | None) -> list[tuple[UUID, str]]:
    """Ids and time zones; None: every client of the agency."""
    query = select(clients.c.id, clients.c.time_zone).where(clients.c.agency_id == agency_id)
    if client_id is not None:
        query = query.where(clients.c.id == client_id)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(clients.c.id))]


def find_columns(connection: Connection, agency_id: UUID, client_id: UUID) -> dict[str, list[str] | None]:
    """What the client has chosen by content; None: all columns."""
    query = select(export_columns).where(
        export_columns.c.agency_id == agency_id, export_columns.c.client_id == client_id
    )
    row = connection.execute(query).mappings().first()
    return {content: row[content] if row else None for content in _CONTENTS}


def put_columns(
    connection: Connection, agency_id: UUID, client_id: UUID, chosen: Mapping[str, Sequence[str] | None]
) -> None:
    values = {content: chosen[content] for content in _CONTENTS}
    statement = insert(export_columns).values(agency_id=agency_id, client_id=client_id, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["agency_id", "client_id"], set_={**values, "updated_at": func.now()}
        )
    )


# --- Schedules. ---


def insert_schedule(connection: Connection, values: Mapping[str, Any]) -> ExportSchedule:
    row = connection.execute(insert(export_schedules).values(**values).returning(export_schedules)).mappings().one()
    return _schedule(row)


def find_schedules(
    connection: Connection, agency_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None
) -> list[ExportSchedule]:
    """In the order in which they were made."""
    table = export_schedules.c
    query = select(export_schedules).where(table.agency_id == agency_id)
    if after is not None:
        query = query.where(tuple_(table.created_at, table.id) > tuple_(literal(after[0]), literal(after[1])))
    query = query.order_by(table.created_at, table.id).limit(limit)
    return [_schedule(row) for row in connection.execute(query).mappings()]


def find_schedule(
    connection: Connection, agency_id: UUID, schedule_id: UUID, *, to_change: bool = False
) -> ExportSchedule | None:
    table = export_schedules.c
    query = select(export_schedules).where(table.agency_id == agency_id, table.id == schedule_id)
    row = connection.execute(query.with_for_update() if to_change else query).mappings().first()
    return _schedule(row) if row else None


def change_schedule(connection: Connection, schedule: ExportSchedule, values: Mapping[str, Any]) -> ExportSchedule:
    """As its owner changes it: a new version."""
    table = export_schedules.c
    query = (
        update(export_schedules)
        .where(table.agency_id == schedule.agency_id, table.id == schedule.id)
        .values(**values, updated_at=func.now(), version=table.version + 1)
        .returning(export_schedules)
    )
    return _schedule(connection.execute(query).mappings().one())


def advance_schedule(connection: Connection, schedule: ExportSchedule, values: Mapping[str, Any]) -> None:
    """As a run changes it: no new version, for nobody's reading of it has become wrong."""
    table = export_schedules.c
    query = update(export_schedules).where(table.agency_id == schedule.agency_id, table.id == schedule.id)
    connection.execute(query.values(**values))


def delete_schedule(connection: Connection, agency_id: UUID, schedule_id: UUID) -> bool:
    table = export_schedules.c
    query = delete(export_schedules).where(table.agency_id == agency_id, table.id == schedule_id)
    return connection.execute(query.returning(table.id)).first() is not None


def find_due(connection: Connection, until: datetime, most: int) -> list[tuple[UUID, UUID]]:
    """Agency and id of schedules of all tenants whose span ended before ``until``; for the system's role."""
    table = export_schedules.c
    query = select(table.agency_id, table.id).where(table.enabled, table.next_run_at <= until)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(table.next_run_at).limit(most))]

"""SQL of months: what there is, what stands in the way, the rows of one, and its going."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    and_,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from ..db.columns import metadata
from ..db.engine import Database
from ..db.tables import calls, export_objects, legs
from .errors import MonthMoved, MonthStays
from .model import ArchivedTable, Mark, Obstacle, Partition, RetiredMonth, begins_at, next_month

PAGE = 2_000
_CHANGED, _IN_USE = "55000", "55006"

_KINDS: tuple[tuple[type, str], ...] = (
    (DateTime, "moment"),
    (Double, "number"),
    (Numeric, "decimal"),
    (BigInteger, "integer"),
    (SmallInteger, "integer"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (LargeBinary, "bytes"),
    (Uuid, "id"),
    (Text, "text"),
)


def kinds_of(table: Table) -> dict[str, str]:
    """Each column's kind, for the writer of Parquet; with whose call a leg is of (:func:`_query`)."""
    found = {
        column.name: next((kind for known, kind in _KINDS if isinstance(column.type, known)), "json")
        for column in table.columns
    }
    return found | ({"caller": "text", "caller_raw": "text"} if table is legs else {})


def find_partitions(connection: Connection) -> list[Partition]:
    rows = connection.execute(text("SELECT parent, month, row_estimate, size_bytes FROM dialtrace_partitions()"))
    return [Partition(*row) for row in rows]


def find_strays(connection: Connection) -> list[tuple[str, date, int]]:
    """Table, month and number of rows that stand in default partitions."""
    rows = connection.execute(text("SELECT parent, month, row_count FROM dialtrace_stray_months() ORDER BY 1, 2"))
    return [(row[0], row[1], row[2]) for row in rows]


def find_retired(connection: Connection) -> list[RetiredMonth]:
    query = text("SELECT parent, month, part, row_count, retired_at FROM dialtrace_retired_months()")
    return [RetiredMonth(*row) for row in connection.execute(query)]


def find_obstacles(connection: Connection, month: date) -> list[Obstacle]:
    rows = connection.execute(text("SELECT what, how_many FROM dialtrace_month_obstacles(:month)"), {"month": month})
    return [Obstacle(*row) for row in rows]


def find_marks(connection: Connection, month: date) -> dict[str, Mark]:
    """By table; empty: the month has no partitions."""
    query = text("SELECT parent, row_count, mark FROM dialtrace_month_marks(:month)")
    return {row[0]: Mark(row[1], row[2]) for row in connection.execute(query, {"month": month})}


def find_agencies(connection: Connection, month: date) -> list[UUID]:
    """Whose rows stand in the month."""
    query = text("SELECT a FROM dialtrace_month_agencies(:month) a ORDER BY a")
    return list(connection.execute(query, {"month": month}).scalars())


def begin_part(connection: Connection, month: date) -> int:
    """The part that a run writes: the one that a run before it began and did not finish, else the next."""
    part: int = connection.execute(text("SELECT dialtrace_begin_part(:month)"), {"month": month}).scalar_one()
    return part


def row_pages(database: Database, parent: str, agency_id: UUID, month: date) -> Iterator[list[dict[str, Any]]]:
    """An agency's rows of one table and month by their key, each page in a short transaction of its own."""
    table = metadata.tables[parent]
    moment = _moment_of(database, parent)
    after: tuple[Any, Any] | None = None
    while True:
        query = _query(table).where(
            table.c.agency_id == agency_id,
            table.c[moment] >= begins_at(month),
            table.c[moment] < begins_at(next_month(month)),
        )
        if after is not None:
            query = query.where(tuple_(table.c[moment], table.c.id) > tuple_(literal(after[0]), literal(after[1])))
        with database.tenant(agency_id) as connection:
            page = query.order_by(table.c[moment], table.c.id).limit(PAGE)
            rows = [dict(row) for row in connection.execute(page).mappings()]
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1][moment], rows[-1]["id"]


def _moment_of(database: Database, parent: str) -> str:
    with database.directory() as connection:
        query = text("SELECT moment FROM dialtrace_partitioned() WHERE parent = :parent")
        moment: str = connection.execute(query, {"parent": parent}).scalar_one()
    return moment


def _query(table: Table) -> Any:
    """A leg tells who called: an erasure that comes after its call has gone finds it by that."""
    if table is not legs:
        return select(table)
    same = and_(
        calls.c.agency_id == legs.c.agency_id,
        calls.c.id == legs.c.call_id,
        calls.c.started_at == legs.c.call_started_at,
    )
    return select(legs, calls.c.caller, calls.c.caller_raw).select_from(legs.outerjoin(calls, same))


def list_file(connection: Connection, row: Mapping[str, Any]) -> None:
    """Lists a file; the same again replaces what was said of it."""
    statement = insert(export_objects).values(**row)
    changed = {name: statement.excluded[name] for name in ("row_count", "size_bytes", "sha256")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["agency_id", "id"], set_={**changed, "state": "stored", "deleted_at": None}
        )
    )


def find_listed(connection: Connection, month: date, part: int) -> list[tuple[UUID, UUID, str]]:
    """Agency, id and name of files that a run before has listed for this part; for the system's role."""
    columns = export_objects.c
    query = select(columns.agency_id, columns.id, columns.object_name).where(
        columns.kind == "partition",
        columns.state == "stored",
        columns.from_at == begins_at(month),
        columns.object_name.like(f"%/archive/{month:%Y-%m}/{part}/%"),
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


_ARCHIVED = text(
    "SELECT r.month, r.parent, r.part, o.object_name, o.row_count, o.size_bytes, o.sha256"
    " FROM dialtrace_retired_months() r JOIN export_objects o ON o.agency_id = CAST(:agency AS uuid)"
    " AND o.kind = 'partition' AND o.state = 'stored' AND o.content = r.parent AND o.object_name ="
    " :agency || '/archive/' || to_char(r.month, 'YYYY-MM') || '/' || r.part || '/' || r.parent || '.parquet'"
    " WHERE r.retired_at IS NOT NULL ORDER BY r.month, r.parent, r.part"
)


def find_archived(connection: Connection, agency_id: UUID) -> list[ArchivedTable]:
    """What of an agency has gone, and where it is (`model.folder_of`)."""
    return [
        ArchivedTable(
            month=row.month, table=row.parent, part=row.part, name=row.object_name, row_count=row.row_count,
            size_bytes=row.size_bytes, sha256=bytes(row.sha256),
        )
        for row in connection.execute(_ARCHIVED, {"agency": str(agency_id)})
    ]  # fmt: skip


def find_archived_until(
    connection: Connection, from_at: datetime | None, until_at: datetime | None, by: datetime | None
) -> datetime | None:
    """The end of the last month of the tenant's calls that had gone by a moment and lies in a span; None is open."""
    query = select(func.dialtrace_archived_until(from_at, until_at, by, type_=DateTime(timezone=True)))
    found: datetime | None = connection.execute(query).scalar_one()
    return found


def unlist_file(connection: Connection, agency_id: UUID, object_id: UUID) -> None:
    columns = export_objects.c
    query = update(export_objects).where(columns.agency_id == agency_id, columns.id == object_id)
    connection.execute(query.values(state="deleted", deleted_at=func.now()))


def retire_month(connection: Connection, month: date, part: int, marks: Mapping[str, Mark]) -> int:
    """All tables of the month go; returns how many rows. Raises MonthMoved, MonthStays, and TransactionConflict where
    somebody uses it at this moment."""
    values = {"month": month, "part": part, "marks": json.dumps({name: str(one.mark) for name, one in marks.items()})}
    query = text("SELECT dialtrace_retire_month(:month, :part, CAST(:marks AS jsonb))")
    try:
        count: int = connection.execute(query, values).scalar_one()
    except sqlalchemy.exc.DBAPIError as error:
        state = getattr(error.orig, "pgcode", None)
        if state in {_CHANGED, _IN_USE}:
            case = MonthMoved if state == _CHANGED else MonthStays
            raise case(f"{month:%Y-%m}: {str(error.orig).splitlines()[0]}") from error
        raise
    return count

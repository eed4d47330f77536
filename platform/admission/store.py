"""SQL of limits, block lists and destinations. Every function works inside a tenant's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from ..db.tables import blocks, call_limits, destinations
from ..ids import new_id
from .errors import OwnerUnknown
from .model import Block, Limits, NewBlock, block_kind


def find_limits(connection: Connection, agency_id: UUID, client_id: UUID | None) -> Limits:
    """None of them where nobody has set one."""
    query = select(call_limits.c.max_calls, call_limits.c.max_calls_per_s).where(
        call_limits.c.agency_id == agency_id, call_limits.c.scope_id == (client_id or agency_id)
    )
    row = connection.execute(query).one_or_none()
    return Limits() if row is None else Limits(row.max_calls, row.max_calls_per_s)


def put_limits(connection: Connection, agency_id: UUID, client_id: UUID | None, limits: Limits) -> None:
    """Replaces them. Raises OwnerUnknown."""
    values = {"max_calls": limits.max_calls, "max_calls_per_s": limits.max_calls_per_s, "updated_at": func.now()}
    statement = (
        insert(call_limits)
        .values(agency_id=agency_id, scope_id=client_id or agency_id, client_id=client_id, **values)
        .on_conflict_do_update(index_elements=["agency_id", "scope_id"], set_=values)
    )
    try:
        connection.execute(statement)
    except IntegrityError as error:
        raise OwnerUnknown from error


def count_blocks(connection: Connection, agency_id: UUID, client_id: UUID | None) -> int:
    """Of one list."""
    query = select(func.count()).where(blocks.c.agency_id == agency_id, blocks.c.scope_id == (client_id or agency_id))
    found: int = connection.execute(query).scalar_one()
    return found


def add_blocks(connection: Connection, agency_id: UUID, client_id: UUID | None, new: Sequence[NewBlock]) -> list[Block]:
    """Entries that are there already stay as they are; the answer holds the new ones only. Raises OwnerUnknown."""
    scope = client_id or agency_id
    rows = [
        {
            "agency_id": agency_id,
            "id": new_id(),
            "client_id": client_id,
            "scope_id": scope,
            "kind": entry.kind,
            "pattern": entry.pattern,
            "note": entry.note,
        }
        for entry in new
    ]
    statement = insert(blocks).values(rows).on_conflict_do_nothing().returning(blocks)
    try:
        return [_block(row) for row in connection.execute(statement)]
    except IntegrityError as error:
        raise OwnerUnknown from error


def find_blocks(connection: Connection, agency_id: UUID, *, limit: int, after: UUID | None) -> list[Block]:
    """In the order in which they were added; a client's transaction finds its own list only."""
    query = select(blocks).where(blocks.c.agency_id == agency_id).order_by(blocks.c.id).limit(limit)
    if after is not None:
        query = query.where(blocks.c.id > after)
    return [_block(row) for row in connection.execute(query)]


def find_block(connection: Connection, agency_id: UUID, block_id: UUID) -> Block | None:
    row = connection.execute(select(blocks).where(blocks.c.agency_id == agency_id, blocks.c.id == block_id)).first()
    return _block(row) if row else None


def remove_block(connection: Connection, agency_id: UUID, block_id: UUID) -> bool:
    """Whether it was there."""
    statement = delete(blocks).where(blocks.c.agency_id == agency_id, blocks.c.id == block_id)
    return connection.execute(statement).rowcount == 1


def find_destinations(connection: Connection, agency_id: UUID) -> list[str]:
    """In order."""
    query = select(destinations.c.prefix).where(destinations.c.agency_id == agency_id).order_by(destinations.c.prefix)
    return list(connection.execute(query).scalars())


def put_destinations(connection: Connection, agency_id: UUID, prefixes: Sequence[str]) -> None:
    """Replaces them. Raises OwnerUnknown."""
    connection.execute(delete(destinations).where(destinations.c.agency_id == agency_id))
    if prefixes:
        rows = [{"agency_id": agency_id, "prefix": prefix} for prefix in prefixes]
        try:
            connection.execute(insert(destinations).values(rows))
        except IntegrityError as error:
            raise OwnerUnknown from error


def _block(row: Row[Any]) -> Block:
    return Block(row.id, row.agency_id, row.client_id, block_kind(row.kind), row.pattern, row.note, row.created_at)


def welcome_caller(connection: Connection, agency_id: UUID, call_id: UUID, *, welcome: bool) -> bool:
    """Whether there is such a call with a caller."""
    statement = text("SELECT dialtrace_welcome_caller(:agency, :call, :welcome)")
    values = {"agency": agency_id, "call": call_id, "welcome": welcome}
    known: bool = connection.execute(statement, values).scalar_one()
    return known

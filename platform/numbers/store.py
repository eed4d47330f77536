"""SQL of numbers and of their entries in the directory. Every function takes a connection whose tenant is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import Connection, Row, func, insert, select, text, update

from ..db.tables import numbers
from .errors import FlowUnknown, HolderUnknown, NumberTaken
from .model import Number

_BY_CONSTRAINT = {
    "pk_directory": NumberTaken,
    "fk_numbers_agency_id_client_id": HolderUnknown,
    "fk_numbers_agency_id_client_id_flow_id": FlowUnknown,
}


@contextmanager
def naming_refusals() -> Iterator[None]:
    """Turns a violated constraint into the error that it means; every other error passes."""
    try:
        yield
    except sqlalchemy.exc.IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        ours = _BY_CONSTRAINT.get(getattr(diagnosis, "constraint_name", None) or "")
        if ours is None:
            raise
        raise ours from error


def _number(row: Row[Any]) -> Number:
    return Number(**row._mapping)


def insert_number(connection: Connection, values: Mapping[str, Any]) -> Number:
    return _number(connection.execute(insert(numbers).values(**values).returning(*numbers.c)).one())


def find_number(connection: Connection, agency_id: UUID, number_id: UUID, *, lock: bool = False) -> Number | None:
    statement = select(*numbers.c).where(numbers.c.agency_id == agency_id, numbers.c.id == number_id)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return _number(row) if row else None


def find_numbers(
    connection: Connection, agency_id: UUID, wanted: Mapping[str, Any], *, limit: int, after: UUID | None
) -> Sequence[Number]:
    """In the order of their ids, which is that of their making. ``wanted``: column → value."""
    statement = select(*numbers.c).where(numbers.c.agency_id == agency_id).order_by(numbers.c.id).limit(limit)
    for column, value in wanted.items():
        statement = statement.where(numbers.c[column] == value)
    if after is not None:
        statement = statement.where(numbers.c.id > after)
    return [_number(row) for row in connection.execute(statement)]


def update_number(
    connection: Connection, agency_id: UUID, number_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Number:
    """A new version of a number that was locked before."""
    statement = (
        update(numbers)
        .where(numbers.c.agency_id == agency_id, numbers.c.id == number_id)
        .values(**changes, updated_at=func.greatest(numbers.c.updated_at, now), version=numbers.c.version + 1)
        .returning(*numbers.c)
    )
    return _number(connection.execute(statement).one())


def put_in_directory(connection: Connection, number: Number) -> None:
    """Carries the number over to where the call plane finds it, in the same transaction."""
    connection.execute(
        text("SELECT dialtrace_directory_put(:agency, :number)"), {"agency": number.agency_id, "number": number.id}
    )

"""SQL of what calls cost, and of rating them anew. Every function takes a connection whose tenant is set already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, insert, select, text, update

from ..db.tables import (
    reratings,
)
from ..ids import new_id
from .model import Rerating

_RERATING = tuple(reratings.c[one.name] for one in fields(Rerating))


def insert_rerating(connection: Connection, agency_id: UUID, values: dict[str, Any]) -> Rerating:
    row = connection.execute(insert(reratings).values(agency_id=agency_id, id=new_id(), **values).returning(*_RERATING))
    return Rerating(**row.mappings().one())


def find_rerating(
    connection: Connection, agency_id: UUID, rerating_id: UUID, *, lock: bool = False
) -> tuple[Rerating, list[UUID]] | None:
    """With the clients that are done already."""
    query = select(*_RERATING, reratings.c.done_clients).where(
        reratings.c.agency_id == agency_id, reratings.c.id == rerating_id
    )
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        return None
    values = dict(row)
    done = values.pop("done_clients")
    return Rerating(**values), list(done)


def find_reratings(connection: Connection, agency_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Rerating]:
    """The latest first."""
    query = select(*_RERATING).where(reratings.c.agency_id == agency_id)
    if before is not None:
        query = query.where(reratings.c.id < before)
    found = connection.execute(query.order_by(reratings.c.id.desc()).limit(limit))
    return [Rerating(**row) for row in found.mappings()]


def update_rerating(connection: Connection, agency_id: UUID, rerating_id: UUID, values: dict[str, Any]) -> None:
    connection.execute(
        update(reratings).where(reratings.c.agency_id == agency_id, reratings.c.id == rerating_id).values(**values)
    )


_MARGINS = text(
    "SELECT h.call_id, h.side, h.currency, sum(h.amount) AS amount FROM call_charges h"
    " WHERE h.agency_id = :agency AND h.call_id = ANY (:calls) GROUP BY 1, 2, 3"
)


def charges_of(connection: Connection, agency_id: UUID, calls: Sequence[UUID]) -> Sequence[RowMapping]:
    """What calls cost, by side and currency."""
    return connection.execute(_MARGINS, {"agency": agency_id, "calls": list(calls)}).mappings().all()


_CHARGES = text(
    "SELECT side, rating, kind, part, meter, direction, prefix, price, quantity, free, package, amount, currency,"
    " book_id, edition, call_revision, rated_at FROM call_charges"
    " WHERE agency_id = :agency AND call_id = :call ORDER BY rating, side, kind DESC, part"
)


def charges_of_call(connection: Connection, agency_id: UUID, call_id: UUID) -> Sequence[RowMapping]:
    """Every charge and reversal of a call that the tenant may see, in the order of time."""
    return connection.execute(_CHARGES, {"agency": agency_id, "call": call_id}).mappings().all()

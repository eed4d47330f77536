"""SQL of assessments. Every function takes a connection whose tenant is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import call_assessments
from .model import Assessment, Money, Sale


def find_assessments(connection: Connection, agency_id: UUID, call_ids: Sequence[UUID]) -> dict[UUID, Assessment]:
    """By the call; calls of which nothing was said are left out."""
    columns = call_assessments.c
    query = select(call_assessments).where(columns.agency_id == agency_id, columns.call_id.in_(list(call_ids)))
    return {row.call_id: _assessment(row) for row in connection.execute(query)} if call_ids else {}


def lock_assessment(connection: Connection, agency_id: UUID, call_id: UUID) -> Assessment | None:
    columns = call_assessments.c
    query = select(call_assessments).where(columns.agency_id == agency_id, columns.call_id == call_id)
    row = connection.execute(query.with_for_update()).first()
    return _assessment(row) if row else None


def put_assessment(
    connection: Connection,
    agency_id: UUID,
    before: Assessment,
    values: Mapping[str, Any],
    *,
    call_started_at: datetime,
    now: datetime,
) -> Assessment | None:
    """The next version after ``before``; None when another came first."""
    columns = {**_columns(values), "version": before.version + 1, "updated_at": now}
    made = insert(call_assessments).values(
        agency_id=agency_id,
        call_id=before.call_id,
        client_id=before.client_id,
        call_started_at=call_started_at,
        **columns,
    )
    statement = made.on_conflict_do_update(
        index_elements=["agency_id", "call_id"], set_=columns, where=call_assessments.c.version == before.version
    ).returning(call_assessments)
    row = connection.execute(statement).first()
    return _assessment(row) if row else None


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    value: Money | None = values["value"]
    sale: Sale | None = values["sale"]
    return {
        "tags": list(values["tags"]),
        "note": values["note"],
        "score": values["score"],
        "value_amount": value.amount if value else None,
        "value_currency": value.currency if value else None,
        "sale_amount": sale.amount if sale else None,
        "sale_currency": sale.currency if sale else None,
        "sold_at": sale.sold_at if sale else None,
        "sale_reference": sale.reference if sale else None,
    }


def _assessment(row: Row[Any]) -> Assessment:
    value = Money(row.value_amount, row.value_currency) if row.value_amount is not None else None
    sale = None
    if row.sale_amount is not None:
        sale = Sale(row.sale_amount, row.sale_currency, row.sold_at, row.sale_reference)
    return Assessment(
        row.call_id, row.client_id, tuple(row.tags), row.note, row.score, value, sale, row.version, row.updated_at
    )

"""SQL of usage and statements. Every function takes a connection whose tenant is set already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, insert, select, text

from ..db.tables import (
    statements,
    usage_records,
)
from ..ids import new_id


def insert_usage(connection: Connection, agency_id: UUID, rows: Sequence[dict[str, Any]]) -> int:
    """Adds what is not there yet (the same client and reference); how many that were."""
    if not rows:
        return 0
    statement = text(
        "INSERT INTO usage_records (agency_id, id, client_id, day, meter, quantity, source, reference, note)"
        " SELECT :agency, n.id, n.client_id, n.day, n.meter, n.quantity, n.source, n.reference, n.note"
        " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (id uuid, client_id uuid, day date, meter text,"
        " quantity numeric, source text, reference text, note text) ON CONFLICT DO NOTHING"
    )
    plain = [
        {**row, "id": str(new_id()), "client_id": str(row["client_id"]), "day": row["day"].isoformat(),
         "quantity": str(row["quantity"])}
        for row in rows
    ]  # fmt: skip
    return connection.execute(statement, {"agency": agency_id, "rows": json.dumps(plain)}).rowcount


def find_usage_by_reference(
    connection: Connection, agency_id: UUID, client_id: UUID, reference: str
) -> RowMapping | None:
    table = usage_records.c
    query = select(usage_records).where(
        table.agency_id == agency_id, table.client_id == client_id, table.reference == reference
    )
    return connection.execute(query).mappings().first()


def usage_of_days(
    connection: Connection, agency_id: UUID, client_id: UUID | None, from_day: date, until_day: date
) -> list[dict[str, Any]]:
    """Quantities by day and meter; ``client_id`` None: of all clients together."""
    table = usage_records.c
    query = (
        select(table.day, table.meter, func.sum(table.quantity).label("quantity"))
        .where(table.agency_id == agency_id, table.day >= from_day, table.day < until_day)
        .group_by(table.day, table.meter)
        .order_by(table.day, table.meter)
    )
    if client_id is not None:
        query = query.where(table.client_id == client_id)
    return [dict(row) for row in connection.execute(query).mappings()]


_NUMBER_DAYS = text(
    # Of each number the days on which it was ours, and the most that there were of a rate on a day. A day counts from
    # its first moment in the account's zone.
    "WITH days AS (SELECT d::date AS day, d::date::timestamp AT TIME ZONE :zone AS begins,"
    " (d::date + 1)::timestamp AT TIME ZONE :zone AS ends"
    " FROM generate_series(CAST(:from_day AS date), CAST(:until_day AS date) - 1, interval '1 day') d),"
    " held AS (SELECT days.day, coalesce(r.prefix, '') AS prefix, count(*) AS numbers FROM days"
    " JOIN numbers n ON n.agency_id = :agency AND (CAST(:client AS uuid) IS NULL OR n.client_id = :client)"
    " AND n.created_at < days.ends AND (n.released_at IS NULL OR n.released_at > days.begins)"
    " LEFT JOIN LATERAL (SELECT r.prefix FROM price_rates r WHERE r.agency_id = :agency AND r.book_id = :book"
    " AND r.edition = :edition AND r.meter = 'number_month' AND starts_with(n.e164, r.prefix)"
    " ORDER BY length(r.prefix) DESC LIMIT 1) r ON true GROUP BY 1, 2)"
    " SELECT prefix, sum(numbers) AS days, max(numbers) AS most FROM held GROUP BY prefix ORDER BY prefix"
)


def number_days(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    *,
    book_id: UUID,
    edition: int,
    zone: str,
    from_day: date,
    until_day: date,
) -> Sequence[RowMapping]:
    """By the prefix of the rate: on how many days in all numbers were there, and the most on one day."""
    values = {
        "agency": agency_id, "client": client_id, "book": book_id, "edition": edition, "zone": zone,
        "from_day": from_day, "until_day": until_day,
    }  # fmt: skip
    return connection.execute(_NUMBER_DAYS, values).mappings().all()


_STOCKS = text(
    "SELECT c.id AS client_id,"
    " (SELECT coalesce(sum(coalesce(r.object_bytes, r.size_bytes)), 0) FROM recordings r"
    "  WHERE r.agency_id = :agency AND r.client_id = c.id AND r.state = 'verified' AND r.store_id IS NULL"
    "  AND r.created_at < :ends) AS bytes,"
    " (SELECT count(*) FROM webhook_deliveries w WHERE w.agency_id = :agency AND w.client_id = c.id"
    "  AND w.state = 'delivered' AND w.settled_at >= :begins AND w.settled_at < :ends) AS deliveries,"
    " (SELECT count(*) FROM users u WHERE u.agency_id = :agency AND u.client_id = c.id AND u.state = 'active') AS seats"
    " FROM clients c WHERE c.agency_id = :agency AND c.id = ANY (:clients)"
)


def stocks_of(
    connection: Connection, agency_id: UUID, clients: Sequence[UUID], begins: datetime, ends: datetime
) -> Sequence[RowMapping]:
    """What each client has in our store at this moment, and the webhook messages that were delivered within a day."""
    values = {"agency": agency_id, "clients": list(clients), "begins": begins, "ends": ends}
    return connection.execute(_STOCKS, values).mappings().all()


def insert_statement(connection: Connection, agency_id: UUID, values: dict[str, Any]) -> None:
    connection.execute(insert(statements).values(agency_id=agency_id, **values))


def find_statement(connection: Connection, agency_id: UUID, scope_id: UUID, month: date) -> RowMapping | None:
    table = statements.c
    query = select(statements).where(table.agency_id == agency_id, table.scope_id == scope_id, table.month == month)
    return connection.execute(query).mappings().first()


def last_statement(connection: Connection, agency_id: UUID, scope_id: UUID, before: date) -> RowMapping | None:
    table = statements.c
    query = select(statements).where(table.agency_id == agency_id, table.scope_id == scope_id, table.month < before)
    return connection.execute(query.order_by(table.month.desc()).limit(1)).mappings().first()


def find_statements(
    connection: Connection, agency_id: UUID, scope_id: UUID, *, limit: int, before: date | None
) -> Sequence[RowMapping]:
    """The latest first, without their lines."""
    table = statements.c
    columns = (table.month, table.currency, table.total, table.closing_balance, table.made_at, table.due_at)
    query = select(*columns).where(table.agency_id == agency_id, table.scope_id == scope_id)
    if before is not None:
        query = query.where(table.month < before)
    return connection.execute(query.order_by(table.month.desc()).limit(limit)).mappings().all()


def last_due_statement(connection: Connection, agency_id: UUID, scope_id: UUID, now: datetime) -> RowMapping | None:
    """The latest statement that had to be paid by now."""
    table = statements.c
    query = select(table.month, table.place, table.closing_balance).where(
        table.agency_id == agency_id, table.scope_id == scope_id, table.due_at <= now
    )
    return connection.execute(query.order_by(table.month.desc()).limit(1)).mappings().first()

"""SQL of retention, holds, receipts and consent. Each function works in its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from ..db.tables import (
    agencies,
    clients,
    consents,
    legal_holds,
    privacy_receipts,
    retention_bounds,
    retention_rules,
)
from .model import CLASSES, Bound, Bounds, Consent, Hold, Receipt, Rules

_RULES = tuple(Rules.__dataclass_fields__)


def person_key(connection: Connection, agency_id: UUID, number: str) -> bytes:
    """The agency's keyed hash of an E.164 number."""
    found = connection.execute(
        text("SELECT dialtrace_person_key(:agency, :number)"), {"agency": agency_id, "number": number}
    )
    return bytes(found.scalar_one())


def client_exists(connection: Connection, agency_id: UUID, client_id: UUID) -> bool:
    query = select(clients.c.id).where(clients.c.agency_id == agency_id, clients.c.id == client_id)
    return connection.execute(query).first() is not None


def client_ids(connection: Connection, agency_id: UUID) -> list[UUID]:
    query = select(clients.c.id).where(clients.c.agency_id == agency_id).order_by(clients.c.id)
    return list(connection.execute(query).scalars())


# --- Retention. ---


def find_rules(connection: Connection, agency_id: UUID, scope_id: UUID) -> Rules:
    columns = retention_rules.c
    query = select(*(columns[name] for name in _RULES)).where(
        columns.agency_id == agency_id, columns.scope_id == scope_id
    )
    row = connection.execute(query).mappings().first()
    return Rules(**row) if row else Rules()


def put_rules(connection: Connection, agency_id: UUID, client_id: UUID | None, rules: Rules) -> None:
    values = {name: getattr(rules, name) for name in _RULES}
    statement = upsert(retention_rules).values(
        agency_id=agency_id, scope_id=client_id or agency_id, client_id=client_id, **values
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["agency_id", "scope_id"], set_={**values, "updated_at": func.now()}
        )
    )


def find_bounds(connection: Connection, agency_id: UUID) -> Bounds:
    query = select(retention_bounds).where(retention_bounds.c.agency_id == agency_id)
    found = {row["data_class"]: row for row in connection.execute(query).mappings()}
    return {one: Bound(found[one]["least_days"], found[one]["most_days"]) for one in CLASSES if one in found}


def put_bounds(connection: Connection, agency_id: UUID, bounds: Bounds) -> None:
    connection.execute(delete(retention_bounds).where(retention_bounds.c.agency_id == agency_id))
    rows = [
        {"agency_id": agency_id, "data_class": one, "least_days": bound.least_days, "most_days": bound.most_days}
        for one, bound in bounds.items()
        if bound != Bound()
    ]
    if rows:
        connection.execute(insert(retention_bounds), rows)


# --- Holds. ---


def hold_of(row: RowMapping) -> Hold:
    return Hold(**{name: row[name] for name in Hold.__dataclass_fields__})


def insert_hold(connection: Connection, row: Mapping[str, Any]) -> Hold:
    return hold_of(connection.execute(insert(legal_holds).values(**row).returning(legal_holds)).mappings().one())


def find_hold(connection: Connection, agency_id: UUID, hold_id: UUID) -> Hold | None:
    query = select(legal_holds).where(legal_holds.c.agency_id == agency_id, legal_holds.c.id == hold_id)
    row = connection.execute(query).mappings().first()
    return hold_of(row) if row else None


def lift_hold(connection: Connection, agency_id: UUID, hold_id: UUID, *, by: str, now: datetime) -> Hold | None:
    """None: there is none, or it is lifted already."""
    statement = (
        update(legal_holds)
        .where(legal_holds.c.agency_id == agency_id, legal_holds.c.id == hold_id, legal_holds.c.lifted_at.is_(None))
        .values(lifted_by=by, lifted_at=now)
        .returning(legal_holds)
    )
    row = connection.execute(statement).mappings().first()
    return hold_of(row) if row else None


def find_holds(
    connection: Connection, agency_id: UUID, client_id: UUID | None, *, limit: int, after: UUID | None
) -> list[Hold]:
    """Oldest first."""
    return [hold_of(row) for row in page_of(connection, legal_holds, agency_id, client_id, limit, after)]


def page_of(
    connection: Connection, table: Any, agency_id: UUID, client_id: UUID | None, limit: int, after: UUID | None
) -> list[RowMapping]:
    """Rows of a table of the agency (or a client of it), by id."""
    query = select(table).where(table.c.agency_id == agency_id)
    if client_id is not None:
        query = query.where(table.c.client_id == client_id)
    if after is not None:
        query = query.where(table.c.id > after)
    return list(connection.execute(query.order_by(table.c.id).limit(limit)).mappings())


def any_hold(connection: Connection, agency_id: UUID) -> bool:
    """Whether any hold of the agency stands."""
    columns = legal_holds.c
    query = select(columns.id).where(columns.agency_id == agency_id, columns.lifted_at.is_(None)).limit(1)
    return connection.execute(query).first() is not None


# --- Receipts. ---


def receipt_of(row: RowMapping) -> Receipt:
    values = {name: row[name] for name in Receipt.__dataclass_fields__}
    return Receipt(**values | {"signature": bytes(row["signature"])})


def insert_receipt(connection: Connection, row: Mapping[str, Any]) -> Receipt:
    statement = insert(privacy_receipts).values(**row).returning(privacy_receipts)
    return receipt_of(connection.execute(statement).mappings().one())


def find_receipt(connection: Connection, agency_id: UUID, receipt_id: UUID) -> Receipt | None:
    columns = privacy_receipts.c
    query = select(privacy_receipts).where(columns.agency_id == agency_id, columns.id == receipt_id)
    row = connection.execute(query).mappings().first()
    return receipt_of(row) if row else None


def find_receipts(
    connection: Connection, agency_id: UUID, client_id: UUID | None, *, limit: int, after: UUID | None
) -> list[Receipt]:
    """Oldest first."""
    return [receipt_of(row) for row in page_of(connection, privacy_receipts, agency_id, client_id, limit, after)]


def put_receipt_key(connection: Connection, key_id: str, public: bytes, sealed: bytes) -> None:
    connection.execute(
        text("SELECT dialtrace_receipt_key_put(:id, :public, :sealed)"),
        {"id": key_id, "public": public, "sealed": sealed},
    )


def receipt_keys(connection: Connection) -> list[RowMapping]:
    """Every key that ever signed, the newest first. Needs no tenant."""
    return list(connection.execute(text("SELECT * FROM dialtrace_receipt_keys()")).mappings())


# --- What retention deletes. ---


def purge_calls(
    connection: Connection, agency_id: UUID, client_id: UUID, before: datetime, most: int
) -> list[RowMapping]:
    """Deletes records whose time is over and that nobody holds; returns call and start of each."""
    statement = text("SELECT call_id, started_at FROM dialtrace_purge_calls(:agency, :client, :before, :most)")
    values = {"agency": agency_id, "client": client_id, "before": before, "most": most}
    return list(connection.execute(statement, values).mappings())


_CALLERS_DUE = text(
    "SELECT c.id, c.started_at FROM calls c WHERE c.agency_id = :agency AND c.client_id = :client"
    " AND c.started_at < :before AND c.anonymised_at IS NULL"
    " AND NOT dialtrace_is_held(c.agency_id, c.client_id, c.id, c.caller, c.caller_key)"
    " ORDER BY c.started_at LIMIT :most FOR UPDATE SKIP LOCKED"
)


def callers_due(
    connection: Connection, agency_id: UUID, client_id: UUID, before: datetime, most: int
) -> list[tuple[UUID, datetime]]:
    """Calls whose caller's time is over and that nobody holds, the oldest first; locked."""
    values = {"agency": agency_id, "client": client_id, "before": before, "most": most}
    return [(row.id, row.started_at) for row in connection.execute(_CALLERS_DUE, values)]


_RECORDINGS_DUE = text(
    "SELECT r.call_id, r.call_started_at FROM recordings r LEFT JOIN calls c ON c.agency_id = r.agency_id"
    " AND c.id = r.call_id AND c.started_at = r.call_started_at"
    " WHERE r.agency_id = :agency AND r.client_id = :client AND r.call_started_at < :before AND r.state <> 'absent'"
    " AND NOT dialtrace_is_held(r.agency_id, r.client_id, r.call_id, c.caller, c.caller_key)"
    " GROUP BY r.call_id, r.call_started_at ORDER BY r.call_started_at LIMIT :most"
)


def recordings_due(
    connection: Connection, agency_id: UUID, client_id: UUID, before: datetime, most: int
) -> list[tuple[UUID, datetime]]:
    """Calls whose recordings' time is over and that nobody holds, the oldest first."""
    values = {"agency": agency_id, "client": client_id, "before": before, "most": most}
    return [(row.call_id, row.call_started_at) for row in connection.execute(_RECORDINGS_DUE, values)]


# --- Consent. ---


def find_consent(connection: Connection, agency_id: UUID, call_id: UUID) -> Consent | None:
    query = select(consents).where(consents.c.agency_id == agency_id, consents.c.call_id == call_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    digest = row["notice_sha256"]
    values = {name: row[name] for name in Consent.__dataclass_fields__}
    return Consent(**values | {"notice_sha256": None if digest is None else bytes(digest)})


def agency_ids(connection: Connection) -> list[UUID]:
    """Every agency (a system read)."""
    return list(connection.execute(select(agencies.c.agency_id).order_by(agencies.c.agency_id)).scalars())

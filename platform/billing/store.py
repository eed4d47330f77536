"""SQL of accounts and the ledger. Every function takes a connection whose tenant is set already. Entries are only ever
added: place and balance are the database's own (`dialtrace_post_entry`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from ..db.tables import (
    billing_accounts,
    clients,
    event_sequences,
    ledger_entries,
    rating_places,
)
from .model import Account, AccountValues, Entry, NewEntry, first_of, local_day

_ACCOUNT = tuple(billing_accounts.c[one.name] for one in fields(Account))
_ENTRY = tuple(ledger_entries.c[one.name] for one in fields(Entry))


def _account(row: RowMapping) -> Account:
    return Account(**{**row, "alarms": tuple(row["alarms"])})


# --- Accounts. ---


def find_account(connection: Connection, agency_id: UUID, scope_id: UUID, *, lock: bool = False) -> Account | None:
    query = select(*_ACCOUNT).where(billing_accounts.c.agency_id == agency_id, billing_accounts.c.scope_id == scope_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    return _account(row) if row else None


def find_accounts(connection: Connection, agency_id: UUID) -> Sequence[Account]:
    """Every account that the tenant may see, the agency's own first."""
    query = select(*_ACCOUNT).where(billing_accounts.c.agency_id == agency_id)
    order = (billing_accounts.c.client_id.is_not(None), billing_accounts.c.scope_id)
    return [_account(row) for row in connection.execute(query.order_by(*order)).mappings()]


def insert_account(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    values: AccountValues,
    *,
    currency: str,
    time_zone: str,
    now: datetime,
) -> Account:
    connection.execute(
        insert(billing_accounts).values(
            agency_id=agency_id,
            scope_id=client_id or agency_id,
            client_id=client_id,
            currency=currency,
            time_zone=time_zone,
            metered_until=local_day(now, time_zone),
            closed_until=first_of(local_day(now, time_zone)),
            created_at=now,
            updated_at=now,
            state_at=now,
            **{one.name: getattr(values, one.name) for one in fields(AccountValues) if one.name != "alarms"},
            alarms=list(values.alarms),
        )
    )
    # From here on its calls are rated; what the log told before is not.
    last = select(func.coalesce(func.max(event_sequences.c.last_position), 0)).where(
        event_sequences.c.agency_id == agency_id
    )
    position = connection.execute(last).scalar_one()
    connection.execute(
        text("INSERT INTO rating_places (agency_id, position) VALUES (:agency, :position) ON CONFLICT DO NOTHING"),
        {"agency": agency_id, "position": position},
    )
    found = find_account(connection, agency_id, client_id or agency_id)
    assert found is not None, "it was inserted just now"
    return found


def update_account(connection: Connection, account: Account, changes: dict[str, Any], now: datetime) -> Account:
    """The row must be locked. ``changes``: column → value; balance and entries are not among them."""
    statement = (
        update(billing_accounts)
        .where(billing_accounts.c.agency_id == account.agency_id, billing_accounts.c.scope_id == account.scope_id)
        .values(**changes, updated_at=now, version=billing_accounts.c.version + 1)
        .returning(*_ACCOUNT)
    )
    return _account(connection.execute(statement).mappings().one())


def agencies_to_rate(connection: Connection) -> list[tuple[UUID, int]]:
    """Agencies whose log goes beyond what is rated, and by how many positions. Needs the system role."""
    behind = event_sequences.c.last_position - rating_places.c.position
    query = (
        select(rating_places.c.agency_id, behind)
        .join(event_sequences, event_sequences.c.agency_id == rating_places.c.agency_id)
        .where(behind > 0)
        .order_by(rating_places.c.rated_at)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def client_ids(connection: Connection, agency_id: UUID) -> list[UUID]:
    """Every client of the agency."""
    query = select(clients.c.id).where(clients.c.agency_id == agency_id).order_by(clients.c.id)
    return list(connection.execute(query).scalars())


def all_accounts(connection: Connection) -> list[tuple[UUID, UUID]]:
    """Agency and payer of every account. Needs the system role."""
    table = billing_accounts.c
    query = select(table.agency_id, table.scope_id).order_by(table.agency_id, table.scope_id)
    return [(row[0], row[1]) for row in connection.execute(query)]


def clients_without_account(connection: Connection, agency_id: UUID) -> list[UUID]:
    """Clients that pay nothing themselves: their agency's day counts theirs."""
    with_one = select(billing_accounts.c.client_id).where(
        billing_accounts.c.agency_id == agency_id, billing_accounts.c.client_id.is_not(None)
    )
    query = select(clients.c.id).where(clients.c.agency_id == agency_id, clients.c.id.not_in(with_one))
    return list(connection.execute(query.order_by(clients.c.id)).scalars())


def set_marks(connection: Connection, account: Account, marks: dict[str, Any]) -> None:
    """What the platform notes of an account; no version of what somebody said."""
    connection.execute(
        update(billing_accounts)
        .where(billing_accounts.c.agency_id == account.agency_id, billing_accounts.c.scope_id == account.scope_id)
        .values(**marks)
    )


# --- The ledger. ---

_POST = """
INSERT INTO ledger_entries (agency_id, scope_id, kind, day, amount, currency, reference, batch, lines, note, place,
    balance)
SELECT %(agency)s::uuid, n.scope_id, n.kind, n.day, n.amount, n.currency, n.reference, n.batch, n.lines, n.note, 1, 0
FROM jsonb_to_recordset(%(rows)s::jsonb) AS n (scope_id uuid, kind text, day date, amount numeric, currency text,
    reference text, batch uuid, lines jsonb, note text)
ORDER BY n.scope_id, n.day, n.reference
RETURNING scope_id, place, amount, balance
"""


def post_entries(connection: Connection, agency_id: UUID, new: Sequence[NewEntry]) -> Sequence[RowMapping]:
    """Adds movements, account by account; scope, place, amount and balance of each. A reference that the account has
    already is a unique violation."""
    if not new:
        return []
    rows = [
        {
            "scope_id": str(one.scope_id),
            "kind": one.kind,
            "day": one.day.isoformat(),
            "amount": str(one.amount),
            "currency": one.currency,
            "reference": one.reference,
            "batch": None if one.batch is None else str(one.batch),
            "lines": list(one.lines),
            "note": one.note,
        }
        for one in new
    ]
    found = connection.exec_driver_sql(_POST, {"agency": agency_id, "rows": json.dumps(rows)})
    return found.mappings().all()


def find_by_reference(connection: Connection, agency_id: UUID, scope_id: UUID, reference: str) -> Entry | None:
    table = ledger_entries.c
    query = select(*_ENTRY).where(
        table.agency_id == agency_id, table.scope_id == scope_id, table.reference == reference
    )
    row = connection.execute(query).mappings().first()
    return Entry(**row) if row else None


def find_entries(
    connection: Connection, agency_id: UUID, scope_id: UUID, *, limit: int, before: int | None
) -> Sequence[Entry]:
    """The latest first; ``before``: the place where the page before this one ended."""
    table = ledger_entries.c
    query = select(*_ENTRY).where(table.agency_id == agency_id, table.scope_id == scope_id)
    if before is not None:
        query = query.where(table.place < before)
    return [Entry(**row) for row in connection.execute(query.order_by(table.place.desc()).limit(limit)).mappings()]


def find_entries_of_days(
    connection: Connection, agency_id: UUID, scope_id: UUID, from_day: date, until_day: date
) -> Sequence[Entry]:
    """Of the days from (inclusive) until (exclusive), in the order of the ledger."""
    table = ledger_entries.c
    query = select(*_ENTRY).where(
        table.agency_id == agency_id, table.scope_id == scope_id, table.day >= from_day, table.day < until_day
    )
    return [Entry(**row) for row in connection.execute(query.order_by(table.day, table.place)).mappings()]


def find_unstated(
    connection: Connection,
    agency_id: UUID,
    scope_id: UUID,
    *,
    until_day: date,
    place: int,
    stated_day: date | None,
    stated_place: int,
) -> Sequence[Entry]:
    """Entries up to ``place`` that belong before ``until_day`` and that no statement has told yet: the last one knew
    those up to ``stated_place`` that belong before ``stated_day``."""  # fmt: skip
    table = ledger_entries.c
    query = select(*_ENTRY).where(
        table.agency_id == agency_id, table.scope_id == scope_id, table.place <= place, table.day < until_day
    )
    if stated_day is not None:
        query = query.where((table.place > stated_place) | (table.day >= stated_day))
    return [Entry(**row) for row in connection.execute(query.order_by(table.place)).mappings()]


def paid_since(connection: Connection, agency_id: UUID, scope_id: UUID, place: int, day: date) -> Decimal:
    """What came in that a statement of the days before ``day``, up to ``place``, did not know."""
    table = ledger_entries.c
    query = select(func.coalesce(func.sum(table.amount), 0)).where(
        table.agency_id == agency_id,
        table.scope_id == scope_id,
        (table.place > place) | (table.day >= day),
        table.amount > 0,
    )
    found: Decimal = connection.execute(query).scalar_one()
    return found


def last_place(connection: Connection, agency_id: UUID, scope_id: UUID) -> int:
    """The place of the last entry; 0: there is none."""
    query = select(billing_accounts.c.entries).where(
        billing_accounts.c.agency_id == agency_id, billing_accounts.c.scope_id == scope_id
    )
    return int(connection.execute(query).scalar_one())

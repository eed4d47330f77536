"""SQL of agencies, clients and API keys. Every function takes a connection whose tenant is set already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, or_, select, text, update

from ..db.tables import agencies, api_keys, clients
from .model import Agency, ApiKey, Client

_AGENCY = (agencies.c.agency_id.label("id"), *(column for column in agencies.c if column.name != "agency_id"))
_KEY = tuple(column for column in api_keys.c if column.name != "secret_hash")


def _agency(row: Row[Any]) -> Agency:
    return Agency(**row._mapping)


def _client(row: Row[Any]) -> Client:
    return Client(**row._mapping)


def _key(row: Row[Any]) -> ApiKey:
    found: dict[str, Any] = {column.name: row._mapping[column] for column in _KEY}
    lists: dict[str, Any] = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
    return ApiKey(**{**found, **lists})


def insert_agency(connection: Connection, agency_id: UUID, name: str) -> Agency:
    statement = insert(agencies).values(agency_id=agency_id, name=name).returning(*_AGENCY)
    return _agency(connection.execute(statement).one())


def find_agency(connection: Connection, agency_id: UUID, *, lock: bool = False) -> Agency | None:
    """``lock``: nobody else changes it until the transaction ends."""
    query = select(*_AGENCY).where(agencies.c.agency_id == agency_id)
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).first()
    return _agency(row) if row else None


def find_agencies(connection: Connection, *, limit: int, after: UUID | None) -> Sequence[Agency]:
    """In the order of their ids, which is that of their making. Needs the system role."""
    statement = select(*_AGENCY).order_by(agencies.c.agency_id).limit(limit)
    if after is not None:
        statement = statement.where(agencies.c.agency_id > after)
    return [_agency(row) for row in connection.execute(statement)]


def update_agency_status(connection: Connection, agency_id: UUID, status: str, now: datetime) -> Agency | None:
    statement = (
        update(agencies)
        .where(agencies.c.agency_id == agency_id)
        .values(status=status, updated_at=now, version=agencies.c.version + 1)
        .returning(*_AGENCY)
    )
    row = connection.execute(statement).first()
    return _agency(row) if row else None


def update_agency(connection: Connection, agency_id: UUID, values: dict[str, Any], now: datetime) -> Agency:
    """The row must be there and locked."""
    statement = (
        update(agencies)
        .where(agencies.c.agency_id == agency_id)
        .values(**values, updated_at=now, version=agencies.c.version + 1)
        .returning(*_AGENCY)
    )
    return _agency(connection.execute(statement).one())


def insert_client(connection: Connection, agency_id: UUID, client_id: UUID, name: str, time_zone: str) -> Client:
    statement = (
        insert(clients).values(agency_id=agency_id, id=client_id, name=name, time_zone=time_zone).returning(*clients.c)
    )
    return _client(connection.execute(statement).one())


def find_client(connection: Connection, agency_id: UUID, client_id: UUID) -> Client | None:
    statement = select(*clients.c).where(clients.c.agency_id == agency_id, clients.c.id == client_id)
    row = connection.execute(statement).first()
    return _client(row) if row else None


def find_clients(connection: Connection, agency_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Client]:
    """In the order of their ids, which is that of their making."""
    statement = select(*clients.c).where(clients.c.agency_id == agency_id).order_by(clients.c.id).limit(limit)
    if after is not None:
        statement = statement.where(clients.c.id > after)
    return [_client(row) for row in connection.execute(statement)]


def update_client_status(
    connection: Connection, agency_id: UUID, client_id: UUID, status: str, now: datetime
) -> Client | None:
    statement = (
        update(clients)
        .where(clients.c.agency_id == agency_id, clients.c.id == client_id)
        .values(status=status, updated_at=now, version=clients.c.version + 1)
        .returning(*clients.c)
    )
    row = connection.execute(statement).first()
    return _client(row) if row else None


def update_client(
    connection: Connection, agency_id: UUID, client_id: UUID, values: dict[str, Any], now: datetime
) -> Client:
    """The row must be there and locked."""
    statement = (
        update(clients)
        .where(clients.c.agency_id == agency_id, clients.c.id == client_id)
        .values(**values, updated_at=now, version=clients.c.version + 1)
        .returning(*clients.c)
    )
    return _client(connection.execute(statement).one())


def refresh_directory(connection: Connection, agency_id: UUID) -> None:
    """Carries a changed status over to the numbers' routes, in the same transaction."""
    connection.execute(text("SELECT dialtrace_directory_refresh_tenant(:agency)"), {"agency": agency_id})


def insert_key(connection: Connection, key: ApiKey, secret_hash: bytes) -> None:
    connection.execute(
        insert(api_keys).values(
            agency_id=key.agency_id,
            id=key.id,
            client_id=key.client_id,
            name=key.name,
            role=key.role,
            secret_hash=secret_hash,
            created_at=key.created_at,
            expires_at=key.expires_at,
            may_listen=key.may_listen,
            scopes=list(key.scopes) if key.scopes is not None else None,
            networks=list(key.networks) if key.networks is not None else None,
            rotated_from=key.rotated_from,
        )
    )


def find_key(
    connection: Connection, agency_id: UUID, key_id: UUID, *, lock: bool = False
) -> tuple[ApiKey, bytes] | None:
    """A key and the hash of its secret."""
    statement = select(*api_keys.c).where(api_keys.c.agency_id == agency_id, api_keys.c.id == key_id)
    if lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).first()
    return (_key(row), bytes(row.secret_hash)) if row else None


def find_keys(connection: Connection, agency_id: UUID, *, limit: int, after: UUID | None) -> Sequence[ApiKey]:
    """In the order of their ids, which is that of their making."""
    statement = select(*_KEY).where(api_keys.c.agency_id == agency_id).order_by(api_keys.c.id).limit(limit)
    if after is not None:
        statement = statement.where(api_keys.c.id > after)
    return [_key(row) for row in connection.execute(statement)]


def touch_key(
    connection: Connection, key: ApiKey, *, now: datetime, unless_after: datetime, address: str | None
) -> None:
    """Note the use, unless one after ``unless_after`` is noted already."""
    used = api_keys.c.last_used_at
    connection.execute(
        update(api_keys)
        .where(
            api_keys.c.agency_id == key.agency_id, api_keys.c.id == key.id, or_(used.is_(None), used <= unless_after)
        )
        .values(last_used_at=now, last_used_from=address)
    )


def end_key(connection: Connection, agency_id: UUID, key_id: UUID, at: datetime) -> None:
    """It opens nothing after ``at``; one that ends before that keeps its end."""
    ends = api_keys.c.expires_at
    connection.execute(
        update(api_keys)
        .where(api_keys.c.agency_id == agency_id, api_keys.c.id == key_id, or_(ends.is_(None), ends > at))
        .values(expires_at=at)
    )


def revoke_key(connection: Connection, agency_id: UUID, key_id: UUID, now: datetime) -> None:
    """A key that is revoked already keeps its moment."""
    connection.execute(
        update(api_keys)
        .where(api_keys.c.agency_id == agency_id, api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )

"""SQL of carriers and orders. Carriers are the operator's; orders belong to a tenant, whose transaction it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from ..db.tables import OPERATOR_AGENCY, carriers, exposures, live_calls, number_orders, number_returns
from .errors import CarrierNameTaken, ClientOfOrderUnknown
from .model import RETURNING, WAITING, Carrier, NumberReturn, Order

_OPERATOR = UUID(OPERATOR_AGENCY)
_OURS = carriers.c.agency_id == _OPERATOR
_CARRIER = tuple(carriers.c[one.name] for one in fields(Carrier))
_RETURN = tuple(number_returns.c[one.name] for one in fields(NumberReturn))
_ORDER = tuple(number_orders.c[one.name] for one in fields(Order))


def insert_carrier(connection: Connection, values: Mapping[str, Any]) -> Carrier:
    """Raises CarrierNameTaken."""
    try:
        return _carrier(
            connection.execute(insert(carriers).values(agency_id=_OPERATOR, **values).returning(*_CARRIER)).one()
        )
    except IntegrityError as error:
        raise CarrierNameTaken from error


def find_carrier(connection: Connection, carrier_id: UUID, *, lock: bool = False) -> Carrier | None:
    query = select(*_CARRIER).where(_OURS, carriers.c.id == carrier_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return _carrier(row) if row else None


def find_carriers(connection: Connection, *, limit: int, after: UUID | None) -> list[Carrier]:
    """In the order in which they were made."""
    query = select(*_CARRIER).where(_OURS).order_by(carriers.c.id).limit(limit)
    if after is not None:
        query = query.where(carriers.c.id > after)
    return [_carrier(row) for row in connection.execute(query)]


def offering_carriers(connection: Connection) -> list[Carrier]:
    """Those that may be ordered of; any tenant's transaction may ask."""
    return [_carrier(row) for row in connection.execute(text("SELECT * FROM dialtrace_carriers()"))]


def change_carrier(connection: Connection, carrier_id: UUID, values: Mapping[str, Any]) -> Carrier:
    """Raises CarrierNameTaken."""
    statement = (
        update(carriers).where(_OURS, carriers.c.id == carrier_id).values(**values, version=carriers.c.version + 1)
    )
    try:
        return _carrier(connection.execute(statement.returning(*_CARRIER)).one())
    except IntegrityError as error:
        raise CarrierNameTaken from error


def delete_carrier(connection: Connection, carrier_id: UUID) -> bool:
    """Whether it was there."""
    return connection.execute(delete(carriers).where(_OURS, carriers.c.id == carrier_id)).rowcount == 1


def sealed_tokens(connection: Connection) -> list[tuple[UUID, bytes]]:
    """What is sealed of each carrier that has a token; nobody changes it meanwhile."""
    query = select(carriers.c.id, carriers.c.sealed_token).where(_OURS, carriers.c.sealed_token.is_not(None))
    return [(row.id, bytes(row.sealed_token)) for row in connection.execute(query.with_for_update())]


def put_sealed_token(connection: Connection, carrier_id: UUID, sealed: bytes) -> None:
    """The same token, sealed anew: no new version."""
    connection.execute(update(carriers).where(_OURS, carriers.c.id == carrier_id).values(sealed_token=sealed))


def taken(connection: Connection, numbers: Sequence[str]) -> set[str]:
    """Which of these somebody has; whose they are is not told."""
    return set(
        connection.execute(
            text("SELECT dialtrace_taken(CAST(:numbers AS text[]))"), {"numbers": list(numbers)}
        ).scalars()
    )


# --- Orders. ---


def insert_order(connection: Connection, values: Mapping[str, Any]) -> Order:
    """Raises ClientOfOrderUnknown."""
    try:
        return _order(connection.execute(insert(number_orders).values(**values).returning(*_ORDER)).one())
    except IntegrityError as error:
        raise ClientOfOrderUnknown from error


def find_order(connection: Connection, agency_id: UUID, order_id: UUID, *, lock: bool = False) -> Order | None:
    query = _orders_of(agency_id).where(number_orders.c.id == order_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return _order(row) if row else None


def find_orders(
    connection: Connection, agency_id: UUID, wanted: Mapping[str, Any], *, limit: int, after: UUID | None
) -> list[Order]:
    """In the order in which they were made. ``wanted``: column → value."""
    query = _orders_of(agency_id).order_by(number_orders.c.id).limit(limit)
    for column, value in wanted.items():
        query = query.where(number_orders.c[column] == value)
    if after is not None:
        query = query.where(number_orders.c.id > after)
    return [_order(row) for row in connection.execute(query)]


def change_order(
    connection: Connection, agency_id: UUID, order_id: UUID, values: Mapping[str, Any], now: datetime
) -> Order:
    """A new version of an order that was locked before."""
    columns = number_orders.c
    statement = update(number_orders).where(columns.agency_id == agency_id, columns.id == order_id)
    changed = statement.values(**values, updated_at=now, version=columns.version + 1)
    return _order(connection.execute(changed.returning(*_ORDER)).one())


def touch_order(connection: Connection, agency_id: UUID, order_id: UUID, now: datetime) -> None:
    """It was asked after; nothing of it has changed, so it is of the version that it was. One that waits no more stays
    as it is."""
    columns = number_orders.c
    statement = update(number_orders).where(columns.agency_id == agency_id, columns.id == order_id)
    connection.execute(statement.where(columns.state.in_(sorted(WAITING))).values(updated_at=now))


def waiting_orders(connection: Connection, *, before: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Agency and order of what is with a carrier and was not asked after since, of all tenants; a system read."""
    columns = number_orders.c
    query = select(columns.agency_id, columns.id).where(columns.state.in_(sorted(WAITING)), columns.updated_at < before)
    return [(row.agency_id, row.id) for row in connection.execute(query.order_by(columns.updated_at).limit(limit))]


# --- Numbers on their way back. ---


def find_return(connection: Connection, agency_id: UUID, number_id: UUID, *, lock: bool = False) -> NumberReturn | None:
    query = _returns_of(agency_id).where(number_returns.c.number_id == number_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return _return(row) if row else None


def find_returns(
    connection: Connection, agency_id: UUID, wanted: Mapping[str, Any], *, limit: int, after: UUID | None
) -> list[NumberReturn]:
    """In the order in which their numbers were added. ``wanted``: column → value."""
    query = _returns_of(agency_id).order_by(number_returns.c.number_id).limit(limit)
    for column, value in wanted.items():
        query = query.where(number_returns.c[column] == value)
    if after is not None:
        query = query.where(number_returns.c.number_id > after)
    return [_return(row) for row in connection.execute(query)]


def change_return(
    connection: Connection, agency_id: UUID, number_id: UUID, values: Mapping[str, Any], now: datetime
) -> NumberReturn:
    """A new version of one that was locked before."""
    columns = number_returns.c
    statement = update(number_returns).where(columns.agency_id == agency_id, columns.number_id == number_id)
    changed = statement.values(**values, updated_at=now, version=columns.version + 1)
    return _return(connection.execute(changed.returning(*_RETURN)).one())


def due_returns(connection: Connection, *, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Agency and number of what is to go back by now, of all tenants; a system read."""
    columns = number_returns.c
    query = select(columns.agency_id, columns.number_id).where(
        columns.state.in_(sorted(RETURNING)), columns.due_at <= now
    )
    return [(row.agency_id, row.number_id) for row in connection.execute(query.order_by(columns.due_at).limit(limit))]


def is_used(connection: Connection, agency_id: UUID, number_id: UUID, now: datetime) -> bool:
    """Whether a visitor still sees the number, or somebody talks over it."""
    seen, live = exposures.c, live_calls.c
    held = select(seen.id).where(seen.agency_id == agency_id, seen.number_id == number_id, seen.held_until > now)
    talks = select(live.call_id).where(live.agency_id == agency_id, live.number_id == number_id)
    return any(connection.execute(query.limit(1)).first() is not None for query in (held, talks))


def _returns_of(agency_id: UUID) -> Select[Any]:
    return select(*_RETURN).where(number_returns.c.agency_id == agency_id)


def _return(row: Row[Any]) -> NumberReturn:
    return NumberReturn(**row._mapping)


def _orders_of(agency_id: UUID) -> Select[Any]:
    return select(*_ORDER).where(number_orders.c.agency_id == agency_id)


def _carrier(row: Row[Any]) -> Carrier:
    return Carrier(**row._mapping)


def _order(row: Row[Any]) -> Order:
    return Order(**row._mapping)

"""SQL of trunks, inside a transaction of the operator's own agency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..db.tables import OPERATOR_AGENCY, trunks
from .errors import TrunkNameTaken
from .model import Trunk

_OWNER = UUID(OPERATOR_AGENCY)
_FIELDS = tuple(name for name in Trunk.__dataclass_fields__ if name != "has_password")


def insert_trunk(connection: Connection, trunk_id: UUID, values: Mapping[str, Any]) -> Trunk:
    """Raises TrunkNameTaken."""
    statement = insert(trunks).values(agency_id=_OWNER, id=trunk_id, **values).returning(trunks)
    return _trunk(_written(connection, statement).one())


def find_trunk(connection: Connection, trunk_id: UUID, *, lock: bool = False) -> Trunk | None:
    """``lock``: nobody else changes it until the transaction ends."""
    query = select(trunks).where(trunks.c.agency_id == _OWNER, trunks.c.id == trunk_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _trunk(row)


def find_trunks(connection: Connection, *, limit: int, after: UUID | None) -> list[Trunk]:
    """In the order in which they were made."""
    query = select(trunks).where(trunks.c.agency_id == _OWNER).order_by(trunks.c.id).limit(limit)
    return [_trunk(row) for row in connection.execute(query if after is None else query.where(trunks.c.id > after))]


def sealed_passwords(connection: Connection) -> list[tuple[UUID, bytes]]:
    """Of every trunk that has one, held until the transaction ends."""
    query = select(trunks.c.id, trunks.c.sealed_password).where(
        trunks.c.agency_id == _OWNER, trunks.c.sealed_password.is_not(None)
    )
    return [(row.id, bytes(row.sealed_password)) for row in connection.execute(query.with_for_update())]


def put_sealed_password(connection: Connection, trunk_id: UUID, sealed: bytes) -> None:
    """Nothing about the trunk itself changes, its version neither."""
    mine = and_(trunks.c.agency_id == _OWNER, trunks.c.id == trunk_id)
    connection.execute(update(trunks).where(mine).values(sealed_password=sealed))


def currencies(connection: Connection, *, but: UUID | None) -> set[str]:
    """Of all trunks but one."""
    query = select(trunks.c.currency).where(trunks.c.agency_id == _OWNER).distinct()
    return set(connection.execute(query if but is None else query.where(trunks.c.id != but)).scalars())


def change_trunk(connection: Connection, trunk_id: UUID, values: Mapping[str, Any]) -> Trunk:
    """The row must be locked already. Raises TrunkNameTaken."""
    statement = update(trunks).where(trunks.c.agency_id == _OWNER, trunks.c.id == trunk_id)
    return _trunk(
        _written(connection, statement.values(version=trunks.c.version + 1, **values).returning(trunks)).one()
    )


def delete_trunk(connection: Connection, trunk_id: UUID) -> bool:
    """Whether it was there."""
    return connection.execute(delete(trunks).where(trunks.c.agency_id == _OWNER, trunks.c.id == trunk_id)).rowcount == 1


def _written(connection: Connection, statement: Any) -> Any:
    try:
        return connection.execute(statement)
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == "uq_trunks_agency_id_name":
            raise TrunkNameTaken from error
        raise


def _trunk(row: Row[Any]) -> Trunk:
    return Trunk(**{name: getattr(row, name) for name in _FIELDS}, has_password=row.sealed_password is not None)

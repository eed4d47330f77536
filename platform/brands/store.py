"""SQL of brands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import agencies, brands


def find_brand(connection: Connection, agency_id: UUID) -> tuple[str | None, Mapping[Any, Any] | None]:
    """The agency's name, and what it has set."""
    name = connection.execute(select(agencies.c.name).where(agencies.c.agency_id == agency_id)).scalar()
    row = connection.execute(select(*brands.c).where(brands.c.agency_id == agency_id)).mappings().first()
    return name, row


def put_brand(connection: Connection, agency_id: UUID, values: Mapping[str, Any], version: int | None) -> int | None:
    """The new version; None: it is not at ``version``."""
    fresh = insert(brands).values(agency_id=agency_id, **values)
    changed = fresh.on_conflict_do_update(
        index_elements=["agency_id"],
        set_={**values, "updated_at": func.now(), "version": brands.c.version + 1},
        where=brands.c.version == version if version is not None else None,
    ).returning(brands.c.version)
    return connection.execute(changed).scalar()


def put_domain(connection: Connection, agency_id: UUID) -> None:
    connection.execute(text("SELECT dialtrace_brand_put(:a)"), {"a": agency_id})


def find_by_domain(connection: Connection, domain: str) -> Row[Any] | None:
    """Found before the tenant is known."""
    return connection.execute(text("SELECT * FROM dialtrace_brand(:d)"), {"d": domain}).first()

"""SQL of sites and of clients' own rules for sources. Every function takes a connection whose tenant is set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import Connection, Row, insert, select, text, update
from sqlalchemy.dialects import postgresql

from ..db.tables import numbers, pools, sites, source_rules
from .errors import OwnerUnknown
from .model import Site, SourceRules

_OWNER = {"fk_sites_agency_id_client_id", "fk_source_rules_agency_id_client_id"}


def insert_site(connection: Connection, values: Mapping[str, Any]) -> Site:
    """Raises OwnerUnknown."""
    made = _site(_written(connection, insert(sites).values(**values).returning(*sites.c)))
    put_in_directory(connection, made)
    return made


def find_site(connection: Connection, agency_id: UUID, site_id: UUID, *, lock: bool = False) -> Site | None:
    """``lock``: nobody else changes it until the transaction ends. A deleted one is not there."""
    query = select(sites).where(sites.c.agency_id == agency_id, sites.c.id == site_id, sites.c.status != "deleted")
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _site(row)


def find_sites(
    connection: Connection, agency_id: UUID, client_id: UUID | None, *, limit: int, after: UUID | None
) -> list[Site]:
    """In the order in which they were made."""
    query = select(sites).where(sites.c.agency_id == agency_id, sites.c.status != "deleted")
    if client_id is not None:
        query = query.where(sites.c.client_id == client_id)
    if after is not None:
        query = query.where(sites.c.id > after)
    return [_site(row) for row in connection.execute(query.order_by(sites.c.id).limit(limit))]


def update_site(connection: Connection, site: Site, changes: Mapping[str, Any]) -> Site:
    """A new version of a site that was locked before."""
    statement = (
        update(sites)
        .where(sites.c.agency_id == site.agency_id, sites.c.id == site.id)
        .values(**changes, version=sites.c.version + 1)
        .returning(*sites.c)
    )
    changed = _site(connection.execute(statement).one())
    if changed.status != site.status:
        put_in_directory(connection, changed)
    return changed


def put_in_directory(connection: Connection, site: Site) -> None:
    """Carries the token over to where it is looked for, in the same transaction."""
    connection.execute(text("SELECT dialtrace_site_put(:agency, :site)"), {"agency": site.agency_id, "site": site.id})


def own_numbers(connection: Connection, agency_id: UUID, client_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Which of these are numbers of the client that may be shown as they are: static, and not released."""
    query = select(numbers.c.id).where(
        numbers.c.agency_id == agency_id,
        numbers.c.client_id == client_id,
        numbers.c.id.in_(ids),
        numbers.c.kind == "static",
        numbers.c.status != "released",
    )
    return set(connection.execute(query).scalars())


def own_pools(connection: Connection, agency_id: UUID, client_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Which of these are pools of the client that numbers can be leased from."""
    query = select(pools.c.id).where(
        pools.c.agency_id == agency_id, pools.c.client_id == client_id, pools.c.id.in_(ids), pools.c.status == "active"
    )
    return set(connection.execute(query).scalars())


def find_source_rules(
    connection: Connection, agency_id: UUID, client_id: UUID, *, lock: bool = False
) -> SourceRules | None:
    query = select(source_rules).where(source_rules.c.agency_id == agency_id, source_rules.c.client_id == client_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _source_rules(row)


def put_source_rules(connection: Connection, values: Mapping[str, Any]) -> SourceRules:
    """Raises OwnerUnknown."""
    statement = postgresql.insert(source_rules).values(**values)
    changed = {"rules": statement.excluded.rules, "updated_at": statement.excluded.updated_at}
    upsert = statement.on_conflict_do_update(
        index_elements=["agency_id", "client_id"], set_={**changed, "version": source_rules.c.version + 1}
    )
    return _source_rules(_written(connection, upsert.returning(*source_rules.c)))


def _written(connection: Connection, statement: Any) -> Row[Any]:
    try:
        return connection.execute(statement).one()
    except sqlalchemy.exc.IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) in _OWNER:
            raise OwnerUnknown from error
        raise


def _site(row: Row[Any]) -> Site:
    values = dict(row._mapping)
    return Site(**{**values, "domains": tuple(values["domains"])})


def _source_rules(row: Row[Any]) -> SourceRules:
    return SourceRules(**{**row._mapping, "rules": tuple(row.rules)})

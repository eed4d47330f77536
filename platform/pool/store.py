"""SQL of pools, of the numbers in them and of the inventory. Every function takes a connection whose tenant is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import Connection, Row, delete, func, insert, select, text, update

from ..db.tables import exposures, numbers, pool_numbers, pool_reserves, pools
from .errors import FlowUnknown, HolderUnknown
from .model import Pool, Reserve, Standing

_BY_CONSTRAINT = {
    "fk_pools_agency_id_client_id": HolderUnknown,
    "fk_pools_agency_id_client_id_flow_id": FlowUnknown,
}


@contextmanager
def naming_refusals() -> Iterator[None]:
    """Turns a violated constraint into the error that it means; every other error passes."""
    try:
        yield
    except sqlalchemy.exc.IntegrityError as error:
        ours = _BY_CONSTRAINT.get(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")
        if ours is None:
            raise
        raise ours from error


def _pool(row: Row[Any]) -> Pool:
    return Pool(**row._mapping)


def insert_pool(connection: Connection, values: Mapping[str, Any]) -> Pool:
    return _pool(connection.execute(insert(pools).values(**values).returning(*pools.c)).one())


def find_pool(connection: Connection, agency_id: UUID, pool_id: UUID, *, lock: bool = False) -> Pool | None:
    statement = select(*pools.c).where(pools.c.agency_id == agency_id, pools.c.id == pool_id)
    # Leases read the row and lock nothing of it: nobody waits.
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return _pool(row) if row else None


def find_pools(
    connection: Connection, agency_id: UUID, client_id: UUID | None, *, limit: int, after: UUID | None
) -> Sequence[Pool]:
    """In the order in which they were made."""
    statement = select(*pools.c).where(pools.c.agency_id == agency_id).order_by(pools.c.id).limit(limit)
    if client_id is not None:
        statement = statement.where(pools.c.client_id == client_id)
    if after is not None:
        statement = statement.where(pools.c.id > after)
    return [_pool(row) for row in connection.execute(statement)]


def update_pool(
    connection: Connection, agency_id: UUID, pool_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Pool:
    """A new version of a pool that was locked before."""
    statement = (
        update(pools)
        .where(pools.c.agency_id == agency_id, pools.c.id == pool_id)
        .values(**changes, updated_at=func.greatest(pools.c.updated_at, now), version=pools.c.version + 1)
        .returning(*pools.c)
    )
    return _pool(connection.execute(statement).one())


# --- Numbers of a pool. ---


def lock_numbers(connection: Connection, agency_id: UUID, number_ids: Sequence[UUID]) -> list[Row[Any]]:
    """Those that there are, in the order of their ids."""
    statement = (
        select(*numbers.c)
        .where(numbers.c.agency_id == agency_id, numbers.c.id.in_(number_ids))
        .order_by(numbers.c.id)
        .with_for_update()
    )
    return list(connection.execute(statement))


def numbers_of(connection: Connection, agency_id: UUID, pool_id: UUID) -> list[UUID]:
    """All that belong to the pool, suspended ones too."""
    statement = select(numbers.c.id).where(numbers.c.agency_id == agency_id, numbers.c.pool_id == pool_id)
    return list(connection.execute(statement.order_by(numbers.c.id)).scalars())


def set_state(
    connection: Connection, agency_id: UUID, number_ids: Sequence[UUID], changes: Mapping[str, Any], now: datetime
) -> None:
    """A new version of each, and its entry in the directory."""
    statement = (
        update(numbers)
        .where(numbers.c.agency_id == agency_id, numbers.c.id.in_(number_ids))
        .values(
            **changes,
            state_at=now,
            updated_at=func.greatest(numbers.c.updated_at, now),
            version=numbers.c.version + 1,
        )
    )
    connection.execute(statement)
    _put_in_directory(connection, agency_id, number_ids)


def set_flow(
    connection: Connection, agency_id: UUID, number_ids: Sequence[UUID], flow_id: UUID | None, now: datetime
) -> None:
    """Another flow answers them."""
    connection.execute(
        update(numbers)
        .where(numbers.c.agency_id == agency_id, numbers.c.id.in_(number_ids))
        .values(flow_id=flow_id, updated_at=func.greatest(numbers.c.updated_at, now), version=numbers.c.version + 1)
    )
    _put_in_directory(connection, agency_id, number_ids)


def _put_in_directory(connection: Connection, agency_id: UUID, number_ids: Sequence[UUID]) -> None:
    put = text("SELECT dialtrace_directory_put(:agency, n) FROM unnest(CAST(:numbers AS uuid[])) n")
    connection.execute(put, {"agency": agency_id, "numbers": [str(one) for one in number_ids]})


#: A number stands ready from when whoever saw it last no longer holds it: it may have left a pool a minute ago.
_JOIN = text("""
INSERT INTO pool_numbers (agency_id, number_id, client_id, pool_id, region, first_node, free_from)
SELECT n.agency_id, n.id, n.client_id, n.pool_id, n.region, coalesce(dialtrace_first_node(n.e164), ''),
       coalesce(greatest(n.free_from, (
           SELECT max(e.held_until) + make_interval(secs => p.rest_s) FROM exposures e
           WHERE e.agency_id = n.agency_id AND e.number_id = n.id AND e.shown_at > :now - interval '30 days')),
           'epoch')
FROM numbers n JOIN pools p ON p.agency_id = n.agency_id AND p.id = n.pool_id
WHERE n.agency_id = :agency AND n.state = 'in_pool' AND n.status = 'active' AND p.status = 'active'
  AND (CAST(:pool AS uuid) IS NULL OR n.pool_id = :pool)
  AND NOT EXISTS (SELECT FROM pool_numbers q WHERE q.agency_id = n.agency_id AND q.number_id = n.id)
ON CONFLICT DO NOTHING""")


def join_pool(connection: Connection, agency_id: UUID, pool_id: UUID | None, now: datetime) -> int:
    """Makes the rows that leases take, of numbers that have none yet; ``pool_id`` None: of all pools."""
    return connection.execute(_JOIN, {"agency": agency_id, "pool": pool_id, "now": now}).rowcount


def leave_pool(connection: Connection, agency_id: UUID, number_ids: Sequence[UUID]) -> None:
    """Nobody is given them any more; whoever sees one goes on seeing it."""
    connection.execute(
        delete(pool_numbers).where(pool_numbers.c.agency_id == agency_id, pool_numbers.c.number_id.in_(number_ids))
    )


_STANDING = text("""
SELECT count(*) AS numbers, count(*) FILTER (WHERE n.free_from <= :now) AS free,
       count(*) FILTER (WHERE n.free_from > :now + make_interval(secs => p.rest_s)) AS held,
       count(*) FILTER (WHERE n.live_until > :now) AS live,
       count(*) FILTER (WHERE n.free_from > :now AND n.free_from <= :now + make_interval(secs => p.rest_s)) AS resting
FROM pools p LEFT JOIN pool_numbers n ON n.agency_id = :agency AND n.pool_id = p.id
WHERE p.agency_id = :agency AND p.id = :pool AND n.number_id IS NOT NULL""")


def standing(connection: Connection, agency_id: UUID, pool_id: UUID, now: datetime) -> Standing:
    """How the pool stands at a moment."""
    row = connection.execute(_STANDING, {"agency": agency_id, "pool": pool_id, "now": now}).one()
    return Standing(**row._mapping)


# --- Reserves. ---


def reserves_of(connection: Connection, agency_id: UUID, pool_id: UUID) -> list[Reserve]:
    statement = (
        select(pool_reserves.c.source, pool_reserves.c.number_id)
        .where(pool_reserves.c.agency_id == agency_id, pool_reserves.c.pool_id == pool_id)
        .order_by(pool_reserves.c.source)
    )
    return [Reserve(row.source, row.number_id) for row in connection.execute(statement)]


def put_reserves(connection: Connection, pool: Pool, reserves: Sequence[Reserve]) -> None:
    """These and no others."""
    connection.execute(
        delete(pool_reserves).where(pool_reserves.c.agency_id == pool.agency_id, pool_reserves.c.pool_id == pool.id)
    )
    if reserves:
        rows = [
            {
                "agency_id": pool.agency_id, "pool_id": pool.id, "client_id": pool.client_id,
                "source": one.source, "number_id": one.number_id,
            }
            for one in reserves
        ]  # fmt: skip
        connection.execute(insert(pool_reserves), rows)


# --- The inventory. ---


def count_states(connection: Connection, agency_id: UUID, client_id: UUID | None) -> dict[str, int]:
    """How many numbers stand in each state."""
    statement = select(numbers.c.state, func.count()).where(numbers.c.agency_id == agency_id).group_by(numbers.c.state)
    if client_id is not None:
        statement = statement.where(numbers.c.client_id == client_id)
    return {state: count for state, count in connection.execute(statement)}  # noqa: C416 (rows are not pairs to mypy)


def free_numbers(connection: Connection, agency_id: UUID, client_id: UUID, region: str | None, most: int) -> list[UUID]:
    """Of the client's inventory, those of the region first; locked, so that two pools never take the same."""
    statement = (
        select(numbers.c.id)
        .where(
            numbers.c.agency_id == agency_id,
            numbers.c.client_id == client_id,
            numbers.c.state == "free",
            numbers.c.kind == "dynamic",
            numbers.c.status == "active",
        )
        .order_by(func.coalesce(numbers.c.region == region, False).desc(), numbers.c.state_at, numbers.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return list(connection.execute(statement).scalars())


def delete_exposures(connection: Connection, agency_id: UUID, client_id: UUID, before: datetime, most: int) -> int:
    """Removes what was shown before a moment and is held no more; returns how many. For retention."""
    due = (
        select(exposures.c.id)
        .where(exposures.c.agency_id == agency_id, exposures.c.client_id == client_id, exposures.c.shown_at < before)
        .where(exposures.c.held_until < before)
        .order_by(exposures.c.shown_at)
        .limit(most)
    )
    ids = list(connection.execute(due).scalars())
    if ids:
        connection.execute(delete(exposures).where(exposures.c.agency_id == agency_id, exposures.c.id.in_(ids)))
    return len(ids)


def is_held(connection: Connection, agency_id: UUID, number_id: UUID, now: datetime) -> bool:
    """Whether a visit may still look at the number."""
    statement = select(exposures.c.id).where(
        exposures.c.agency_id == agency_id, exposures.c.number_id == number_id, exposures.c.held_until > now
    )
    return connection.execute(statement.limit(1)).first() is not None

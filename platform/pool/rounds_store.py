"""SQL of what the pool manager does now and then. Every function takes an open transaction; the tenant is set where one
is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, text

from ..db.tables import numbers, pool_hours, pools
from .model import Pool
from .sizing import Hour


def open_pools(connection: Connection) -> list[Pool]:
    """Of all agencies. Needs the system role."""
    statement = select(*pools.c).where(pools.c.status == "active").order_by(pools.c.agency_id, pools.c.id)
    return [Pool(**row._mapping) for row in connection.execute(statement)]


#: Whole hours and the running one; what was counted too early is counted again until its tails are over.
_COUNT_HOURS = text("""
INSERT INTO pool_hours AS h (agency_id, pool_id, hour, client_id, visits, shared, source, site, held_s, numbers)
SELECT :agency, :pool, slot.hour, :client, count(e.id), count(e.id) FILTER (WHERE e.rung = 'shared'),
       count(e.id) FILTER (WHERE e.rung = 'source'), count(e.id) FILTER (WHERE e.rung = 'site'),
       coalesce(sum(extract(epoch FROM e.held_until - e.shown_at) + :rest) FILTER (WHERE e.rung = 'exclusive'), 0),
       (SELECT count(*) FROM pool_numbers n WHERE n.agency_id = :agency AND n.pool_id = :pool)
FROM generate_series(date_trunc('hour', CAST(:since AS timestamptz)), date_trunc('hour', CAST(:now AS timestamptz)),
                     interval '1 hour') AS slot (hour)
LEFT JOIN exposures e ON e.agency_id = :agency AND e.pool_id = :pool
    AND e.shown_at >= slot.hour AND e.shown_at < slot.hour + interval '1 hour'
GROUP BY slot.hour
ON CONFLICT (agency_id, pool_id, hour) DO UPDATE SET visits = excluded.visits, shared = excluded.shared,
    source = excluded.source, site = excluded.site, held_s = excluded.held_s,
    numbers = CASE WHEN excluded.hour = date_trunc('hour', CAST(:now AS timestamptz)) THEN excluded.numbers
                   ELSE h.numbers END""")


def count_hours(connection: Connection, pool: Pool, since: datetime, now: datetime) -> None:
    """Counts the pool's hours from ``since`` on anew."""
    values = {"agency": pool.agency_id, "pool": pool.id, "client": pool.client_id, "rest": pool.rest_s}
    connection.execute(_COUNT_HOURS, {**values, "since": since, "now": now})


def hours_of(connection: Connection, agency_id: UUID, pool_id: UUID, since: datetime, before: datetime) -> list[Hour]:
    """Whole hours, the oldest first."""
    c = pool_hours.c
    statement = (
        select(c.hour, c.visits, c.shared, c.source, c.site, c.held_s, c.numbers)
        .where(c.agency_id == agency_id, c.pool_id == pool_id, c.hour >= since, c.hour < before)
        .order_by(c.hour)
    )
    return [Hour(**row._mapping) for row in connection.execute(statement)]


_RECENT = text("""
SELECT count(*) AS visits, count(*) FILTER (WHERE e.rung <> 'exclusive') AS lost FROM exposures e
WHERE e.agency_id = :agency AND e.pool_id = :pool AND e.shown_at > :since""")


def recent(connection: Connection, pool: Pool, since: datetime) -> tuple[int, int]:
    """Visits that came since, and how many of them had no number of their own."""
    row = connection.execute(_RECENT, {"agency": pool.agency_id, "pool": pool.id, "since": since}).one()
    return row.visits, row.lost


#: Of the pool's numbers that rested longest: nobody looks at them, and nobody calls them late any more.
_SPARE = text("""
SELECT n.number_id FROM pool_numbers n
WHERE n.agency_id = :agency AND n.pool_id = :pool AND n.free_from <= :now
ORDER BY n.free_from LIMIT :most FOR UPDATE SKIP LOCKED""")


def spare_numbers(connection: Connection, pool: Pool, most: int, now: datetime) -> list[UUID]:
    """Locked, so that no lease takes one meanwhile."""
    values = {"agency": pool.agency_id, "pool": pool.id, "now": now, "most": most}
    return list(connection.execute(_SPARE, values).scalars())


#: Calls that came while nobody was shown the number; the installation's own test calls are none.
_QUIET = text("""
SELECT n.id, n.state, n.state_at, n.free_from, n.client_id, n.pool_id,
       (SELECT count(*) FROM calls c WHERE c.agency_id = :agency AND c.number = n.e164 AND NOT c.is_test
           AND c.started_at >= greatest(n.state_at, :now - interval '180 days') AND c.started_at < :now) AS calls
FROM numbers n WHERE n.agency_id = :agency AND n.state IN ('soaking', 'resting') AND n.status = 'active'
ORDER BY n.id FOR UPDATE OF n SKIP LOCKED""")


def quiet_numbers(connection: Connection, agency_id: UUID, now: datetime) -> Sequence[Row[Any]]:
    """Numbers that soak or rest, with the calls that came nevertheless."""
    return connection.execute(_QUIET, {"agency": agency_id, "now": now}).all()


#: Calls of the last day that no visit explains, by number; and of the last thirty days, by pool. A call is explained by
#: any exposure that still held the number when it came.
_ORPHANS = text("""
WITH late AS MATERIALIZED (
    SELECT n.id, n.pool_id, n.client_id, c.caller, c.id AS call_id,
           c.started_at > CAST(:now AS timestamptz) - interval '1 day' AS is_recent
    FROM numbers n JOIN calls c ON c.agency_id = :agency AND c.number = n.e164 AND NOT c.is_test
        AND c.started_at > greatest(n.state_at, CAST(:now AS timestamptz) - interval '30 days') AND c.started_at <= :now
    WHERE n.agency_id = :agency AND n.state = 'in_pool' AND NOT EXISTS (
        SELECT FROM exposures e WHERE e.agency_id = :agency AND e.number_id = n.id
            AND e.shown_at <= c.started_at AND e.held_until >= c.started_at)
)
SELECT l.id, l.pool_id, l.client_id, count(*) FILTER (WHERE l.is_recent) AS orphans,
       count(DISTINCT coalesce(l.caller, l.call_id::text)) FILTER (WHERE l.is_recent) AS callers,
       (SELECT count(*) FROM late o WHERE o.pool_id = l.pool_id AND o.id <> l.id) AS pool_orphans,
       (SELECT sum(extract(epoch FROM CAST(:now AS timestamptz)
                                      - greatest(m.state_at, CAST(:now AS timestamptz) - interval '30 days')) / 86400)
        FROM numbers m WHERE m.agency_id = :agency AND m.pool_id = l.pool_id AND m.id <> l.id) AS pool_number_days
FROM late l GROUP BY l.id, l.pool_id, l.client_id HAVING count(*) FILTER (WHERE l.is_recent) > 0""")


def orphans(connection: Connection, agency_id: UUID, now: datetime) -> Sequence[Row[Any]]:
    """Numbers of pools with calls that no visit explains."""
    return connection.execute(_ORPHANS, {"agency": agency_id, "now": now}).all()


_BUSY = text("""
SELECT count(*) FILTER (WHERE n.free_from <= :now) AS free, count(*) FILTER (WHERE n.live_until > :now) AS live,
       count(*) FILTER (WHERE n.free_from > :now AND (n.live_until IS NULL OR n.live_until <= :now)) AS quiet
FROM pool_numbers n WHERE n.agency_id = :agency""")


def busy(connection: Connection, agency_id: UUID, now: datetime) -> Mapping[str, int]:
    """The agency's numbers in pools by what they do."""
    row = connection.execute(_BUSY, {"agency": agency_id, "now": now}).one()
    return dict(row._mapping)


def clients_with_pools(connection: Connection, agency_id: UUID) -> list[UUID]:
    """Of the agency, those with a pool that is open."""
    statement = select(pools.c.client_id).where(pools.c.agency_id == agency_id, pools.c.status == "active").distinct()
    return list(connection.execute(statement.order_by(pools.c.client_id)).scalars())


_PAGES = text("""
SELECT v.landing_page FROM visits v
WHERE v.agency_id = :agency AND v.client_id = :client AND v.started_at > :since AND v.landing_page <> ''
GROUP BY v.landing_page ORDER BY count(*) DESC, v.landing_page LIMIT :most""")


def landing_pages(connection: Connection, agency_id: UUID, client_id: UUID, since: datetime, most: int) -> list[str]:
    """Where visits began, those pages first that most did."""
    values = {"agency": agency_id, "client": client_id, "since": since, "most": most}
    return list(connection.execute(_PAGES, values).scalars())


def leased_numbers(connection: Connection, agency_id: UUID, client_id: UUID) -> list[str]:
    """The client's numbers in pools."""
    statement = select(numbers.c.e164).where(
        numbers.c.agency_id == agency_id, numbers.c.client_id == client_id, numbers.c.state == "in_pool"
    )
    return list(connection.execute(statement).scalars())


def lock_leased(connection: Connection, agency_id: UUID, e164s: Sequence[str]) -> Sequence[Row[Any]]:
    """Those that are in a pool still."""
    statement = (
        select(*numbers.c)
        .where(numbers.c.agency_id == agency_id, numbers.c.e164.in_(e164s), numbers.c.state == "in_pool")
        .order_by(numbers.c.id)
        .with_for_update()
    )
    return connection.execute(statement).all()

"""The statements that visitors wait for: lease, sign of life, leave. Each is one statement and a transaction of its
own, names ``agency_id`` wherever it touches a table (`tests/unit/db/test_hot_statements.py`), and walks through one
index in its order. Must not know what a visit is.
"""
# ruff: noqa: S608 (the parts of a statement are constants of this module)

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..db.prepared import Prepared, Ready
from .model import LIVE_S, Leased, Renewed

#: A node that its monitor has said nothing of for so long is taken for gone: it looks every 5 s.
SILENT_S = 15
#: With all monitors silent for so long, no node is known to serve, and visits see the site's own number.
LOST_S = 120

#: The pool, while it may be leased from; and whether any node could take the calls.
POOL = f"""
p AS MATERIALIZED (
    SELECT q.client_id, q.tail_s, q.rest_s, q.match_region, q.shares,
           NOT EXISTS (SELECT FROM nodes) OR EXISTS (
               SELECT FROM nodes x
               WHERE x.state <> 'down' AND x.last_seen_at > now() - interval '{LOST_S} s') AS reachable
    FROM pools q WHERE q.agency_id = $1 AND q.id = $2 AND q.status = 'active'
)"""

#: A visit that asks again goes on with what it has. Here and below a condition that no index is to serve says IS NOT
#: DISTINCT FROM: to a planner that knows little of a table an index over the pool looks as good as one over the visit,
#: and a lease then walks through all exposures of the pool (seen: 7,000 pages after 10,000 leases).
_MINE = """
mine AS (
    UPDATE exposures e SET seen_until = greatest(e.seen_until, $9),
           held_until = greatest(e.held_until, $9 + make_interval(secs => e.tail_s))
    FROM numbers u
    WHERE e.agency_id = $1 AND e.visit_id = $3 AND e.pool_id IS NOT DISTINCT FROM $2 AND e.held_until > $9
      AND u.agency_id = $1 AND u.id = e.number_id AND u.status = 'active'
    RETURNING e.number_id, e.rung, e.id, e.held_until
)"""

#: Nodes that numbers may be placed on, those that serve before the others, and of these the one whose number has rested
#: longest. '': numbers that nobody has placed yet.
_BY_NODE = f"""
(SELECT x.name, x.serves FROM (
     SELECT y.name, y.state = 'up' AND y.last_seen_at > now() - interval '{SILENT_S} s' AS serves FROM nodes y
     UNION ALL SELECT '', false) x
 ORDER BY x.serves DESC NULLS LAST,
     (SELECT o.free_from FROM pool_numbers o
      WHERE o.agency_id = $1 AND o.pool_id = $2 AND o.first_node = x.name %(where)s
      ORDER BY o.free_from LIMIT 1)) b"""

#: The number that has rested longest. Whoever is just being given away is passed over, not waited for.
_FREE = f"""
(SELECT n.number_id, 'exclusive', NULL::uuid, NULL::timestamptz%(more)s
 FROM p CROSS JOIN {_BY_NODE} CROSS JOIN LATERAL (
     SELECT n.number_id, n.free_from FROM pool_numbers n
     WHERE n.agency_id = $1 AND n.pool_id = $2 AND n.first_node = b.name AND n.free_from <= $9 %(and)s
     ORDER BY n.free_from LIMIT 1 FOR UPDATE SKIP LOCKED) n
 WHERE p.reachable %(asked)s LIMIT 1)"""
_FREE_ANYWHERE = _FREE % {"where": "", "and": "", "asked": "", "more": ""}
_ASKED_NEARBY = "AND p.match_region AND $7 IS NOT NULL"
_FREE_NEARBY = _FREE % {
    "where": "AND o.region = $7",
    "and": "AND n.region = $7",
    "asked": _ASKED_NEARBY,
    "more": "",
}

#: A visitor who comes back gets the number that nobody else has had since. To another visit of the same visitor that is
#: still there it is a shared one.
_BACK = """
(SELECT n.number_id,
        CASE WHEN n.shared_until > $9 OR (n.visit_id <> $3 AND n.live_until > $9) THEN 'shared' ELSE 'exclusive' END,
        NULL::uuid, NULL::timestamptz
 FROM p CROSS JOIN LATERAL (
     SELECT * FROM pool_numbers n WHERE n.agency_id = $1 AND n.visitor = $5 AND n.pool_id IS NOT DISTINCT FROM $2
     LIMIT 1 FOR UPDATE SKIP LOCKED) n
 WHERE p.reachable LIMIT 1)"""

#: None is free: the number that has been quiet for longest, and stays whose it is.
_SHARED = """
(SELECT n.number_id, 'shared', NULL::uuid, NULL::timestamptz
 FROM p CROSS JOIN (
     SELECT x.name FROM (SELECT y.name FROM nodes y UNION ALL SELECT '') x
     ORDER BY (SELECT o.free_from FROM pool_numbers o
               WHERE o.agency_id = $1 AND o.pool_id = $2 AND o.first_node = x.name AND o.free_from > $9
               ORDER BY o.free_from LIMIT 1)) b
 CROSS JOIN LATERAL (
     SELECT n.number_id FROM pool_numbers n
     WHERE n.agency_id = $1 AND n.pool_id = $2 AND n.first_node = b.name AND n.free_from > $9
     ORDER BY n.free_from LIMIT 1 FOR UPDATE SKIP LOCKED) n
 WHERE p.reachable AND p.shares LIMIT 1)"""

#: All of them are being given away at this moment: wait for one, and see what has become of it.
_WAITED = """
(SELECT n.number_id, CASE WHEN n.free_from > $9 THEN 'shared' ELSE 'exclusive' END, NULL::uuid, NULL::timestamptz
 FROM p CROSS JOIN LATERAL (
     SELECT n.number_id, n.free_from FROM pool_numbers n
     WHERE n.agency_id = $1 AND n.pool_id = $2 LIMIT 1 FOR UPDATE) n
 WHERE p.reachable AND p.shares LIMIT 1)"""

_RESERVED = """
(SELECT r.number_id, 'source', NULL::uuid, NULL::timestamptz
 FROM p CROSS JOIN pool_reserves r JOIN numbers u ON u.agency_id = $1 AND u.id = r.number_id AND u.status = 'active'
 WHERE p.reachable AND r.agency_id = $1 AND r.pool_id = $2 AND r.source IN ($8, '')
 ORDER BY r.source = '' LIMIT 1)"""

#: What becomes of a choice: the number is the visit's, and what it saw is kept.
_TAKEN = f"""
taken AS (
    UPDATE pool_numbers n SET
        free_from = greatest(n.free_from, $9 + make_interval(secs => p.tail_s + p.rest_s)),
        live_until = greatest(n.live_until, $9 + interval '{LIVE_S} s'),
        shared_until = CASE WHEN c.exposure_id IS NOT NULL THEN n.shared_until
                            WHEN c.rung = 'shared'
                            THEN greatest(n.shared_until, $9 + make_interval(secs => p.tail_s)) END,
        visit_id = CASE WHEN c.exposure_id IS NULL AND c.rung = 'exclusive' THEN $3 ELSE n.visit_id END,
        visitor = CASE WHEN c.exposure_id IS NULL AND c.rung = 'exclusive' THEN $5 ELSE n.visitor END
    FROM choice c CROSS JOIN p
    WHERE n.agency_id = $1 AND n.number_id = c.number_id AND n.pool_id = $2 AND c.rung IN ('exclusive', 'shared')
), kept AS (
    INSERT INTO exposures (agency_id, id, client_id, site_id, pool_id, number_id, visit_id, visit_started_at,
                           visitor_id, rung, shown_at, seen_until, held_until, tail_s)
    SELECT $1, $10, p.client_id, $6, $2, c.number_id, $3, $4, $11, c.rung, $9, $9,
           $9 + make_interval(secs => p.tail_s), p.tail_s
    FROM choice c CROSS JOIN p WHERE c.exposure_id IS NULL
    RETURNING held_until
)
SELECT c.number_id, u.e164, c.rung, coalesce(c.held_until, $9 + make_interval(secs => p.tail_s)),
       coalesce(c.exposure_id, $10)
FROM choice c CROSS JOIN p LEFT JOIN numbers u ON u.agency_id = $1 AND u.id = c.number_id"""
_TYPES = ("uuid", "uuid", "uuid", "timestamptz", "text", "uuid", "text", "text", "timestamptz", "uuid", "text")

#: The whole ladder.
LEASE = Prepared(
    "dialtrace_pool_lease",
    _TYPES,
    f"""
WITH {POOL}, {_MINE}, choice AS MATERIALIZED (
    SELECT * FROM (
        (SELECT m.number_id, m.rung, m.id, m.held_until FROM mine m CROSS JOIN p LIMIT 1)
        UNION ALL {_BACK}
        UNION ALL {_FREE_NEARBY}
        UNION ALL {_FREE_ANYWHERE}
        UNION ALL {_SHARED}
        UNION ALL {_WAITED}
        UNION ALL {_RESERVED}
        UNION ALL SELECT NULL, 'site', NULL, NULL FROM p
    ) rungs (number_id, rung, exposure_id, held_until) LIMIT 1
), {_TAKEN}""",
)

_SINCE = {"where": "AND o.free_from >= $12", "and": "AND n.free_from >= $12", "more": ", n.free_from"}
_NEW_NEARBY = _FREE % {
    "where": f"AND o.region = $7 {_SINCE['where']}",
    "and": f"AND n.region = $7 {_SINCE['and']}",
    "asked": _ASKED_NEARBY,
    "more": _SINCE["more"],
}
_NEW_ANYWHERE = _FREE % {**_SINCE, "asked": ""}

#: From where on the next such lease may look.
_TOLD = "coalesce(c.exposure_id, $10)"
_TOLD_SINCE = f"{_TOLD}, CASE WHEN NOT p.match_region THEN c.free_from END"

#: For a visit and a visitor that nobody has seen before, while there is a number that is free since $12 or later (see
#: `oldest`): most of what is asked, and half the work, since a server makes ready for every rung, whether it comes to
#: it or not. No row: the ladder decides.
LEASE_NEW = Prepared(
    "dialtrace_pool_lease_new",
    (*_TYPES, "timestamptz"),
    f"""
WITH {POOL}, choice AS MATERIALIZED (
    SELECT * FROM (
        {_NEW_NEARBY}
        UNION ALL {_NEW_ANYWHERE}
    ) rungs (number_id, rung, exposure_id, held_until, free_from) LIMIT 1
), {_TAKEN.replace(_TOLD, _TOLD_SINCE)}""",
)

#: Rows are locked in the order of their ids, exposures before numbers: two batches never wait for each other crosswise.
_RENEW = f"""
WITH due AS MATERIALIZED (
    SELECT e.id FROM exposures e
    WHERE e.agency_id = $1 AND e.visit_id = ANY($2) AND e.held_until > $3 ORDER BY e.id FOR UPDATE
), seen AS (
    UPDATE exposures e SET seen_until = greatest(e.seen_until, $3),
           held_until = greatest(e.held_until, $3 + make_interval(secs => e.tail_s))
    FROM due WHERE e.agency_id = $1 AND e.id = due.id
    RETURNING e.visit_id, e.number_id, e.rung, e.held_until
), held AS MATERIALIZED (
    SELECT s.number_id, max(s.held_until) AS held_until,
           max(s.held_until) FILTER (WHERE s.rung = 'shared') AS shared_until
    FROM seen s WHERE s.rung IN ('exclusive', 'shared') GROUP BY s.number_id
), locked AS MATERIALIZED (
    SELECT n.number_id, p.rest_s, h.held_until, h.shared_until
    FROM held h JOIN pool_numbers n ON n.agency_id = $1 AND n.number_id = h.number_id
    JOIN pools p ON p.agency_id = $1 AND p.id = n.pool_id
    ORDER BY n.number_id FOR UPDATE OF n
), moved AS (
    UPDATE pool_numbers n SET
        free_from = greatest(n.free_from, l.held_until + make_interval(secs => l.rest_s)),
        live_until = CASE WHEN NOT $4 THEN greatest(n.live_until, $3 + interval '{LIVE_S} s')
                          WHEN n.visit_id = ANY($2) THEN $3 ELSE n.live_until END,
        shared_until = greatest(n.shared_until, l.shared_until)
    FROM locked l WHERE n.agency_id = $1 AND n.number_id = l.number_id
)
SELECT s.visit_id, s.number_id, s.rung, s.held_until FROM seen s"""

RENEW = Prepared("dialtrace_pool_renew", ("uuid", "uuid[]", "timestamptz", "boolean"), _RENEW)

#: A number of a source's own that a visit is shown; a visit that asks again goes on with the row that it has.
_SHOW = """
WITH mine AS (
    UPDATE exposures e SET seen_until = greatest(e.seen_until, $8),
           held_until = greatest(e.held_until, $8 + make_interval(secs => e.tail_s))
    WHERE e.agency_id = $1 AND e.visit_id = $3 AND e.number_id IS NOT DISTINCT FROM $2 AND e.rung = 'static'
      AND e.held_until > $8
    RETURNING e.id, e.number_id, e.held_until
), kept AS (
    INSERT INTO exposures (agency_id, id, client_id, site_id, number_id, visit_id, visit_started_at, visitor_id, rung,
                           shown_at, seen_until, held_until, tail_s)
    SELECT $1, $7, u.client_id, $6, u.id, $3, $4, $5, 'static', $8, $8, $8 + make_interval(secs => $9), $9
    FROM numbers u WHERE u.agency_id = $1 AND u.id = $2 AND u.status = 'active' AND NOT EXISTS (SELECT FROM mine)
    RETURNING id, number_id, held_until
)
SELECT k.number_id, u.e164, 'static', k.held_until, k.id
FROM (SELECT * FROM mine UNION ALL SELECT * FROM kept LIMIT 1) k
JOIN numbers u ON u.agency_id = $1 AND u.id = k.number_id"""

SHOW = Prepared(
    "dialtrace_pool_show",
    ("uuid", "uuid", "uuid", "timestamptz", "text", "uuid", "uuid", "timestamptz", "integer"),
    _SHOW,
)

_CLICK = """
UPDATE exposures e SET clicked_at = coalesce(e.clicked_at, $4)
WHERE e.agency_id = $1 AND e.visit_id = $2 AND e.number_id IS NOT DISTINCT FROM $3 RETURNING e.id"""

CLICK = Prepared("dialtrace_pool_click", ("uuid", "uuid", "uuid", "timestamptz"), _CLICK)

#: All that visitors wait for, for the test that reads them.
HOT = (LEASE, LEASE_NEW, RENEW, SHOW, CLICK)


def lease(
    database: Database,
    agency_id: UUID | str,
    values: tuple[object, ...],
    *,
    first: Ready | None = None,
) -> Leased | None:
    """None: there is no such pool, or it is closed."""
    rows = database.at_once(agency_id, Ready(LEASE, values), first=first)
    return Leased(*ids_of(rows[0])) if rows else None


def lease_new(
    database: Database,
    agency_id: UUID | str,
    values: tuple[object, ...],
    since: datetime | None,
    *,
    first: Ready | None = None,
) -> tuple[Leased, datetime | None] | None:
    """For whoever can have no number yet: one that is free since ``since`` or later, and from when on the next such
    question may look; None: there is none, or no such pool."""
    rows = database.at_once(agency_id, Ready(LEASE_NEW, (*values, since or "-infinity")), first=first)
    if not rows:
        return None
    *leased, free_from = rows[0]
    return Leased(*ids_of(tuple(leased))), free_from


def renew(
    database: Database, agency_id: UUID | str, visit_ids: Sequence[str], now: datetime, *, leaving: bool
) -> list[Renewed]:
    """What the visits go on seeing. Whoever had let his number go gets no row. A sign of life that a power cut takes is
    made up for by the next one, long before the tail is over."""
    values = (str(agency_id), "{" + ",".join(visit_ids) + "}", now, leaving)
    rows = database.at_once(agency_id, Ready(RENEW, values), may_be_lost=True)
    return [Renewed(_id(row[0]), row[1] and _id(row[1]), row[2], row[3]) for row in rows]


def show(
    database: Database, agency_id: UUID | str, values: tuple[object, ...], *, first: Ready | None = None
) -> Leased | None:
    """None: there is no such number, or it is not in use."""
    rows = database.at_once(agency_id, Ready(SHOW, values), first=first)
    return Leased(*ids_of(rows[0])) if rows else None


def click(database: Database, agency_id: UUID | str, visit_id: UUID, number_id: UUID, now: datetime) -> bool:
    """Whether the visit has seen the number."""
    values = (str(agency_id), str(visit_id), str(number_id), now)
    return bool(database.at_once(agency_id, Ready(CLICK, values)))


def ids_of(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of a lease, with ids as such."""
    number_id, e164, rung, held_until, exposure_id = row
    return number_id and _id(number_id), e164, rung, held_until, _id(exposure_id)


def _id(value: UUID | str) -> UUID:
    """Only a connection of SQLAlchemy's reads ids as such."""
    return value if isinstance(value, UUID) else UUID(value)

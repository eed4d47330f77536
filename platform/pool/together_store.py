"""The statement that leases numbers to several new visits at once, and how they ask for it (`gathering`)."""
# ruff: noqa: S608 (the parts of a statement are constants of this room)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from ..db.engine import Database
from ..db.errors import TransactionConflict
from ..db.prepared import Prepared, Ready, as_array, together
from .errors import NotTogether
from .lease_store import POOL, SILENT_S, ids_of
from .model import LIVE_S, Leased

#: Visits that one statement gives numbers, and how many numbers of each node it looks at for that: of two processes
#: that lease from one pool at one moment the second passes over what the first has just taken. A planner that is told
#: no number of rows expects hundreds, and reads a whole table for them.
MOST_TOGETHER = 16
_LOOKED_AT = 2 * MOST_TOGETHER

#: What LEASE_NEW does for one visit, for several of one pool: $4 visits, $5 their beginnings, $6 what their visitors
#: are known by, $7 sites, $8 ids of the exposures, $9 visitors. The first of them is given the number that has rested
#: longest, and so on; one for whom none is left gets no row: the ladder decides. Not of pools that match regions.
LEASE_TOGETHER = Prepared(
    "dialtrace_pool_lease_together",
    (
        "uuid", "uuid", "timestamptz", "uuid[]", "timestamptz[]", "text[]", "uuid[]", "uuid[]", "text[]", "timestamptz",
    ),
    f"""
WITH {POOL}, asked AS MATERIALIZED (
    SELECT * FROM unnest($4, $5, $6, $7, $8, $9) WITH ORDINALITY
        a (visit_id, visit_started_at, visitor, site_id, exposure_id, visitor_id, turn)
), rested AS MATERIALIZED (
    SELECT o.number_id, row_number() OVER (ORDER BY b.serves DESC NULLS LAST, o.free_from) AS turn
    FROM p CROSS JOIN (
        SELECT y.name, y.state = 'up' AND y.last_seen_at > now() - interval '{SILENT_S} s' AS serves FROM nodes y
        UNION ALL SELECT '', false) b
    CROSS JOIN LATERAL (
        SELECT n.number_id, n.free_from FROM pool_numbers n
        WHERE n.agency_id = $1 AND n.pool_id = $2 AND n.first_node = b.name AND n.free_from <= $3
          AND n.free_from >= $10
        ORDER BY n.free_from LIMIT {_LOOKED_AT}) o
    WHERE p.reachable AND NOT p.match_region
    ORDER BY turn LIMIT {_LOOKED_AT}
), locked AS MATERIALIZED (
    SELECT n.number_id, n.free_from, r.turn
    FROM (SELECT * FROM rested ORDER BY turn) r CROSS JOIN LATERAL (
        SELECT n.number_id, n.free_from FROM pool_numbers n
        WHERE n.agency_id = $1 AND n.number_id = r.number_id AND n.pool_id IS NOT DISTINCT FROM $2
          AND n.free_from <= $3
        FOR UPDATE SKIP LOCKED) n
    LIMIT (SELECT count(*) FROM asked)
), choice AS MATERIALIZED (
    SELECT a.*, l.number_id, l.free_from
    FROM asked a JOIN (SELECT m.*, row_number() OVER (ORDER BY m.turn) AS place FROM locked m) l ON l.place = a.turn
), taken AS (
    UPDATE pool_numbers n SET
        free_from = greatest(n.free_from, $3 + make_interval(secs => p.tail_s + p.rest_s)),
        live_until = greatest(n.live_until, $3 + interval '{LIVE_S} s'),
        shared_until = NULL, visit_id = c.visit_id, visitor = c.visitor
    FROM choice c CROSS JOIN p
    WHERE n.agency_id = $1 AND n.number_id = c.number_id AND n.pool_id IS NOT DISTINCT FROM $2
), kept AS (
    INSERT INTO exposures (agency_id, id, client_id, site_id, pool_id, number_id, visit_id, visit_started_at,
                           visitor_id, rung, shown_at, seen_until, held_until, tail_s)
    SELECT $1, c.exposure_id, p.client_id, c.site_id, $2, c.number_id, c.visit_id, c.visit_started_at,
           c.visitor_id, 'exclusive', $3, $3, $3 + make_interval(secs => p.tail_s), p.tail_s
    FROM choice c CROSS JOIN p
)
SELECT c.turn, c.number_id, u.e164, 'exclusive', $3 + make_interval(secs => p.tail_s), c.exposure_id, c.free_from
FROM choice c CROSS JOIN p LEFT JOIN numbers u ON u.agency_id = $1 AND u.id = c.number_id""",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A lease that a visit asks for: the values of LEASE, and what is to be carried out with it."""

    values: tuple[Any, ...]
    first: Ready | None


def lease_together(
    database: Database, agency_id: UUID, pool_id: UUID, wanted: Sequence[Wanted], since: datetime | None
) -> list[tuple[Leased, datetime] | None]:
    """As :func:`lease_new`, for several visits in one transaction; each has its answer in its place. Raises
    NotTogether."""
    _, _, visits, begun, visitors, sites, _, _, moments, exposures, known = zip(
        *(one.values for one in wanted), strict=True
    )
    columns = (visits, begun, visitors, sites, exposures, known)
    values = (str(agency_id), str(pool_id), max(moments), *map(as_array, columns), since or "-infinity")
    first = together([one.first for one in wanted if one.first is not None])
    try:
        rows = database.at_once(agency_id, Ready(LEASE_TOGETHER, values), first=first)
    except (SQLAlchemyError, TransactionConflict, ValueError) as fault:
        raise NotTogether from fault
    found: list[tuple[Leased, datetime] | None] = [None] * len(wanted)
    for turn, *leased, free_from in rows:
        found[turn - 1] = Leased(*ids_of(tuple(leased))), free_from
    return found

"""SQL that prices calls: a batch by two statements, whatever its size. Money is `numeric` from the rate to the ledger's
lines, multiplied out exactly and rounded once. Every function takes a connection whose tenant, a whole agency, is set
already, and which holds the agency's turn (:func:`take_turn`). Must not know what follows from a price.

How a call is priced. Its **parts**: the minutes of the number that was dialled, those of each leg that went out by a
trunk, the check of its caller. Each part is priced for both **sides**: by the client's book (what it pays its agency)
and by the agency's (what it pays the operator). Of a book the edition counts that is valid at the call's start, of its
rates the one with the longest prefix. Seconds are rounded up to the rate's intervals, what is left of a free package is
taken off in the order of the calls' starts, and the rest costs something.

The planner knows nothing of how many rows come out of a step, and would walk through lists in lists. So nested loops
are off, and stand only where a lookup by key is written as one (LATERAL with OFFSET or LIMIT).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

#: Calls that the agency's event log tells of between two positions.
_TOLD = """
    SELECT DISTINCT e.call_id AS id, CAST(e.data ->> 'started_at' AS timestamptz) AS started_at FROM events e
    WHERE e.agency_id = %(agency)s AND e.position > %(after)s AND e.position <= %(until)s
      AND e.type IN ('call.ended', 'call.revised')"""
#: Calls of one client that began within a span.
_SPAN = """
    SELECT k.id, k.started_at FROM calls k WHERE k.agency_id = %(agency)s AND k.client_id = %(client)s
      AND k.started_at >= %(from_at)s AND k.started_at < %(until_at)s"""
_UNRATED = "AND c.cost_revision IS DISTINCT FROM c.revision"

# A leg's own address tells the number that was dialled, unless its trunk writes numbers in a way of its own.
_DIALLED = r"""coalesce(substring(l.address FROM '^sips?:(\+[1-9][0-9]{4,14})[@;]'),
    (SELECT substr(t.address, 5) FROM targets t
     WHERE t.agency_id = %(agency)s AND t.id = l.target_id AND t.address LIKE 'tel:+%%'),
    '+' || substring(l.address FROM '^sips?:([1-9][0-9]{4,14})[@;]'), '')"""

_PRICING = """
WITH RECURSIVE due AS MATERIALIZED (
    SELECT c.* FROM (@SOURCE@) told CROSS JOIN LATERAL (
        SELECT c.id, c.started_at, c.client_id, c.revision, c.cost_revision, c.number, c.billed_ms, c.spam_score
        FROM calls c WHERE c.agency_id = %(agency)s AND c.id = told.id AND c.started_at = told.started_at
          AND NOT c.is_test @WANTED@ LIMIT 1) c
    WHERE EXISTS (SELECT FROM billing_accounts a WHERE a.agency_id = %(agency)s AND a.scope_id = %(agency)s)
       OR c.client_id IN (SELECT a.scope_id FROM billing_accounts a WHERE a.agency_id = %(agency)s)
), parts AS (
    SELECT d.id, d.started_at, d.client_id, 0 AS part, 'minute' AS meter, 'inbound' AS direction, d.number AS dialled,
           (d.billed_ms + 999) / 1000 AS quantity
    FROM due d WHERE d.billed_ms > 0
    UNION ALL
    SELECT d.id, d.started_at, d.client_id, l.part, 'minute', 'outbound', l.dialled, l.quantity
    FROM due d CROSS JOIN LATERAL (
        SELECT CAST(row_number() OVER (ORDER BY l.connected_at, l.id) AS integer) AS part, @DIALLED@ AS dialled,
               (l.talk_ms + 999) / 1000 AS quantity
        FROM legs l WHERE l.agency_id = %(agency)s AND l.call_id = d.id AND l.call_started_at = d.started_at
          AND l.trunk IS NOT NULL AND l.talk_ms > 0 LIMIT 999) l
    UNION ALL
    SELECT d.id, d.started_at, d.client_id, 1000, 'spam_check', '', '', 1 FROM due d WHERE d.spam_score IS NOT NULL
), accounts AS MATERIALIZED (
    SELECT a.scope_id, a.currency, a.time_zone, CASE WHEN a.client_id IS NULL THEN 'agency' ELSE 'client' END AS side,
           CASE WHEN CAST(%(book)s AS uuid) IS NOT NULL AND (a.client_id IS NULL) = (%(book_side)s = 'agency')
                THEN CAST(%(book)s AS uuid) ELSE a.price_book_id END AS book_id
    FROM billing_accounts a WHERE a.agency_id = %(agency)s
), editions AS MATERIALIZED (
    SELECT e.book_id, e.edition, e.places, e.rounding, e.valid_from,
           lead(e.valid_from, 1, 'infinity') OVER (PARTITION BY e.book_id ORDER BY e.valid_from) AS valid_until
    FROM (SELECT DISTINCT ON (p.book_id, p.valid_from) p.* FROM price_editions p WHERE p.agency_id = %(agency)s
          ORDER BY p.book_id, p.valid_from, p.edition DESC) e
), charged AS MATERIALIZED (
    SELECT p.*, a.scope_id, a.side, a.currency, a.time_zone, a.book_id, coalesce(e.edition, 0) AS edition,
           coalesce(e.places, 6) AS places, coalesce(e.rounding, 'half_up') AS rounding
    FROM (SELECT q.*, q.client_id AS payer FROM parts q
          UNION ALL SELECT q.*, CAST(%(agency)s AS uuid) FROM parts q) p
    JOIN accounts a ON a.scope_id = p.payer AND a.book_id IS NOT NULL
    LEFT JOIN editions e ON e.book_id = a.book_id AND e.valid_from <= p.started_at AND p.started_at < e.valid_until
), wanted AS MATERIALIZED (
    SELECT DISTINCT c.book_id, c.edition, c.meter, c.direction, c.dialled FROM charged c
), rates AS MATERIALIZED (
    SELECT w.*, r.prefix, r.amount AS price, r.setup, r.minimum, r.initial_s, r.increment_s, r.package
    FROM wanted w CROSS JOIN LATERAL (
        SELECT r.* FROM price_rates r
        WHERE r.agency_id = %(agency)s AND r.book_id = w.book_id AND r.edition = w.edition AND r.meter = w.meter
          AND r.direction = w.direction
          AND r.prefix = ANY (ARRAY(SELECT left(w.dialled, n) FROM generate_series(0, least(length(w.dialled), 15)) n))
        ORDER BY length(r.prefix) DESC LIMIT 1) r
), measured AS (
    SELECT c.*, r.prefix, r.price, r.setup, r.minimum, r.package,
           CAST(date_trunc('month', c.started_at AT TIME ZONE c.time_zone) AS date) AS month,
           CASE WHEN r.prefix IS NULL OR c.meter <> 'minute' THEN c.quantity
                WHEN c.quantity <= r.initial_s THEN r.initial_s
                ELSE r.initial_s
                  + (c.quantity - r.initial_s + r.increment_s - 1) / r.increment_s * r.increment_s END AS units
    FROM charged c LEFT JOIN rates r ON r.book_id = c.book_id AND r.edition = c.edition AND r.meter = c.meter
      AND r.direction = c.direction AND r.dialled = c.dialled
), old AS MATERIALIZED (
    -- Charges that hold so far: those of the last rating.
    SELECT h.*, a.scope_id, a.time_zone,
           CAST(date_trunc('month', h.call_started_at AT TIME ZONE a.time_zone) AS date) AS month
    FROM due d CROSS JOIN LATERAL (
        SELECT h.*, max(h.rating) OVER () AS last_rating FROM call_charges h
        WHERE h.agency_id = %(agency)s AND h.call_id = d.id OFFSET 0) h
    JOIN accounts a ON a.scope_id = CASE h.side WHEN 'agency' THEN CAST(%(agency)s AS uuid) ELSE h.client_id END
    WHERE d.cost_revision IS NOT NULL AND h.kind = 'charge' AND h.rating = h.last_rating
), asked_of_packages AS MATERIALIZED (
    -- What the calls of each edition want of a month's package. A month may have more than one edition, and each has
    -- its own size of the package: what an earlier edition's calls wanted and did not get is not used up in the next.
    SELECT m.scope_id, m.book_id, m.package, m.month, m.edition, p.quantity, sum(m.units) AS units,
           row_number() OVER (PARTITION BY m.scope_id, m.book_id, m.package, m.month
                              ORDER BY min(m.started_at)) AS place
    FROM measured m
    JOIN price_packages p ON p.agency_id = %(agency)s AND p.book_id = m.book_id AND p.edition = m.edition
      AND p.name = m.package
    GROUP BY 1, 2, 3, 4, 5, 6
), begun AS (
    SELECT w.*, CAST(coalesce(u.used, 0) - coalesce(b.free, 0) AS numeric) AS used
    FROM asked_of_packages w
    LEFT JOIN package_use u ON u.agency_id = %(agency)s AND u.scope_id = w.scope_id AND u.book_id = w.book_id
      AND u.package = w.package AND u.month = w.month
    -- What these very calls have taken so far is free again.
    LEFT JOIN (SELECT o.scope_id, o.book_id, o.package, o.month, sum(o.free) AS free FROM old o
               WHERE o.package IS NOT NULL GROUP BY 1, 2, 3, 4) b
      ON b.scope_id = w.scope_id AND b.book_id = w.book_id AND b.package = w.package AND b.month = w.month
    WHERE w.place = 1
    UNION ALL
    SELECT w.*, greatest(b.used, least(b.used + b.units, b.quantity))
    FROM begun b JOIN asked_of_packages w ON w.scope_id = b.scope_id AND w.book_id = b.book_id
      AND w.package = b.package AND w.month = b.month AND w.place = b.place + 1
), taken_off AS (
    SELECT m.*, CAST(greatest(0, least(m.units, b.quantity - b.used
             - (sum(m.units) OVER (PARTITION BY m.scope_id, m.book_id, m.package, m.month, m.edition
                                   ORDER BY m.started_at, m.id, m.part) - m.units))) AS bigint) AS free
    FROM measured m
    JOIN begun b ON b.scope_id = m.scope_id AND b.book_id = m.book_id AND b.package = m.package AND b.month = m.month
      AND b.edition = m.edition
    UNION ALL
    SELECT m.*, 0 FROM measured m WHERE m.package IS NULL
), scaled AS (
    -- An amount is whole / per, in units of the last place that is kept.
    SELECT t.*, CASE t.meter WHEN 'minute' THEN 60 ELSE 1 END AS per,
           (t.setup * CASE t.meter WHEN 'minute' THEN 60 ELSE 1 END + t.price * (t.units - t.free))
             * (ARRAY[1, 10, 100, 1000, 10000, 100000, 1000000])[t.places + 1] AS whole
    FROM taken_off t
), divided AS (
    SELECT s.*, div(s.whole, s.per) AS quotient, s.whole - div(s.whole, s.per) * s.per AS rest FROM scaled s
), priced AS MATERIALIZED (
    SELECT d.*, CASE WHEN d.price IS NULL OR d.units = d.free THEN 0 ELSE greatest(d.minimum,
        (d.quotient + CASE d.rounding
            WHEN 'down' THEN 0
            WHEN 'up' THEN CASE WHEN d.rest > 0 THEN 1 ELSE 0 END
            WHEN 'half_up' THEN CASE WHEN 2 * d.rest >= d.per THEN 1 ELSE 0 END
            ELSE CASE WHEN 2 * d.rest > d.per OR (2 * d.rest = d.per AND d.quotient %% 2 = 1) THEN 1 ELSE 0 END END)
        * (ARRAY[1, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001])[d.places + 1]) END AS amount
    FROM divided d
), differing AS MATERIALIZED (
    -- Calls that had a price and now have another.
    SELECT DISTINCT b.id FROM (
        SELECT o.call_id AS id, o.side, o.part, o.quantity, o.free, o.amount, o.currency, 1 AS sign FROM old o
        UNION ALL
        SELECT p.id, p.side, p.part, p.units, p.free, p.amount, p.currency, -1
        FROM priced p JOIN due d ON d.id = p.id AND d.cost_revision IS NOT NULL) b
    GROUP BY b.id, b.side, b.part, b.quantity, b.free, b.amount, b.currency HAVING sum(b.sign) <> 0
), totals AS MATERIALIZED (
    SELECT d.id, d.started_at, d.revision, d.cost_revision IS NULL OR x.id IS NOT NULL AS differs,
           CASE WHEN a.book_id IS NOT NULL THEN coalesce(s.amount, 0) END AS cost,
           CASE WHEN a.book_id IS NOT NULL THEN a.currency END AS currency
    FROM due d LEFT JOIN accounts a ON a.scope_id = d.client_id LEFT JOIN differing x ON x.id = d.id
    LEFT JOIN (SELECT p.id, sum(p.amount) AS amount FROM priced p WHERE p.side = 'client' GROUP BY p.id) s
      ON s.id = d.id
), moving AS MATERIALIZED (
    SELECT p.scope_id, p.time_zone, p.month, p.id AS call_id, p.side, 'charge' AS kind, p.part, p.client_id,
           p.started_at AS call_started_at, t.revision + %(bump)s AS call_revision, p.meter, p.direction, p.prefix,
           p.price, p.units AS quantity, p.free, p.package, p.amount, p.currency, p.book_id, p.edition
    FROM priced p JOIN totals t ON t.id = p.id AND t.differs
    UNION ALL
    SELECT o.scope_id, o.time_zone, o.month, o.call_id, o.side, 'reversal', o.part, o.client_id, o.call_started_at,
           t.revision + %(bump)s, o.meter, o.direction, o.prefix, o.price, -o.quantity, -o.free, o.package, -o.amount,
           o.currency, o.book_id, o.edition
    FROM old o JOIN totals t ON t.id = o.call_id AND t.differs
), ratings AS (
    SELECT d.id, h.rating FROM due d CROSS JOIN LATERAL (
        SELECT max(h.rating) AS rating FROM call_charges h WHERE h.agency_id = %(agency)s AND h.call_id = d.id) h
    WHERE d.cost_revision IS NOT NULL
), kept AS (
    INSERT INTO call_charges (agency_id, call_id, side, rating, kind, part, client_id, call_started_at, call_revision,
        meter, direction, prefix, price, quantity, free, package, amount, currency, book_id, edition, batch)
    SELECT %(agency)s, v.call_id, v.side, coalesce(r.rating, 0) + 1, v.kind, v.part, v.client_id, v.call_started_at,
           v.call_revision, v.meter, v.direction, v.prefix, v.price, v.quantity, v.free, v.package, v.amount,
           v.currency, v.book_id, v.edition, %(batch)s
    FROM moving v LEFT JOIN ratings r ON r.id = v.call_id
), used AS (
    INSERT INTO package_use AS u (agency_id, scope_id, book_id, package, month, used)
    SELECT %(agency)s, v.scope_id, v.book_id, v.package, v.month, sum(v.free) FROM moving v
    WHERE v.package IS NOT NULL GROUP BY v.scope_id, v.book_id, v.package, v.month HAVING sum(v.free) <> 0
    ON CONFLICT (agency_id, scope_id, book_id, package, month) DO UPDATE SET used = u.used + excluded.used
), lines AS (
    SELECT v.scope_id, v.side, CAST(v.call_started_at AT TIME ZONE v.time_zone AS date) AS day, v.meter, v.direction,
           v.prefix, v.price, v.currency, sum(CASE v.kind WHEN 'charge' THEN 1 ELSE -1 END) AS count,
           sum(v.quantity) AS quantity, sum(v.free) AS free, sum(v.amount) AS amount
    FROM moving v GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
)
SELECT (SELECT count(*) FROM totals) AS calls, m.*, (
    SELECT coalesce(jsonb_agg(jsonb_build_object('scope_id', l.scope_id, 'side', l.side, 'day', l.day,
        'meter', l.meter, 'direction', l.direction, 'prefix', l.prefix, 'price', CAST(l.price AS text),
        'currency', l.currency, 'count', l.count, 'quantity', l.quantity, 'free', l.free,
        'amount', CAST(l.amount AS text)) ORDER BY l.scope_id, l.day, l.meter, l.direction, l.prefix, l.price), '[]')
    FROM lines l) AS lines
FROM (SELECT count(*) FILTER (WHERE t.differs) AS changed, count(*) AS marked, CAST(array_agg(t.id) AS text) AS ids,
             CAST(array_agg(t.started_at) AS text) AS starts, CAST(array_agg(t.revision) AS text) AS revisions,
             CAST(array_agg(t.cost) AS text) AS costs, CAST(array_agg(t.currency) AS text) AS currencies
      FROM totals t WHERE @MARKED@) m
"""

_MARKING = """
WITH marked AS (
    UPDATE calls c SET cost = t.cost, cost_currency = t.currency, cost_revision = c.revision + %(bump)s,
        revision = c.revision + %(bump)s, updated_at = now()
    FROM unnest(CAST(%(ids)s AS uuid[]), CAST(%(starts)s AS timestamptz[]), CAST(%(revisions)s AS integer[]),
                CAST(%(costs)s AS numeric[]), CAST(%(currencies)s AS text[]))
         AS t (id, started_at, revision, cost, currency)
    WHERE c.agency_id = %(agency)s AND c.id = t.id AND c.started_at = t.started_at AND c.revision = t.revision
    RETURNING c.id, c.client_id, c.started_at, c.ended_at, c.revision
), told AS (
    INSERT INTO events (agency_id, id, client_id, type, call_id, revision, occurred_at, data)
    SELECT %(agency)s, gen_random_uuid(), m.client_id, 'call.revised', m.id, m.revision,
           coalesce(m.ended_at, m.started_at),
           jsonb_build_object('started_at',
               to_char(m.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'))
    FROM marked m WHERE %(bump)s > 0
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM marked
"""


def _made(source: str, *, wanted: str, marked: str) -> str:
    parts = {"@SOURCE@": source, "@WANTED@": wanted, "@MARKED@": marked, "@DIALLED@": _DIALLED}
    statement = _PRICING
    for mark, part in parts.items():
        statement = statement.replace(mark, part)
    return statement


_PRICE_TOLD = _made(_TOLD, wanted=_UNRATED, marked="true")
#: Only what changes is a revision.
_PRICE_SPAN = _made(_SPAN, wanted="", marked="t.differs")

# The planner's guesses are of no use here (see above); compiling such a statement takes longer than running it.
_PLANNING = "SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'"
_PLANNED = "SET LOCAL enable_nestloop = on"


@dataclass(frozen=True, kw_only=True)
class Priced:
    """What a batch came to. ``calls``: how many were looked at; ``changed``: how many have charges that they had not.
    ``lines``: sums by payer, day, meter, direction, prefix and price, amounts as decimal texts."""

    calls: int
    changed: int
    lines: Sequence[Mapping[str, Any]]
    #: Whether every call was still as it was priced; False: roll back, and price them anew.
    is_current: bool


def take_turn(connection: Connection, agency_id: uuid.UUID) -> int | None:
    """How far the agency's log is rated; nobody else rates its calls until the transaction ends. None: it has no
    account, so nothing is to be rated."""
    statement = "SELECT position FROM rating_places WHERE agency_id = %s FOR UPDATE"
    found: int | None = connection.exec_driver_sql(statement, (agency_id,)).scalar()
    return found


def move_place(connection: Connection, agency_id: uuid.UUID, position: int) -> None:
    connection.exec_driver_sql(
        "UPDATE rating_places SET position = %s, rated_at = now() WHERE agency_id = %s", (position, agency_id)
    )


def price_told(connection: Connection, agency_id: uuid.UUID, *, after: int, until: int, batch: uuid.UUID) -> Priced:
    """Prices the calls that the log tells of, unless this revision of them is priced already."""
    values = {"agency": agency_id, "after": after, "until": until, "batch": batch, "book": None, "book_side": ""}
    return _price(connection, _PRICE_TOLD, values | {"bump": 0})


def price_span(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID,
    *,
    from_at: datetime,
    until_at: datetime,
    batch: uuid.UUID,
    book: tuple[uuid.UUID, str] | None = None,
) -> Priced:
    """Prices a client's calls of a span anew, all at once, so that packages are taken off in the order of their starts.
    A call whose price changes gets a revision and its event. ``book``: instead of the account's, and of which side."""
    values = {
        "agency": agency_id, "client": client_id, "from_at": from_at, "until_at": until_at, "batch": batch,
        "book": book[0] if book else None, "book_side": book[1] if book else "",
    }  # fmt: skip
    return _price(connection, _PRICE_SPAN, values | {"bump": 1})


def _price(connection: Connection, statement: str, values: dict[str, Any]) -> Priced:
    connection.exec_driver_sql(_PLANNING)
    row = connection.exec_driver_sql(statement, values).one()
    connection.exec_driver_sql(_PLANNED)
    marked = 0
    if row.marked:
        given = {name: getattr(row, name) for name in ("ids", "starts", "revisions", "costs", "currencies")}
        marking = given | {"agency": values["agency"], "bump": values["bump"]}
        marked = connection.exec_driver_sql(_MARKING, marking).scalar_one()
    return Priced(calls=row.calls, changed=row.changed, lines=row.lines, is_current=marked == row.marked)

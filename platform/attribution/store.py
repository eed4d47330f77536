"""SQL of attribution. Whatever a batch of calls needs is read by one statement and written by one; both are prepared,
name the agency, and travel as JSON, so that their text is the same whatever the number of calls.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ..db.prepared import Prepared
from ..db.tables import (
    agencies,
    attribution_due,
    attributions,
    calls,
    touches,
)
from .curve import MOST_HOLDERS
from .model import SOURCE_FIELDS

Row = Mapping[str, Any]

#: Earlier calls of one caller that are looked at.
_MOST_EARLIER = 50
_MOST_CORRECTIONS = 100
_WORDS = ", ".join(SOURCE_FIELDS)
_OF_VISIT = ", ".join(f"v.{name}" for name in SOURCE_FIELDS)
_LATEST = (
    "NOT EXISTS (SELECT FROM attributions b WHERE b.agency_id = $1 AND b.call_id = a.call_id"
    " AND b.revision > a.revision)"
)

_EXPOSURES = f"""
SELECT json_agg(one ORDER BY one.shown_at DESC) FROM (
    SELECT e.visit_id, e.visit_started_at, coalesce(e.visitor_id, v.visitor_id::text) AS visitor_id, e.site_id, e.rung,
           e.shown_at, e.seen_until, e.clicked_at, v.device, v.region, {_OF_VISIT},
           (SELECT max(a.probability) FROM attributions a
            JOIN calls c ON c.agency_id = $1 AND c.id = a.call_id AND c.started_at = a.call_started_at
            WHERE a.agency_id = $1 AND a.visit_id = e.visit_id AND a.call_started_at < w.started_at
              AND c.caller IS DISTINCT FROM w.caller AND {_LATEST}) AS called_by_other
    FROM exposures e
    LEFT JOIN visits v ON v.agency_id = $1 AND v.id = e.visit_id AND v.started_at = e.visit_started_at
    WHERE e.agency_id = $1 AND e.number_id = w.number_id
      AND e.shown_at <= w.started_at AND e.shown_at > w.started_at - interval '90 days'
    ORDER BY e.shown_at DESC LIMIT {MOST_HOLDERS}) one
"""  # noqa: S608
_EARLIER = f"""
SELECT json_agg(one ORDER BY one.started_at) FROM (
    SELECT c.id, c.started_at, c.number_id, a.method, a.visit_id, a.visit_started_at, a.visitor_id, a.candidates,
           a.source, a.channel, a.medium, a.campaign, a.content, a.keyword
    FROM calls c
    LEFT JOIN LATERAL (SELECT * FROM attributions a WHERE a.agency_id = $1 AND a.call_id = c.id
                       ORDER BY a.revision DESC LIMIT 1) a ON true
    WHERE w.caller IS NOT NULL AND c.agency_id = $1 AND c.caller = w.caller AND c.client_id = w.client_id
      AND c.started_at < w.started_at AND c.started_at > w.started_at - interval '365 days' AND NOT c.is_test
      AND EXISTS (SELECT FROM exposures e WHERE e.agency_id = $1 AND e.number_id = w.number_id)
    ORDER BY c.started_at DESC LIMIT {_MOST_EARLIER}) one
"""  # noqa: S608
_CORRECTIONS = f"""
SELECT json_agg(one ORDER BY one.said_at, one.id) FROM (
    SELECT x.id, x.kind, x.said_at, x.visit_id, x.visit_started_at, v.visitor_id, v.site_id,
           {", ".join(f"coalesce(x.{name}, v.{name}) AS {name}" for name in SOURCE_FIELDS)},
           (x.channel IS NOT NULL OR x.source IS NOT NULL) AS names_source
    FROM corrections x
    LEFT JOIN visits v ON v.agency_id = $1 AND v.id = x.visit_id AND v.started_at = x.visit_started_at
    WHERE x.agency_id = $1 AND x.call_id = w.call_id
    ORDER BY x.said_at DESC LIMIT {_MOST_CORRECTIONS}) one
"""  # noqa: S608
_CODE = f"""
SELECT to_json(one) FROM (
    SELECT p.visit_id, p.visit_started_at, v.visitor_id, v.site_id, {_OF_VISIT} FROM promo_codes p
    LEFT JOIN visits v ON v.agency_id = $1 AND v.id = p.visit_id AND v.started_at = p.visit_started_at
    WHERE w.code IS NOT NULL AND p.agency_id = $1 AND p.client_id = w.client_id AND p.code = w.code
      AND w.started_at BETWEEN p.given_at AND p.expires_at) one
"""  # noqa: S608
_NUMBER = f"""
SELECT to_json(one) FROM (SELECT n.kind, {", ".join(f"n.{name}" for name in SOURCE_FIELDS)} FROM numbers n
                          WHERE n.agency_id = $1 AND n.id = w.number_id) one
"""  # noqa: S608
_READ = Prepared(
    "dialtrace_read_for_attribution",
    ("uuid", "json"),
    f"""SELECT w.call_id, ({_EXPOSURES}) AS exposures, ({_EARLIER}) AS earlier, ({_CORRECTIONS}) AS corrections,
        ({_CODE}) AS code, ({_NUMBER}) AS number
    FROM json_to_recordset($2) AS w
        (call_id uuid, client_id uuid, started_at timestamptz, number_id uuid, caller text, code text)""",  # noqa: S608
)

# Subqueries, not joins: a plan that is made while the tables are small, and kept, must not read them whole later.
_READ_NUMBERS = Prepared(
    "dialtrace_read_numbers_for_attribution",
    ("uuid", "json"),
    f"""SELECT w.number_id, ({_NUMBER}) AS number, coalesce((SELECT true FROM exposures e
            WHERE e.agency_id = $1 AND e.number_id = w.number_id LIMIT 1), false) AS is_shown
    FROM json_to_recordset($2) AS w (number_id uuid)""",  # noqa: S608
)
_FIND_CORRECTED = Prepared(
    "dialtrace_find_corrected",
    ("uuid", "json"),
    """SELECT w.call_id FROM json_to_recordset($2) AS w (call_id uuid)
    WHERE (SELECT true FROM corrections x WHERE x.agency_id = $1 AND x.call_id = w.call_id LIMIT 1)""",
)

_COLUMNS = tuple(column.name for column in attributions.c if column.name not in {"revision", "made_at"})
_PUT = Prepared(
    "dialtrace_put_attributions",
    ("uuid", "json"),
    f"""WITH told AS (SELECT * FROM json_populate_recordset(NULL::attributions, $2)),
    made AS (
        INSERT INTO attributions ({", ".join(_COLUMNS)}, revision)
        SELECT {", ".join(f"t.{name}" for name in _COLUMNS)}, coalesce(last.revision, 0) + 1 FROM told t
        LEFT JOIN LATERAL (SELECT a.revision, a.digest FROM attributions a
                           WHERE a.agency_id = $1 AND a.call_id = t.call_id
                           ORDER BY a.revision DESC LIMIT 1) last ON true
        WHERE last.digest IS DISTINCT FROM t.digest
        ON CONFLICT DO NOTHING
        RETURNING call_id, revision, client_id, call_started_at, visit_id, candidates),
    due AS (
        INSERT INTO attribution_due (agency_id, call_id, what, client_id, call_started_at)
        SELECT $1, m.call_id, 'touches', m.client_id, m.call_started_at FROM made m
        WHERE m.visit_id IS NOT NULL OR m.candidates <> '[]'
        ON CONFLICT DO NOTHING)
    SELECT call_id, revision FROM made""",  # noqa: S608
)


def _document(rows: Sequence[Row]) -> str:
    """Bytes as PostgreSQL reads them out of JSON."""
    plain = [
        {name: "\\x" + value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
        for row in rows
    ]
    return msgspec.json.encode(plain).decode()


# --- What a match needs, and what it brings. ---


def bound_reading(connection: Connection, timeout_ms: int) -> None:
    """Statements of this transaction take no longer."""
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(timeout_ms)}")


def read_numbers(
    connection: Connection, agency_id: uuid.UUID, numbers: Iterable[uuid.UUID | None]
) -> dict[uuid.UUID | None, tuple[Row | None, bool]]:
    """Number → its kind and source (None: nobody has it), and whether any page ever showed it."""
    document = msgspec.json.encode([{"number_id": number} for number in set(numbers)]).decode()
    found = _READ_NUMBERS.run(connection, agency_id, document)
    return {row.number_id: (row.number, row.is_shown) for row in found}


def find_corrected(connection: Connection, agency_id: uuid.UUID, calls: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the calls of which somebody has said something."""
    document = msgspec.json.encode([{"call_id": call} for call in calls]).decode()
    return set(_FIND_CORRECTED.run(connection, agency_id, document).scalars())


def read_around(connection: Connection, agency_id: uuid.UUID, wanted: Sequence[Row]) -> dict[uuid.UUID, Row]:
    """Call → exposures, earlier calls, corrections, the visit of its code and its number, for calls that are told by
    ``call_id, client_id, started_at, number_id, caller, code``."""
    if not wanted:
        return {}
    found = _READ.run(connection, agency_id, msgspec.json.encode(wanted).decode()).mappings()
    return {row["call_id"]: dict(row) for row in found}


def put(connection: Connection, agency_id: uuid.UUID, rows: Sequence[Row]) -> dict[uuid.UUID, int]:
    """Adds attributions that differ from the last revision of their call; call → its new revision."""
    if not rows:
        return {}
    return {row.call_id: row.revision for row in _PUT.run(connection, agency_id, _document(rows))}


def find_calls(connection: Connection, agency_id: uuid.UUID, keys: Sequence[tuple[uuid.UUID, datetime]]) -> list[Row]:
    """What the record says of these calls: facts for matching."""
    if not keys:
        return []
    query = select(
        calls.c.id,
        calls.c.client_id,
        calls.c.started_at,
        calls.c.number_id,
        calls.c.caller,
        calls.c.is_test,
        calls.c.facts,
    ).where(
        calls.c.agency_id == agency_id,
        calls.c.id.in_([one for one, _ in keys]),
        calls.c.started_at.in_([started for _, started in keys]),
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def find_call(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID
) -> Row | None:
    """One call by its id."""
    query = select(calls.c.id, calls.c.client_id, calls.c.started_at).where(
        calls.c.agency_id == agency_id, calls.c.id == call_id
    )
    if client_id is not None:
        query = query.where(calls.c.client_id == client_id)
    row = connection.execute(query.order_by(calls.c.started_at.desc()).limit(1)).mappings().first()
    return dict(row) if row else None


def find_revisions(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> list[Row]:
    """All revisions of a call's attribution, the first first."""
    query = select(attributions).where(attributions.c.agency_id == agency_id, attributions.c.call_id == call_id)
    return [dict(row) for row in connection.execute(query.order_by(attributions.c.revision)).mappings()]


_CURRENT = text(
    "SELECT DISTINCT ON (a.call_id) a.call_id, a.revision, a.made_at, a.method, a.rung, a.visit_id,"  # noqa: S608
    f" a.visit_started_at, a.probability, {', '.join(f'a.{name}' for name in SOURCE_FIELDS)}, a.source_probability"
    " FROM attributions a WHERE a.agency_id = :agency AND a.call_id = ANY (CAST(:calls AS uuid[]))"
    " ORDER BY a.call_id, a.revision DESC"
)


def find_current(connection: Connection, agency_id: uuid.UUID, call_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row]:
    """Call → the last revision of its attribution."""
    if not call_ids:
        return {}
    found = connection.execute(_CURRENT, {"agency": agency_id, "calls": [str(one) for one in call_ids]})
    return {row["call_id"]: dict(row) for row in found.mappings()}


_COPIED = ", ".join(column.name for column in attributions.c if column.name not in {"revision", "made_at"})
_COPY = text(
    f"INSERT INTO attributions (revision, {_COPIED}) SELECT a.revision + 1, {_COPIED} FROM attributions a"  # noqa: S608
    " WHERE a.agency_id = :agency AND a.call_id = :call ORDER BY a.revision DESC LIMIT 1 RETURNING *"
)


def copy_revision(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> Row:
    """A revision that says the same as the last one, for touches that were found since."""
    return dict(connection.execute(_COPY, {"agency": agency_id, "call": call_id}).mappings().one())


# --- What is due. ---


def agencies_due(connection: Connection, most: int) -> list[uuid.UUID]:
    """Agencies whose calls wait, the longest first (`Database.system`)."""
    query = select(attribution_due.c.agency_id).group_by(attribution_due.c.agency_id)
    return list(connection.execute(query.order_by(func.min(attribution_due.c.due_since)).limit(most)).scalars())


def all_agencies(connection: Connection) -> list[uuid.UUID]:
    """Every agency (`Database.system`)."""
    return list(connection.execute(select(agencies.c.agency_id).order_by(agencies.c.agency_id)).scalars())


def count_due(connection: Connection) -> tuple[int, float]:
    """How many wait, and for how many seconds the first (`Database.system`)."""
    age = func.coalesce(func.extract("epoch", func.now() - func.min(attribution_due.c.due_since)), 0)
    row = connection.execute(select(func.count(), age).select_from(attribution_due)).one()
    return int(row[0]), float(row[1])


def take_due(connection: Connection, agency_id: uuid.UUID, most: int) -> list[Row]:
    """What waits, locked until the end of the transaction; others that somebody has in hand are passed by."""
    query = (
        select(attribution_due)
        .where(attribution_due.c.agency_id == agency_id)
        .order_by(attribution_due.c.due_since)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def settle_due(connection: Connection, agency_id: uuid.UUID, call_ids: Sequence[uuid.UUID], what: str) -> None:
    """It is done."""
    connection.execute(
        delete(attribution_due).where(
            attribution_due.c.agency_id == agency_id,
            attribution_due.c.call_id.in_(call_ids),
            attribution_due.c.what == what,
        )
    )


def put_due(connection: Connection, agency_id: uuid.UUID, keys: Sequence[Row], what: str) -> None:
    """To be done by job: rows of ``call_id, client_id, started_at``."""
    if not keys:
        return
    rows = [
        {
            "agency_id": agency_id,
            "call_id": one["call_id"],
            "what": what,
            "client_id": one["client_id"],
            "call_started_at": one["started_at"],
        }
        for one in keys
    ]
    connection.execute(insert(attribution_due).values(rows).on_conflict_do_nothing())


def count_try(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID, what: str) -> None:
    """It could not be done; the next look comes to it after the others."""
    connection.execute(
        update(attribution_due)
        .where(
            attribution_due.c.agency_id == agency_id,
            attribution_due.c.call_id == call_id,
            attribution_due.c.what == what,
        )
        .values(tries=attribution_due.c.tries + 1, due_since=func.now())
    )


# --- Touches. ---

_VISITS_OF = text(
    f"SELECT v.id, v.started_at, v.visitor_id::text AS visitor_id, {_OF_VISIT} FROM visits v"  # noqa: S608
    " WHERE v.agency_id = :agency AND v.visitor_id = ANY (CAST(:visitors AS uuid[])) AND NOT v.is_bot"
    " AND v.started_at > :since AND v.started_at <= :until ORDER BY v.started_at DESC LIMIT :most"
)
_IMPRESSIONS_OF = text(
    f"SELECT i.visitor_id, i.shown_at, {', '.join(f'i.{name}' for name in SOURCE_FIELDS)} FROM impressions i"  # noqa: S608
    " WHERE i.agency_id = :agency AND i.client_id = :client AND i.visitor_id = ANY (:visitors)"
    " AND i.shown_at > :since AND i.shown_at <= :until ORDER BY i.shown_at DESC LIMIT :most"
)


def find_visits_of(
    connection: Connection, agency_id: uuid.UUID, visitors: Sequence[str], since: datetime, until: datetime, most: int
) -> list[Row]:
    """Visits of these visitors, the latest first."""
    values = {"agency": agency_id, "visitors": list(visitors), "since": since, "until": until, "most": most}
    return [dict(row) for row in connection.execute(_VISITS_OF, values).mappings()] if visitors else []


def find_impressions_of(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID,
    visitors: Sequence[str],
    since: datetime,
    until: datetime,
    most: int,
) -> list[Row]:
    """Impressions that were imported for these visitors, the latest first."""
    values = {
        "agency": agency_id, "client": client_id, "visitors": list(visitors), "since": since, "until": until,
        "most": most,
    }  # fmt: skip
    return [dict(row) for row in connection.execute(_IMPRESSIONS_OF, values).mappings()] if visitors else []


def insert_touches(connection: Connection, rows: Sequence[Row]) -> None:
    """Rows that are there already are the same."""
    if rows:
        connection.execute(insert(touches).values([dict(row) for row in rows]).on_conflict_do_nothing())


def lead_visit_of(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, caller: str | None, before: datetime
) -> uuid.UUID | None:
    """The visit to which the caller's first call to the client belongs."""
    if caller is None:
        return None
    first = (
        select(calls.c.id)
        .where(
            calls.c.agency_id == agency_id,
            calls.c.client_id == client_id,
            calls.c.caller == caller,
            calls.c.started_at < before,
            calls.c.is_test.is_(False),
        )
        .order_by(calls.c.started_at)
        .limit(1)
    )
    call_id = connection.execute(first).scalar()
    found = find_current(connection, agency_id, [call_id]) if call_id is not None else {}
    visit_id: uuid.UUID | None = found[call_id]["visit_id"] if call_id in found else None
    return visit_id

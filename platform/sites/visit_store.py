"""SQL of visits and clicks. Whoever knows a visit's id knows its partition (`model.moment_of`). What every page waits
for is prepared and takes one exchange with the server; every other function takes a connection whose tenant is set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, text, tuple_

from ..db.engine import Database
from ..db.prepared import Prepared, Ready
from ..db.tables import numbers, tel_clicks, visits
from .classify import Source
from .model import TelClick, Visit, moment_of

_SOURCE = ("channel", "source", "medium", "campaign", "content", "keyword", "click_ids", "classified_by")
_encode = json.JSONEncoder(ensure_ascii=False).encode
_OWN = tuple(name for name in Visit.__dataclass_fields__ if name != "source")
_COLUMNS = (*_OWN, *_SOURCE)
_read_own, _read_source = attrgetter(*_OWN), attrgetter(*_SOURCE)
#: The ids come first: the driver has no form of its own for them.
_IDS = 5
#: Types of columns that are no text.
_TYPES = {
    **dict.fromkeys(("agency_id", "id", "client_id", "site_id", "visitor_id"), "uuid"),
    **dict.fromkeys(("started_at", "last_seen_at", "left_at"), "timestamptz"),
    **dict.fromkeys(("rules_version", "pages"), "integer"),
    **dict.fromkeys(("is_bot", "is_preview"), "boolean"),
    "address_hash": "bytea",
    "click_ids": "jsonb",
    "analytics_ids": "jsonb",
}

#: What a sign (`b`) says of who the visitor is to analytics is kept only where the visit's last page had consent, and
#: not once the visitor was forgotten.
_KNOWN = (
    "analytics_ids = CASE WHEN v.consent = 'given' AND v.visitor_id <> v.id"
    " THEN v.analytics_ids || CAST(b.known AS jsonb) ELSE v.analytics_ids END"
)

#: A visit's id is its own: it may be said twice.
INSERT = Prepared(
    "dialtrace_visit_insert",
    tuple(_TYPES.get(name, "text") for name in _COLUMNS),
    f"INSERT INTO visits ({', '.join(_COLUMNS)})"  # noqa: S608 (columns of this module)
    f" VALUES ({', '.join(f'${at}' for at in range(1, len(_COLUMNS) + 1))}) ON CONFLICT DO NOTHING",
)

#: Many of them; each a list of the columns' values in a list of JSON.
INSERT_MANY = Prepared(
    "dialtrace_visit_insert_many",
    ("jsonb",),
    f"INSERT INTO visits ({', '.join(_COLUMNS)}) SELECT "  # noqa: S608 (columns of this module)
    + ", ".join(f"(v ->> {at})::{_TYPES.get(name, 'text')}" for at, name in enumerate(_COLUMNS))
    + " FROM jsonb_array_elements($1) v ON CONFLICT DO NOTHING",
)

#: One more page. $8: the page has a source of its own, $9 to $13, which must be the visit's.
CONTINUE = Prepared(
    "dialtrace_visit_continue",
    (
        "uuid", "uuid", "timestamptz", "uuid", "uuid", "timestamptz", "text", "boolean",
        "text", "text", "text", "text", "jsonb", "timestamptz", "jsonb",
    ),
    f"""UPDATE visits v SET pages = v.pages + 1, last_seen_at = greatest(v.last_seen_at, $14), left_at = NULL,
           consent = $7,
           analytics_ids = CASE WHEN $7 = 'given' THEN v.analytics_ids || $15 ELSE '{{}}' END
    WHERE v.agency_id = $1 AND v.id = $2 AND v.started_at = $3 AND v.site_id = $4 AND v.visitor_id = $5
      AND v.last_seen_at > $6
      AND (NOT $8 OR (v.channel, v.source, v.click_ids) = ($9, $10, $13)
                     AND v.medium IS NOT DISTINCT FROM $11 AND v.campaign IS NOT DISTINCT FROM $12)
    RETURNING {", ".join(f"v.{name}" for name in _COLUMNS)}""",  # noqa: S608 (columns of this module)
)  # fmt: skip


def insertion(visit: Visit) -> Ready:
    """What writes a visit."""
    own = _read_own(visit)
    *said, click_ids, classified_by = _read_source(visit.source)
    # The last of its own is a document.
    values = (*map(str, own[:_IDS]), *own[_IDS:-1], _document(own[-1]), *said, _document(click_ids), classified_by)
    return Ready(INSERT, values, INSERT_MANY)


def insert_visit(database: Database, visit: Visit) -> None:
    database.at_once(visit.agency_id, insertion(visit))


def continue_visit(
    database: Database,
    agency_id: UUID,
    visit_id: UUID,
    *,
    site_id: UUID,
    visitor_id: UUID,
    consent: str,
    now: datetime,
    idle: timedelta,
    source: Source | None,
    analytics_ids: Mapping[str, Any],
) -> Visit | None:
    """One more page of a visit that is going on; None: it is over, or nobody's, or (``source``, where the page has one
    of its own) somebody came by another way."""
    told: tuple[str | None, ...] = (None, None, None, None, None)
    if source is not None:
        told = (source.channel, source.source, source.medium, source.campaign, _document(source.click_ids))
    values = (
        str(agency_id), str(visit_id), moment_of(visit_id), str(site_id), str(visitor_id), now - idle, consent,
        source is not None, *told, now, _document(analytics_ids),
    )  # fmt: skip
    rows = database.at_once(agency_id, Ready(CONTINUE, values))
    return _visit_of(dict(zip(_COLUMNS, rows[0], strict=True))) if rows else None


def _document(ids: Mapping[str, Any]) -> str:
    return _encode(dict(ids)) if ids else "{}"


def see_visits(connection: Connection, agency_id: UUID, signs: Mapping[UUID, Mapping[str, Any]], now: datetime) -> None:
    """Signs of life, each with what it says of who the visitor is to analytics; of a visit that had left too."""
    connection.execute(
        text(
            f"UPDATE visits v SET last_seen_at = greatest(v.last_seen_at, :now), left_at = NULL, {_KNOWN}"  # noqa: S608
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:moments AS timestamptz[]), CAST(:known AS text[]))"
            " b (id, started_at, known)"
            " WHERE v.agency_id = :agency AND v.id = b.id AND v.started_at = b.started_at"
        ),
        {
            "agency": agency_id,
            "ids": [str(one) for one in signs],
            "moments": [moment_of(one) for one in signs],
            "known": [_document(known) for known in signs.values()],
            "now": now,
        },
    )


def leave_visit(
    connection: Connection, agency_id: UUID, visit_id: UUID, now: datetime, analytics_ids: Mapping[str, Any]
) -> None:
    connection.execute(
        text(
            f"UPDATE visits v SET left_at = :now, last_seen_at = greatest(v.last_seen_at, :now), {_KNOWN}"  # noqa: S608
            " FROM (SELECT CAST(:known AS text) AS known) b"
            " WHERE v.agency_id = :agency AND v.id = :id AND v.started_at = :started_at"
        ),
        {
            "now": now, "known": _document(analytics_ids), "agency": agency_id, "id": visit_id,
            "started_at": moment_of(visit_id),
        },
    )  # fmt: skip


def find_visit(connection: Connection, agency_id: UUID, visit_id: UUID) -> Visit | None:
    query = select(visits).where(
        visits.c.agency_id == agency_id, visits.c.id == visit_id, visits.c.started_at == moment_of(visit_id)
    )
    row = connection.execute(query).first()
    return None if row is None else _visit(row)


def find_visits(
    connection: Connection,
    agency_id: UUID,
    wanted: Mapping[str, Any],
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[Visit]:
    """The newest first. ``wanted``: column → value."""
    query = select(visits).where(visits.c.agency_id == agency_id)
    for column, value in wanted.items():
        query = query.where(visits.c[column] == value)
    if since is not None:
        query = query.where(visits.c.started_at >= since)
    if until is not None:
        query = query.where(visits.c.started_at < until)
    if after is not None:
        query = query.where(tuple_(visits.c.started_at, visits.c.id) < after)
    rows = connection.execute(query.order_by(visits.c.started_at.desc(), visits.c.id.desc()).limit(limit))
    return [_visit(row) for row in rows]


def find_clicks(connection: Connection, agency_id: UUID, visit_id: UUID) -> list[TelClick]:
    """In their order."""
    query = select(tel_clicks).where(tel_clicks.c.agency_id == agency_id, tel_clicks.c.visit_id == visit_id)
    return [TelClick(**row._mapping) for row in connection.execute(query.order_by(tel_clicks.c.clicked_at))]


def insert_click(connection: Connection, click: TelClick) -> None:
    connection.execute(insert(tel_clicks).values(**{n: getattr(click, n) for n in TelClick.__dataclass_fields__}))


def number_of(connection: Connection, agency_id: UUID, client_id: UUID, e164: str) -> UUID | None:
    """The client's number, if it is one of its own."""
    query = select(numbers.c.id).where(
        numbers.c.agency_id == agency_id,
        numbers.c.client_id == client_id,
        numbers.c.e164 == e164,
        numbers.c.status != "released",
    )
    return connection.execute(query).scalar()


def delete_visits(connection: Connection, agency_id: UUID, client_id: UUID, before: datetime, most: int) -> int:
    """Removes visits that began before a moment, with their clicks; returns how many."""
    columns = visits.c
    due = (
        select(columns.id, columns.started_at)
        .where(columns.agency_id == agency_id, columns.client_id == client_id, columns.started_at < before)
        .order_by(columns.started_at)
        .limit(most)
    )
    found = [(row.id, row.started_at) for row in connection.execute(due)]
    if not found:
        return 0
    ids = [visit_id for visit_id, _ in found]
    connection.execute(delete(tel_clicks).where(tel_clicks.c.agency_id == agency_id, tel_clicks.c.visit_id.in_(ids)))
    same = tuple_(columns.id, columns.started_at).in_(found)
    connection.execute(delete(visits).where(columns.agency_id == agency_id, same))
    return len(found)


def forget_visitors(connection: Connection, agency_id: UUID, request_id: UUID, before: datetime) -> int:
    """Of the visitors whom the calls of a request are attributed to, every visit up to ``before`` says no longer whose
    it was; returns how many did."""
    return connection.execute(
        text(
            "UPDATE visits v SET landing_page = '', referrer = NULL, click_ids = '{}', keyword = NULL, address = NULL,"
            " address_hash = NULL, analytics_ids = '{}', visitor_id = v.id"
            " WHERE v.agency_id = :agency AND v.started_at <= :before AND v.visitor_id <> v.id AND v.visitor_id IN ("
            "  SELECT seen.visitor_id FROM subject_calls s"
            "  JOIN attributions a ON a.agency_id = s.agency_id AND a.call_id = s.call_id"
            "  JOIN visits seen ON seen.agency_id = a.agency_id AND seen.id = a.visit_id"
            "   AND seen.started_at = a.visit_started_at"
            "  WHERE s.agency_id = :agency AND s.request_id = :request)"
        ),
        {"agency": agency_id, "request": request_id, "before": before},
    ).rowcount


def _visit(row: Row[Any]) -> Visit:
    return _visit_of(dict(row._mapping))


def _visit_of(values: dict[str, Any]) -> Visit:
    source = Source(**{name: values.pop(name) for name in _SOURCE})
    address_hash = values.pop("address_hash")
    return Visit(**values, source=source, address_hash=None if address_hash is None else bytes(address_hash))

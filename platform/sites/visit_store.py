"""SQL of visits and clicks. Every function takes a connection whose tenant is set; whoever knows a visit's id knows its
partition (`model.moment_of`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, insert, select, text, tuple_, update

from ..db.tables import numbers, tel_clicks, visits
from .classify import Source
from .model import TelClick, Visit, moment_of

_SOURCE = ("channel", "source", "medium", "campaign", "content", "keyword", "click_ids", "classified_by")


def insert_visit(connection: Connection, visit: Visit) -> None:
    values = {name: getattr(visit, name) for name in Visit.__dataclass_fields__ if name != "source"}
    said = {name: getattr(visit.source, name) for name in _SOURCE}
    connection.execute(insert(visits).values(**values, **said))


def continue_visit(
    connection: Connection,
    agency_id: UUID,
    visit_id: UUID,
    *,
    site_id: UUID,
    visitor_id: UUID,
    consent: str,
    now: datetime,
    idle: timedelta,
    source: Source | None,
) -> Visit | None:
    """One more page of a visit that is going on; None: it is over, or nobody's, or (``source``, where the page has one
    of its own) somebody came by another way."""
    columns = visits.c
    mine = update(visits).where(
        columns.agency_id == agency_id,
        columns.id == visit_id,
        columns.started_at == moment_of(visit_id),
        columns.site_id == site_id,
        columns.visitor_id == visitor_id,
        columns.last_seen_at > now - idle,
    )
    if source is not None:
        same = ("channel", "source", "medium", "campaign", "click_ids")
        mine = mine.where(*(columns[name].is_not_distinct_from(getattr(source, name)) for name in same))
    changed = mine.values(
        pages=columns.pages + 1, last_seen_at=func.greatest(columns.last_seen_at, now), left_at=None, consent=consent
    )
    row = connection.execute(changed.returning(*columns)).first()
    return None if row is None else _visit(row)


def see_visits(connection: Connection, agency_id: UUID, visit_ids: Sequence[UUID], now: datetime) -> None:
    """Signs of life; of a visit that had left too."""
    connection.execute(
        text(
            "UPDATE visits v SET last_seen_at = greatest(v.last_seen_at, :now), left_at = NULL"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:moments AS timestamptz[])) b (id, started_at)"
            " WHERE v.agency_id = :agency AND v.id = b.id AND v.started_at = b.started_at"
        ),
        {
            "agency": agency_id,
            "ids": [str(one) for one in visit_ids],
            "moments": [moment_of(one) for one in visit_ids],
            "now": now,
        },
    )


def leave_visit(connection: Connection, agency_id: UUID, visit_id: UUID, now: datetime) -> None:
    connection.execute(
        update(visits)
        .where(visits.c.agency_id == agency_id, visits.c.id == visit_id, visits.c.started_at == moment_of(visit_id))
        .values(left_at=now, last_seen_at=func.greatest(visits.c.last_seen_at, now))
    )


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
            " address_hash = NULL, visitor_id = v.id"
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
    values = dict(row._mapping)
    source = Source(**{name: values.pop(name) for name in _SOURCE})
    address_hash = values.pop("address_hash")
    return Visit(**values, source=source, address_hash=None if address_hash is None else bytes(address_hash))

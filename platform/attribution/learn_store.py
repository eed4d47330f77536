"""SQL of what attribution learns from, of what was learnt, and of comparisons. Each function works in its caller's
transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import attribution_fits, clients
from .model import SOURCE_FIELDS

Row = Mapping[str, Any]

# --- What was learnt. ---


def latest_fits(connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, kind: str) -> list[Row]:
    """The last fit of each site of the client (kind recency), or of the client itself."""
    query = (
        select(attribution_fits)
        .where(
            attribution_fits.c.agency_id == agency_id,
            attribution_fits.c.client_id == client_id,
            attribution_fits.c.kind == kind,
        )
        .distinct(attribution_fits.c.site_id)
        .order_by(attribution_fits.c.site_id, attribution_fits.c.fitted_at.desc(), attribution_fits.c.id.desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def insert_fit(connection: Connection, values: Row) -> None:
    connection.execute(insert(attribution_fits).values(**values))


# --- What learning reads. ---

_CLIENTS_SHOWN = text(
    "SELECT e.client_id, count(*) AS exposures FROM exposures e WHERE e.agency_id = :agency AND e.number_id IS NOT NULL"
    " AND e.shown_at >= :since AND e.shown_at < :until GROUP BY e.client_id ORDER BY e.client_id"
)
_NUMBERS_SHOWN = text(
    "SELECT e.number_id, count(*) AS exposures FROM exposures e WHERE e.agency_id = :agency AND e.client_id = :client"
    " AND e.number_id IS NOT NULL AND e.shown_at >= :since AND e.shown_at < :until"
    " GROUP BY e.number_id ORDER BY md5(e.number_id::text)"
)
_SHOWN = text(
    "SELECT e.visit_id, e.visit_started_at, e.visitor_id, e.site_id, e.rung, e.shown_at, e.seen_until, e.clicked_at,"
    " v.device FROM exposures e"
    " LEFT JOIN visits v ON v.agency_id = :agency AND v.id = e.visit_id AND v.started_at = e.visit_started_at"
    " WHERE e.agency_id = :agency AND e.number_id = :number AND e.shown_at >= :since AND e.shown_at < :until"
    " ORDER BY e.shown_at LIMIT :most"
)
_CALLS_TO = text(
    "SELECT c.id, c.client_id, c.started_at, c.number_id, c.caller, c.is_test, c.facts FROM calls c"
    " WHERE c.agency_id = :agency AND c.client_id = :client AND c.number_id = :number AND NOT c.is_test"
    " AND c.started_at >= :since AND c.started_at < :until ORDER BY c.started_at LIMIT :most"
)
_JOURNEYS = text(
    "SELECT path, count(*) AS visitors, sum(least(called, 1)) AS calls FROM ("
    "  SELECT array_agg(v.channel ORDER BY v.started_at, v.id) AS path, coalesce(max(a.called), 0) AS called"
    "  FROM visits v LEFT JOIN ("
    "    SELECT a.visitor_id, sum(a.probability) AS called FROM attributions a"
    "    WHERE a.agency_id = :agency AND a.client_id = :client AND a.visitor_id IS NOT NULL"
    "      AND a.call_started_at >= :since AND a.call_started_at < :until AND NOT EXISTS ("
    "        SELECT FROM attributions b WHERE b.agency_id = :agency AND b.call_id = a.call_id"
    "        AND b.revision > a.revision)"
    "    GROUP BY a.visitor_id) a ON a.visitor_id = v.visitor_id::text"
    "  WHERE v.agency_id = :agency AND v.client_id = :client AND NOT v.is_bot"
    "    AND v.started_at >= :since AND v.started_at < :until"
    "  GROUP BY v.visitor_id) AS journey GROUP BY path ORDER BY path LIMIT :most"
)


def clients_shown(
    connection: Connection, agency_id: uuid.UUID, since: datetime, until: datetime
) -> dict[uuid.UUID, int]:
    """Clients whose numbers were shown to visits in a span, and how often."""
    found = connection.execute(_CLIENTS_SHOWN, {"agency": agency_id, "since": since, "until": until})
    return {row.client_id: row.exposures for row in found}


def numbers_shown(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, since: datetime, until: datetime
) -> list[tuple[uuid.UUID, int]]:
    """Its numbers that were shown, in an order that is by chance but always the same, and how often."""
    values = {"agency": agency_id, "client": client_id, "since": since, "until": until}
    return [(row.number_id, row.exposures) for row in connection.execute(_NUMBERS_SHOWN, values)]


def exposures_of_number(
    connection: Connection, agency_id: uuid.UUID, number_id: uuid.UUID, since: datetime, until: datetime, most: int
) -> list[Row]:
    """In the order of ``shown_at``."""
    values = {"agency": agency_id, "number": number_id, "since": since, "until": until, "most": most}
    return [dict(row) for row in connection.execute(_SHOWN, values).mappings()]


def calls_to_number(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID,
    number_id: uuid.UUID,
    since: datetime,
    until: datetime,
    most: int,
) -> list[Row]:
    """In the order of their start."""
    values = {
        "agency": agency_id, "client": client_id, "number": number_id, "since": since, "until": until, "most": most,
    }  # fmt: skip
    return [dict(row) for row in connection.execute(_CALLS_TO, values).mappings()]


def find_journeys(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, since: datetime, until: datetime, most: int
) -> list[Row]:
    """The channels of visitors in their order, how many went that way, and how many calls came of it."""
    values = {"agency": agency_id, "client": client_id, "since": since, "until": until, "most": most}
    return [dict(row) for row in connection.execute(_JOURNEYS, values).mappings()]


# --- What a comparison reads. ---

_COMPARED = text(
    f"SELECT c.id AS call_id, c.started_at, a.revision, a.method, {', '.join(f'a.{name}' for name in SOURCE_FIELDS)},"  # noqa: S608
    " a.source_probability, a.visit_id FROM calls c LEFT JOIN LATERAL ("
    "   SELECT * FROM attributions a WHERE a.agency_id = :agency AND a.call_id = c.id AND a.made_at <= :as_of"
    "   ORDER BY a.revision DESC LIMIT 1) a ON true"
    " WHERE c.agency_id = :agency AND c.client_id = :client AND NOT c.is_test AND c.created_at <= :as_of"
    "   AND c.started_at >= :since AND c.started_at < :until AND (c.started_at, c.id) > (:after_at, :after_id)"
    " ORDER BY c.started_at, c.id LIMIT :most"
)
_TOUCHES = text(
    f"SELECT t.call_id, t.revision, t.path, t.place, t.probability, t.kind, t.touched_at, t.is_lead, t.visit_id,"  # noqa: S608
    f" {', '.join(f't.{name}' for name in SOURCE_FIELDS)} FROM touches t"
    " WHERE t.agency_id = :agency AND t.call_id = ANY (CAST(:calls AS uuid[])) ORDER BY t.call_id, t.path, t.place"
)
_OPEN = text(
    "SELECT count(*) FROM attribution_due d WHERE d.agency_id = :agency AND d.client_id = :client"
    " AND d.call_started_at >= :since AND d.call_started_at < :until"
)


def find_clients(connection: Connection, agency_id: uuid.UUID) -> list[uuid.UUID]:
    """Every client of the agency, in one order."""
    query = select(clients.c.id).where(clients.c.agency_id == agency_id)
    return list(connection.execute(query.order_by(clients.c.id)).scalars())


def find_compared(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID,
    *,
    since: datetime,
    until: datetime,
    as_of: datetime,
    after: tuple[datetime, uuid.UUID],
    most: int,
) -> list[Row]:
    """Calls of a span, each with the attribution that it had at a moment, in order."""
    values = {
        "agency": agency_id, "client": client_id, "since": since, "until": until, "as_of": as_of,
        "after_at": after[0], "after_id": after[1], "most": most,
    }  # fmt: skip
    return [dict(row) for row in connection.execute(_COMPARED, values).mappings()]


def find_touches(connection: Connection, agency_id: uuid.UUID, call_ids: Sequence[uuid.UUID]) -> list[Row]:
    """The touches of all revisions of these calls."""
    values = {"agency": agency_id, "calls": [str(one) for one in call_ids]}
    return [dict(row) for row in connection.execute(_TOUCHES, values).mappings()] if call_ids else []


def count_open(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, since: datetime, until: datetime
) -> int:
    """Calls of a span for which something is still to be done."""
    values = {"agency": agency_id, "client": client_id, "since": since, "until": until}
    return int(connection.execute(_OPEN, values).scalar_one())


def fit_at(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, kind: str, as_of: datetime
) -> Row | None:
    """The client's last fit of that kind at a moment."""
    query = (
        select(attribution_fits)
        .where(
            attribution_fits.c.agency_id == agency_id,
            attribution_fits.c.client_id == client_id,
            attribution_fits.c.kind == kind,
            attribution_fits.c.site_id.is_(None),
            attribution_fits.c.fitted_at <= as_of,
        )
        .order_by(attribution_fits.c.fitted_at.desc(), attribution_fits.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None

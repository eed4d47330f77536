"""SQL of what people and advertising systems say: corrections, promo codes, impressions. Each function works in its
caller's transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import corrections, impressions, promo_codes
from .model import SOURCE_FIELDS

Row = Mapping[str, Any]

MOST_CORRECTIONS = 100
_OF_VISIT = ", ".join(f"v.{name}" for name in SOURCE_FIELDS)

# --- Corrections. ---


def insert_correction(connection: Connection, values: Row) -> None:
    connection.execute(insert(corrections).values(**values))


def find_corrections(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> list[Row]:
    """In the order in which they were said."""
    query = select(corrections).where(corrections.c.agency_id == agency_id, corrections.c.call_id == call_id)
    ordered = query.order_by(corrections.c.said_at, corrections.c.id).limit(MOST_CORRECTIONS)
    return [dict(row) for row in connection.execute(ordered).mappings()]


_VISIT = text(
    f"SELECT v.id, v.started_at, v.visitor_id::text AS visitor_id, v.site_id, v.client_id, {_OF_VISIT} FROM visits v"  # noqa: S608
    " WHERE v.agency_id = :agency AND v.id = :visit AND v.started_at BETWEEN :since AND :until"
)


def find_visit(
    connection: Connection, agency_id: uuid.UUID, visit_id: uuid.UUID, since: datetime, until: datetime
) -> Row | None:
    """A visit by its id; the span names its partition."""
    values = {"agency": agency_id, "visit": visit_id, "since": since, "until": until}
    row = connection.execute(_VISIT, values).mappings().first()
    return dict(row) if row else None


# --- Promo codes. ---


def find_code_of_visit(
    connection: Connection, agency_id: uuid.UUID, visit_id: uuid.UUID, now: datetime
) -> tuple[str, datetime] | None:
    """The code that a visit has already, and until when."""
    query = select(promo_codes.c.code, promo_codes.c.expires_at).where(
        promo_codes.c.agency_id == agency_id, promo_codes.c.visit_id == visit_id, promo_codes.c.expires_at > now
    )
    row = connection.execute(query.order_by(promo_codes.c.given_at.desc()).limit(1)).first()
    return (row.code, row.expires_at) if row else None


def find_code(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, code: str, at: datetime
) -> Row | None:
    """Whose code this was at that moment."""
    query = select(promo_codes).where(
        promo_codes.c.agency_id == agency_id,
        promo_codes.c.client_id == client_id,
        promo_codes.c.code == code,
        promo_codes.c.given_at <= at,
        promo_codes.c.expires_at >= at,
    )
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def take_code(connection: Connection, values: Row) -> bool:
    """Whether the code is this visit's from now on: nobody had it, or its time was over."""
    statement = insert(promo_codes).values(**values)
    taken = {name: statement.excluded[name] for name in ("visit_id", "visit_started_at", "given_at", "expires_at")}
    done = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["agency_id", "client_id", "code"],
            set_=taken,
            where=promo_codes.c.expires_at < values["given_at"],
        ).returning(promo_codes.c.code)
    )
    return done.first() is not None


# --- Impressions. ---


def insert_impressions(connection: Connection, rows: Sequence[Row]) -> list[str]:
    """Adds those that are not there yet; the references of the new ones."""
    statement = insert(impressions).values([dict(row) for row in rows]).on_conflict_do_nothing()
    return list(connection.execute(statement.returning(impressions.c.reference)).scalars())


_CALLS_OF_VISITORS = text(
    "SELECT DISTINCT t.call_id, t.client_id, t.call_started_at AS started_at FROM touches t"
    " WHERE t.agency_id = :agency AND t.client_id = :client AND t.visitor_id = ANY (:visitors)"
    " AND t.call_started_at >= :since"
)


def calls_of_visitors(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, visitors: Sequence[str], since: datetime
) -> list[Row]:
    """Calls on whose path one of these visitors stands."""
    values = {"agency": agency_id, "client": client_id, "visitors": list(visitors), "since": since}
    return [dict(row) for row in connection.execute(_CALLS_OF_VISITORS, values).mappings()] if visitors else []


def forget_old(connection: Connection, agency_id: uuid.UUID, before: datetime) -> int:
    """Impressions and codes that can matter to no call any more."""
    gone = connection.execute(
        delete(impressions).where(impressions.c.agency_id == agency_id, impressions.c.shown_at < before)
    ).rowcount
    return (
        gone
        + connection.execute(
            delete(promo_codes).where(promo_codes.c.agency_id == agency_id, promo_codes.c.expires_at < before)
        ).rowcount
    )

"""SQL of what an integration is told of a call. Reads only, inside a transaction of the call's tenant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from .facts import CallFacts, SourceFacts, VisitFacts

#: A call whose event is read began at most so long before it.
LONGEST_CALL = timedelta(days=2)
CLOCKS = timedelta(hours=1)

# The number's own source holds where nothing is attributed (yet): a static number belongs to one.
_SOURCE = (
    ", n.label AS number_label, n.channel AS n_channel, n.source AS n_source, n.medium AS n_medium,"
    " n.campaign AS n_campaign, n.content AS n_content, n.keyword AS n_keyword, t.name AS target_name"
)
_JOINS = (
    " LEFT JOIN numbers n ON n.agency_id = c.agency_id AND n.id = c.number_id"
    " LEFT JOIN targets t ON t.agency_id = c.agency_id AND t.id = c.target_id"
)
_OVER = f", c.outcome, c.ring_ms, c.talk_ms, c.target_id, c.is_test, NULL AS live_source{_SOURCE}"
_STANDING = (
    ", NULL AS ended_at, NULL AS outcome, 0 AS ring_ms, 0 AS talk_ms, c.target_id, c.is_test,"
    " c.source AS live_source" + _SOURCE
)
_CALL = (
    f"SELECT c.id, c.client_id, c.number, n.id AS number_id, c.caller, c.started_at, c.ended_at{_OVER}"  # noqa: S608 (our own columns)
    f" FROM calls c{_JOINS}"
    " WHERE c.agency_id = %s AND c.id = %s AND c.started_at BETWEEN %s AND %s"
)
_LIVE = (
    f"SELECT c.call_id AS id, c.client_id, c.number, n.id AS number_id, c.caller, c.started_at{_STANDING}"  # noqa: S608 (our own columns)
    f" FROM live_calls c{_JOINS} WHERE c.agency_id = %s AND c.call_id = %s"
)
_ATTRIBUTION = (
    "SELECT visit_id, visit_started_at, channel, source, medium, campaign, content, keyword FROM attributions"
    " WHERE agency_id = %s AND call_id = %s ORDER BY revision DESC LIMIT 1"
)
_VISIT = (
    "SELECT id, started_at, consent, landing_page, referrer, pages, device, click_ids, analytics_ids FROM visits"
    " WHERE agency_id = %s AND id = %s AND started_at = %s"
)
_WORDS = ("channel", "source", "medium", "campaign", "content", "keyword")


def read_facts(connection: Connection, agency_id: UUID, call_id: UUID, *, around: datetime) -> CallFacts | None:
    """What is known of a call now; ``around``: a moment of it, which names the partition. None: nothing (any more)."""
    values = (agency_id, call_id, around - LONGEST_CALL, around + CLOCKS)
    row = connection.exec_driver_sql(_CALL, values).mappings().first()
    if row is None:
        row = connection.exec_driver_sql(_LIVE, (agency_id, call_id)).mappings().first()
    if row is None:
        return None
    told = connection.exec_driver_sql(_ATTRIBUTION, (agency_id, call_id)).mappings().first()
    source = {word: told[word] if told is not None else None for word in _WORDS}
    if not any(source.values()):
        # Of a call that stands: what the route's visit was known by when it came.
        source = {word: (row["live_source"] or {}).get(word) for word in _WORDS}
    if not any(source.values()):
        source = {word: row[f"n_{word}"] for word in _WORDS}
    return CallFacts(
        id=row["id"],
        agency_id=agency_id,
        client_id=row["client_id"],
        number=row["number"],
        number_id=row["number_id"],
        number_label=row["number_label"] or "",
        caller=row["caller"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
        ring_ms=row["ring_ms"] or 0,
        talk_ms=row["talk_ms"] or 0,
        target_id=row["target_id"],
        target_name=row["target_name"],
        is_test=row["is_test"],
        source=SourceFacts(**source),
        visit=_visit(connection, agency_id, told),
    )


def _visit(connection: Connection, agency_id: UUID, told: Any) -> VisitFacts | None:
    if told is None or told["visit_id"] is None:
        return None
    values = (agency_id, told["visit_id"], told["visit_started_at"])
    row = connection.exec_driver_sql(_VISIT, values).mappings().first()
    return VisitFacts(**row) if row is not None else None


def moment_of_call(connection: Connection, agency_id: UUID, call_id: UUID) -> datetime | None:
    """When a call began; None: there is none."""
    found: datetime | None = connection.exec_driver_sql(
        "SELECT started_at FROM calls WHERE agency_id = %s AND id = %s", (agency_id, call_id)
    ).scalar()
    return found

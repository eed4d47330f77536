"""Makes attributions: reads what a batch of calls needs, matches, and hands over rows for the caller's transaction.

The reading has a transaction and a time limit of its own, before the record's: it can neither delay a record for long
nor break its transaction. Whatever goes wrong, the record is stored, and the attribution follows by a job
(`following`). Must not know HTTP, nor what a record is.
"""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy.exc
import structlog
from sqlalchemy import Connection

from ..db.engine import Database
from ..db.errors import DatabaseError
from ..events.service import NewEvent
from ..metrics import ATTRIBUTION_POSTPONED, ATTRIBUTION_SECONDS, ATTRIBUTIONS_MADE
from . import learn_store, store
from .curve import PRIOR, Curve, curve_of
from .facts import CallToMatch, as_row, attribute, knows_nothing, says_something, site_of

log = structlog.get_logger("attribution")

#: A read that takes longer is given up; the attribution then follows by job.
READ_TIMEOUT_MS = 1_500
#: So long a curve is used before somebody looks for a newer one.
CURVE_KEPT_S = 300.0
_MOST_CURVES = 5_000
#: Calls of one statement.
BATCH = 200
#: What is read of a call that nothing is known of.
NOTHING_AROUND: Mapping[str, Any] = {"exposures": None, "earlier": None, "corrections": None, "code": None}

Curves = Mapping[uuid.UUID | None, tuple[uuid.UUID, Curve]]


@dataclass(frozen=True, slots=True)
class Made:
    """Attributions that are ready to be written, by call; and calls whose attribution must follow by job."""

    rows: Mapping[uuid.UUID, Mapping[str, Any]] = field(default_factory=dict)
    missing: Mapping[uuid.UUID, CallToMatch] = field(default_factory=dict)


NOTHING_MADE = Made()


class Attributor:
    """Matches calls of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: (agency, client) → when it was read (monotonic), and the curves of the client's sites.
        self._curves: OrderedDict[tuple[uuid.UUID, uuid.UUID], tuple[float, Curves]] = OrderedDict()

    def make(self, agency_id: uuid.UUID, calls: Sequence[CallToMatch]) -> Made:
        """What can be said of these calls of one agency now. Never raises what the database says: what could not be
        made is told as missing."""
        if not calls:
            return NOTHING_MADE
        began_s = time.perf_counter()
        try:
            with self._database.tenant(agency_id) as connection:
                store.bound_reading(connection, READ_TIMEOUT_MS)
                around = _read_around(connection, agency_id, calls)
                told = [call for call in calls if not knows_nothing(around[call.call_id])]
                rows = self._rows(connection, agency_id, told, around)
        except (DatabaseError, sqlalchemy.exc.SQLAlchemyError) as fault:
            log.warning("attributions follow later", calls=len(calls), fault=type(fault).__name__)
            ATTRIBUTION_POSTPONED.inc(len(calls))
            return Made(missing={call.call_id: call for call in calls})
        ATTRIBUTION_SECONDS.observe((time.perf_counter() - began_s) / len(calls))
        return Made(rows={row["call_id"]: row for row in rows if row["says_something"]})

    def rows_of(
        self, connection: Connection, agency_id: uuid.UUID, calls: Sequence[CallToMatch]
    ) -> list[dict[str, Any]]:
        """Rows for all of them, inside the caller's transaction; ``says_something``: whether it is worth keeping."""
        return self._rows(connection, agency_id, calls, _read_around(connection, agency_id, calls))

    def _rows(
        self,
        connection: Connection,
        agency_id: uuid.UUID,
        calls: Sequence[CallToMatch],
        around: Mapping[uuid.UUID, Any],
    ) -> list[dict[str, Any]]:
        made = []
        for call in calls:
            fit_id, curve = self._curve(connection, agency_id, call.client_id, around[call.call_id])
            found = attribute(call, around[call.call_id], curve)
            row = as_row(agency_id, call, found, fit_id)
            made.append(row | {"says_something": says_something(found)})
        return made

    def put(
        self, connection: Connection, agency_id: uuid.UUID, rows: Iterable[Mapping[str, Any]]
    ) -> dict[uuid.UUID, int]:
        """Writes rows in the caller's transaction, as one statement; call → its new revision, of those that differ."""
        told = [{name: value for name, value in row.items() if name != "says_something"} for row in rows]
        made = store.put(connection, agency_id, told)
        for row in told:
            if row["call_id"] in made:
                ATTRIBUTIONS_MADE.labels(row["method"], "1" if made[row["call_id"]] == 1 else "later").inc()
        return made

    def postpone(self, agency_id: uuid.UUID, calls: Iterable[CallToMatch]) -> None:
        """Notes that these are to be matched by job; in a transaction of its own, after the records are safe. What
        cannot be noted either is told in the log."""
        due = [call.as_row() for call in calls]
        if not due:
            return
        try:
            with self._database.tenant(agency_id) as connection:
                store.put_due(connection, agency_id, due, "match")
        except (DatabaseError, sqlalchemy.exc.SQLAlchemyError) as fault:
            log.error("calls stay without attribution", calls=[str(one["call_id"]) for one in due], fault=str(fault))

    def _curve(
        self, connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID, around: Mapping[str, Any]
    ) -> tuple[uuid.UUID | None, Curve]:
        if not around["exposures"] and not around["earlier"]:
            return None, PRIOR
        curves = self._curves_of(connection, agency_id, client_id)
        return curves.get(site_of(around)) or curves.get(None) or (None, PRIOR)

    def _curves_of(self, connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID) -> Curves:
        key, now_s = (agency_id, client_id), time.monotonic()
        known = self._curves.get(key)
        if known is not None and now_s - known[0] < CURVE_KEPT_S:
            return known[1]
        fits = learn_store.latest_fits(connection, agency_id, client_id, "recency")
        curves: Curves = {fit["site_id"]: (fit["id"], curve_of(fit["parameters"])) for fit in fits}
        self._curves[key] = (now_s, curves)
        self._curves.move_to_end(key)
        if len(self._curves) > _MOST_CURVES:
            self._curves.popitem(last=False)
        return curves


def _read_around(
    connection: Connection, agency_id: uuid.UUID, calls: Sequence[CallToMatch]
) -> dict[uuid.UUID, Mapping[str, Any]]:
    """Of a call to a number that no page ever showed, with no code and of which nothing was said, there is nothing to
    look for but the number's own source, which is one for all its calls."""
    if not calls:
        return {}
    numbers = store.read_numbers(connection, agency_id, [call.number_id for call in calls])
    corrected = store.find_corrected(connection, agency_id, [call.call_id for call in calls])
    around: dict[uuid.UUID, Mapping[str, Any]] = {}
    rich: list[dict[str, Any]] = []
    for call in calls:
        number, is_shown = numbers[call.number_id]
        if is_shown or call.code is not None or call.call_id in corrected:
            rich.append(call.as_row())
        else:
            around[call.call_id] = {**NOTHING_AROUND, "number": number}
    for start in range(0, len(rich), BATCH):
        around |= store.read_around(connection, agency_id, rich[start : start + BATCH])
    return around


def revised(row: Mapping[str, Any], revision: int, at: datetime) -> NewEvent:
    """The event of a revision, found at that moment; ids only."""
    visit = row["visit_id"]
    return NewEvent(
        type="attribution.revised",
        occurred_at=at,
        client_id=row["client_id"],
        call_id=row["call_id"],
        revision=revision,
        data={
            "started_at": row["call_started_at"].isoformat(),
            "visit_id": str(visit) if visit is not None else None,
            "probability": row["probability"],
            "method": row["method"],
            "source_probability": row["source_probability"],
        },
    )

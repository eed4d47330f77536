"""Learns from what was kept: each night for every client whose numbers were shown, how soon its visitors call (and for
each of its sites with enough calls), and what its channels are worth. What was learnt is added, never changed: an
attribution names the curve by which it was made. The work is bounded whatever a client's size: numbers are taken by
chance, but always the same, until there is enough.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..jobs.model import Done, Job, Outcome
from ..metrics import ATTRIBUTION_FITS
from . import learn_store, said_store, store
from .curve import PRIOR, REMEMBER_CALLERS, Curve, curve_of
from .facts import call_of, exposures_of, seen_of, site_of, visit_of
from .journeys import Journey, removal_effects
from .learning import LEAST_CALLS, AtRisk, Lesson, learn, watched_until
from .making import BATCH
from .matching import match_call
from .model import Exposure

log = structlog.get_logger("attribution")

LEARN = "attribution.learn"
#: What is learnt from, and how much earlier an exposure may have begun that still brings calls within it.
SPAN, BEFORE = timedelta(days=30), timedelta(days=30)
#: A call may be told of late, and so may the last sign of life: the last hours teach nothing yet.
SETTLE = timedelta(hours=2)
MOST_EXPOSURES, MOST_OF_NUMBER = 200_000, 20_000
MOST_JOURNEYS = 20_000
#: A site has a curve of its own from so many calls on; the client's serves the others.
LEAST_OF_SITE = 4 * LEAST_CALLS


@dataclass(slots=True)
class Material:
    """What a curve is learnt from: lessons and times at risk, for the client and for each of its sites."""

    since: datetime
    until: datetime
    before: Curve
    lessons: dict[uuid.UUID | None, list[Lesson]] = field(default_factory=dict)
    at_risk: dict[uuid.UUID | None, AtRisk] = field(default_factory=dict)
    callers: dict[uuid.UUID | None, set[str]] = field(default_factory=dict)

    def of(self, site_id: uuid.UUID | None) -> list[tuple[list[Lesson], AtRisk, set[str]]]:
        """Where something of a site goes: to its own and to the client's."""
        return [
            (
                self.lessons.setdefault(one, []),
                self.at_risk.setdefault(one, AtRisk(self.since, self.until)),
                self.callers.setdefault(one, set()),
            )
            for one in dict.fromkeys((site_id, None))
        ]


class Teacher:
    """The job, and what it is made of."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def learn_all(self, job: Job) -> Outcome:
        """The job ``attribution.learn``."""
        until = self._clock.now() - SETTLE
        with self._database.system() as connection:
            agencies = store.all_agencies(connection)
        for agency_id in agencies:
            job.go_on()
            with self._database.tenant(agency_id) as connection:
                said_store.forget_old(connection, agency_id, until - REMEMBER_CALLERS)
                clients = learn_store.clients_shown(connection, agency_id, until - SPAN, until)
            for client_id in clients:
                job.go_on()
                self.learn_client(agency_id, client_id, until)
        return Done()

    def learn_client(self, agency_id: uuid.UUID, client_id: uuid.UUID, until: datetime) -> int:
        """Adds what can be learnt of one client; how many fits. Raises the errors of the database."""
        since, made = until - SPAN, 0
        with self._database.tenant(agency_id, client_id) as connection:
            fits = {one["site_id"]: one for one in learn_store.latest_fits(connection, agency_id, client_id, "recency")}
        known = curve_of(fits[None]["parameters"]) if None in fits else PRIOR
        material = self._gather(agency_id, client_id, Material(since, until, known))
        for site_id, lessons in material.lessons.items():
            if len(lessons) < (LEAST_CALLS if site_id is None else LEAST_OF_SITE):
                continue
            before = fits.get(site_id) or fits.get(None)
            curve = learn(
                lessons,
                material.at_risk[site_id],
                curve_of(before["parameters"]) if before else PRIOR,
                known_callers=len(material.callers[site_id]),
            )
            self._keep(agency_id, client_id, site_id, "recency", since, until, len(lessons), curve.as_dict())
            made += 1
        return made + self._learn_channels(agency_id, client_id, since, until)

    def _learn_channels(self, agency_id: uuid.UUID, client_id: uuid.UUID, since: datetime, until: datetime) -> int:
        with self._database.tenant(agency_id, client_id) as connection:
            rows = learn_store.find_journeys(connection, agency_id, client_id, since, until, MOST_JOURNEYS)
        journeys = [Journey(row["path"], float(row["calls"]), float(row["visitors"])) for row in rows]
        calls = sum(one.calls for one in journeys)
        if calls < LEAST_CALLS:
            return 0
        effects = {"removal_effects": removal_effects(journeys)}
        self._keep(agency_id, client_id, None, "channels", since, until, round(calls), effects)
        return 1

    def _keep(
        self,
        agency_id: uuid.UUID,
        client_id: uuid.UUID,
        site_id: uuid.UUID | None,
        kind: str,
        since: datetime,
        until: datetime,
        calls: int,
        parameters: Mapping[str, Any],
    ) -> None:
        values = {
            "agency_id": agency_id, "id": new_id(), "client_id": client_id, "site_id": site_id, "kind": kind,
            "from_at": since, "until_at": until, "calls": calls, "parameters": dict(parameters),
        }  # fmt: skip
        with self._database.tenant(agency_id, client_id) as connection:
            learn_store.insert_fit(connection, values)
        ATTRIBUTION_FITS.labels(kind).inc()
        log.info("learnt", kind=kind, client=str(client_id), site=str(site_id) if site_id else None, calls=calls)

    def _gather(self, agency_id: uuid.UUID, client_id: uuid.UUID, material: Material) -> Material:
        taken = 0
        with self._database.tenant(agency_id, client_id) as connection:
            numbers = learn_store.numbers_shown(connection, agency_id, client_id, material.since, material.until)
        for number_id, exposures in numbers:
            if taken > MOST_EXPOSURES:
                break
            taken += exposures
            self._gather_number(material, agency_id, client_id, number_id)
        return material

    def _gather_number(
        self, material: Material, agency_id: uuid.UUID, client_id: uuid.UUID, number_id: uuid.UUID
    ) -> None:
        since, until = material.since, material.until
        with self._database.tenant(agency_id, client_id) as connection:
            rows = learn_store.exposures_of_number(
                connection, agency_id, number_id, since - BEFORE, until, MOST_OF_NUMBER
            )
            calls = [
                call_of(row)
                for row in learn_store.calls_to_number(
                    connection, agency_id, client_id, number_id, since, until, MOST_OF_NUMBER
                )
            ]
            around: dict[uuid.UUID, Any] = {}
            for start in range(0, len(calls), BATCH):
                batch = [call.as_row() for call in calls[start : start + BATCH]]
                around |= store.read_around(connection, agency_id, batch)
        site_id = rows[-1]["site_id"] if rows else None
        exposures = [_exposure(row) for row in rows]
        for _, at_risk, _ in material.of(site_id):
            for one, end in zip(exposures, watched_until(exposures, until), strict=True):
                at_risk.add_exposure(one, end)
            at_risk.add_number(since, until)
        last: dict[str, tuple[datetime, float]] = {}
        for call in calls:
            seen, found = seen_of(call, around[call.call_id]), exposures_of(call, around[call.call_id])
            for lessons, at_risk, callers in material.of(site_of(around[call.call_id]) or site_id):
                lessons.append(Lesson(seen, found))
                if call.caller is not None:
                    callers.add(call.caller)
                    if seen.earlier is not None:
                        at_risk.add_caller(seen.earlier.last_at, call.started_at, _named(seen.earlier.holders))
            if call.caller is not None:
                if seen.earlier is not None:
                    named = _named(seen.earlier.holders)
                else:
                    named = 1.0 - match_call(seen, found, material.before).nobody
                last[call.caller] = (call.started_at, named)
        for _, at_risk, _ in material.of(site_id):
            for began_at, named in last.values():
                at_risk.add_caller(began_at, until, named)


def _named(holders: Sequence[tuple[Any, float]]) -> float:
    return min(1.0, sum(share for _, share in holders))


def _exposure(row: Mapping[str, Any]) -> Exposure:
    return Exposure(
        visit=visit_of(row),
        rung=row["rung"],
        shown_at=row["shown_at"],
        seen_until=row["seen_until"],
        clicked_at=row["clicked_at"],
        device=row["device"],
    )

"""What follows by job: attributions that could not be made with their record, the touches before each call, and what is
learnt of sites and channels. Every piece is a short transaction; whatever stops, the next run goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..events.service import append
from ..jobs.model import Done, Job, Outcome
from ..metrics import ATTRIBUTION_DUE, ATTRIBUTION_DUE_OLDEST
from . import learn_store, store
from .facts import call_of, paths_of
from .making import Attributor, revised
from .model import SOURCE_FIELDS

log = structlog.get_logger("attribution")

CATCH_UP = "attribution.catch_up"
#: Calls of one transaction, and of one run.
BATCH, MOST_A_RUN = 100, 5_000
MOST_AGENCIES = 500
#: Paths that are kept apart for each call; what is left is told by its visit alone.
MOST_PATHS, MOST_TOUCHES = 5, 50
#: Paths that are less probable than this have the one touch of their visit.
LEAST_PATH = 0.02
LOOK_BACK = timedelta(days=90)


class Follower:
    """The jobs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._attributor = Attributor(database)

    def catch_up(self, job: Job) -> Outcome:
        """The job ``attribution.catch_up``."""
        self.run(job.go_on)
        return Done()

    def run(self, go_on: Any = lambda: None) -> int:
        """Everything that is due, within bounds; how many calls were seen to. Raises the errors of the database."""
        with self._database.system() as connection:
            agencies = store.agencies_due(connection, MOST_AGENCIES)
            count, oldest_s = store.count_due(connection)
        ATTRIBUTION_DUE.set(count)
        ATTRIBUTION_DUE_OLDEST.set(oldest_s)
        done = 0
        for agency_id in agencies:
            while done < MOST_A_RUN:
                go_on()
                seen = self.follow(agency_id)
                done += seen
                if seen < BATCH:
                    break
        return done

    def follow(self, agency_id: uuid.UUID) -> int:
        """One piece of work of one agency."""
        with self._database.tenant(agency_id) as connection:
            due = store.take_due(connection, agency_id, BATCH)
            match = [(row["call_id"], row["call_started_at"]) for row in due if row["what"] == "match"]
            trace = [(row["call_id"], row["call_started_at"]) for row in due if row["what"] == "touches"]
            if match:
                self.match_again(connection, agency_id, match)
                store.settle_due(connection, agency_id, [one for one, _ in match], "match")
            if trace:
                gather_touches(connection, agency_id, store.find_calls(connection, agency_id, trace))
                store.settle_due(connection, agency_id, [one for one, _ in trace], "touches")
        return len(due)

    def match_again(
        self, connection: Connection, agency_id: uuid.UUID, keys: Sequence[tuple[uuid.UUID, Any]]
    ) -> dict[uuid.UUID, int]:
        """Matches calls by what is known now, in the caller's transaction; what differs is a revision with an event."""
        calls = [call_of(row) for row in store.find_calls(connection, agency_id, keys) if not row["is_test"]]
        rows = self._attributor.rows_of(connection, agency_id, calls)
        last = store.find_current(connection, agency_id, [call.call_id for call in calls])
        worth = [row for row in rows if row["says_something"] or row["call_id"] in last]
        made = self._attributor.put(connection, agency_id, worth)
        at = self._clock.now()
        told = [revised(row, made[row["call_id"]], at) for row in worth if row["call_id"] in made]
        append(connection, agency_id, told)
        return made


def gather_touches(connection: Connection, agency_id: uuid.UUID, calls: Sequence[Mapping[str, Any]]) -> int:
    """Writes the touches of the last revision of each call; how many. Touches that were gathered stay as they are:
    where there are others by now (impressions were imported), they are those of a new revision."""
    found = 0
    for call in calls:
        revisions = store.find_revisions(connection, agency_id, call["id"])
        if not revisions:
            continue
        last = revisions[-1]
        rows = _touches_of(connection, agency_id, call, last)
        known = [
            one
            for one in learn_store.find_touches(connection, agency_id, [call["id"]])
            if one["revision"] == last["revision"]
        ]
        if known and _told(known) != _told(rows):
            last = store.copy_revision(connection, agency_id, call["id"])
            rows = [row | {"revision": last["revision"]} for row in rows]
            append(connection, agency_id, [revised(last, last["revision"], last["made_at"])])
        store.insert_touches(connection, rows)
        found += len(rows)
    return found


def _told(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """What tells touches apart, in their order."""
    names = ("path", "place", "kind", "touched_at", "visit_id", *SOURCE_FIELDS)
    return sorted((tuple(row[name] for name in names) for row in rows), key=lambda one: one[:2])


def _touches_of(
    connection: Connection, agency_id: uuid.UUID, call: Mapping[str, Any], current: Mapping[str, Any]
) -> list[dict[str, Any]]:
    started = call["started_at"]
    paths = paths_of(current, current["candidates"])
    known = [visitor for visitor, share, _ in paths[:MOST_PATHS] if visitor is not None and share >= LEAST_PATH]
    since, most = started - LOOK_BACK, MOST_PATHS * MOST_TOUCHES
    visits = store.find_visits_of(connection, agency_id, _uuids(known), since, started, most)
    seen = store.find_impressions_of(connection, agency_id, call["client_id"], known, since, started, most)
    lead = store.lead_visit_of(connection, agency_id, call["client_id"], call["caller"], started)
    rows = []
    for path, (visitor, share, candidates) in enumerate(paths):
        touches = [_touch(row, row["id"], row["started_at"], "visit") for row in visits if row["visitor_id"] == visitor]
        touches += [_touch(row, None, row["shown_at"], "impression") for row in seen if row["visitor_id"] == visitor]
        told = {one["visit_id"] for one in touches}
        # A visit that retention has taken away, or whose visitor nobody knows again, is still the candidate's own.
        touches += [
            _touch(one, uuid.UUID(str(one["visit_id"])), one["visit_started_at"], "visit")
            for one in candidates
            if uuid.UUID(str(one["visit_id"])) not in told
        ]
        for place, touch in enumerate(
            sorted(touches, key=lambda one: (one["touched_at"], str(one["visit_id"])))[-MOST_TOUCHES:]
        ):
            rows.append(
                touch
                | {
                    "agency_id": agency_id,
                    "call_id": call["id"],
                    "revision": current["revision"],
                    "path": path,
                    "place": place,
                    "client_id": call["client_id"],
                    "call_started_at": started,
                    "probability": round(share, 4),
                    "visitor_id": visitor,
                    "is_lead": lead is not None and touch["visit_id"] == lead,
                }
            )
    return rows


def _touch(row: Mapping[str, Any], visit_id: uuid.UUID | None, at: Any, kind: str) -> dict[str, Any]:
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return {"kind": kind, "touched_at": moment, "visit_id": visit_id} | {name: row[name] for name in SOURCE_FIELDS}


def _uuids(visitors: Sequence[str]) -> list[str]:
    """Visitors whom the visits know: their ids are UUIDs there."""
    found = []
    for one in visitors:
        try:
            found.append(str(uuid.UUID(one)))
        except ValueError:
            continue
    return found

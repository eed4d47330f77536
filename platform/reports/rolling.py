"""Keeps the sums of days: goes on as time passes, makes anew what late facts have changed, compares with the records.

A call that is stored costs nothing here. What is stored or changed later than an hour after its call is noted by
triggers (migration 0048); nothing younger than SETTLE is in any sum, so nothing can slip between. One transaction sums
up some days of one client, takes off the notes that it saw, and moves the coverage: whoever reads meanwhile sees the
state before or the state after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy.exc
import structlog
from sqlalchemy import Connection, RowMapping

from ..clock import Clock
from ..db.engine import Database
from ..db.errors import DatabaseError
from ..jobs.model import Done, Job, Outcome
from ..metrics import REPORT_CHANGES, REPORT_CHANGES_OLDEST, REPORT_COVERAGE_AGE, REPORT_DAYS_MADE, REPORT_DAYS_WRONG
from . import rollup_make_store, rollup_store
from .rollup_model import months_of, next_month, step_before

log = structlog.get_logger("reports")

ROLL_UP, CHECK = "reports.roll_up", "reports.check"
#: Of one transaction: seconds of work for a client with thirty thousand calls a day.
DAYS_AT_ONCE = 31
#: That the nightly check looks at.
CHECKED_DAYS = 62
_LONG_AGO, _FAR_AHEAD = date(1970, 1, 1), date(9999, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a comparison of one client has found."""

    agency_id: UUID
    client_id: UUID
    days: int
    wrong: Sequence[date]


class Roller:
    """The jobs, and what they are made of."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def roll_up(self, job: Job) -> Outcome:
        """The job ``reports.roll_up``. A client that cannot be summed up holds up no other: it is told of and counts
        with what it has, and the job fails when all have had their turn."""
        changes, oldest_s, age_s = 0, 0.0, 0.0
        failed: Exception | None = None
        now = self._clock.now()
        for agency_id in self._agencies():
            for state in self._states(agency_id, None):
                job.go_on()
                try:
                    reached = self.roll_client(agency_id, state["client_id"])
                except (DatabaseError, sqlalchemy.exc.DatabaseError) as error:
                    log.exception("a client's days were not summed up", client_id=str(state["client_id"]))
                    failed, reached = error, state["reached"]
                age_s = max(age_s, (now - reached).total_seconds())
            with self._database.tenant(agency_id) as connection:
                count, waited_s = rollup_store.count_changes(connection, agency_id)
            changes, oldest_s = changes + count, max(oldest_s, waited_s)
        REPORT_CHANGES.set(changes)
        REPORT_CHANGES_OLDEST.set(oldest_s)
        REPORT_COVERAGE_AGE.set(age_s)
        if failed is not None:
            raise failed
        return Done()

    def check_all(self, job: Job) -> Outcome:
        """The job ``reports.check``: what is wrong is told, counted and made anew."""
        today = self._clock.now().date()
        for checked in self.check(first=today - timedelta(days=CHECKED_DAYS), last=today, repair=True):
            job.go_on()
            if checked.wrong:
                log.error("sums of days were not what the records say", client_id=str(checked.client_id),
                          days=[day.isoformat() for day in checked.wrong])  # fmt: skip
        return Done()

    def roll_client(self, agency_id: UUID, client_id: UUID) -> datetime:
        """Brings one client up to now, some days a transaction; until when it is covered."""
        until = step_before(self._clock.now())
        while True:
            with self._database.tenant(agency_id, client_id) as connection:
                reached, is_done = _roll_some(connection, agency_id, client_id, until)
            if is_done:
                return reached

    def check(
        self,
        *,
        first: date,
        last: date,
        agency_id: UUID | None = None,
        client_id: UUID | None = None,
        repair: bool = False,
    ) -> Iterator[Checked]:
        """Compares the sums of these days with the records, client by client. Days that wait to be made anew, and those
        whose records may be archived, are passed over. ``repair``: what is wrong is made anew."""
        for one in [agency_id] if agency_id is not None else self._agencies():
            for state in self._states(one, client_id):
                yield self._check_client(one, state["client_id"], first, last, repair=repair)

    def _check_client(self, agency_id: UUID, client_id: UUID, first: date, last: date, *, repair: bool) -> Checked:
        days = 0
        wrong: list[date] = []
        for begin in range(0, (last - first).days + 1, DAYS_AT_ONCE):
            some = first + timedelta(days=begin)
            with self._database.tenant(agency_id, client_id) as connection:
                until = min(last, some + timedelta(days=DAYS_AT_ONCE - 1))
                count, found = _check_some(connection, agency_id, client_id, some, until, wrong, repair=repair)
            days, wrong = days + count, wrong + found
        REPORT_DAYS_WRONG.inc(len(wrong))
        return Checked(agency_id=agency_id, client_id=client_id, days=days, wrong=wrong)

    def _agencies(self) -> list[UUID]:
        with self._database.system() as connection:
            return rollup_store.all_agencies(connection)

    def _states(self, agency_id: UUID, client_id: UUID | None) -> list[RowMapping]:
        with self._database.tenant(agency_id, client_id) as connection:
            return rollup_store.find_states(connection, agency_id, client_id, _FAR_AHEAD, _FAR_AHEAD)


def _roll_some(connection: Connection, agency_id: UUID, client_id: UUID, until: datetime) -> tuple[datetime, bool]:
    """One transaction's work; until when the client is covered, and whether nothing is left to do."""
    is_ours = rollup_store.take_turn(connection, client_id)
    archived = rollup_store.archived_until(connection)
    state = rollup_store.find_states(connection, agency_id, client_id, _FAR_AHEAD, _FAR_AHEAD, archived)[0]
    if not is_ours:
        return state["reached"], True
    zone = state["time_zone"]
    covered: datetime | None = state["covered_until"] if state["is_current"] else None
    if covered is None:
        covered = _begin_anew(connection, agency_id, client_id, zone, until)
    elif archived is not None and not state["is_kept"]:
        rollup_store.note_archived(connection, agency_id, client_id, zone, archived)
    days = changed = rollup_store.find_changed_days(connection, agency_id, client_id, zone, DAYS_AT_ONCE)
    # Before the days are made: what is noted from here on stays.
    settled = rollup_store.settle_changes(connection, agency_id, client_id, zone, changed) if changed else 0
    target = max(covered, until)
    if rollup_store.is_anything(connection, agency_id, client_id, covered, until):
        target = _reach(connection, zone, covered, until)
        days = sorted({*days, *_between(connection, covered, target, zone)})
    today = rollup_store.day_of(connection, target, zone)
    made = _still_here(connection, [day for day in days if day <= today], zone)
    if made:
        rollup_make_store.make_days(connection, agency_id, client_id, zone, made, target)
        REPORT_DAYS_MADE.inc(len(made))
    months = months_of({*made, *_between(connection, covered, target, zone)}, today)
    rollup_make_store.make_months(connection, agency_id, client_id, months)
    if target != state["covered_until"] or not (state["is_current"] and state["is_kept"]):
        rollup_store.put_coverage(connection, agency_id, client_id, zone, state["settings_version"], target, archived)
    return target, target >= until and (len(changed) < DAYS_AT_ONCE or not settled)


def _begin_anew(connection: Connection, agency_id: UUID, client_id: UUID, zone: str, until: datetime) -> datetime:
    """Nothing is covered, or by rules that no longer hold: begins at the first record, or at the first day that is
    wholly kept. Forgotten is more than is begun with: in the zone that was, the first record may be a day earlier."""
    first = rollup_store.first_day(connection, agency_id, client_id, zone)
    kept_from = _kept_from(connection, zone)
    rollup_store.forget_from(connection, agency_id, client_id, kept_from)
    return min(rollup_store.begin_of(connection, max(first, kept_from), zone), until) if first is not None else until


def _reach(connection: Connection, zone: str, covered: datetime, until: datetime) -> datetime:
    """How far this transaction goes."""
    last = rollup_store.day_of(connection, covered, zone) + timedelta(days=DAYS_AT_ONCE)
    return max(covered, min(until, rollup_store.begin_of(connection, last, zone)))


def _between(connection: Connection, from_at: datetime, until: datetime, zone: str) -> list[date]:
    """The days there that these moments lie in, and all between."""
    first, last = rollup_store.day_of(connection, from_at, zone), rollup_store.day_of(connection, until, zone)
    return [first + timedelta(days=place) for place in range((last - first).days + 1)]


def _still_here(connection: Connection, days: Sequence[date], zone: str) -> list[date]:
    """Without those whose records may be archived: their sums are read no more."""
    kept_from = _kept_from(connection, zone)
    return [day for day in days if day >= kept_from]


def _kept_from(connection: Connection, zone: str) -> date:
    """The first day there of whose records none is archived: months end where UTC's do, in the midst of a day there."""
    archived = rollup_store.archived_until(connection)
    if archived is None:
        return _LONG_AGO
    day = rollup_store.day_of(connection, archived, zone)
    return day if rollup_store.begin_of(connection, day, zone) >= archived else day + timedelta(days=1)


def _check_some(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID,
    first: date,
    last: date,
    known: Collection[date],
    *,
    repair: bool,
) -> tuple[int, list[date]]:
    """How many days were compared, and which were wrong; all from one state of the database. A month that is not the
    sum of its days, and of which no day is ``known`` or found to be wrong, is named by its first day."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if not rollup_store.take_turn(connection, client_id):
        return 0, []
    archived = rollup_store.archived_until(connection)
    state = rollup_store.find_states(connection, agency_id, client_id, first, last, archived)[0]
    if not (state["is_current"] and state["is_kept"]):
        return 0, []
    zone, until = state["time_zone"], state["covered_until"]
    today = rollup_store.day_of(connection, until, zone)
    last = min(last, today)
    changed = set(state["changed"] or ())
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    days = [day for day in _still_here(connection, days, zone) if day not in changed]
    if not days:
        return 0, []
    wrong = rollup_make_store.find_wrong_days(connection, agency_id, client_id, zone, days, until)
    ending = [month for month in months_of(days, today) if next_month(month) - timedelta(days=1) in days]
    told = months_of([*wrong, *known], today)
    ending = [month for month in _still_here(connection, ending, zone) if month not in told]
    wrong = sorted({*wrong, *rollup_make_store.find_wrong_months(connection, agency_id, client_id, ending)})
    if wrong and repair:
        rollup_make_store.make_days(connection, agency_id, client_id, zone, wrong, until)
        rollup_make_store.make_months(connection, agency_id, client_id, months_of(wrong, today))
    return len(days), wrong

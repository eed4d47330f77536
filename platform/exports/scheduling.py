"""Schedules of exports: use cases, and the job that begins those whose span has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..jobs.model import Done, Job, Outcome
from ..jobs.service import JobQueue
from ..paging import Page, cut
from . import store
from .errors import ExportScheduleUnknown, ScheduleChanged
from .making import defer_make
from .model import SCHEDULED_KEPT, SETTLE, Export, ExportSchedule, ScheduleValues, next_run, run_id, span_before

DUE = "exports.begin_due"
#: Revisions whose transaction had not committed when the run before looked are found by looking back so far.
OVERLAP = timedelta(minutes=10)
_MOST_DUE = 500


class ExportSchedules:
    """The schedules of every agency."""

    def __init__(self, database: Database, clock: Clock, jobs: JobQueue) -> None:
        self._database = database
        self._clock = clock
        self._jobs = jobs

    def create_schedule(self, agency_id: UUID, values: ScheduleValues) -> ExportSchedule:
        """Its first span is the one that ends at its next hour, or has ended so lately that it has not settled: whoever
        makes a schedule for midnight a minute after it means the day that is just over."""
        due = next_run(values, self._clock.now() - SETTLE)
        row = asdict(values) | {
            "agency_id": agency_id, "id": new_id(), "next_run_at": due, "covered_until": span_before(values, due),
        }  # fmt: skip
        with self._database.tenant(agency_id) as connection:
            return store.insert_schedule(connection, row)

    def list_schedules(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Page[ExportSchedule]:
        """In the order in which they were made; of a client, its own."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_schedules(connection, agency_id, limit=limit + 1, after=after)
        return cut(found, limit, "created_at", "id")

    def get_schedule(self, agency_id: UUID, schedule_id: UUID) -> ExportSchedule:
        """Raises ExportScheduleUnknown."""
        with self._database.tenant(agency_id) as connection:
            found = store.find_schedule(connection, agency_id, schedule_id)
        if found is None:
            raise ExportScheduleUnknown
        return found

    def change_schedule(
        self, agency_id: UUID, schedule_id: UUID, *, expected_version: int, changes: Mapping[str, Any]
    ) -> ExportSchedule:
        """Spans go on where they were: nothing is left out and nothing comes twice. Raises ExportScheduleUnknown,
        ScheduleChanged, ValueRefused."""
        with self._database.tenant(agency_id) as connection:
            before = store.find_schedule(connection, agency_id, schedule_id, to_change=True)
            if before is None:
                raise ExportScheduleUnknown
            if before.version != expected_version:
                raise ScheduleChanged(before.version)
            values = ScheduleValues(**asdict(before.values) | dict(changes))
            due = next_run(values, max(before.covered_until, self._clock.now() - SETTLE))
            return store.change_schedule(connection, before, asdict(values) | {"next_run_at": due})

    def delete_schedule(self, agency_id: UUID, schedule_id: UUID) -> None:
        """Its exports stay until their time is over. Raises ExportScheduleUnknown."""
        with self._database.tenant(agency_id) as connection:
            if not store.delete_schedule(connection, agency_id, schedule_id):
                raise ExportScheduleUnknown

    def run_now(self, agency_id: UUID, schedule_id: UUID) -> Export:
        """Everything from where the last run ended until now. Raises ExportScheduleUnknown."""
        with self._database.tenant(agency_id) as connection:
            schedule = store.find_schedule(connection, agency_id, schedule_id, to_change=True)
            if schedule is None:
                raise ExportScheduleUnknown
            # Whole seconds: its folder is called by this moment.
            return self._begin_run(connection, schedule, self._clock.now().replace(microsecond=0), ran_at=None)

    def begin_due(self, _job: Job) -> Outcome:
        """The job ``exports.begin_due``: makes an export of every schedule whose span has ended and settled."""
        until = self._clock.now() - SETTLE
        with self._database.system() as connection:
            due = store.find_due(connection, until, _MOST_DUE)
        for agency_id, schedule_id in due:
            with self._database.tenant(agency_id) as connection:
                schedule = store.find_schedule(connection, agency_id, schedule_id, to_change=True)
                if schedule is not None and schedule.values.enabled and schedule.next_run_at <= until:
                    # After a pause of the whole platform: one export of everything that was missed.
                    last = schedule.next_run_at
                    while (following := next_run(schedule.values, last)) <= until:
                        last = following
                    self._begin_run(connection, schedule, last, ran_at=last)
        return Done()

    def _begin_run(
        self, connection: Connection, schedule: ExportSchedule, until: datetime, *, ran_at: datetime | None
    ) -> Export:
        export_id, values, now = run_id(schedule.id, until), schedule.values, self._clock.now()
        store.insert_export(
            connection,
            {
                "agency_id": schedule.agency_id, "id": export_id, "client_id": values.client_id,
                "schedule_id": schedule.id, "content": values.content, "format": values.format, "bom": values.bom,
                "from_at": schedule.covered_until, "until_at": until, "expires_at": now + SCHEDULED_KEPT,
                "late_since": schedule.last_cut_at - OVERLAP if schedule.last_cut_at else None,
            },
        )  # fmt: skip
        defer_make(connection, self._jobs, schedule.agency_id, export_id)
        advanced = {"covered_until": until, "last_export_id": export_id, "last_cut_at": now}
        if ran_at is not None:
            advanced["next_run_at"] = next_run(values, ran_at)
        store.advance_schedule(connection, schedule, advanced)
        found = store.find_export(connection, schedule.agency_id, export_id)
        assert found is not None
        return found

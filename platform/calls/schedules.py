"""Schedules: hours that a client's flows share. Changing one publishes every flow that keeps to it, in the same
transaction, so what the API has confirmed is what the next call runs.

``agency_id`` and ``client_id`` are the tenant of whoever asks (``client_id`` None: the whole agency).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..paging import Page
from . import schedule_store, store
from .errors import Fault, FlowFaulty, ScheduleFaulty, ScheduleInUse, ScheduleNotFound, VersionConflict
from .flow_faults import faults_of
from .flow_hours import OpenHours, twice
from .model import Schedule, name_fault
from .publishing import publish_flows


class ScheduleService:
    """The use cases of schedules."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_schedule(self, agency_id: UUID, client_id: UUID, *, name: str, hours: Mapping[str, Any]) -> Schedule:
        """Raises ScheduleFaulty, ClientNotFound."""
        now = self._clock.now()
        values = {"agency_id": agency_id, "client_id": client_id, "id": new_id(), "created_at": now, "updated_at": now}
        checked = _checked(name, hours)
        with self._database.tenant(agency_id, client_id) as connection:
            return store.insert_schedule(connection, {**values, **checked})

    def get_schedule(self, agency_id: UUID, schedule_id: UUID, *, client_id: UUID | None = None) -> Schedule:
        """Raises ScheduleNotFound."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found(store.find_schedule(connection, schedule_id))

    def list_schedules(
        self, agency_id: UUID, client_id: UUID | None = None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Schedule]:
        """Oldest first, ``limit`` at a time; ``after`` is the page before's ``next``."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.page_of_schedules(connection, limit=limit, after=after)

    def update_schedule(
        self,
        agency_id: UUID,
        schedule_id: UUID,
        *,
        client_id: UUID | None = None,
        expected_version: int | None = None,
        name: str | None = None,
        hours: Mapping[str, Any] | None = None,
    ) -> Schedule:
        """Calls that stand go on with the hours that they have seen. Raises ScheduleNotFound, ScheduleFaulty, and
        VersionConflict unless it is at ``expected_version``."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = self._held(connection, schedule_id)
            if expected_version not in (None, before.version):
                raise VersionConflict(expected=expected_version, current=before.version)
            values = _checked(before.name if name is None else name, before.hours if hours is None else hours)
            changed = store.change_schedule(connection, schedule_id, {**values, "updated_at": self._clock.now()})
            using = schedule_store.flows_with_schedule(connection, agency_id, before.client_id, schedule_id)
            if using and changed.hours != before.hours:
                _publish(connection, before.client_id, using)
            return changed

    def delete_schedule(self, agency_id: UUID, schedule_id: UUID, *, client_id: UUID | None = None) -> None:
        """Raises ScheduleNotFound, ScheduleInUse."""
        with self._database.tenant(agency_id, client_id) as connection:
            schedule = self._held(connection, schedule_id)
            if schedule_store.flows_with_schedule(connection, agency_id, schedule.client_id, schedule_id):
                raise ScheduleInUse
            store.delete_schedule(connection, schedule_id)

    @staticmethod
    def _held(connection: Any, schedule_id: UUID) -> Schedule:
        """The schedule; nobody else changes it, or publishes a flow that keeps to it, until the transaction ends."""
        owner = _found(store.find_schedule(connection, schedule_id)).client_id
        store.hold_client(connection, owner)
        return _found(store.find_schedule(connection, schedule_id))


def _publish(connection: Any, client_id: UUID, flows: list[UUID]) -> None:
    try:
        publish_flows(connection, client_id, flows)
    except FlowFaulty as error:
        raise ScheduleFaulty([Fault("/hours", "breaks_a_flow", str(error))]) from error


def _checked(name: str, hours: Mapping[str, Any]) -> dict[str, Any]:
    """As it is kept. Raises ScheduleFaulty."""
    faults = [fault] if (fault := name_fault(name)) is not None else []
    try:
        understood = OpenHours.model_validate(hours)
    except ValidationError as error:
        faults += [Fault(f"/hours{one.pointer}", one.code, one.message) for one in faults_of(dict(hours), error)]
        raise ScheduleFaulty(faults) from error
    faults += [
        Fault(f"/hours/holidays/{place}/date", "not_unique", f"{day} has its hours already")
        for place, day in twice(understood.holidays)
    ]
    if faults:
        raise ScheduleFaulty(faults)
    return {"name": name, "hours": understood.model_dump(mode="json", by_alias=True, exclude_none=True)}


def _found(schedule: Schedule | None) -> Schedule:
    if schedule is None:
        raise ScheduleNotFound
    return schedule

"""`/v1/schedules`: hours that a client's flows share."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from ..calls.model import Schedule
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Version, absent
from .flows import merged
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("schedules", __name__, tag="Flows")

ONE = "/v1/schedules/<uuid:open_schedule_id>"
EXAMPLE_HOURS: JsonDict = {
    "time_zone": "Europe/Moscow",
    "weekly": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": [{"date": "2027-01-01", "hours": []}],
}
ScheduleName = Annotated[str, Field(min_length=1, max_length=120, examples=["Office hours"])]
#: The room of calls checks it and names every fault; here it is any object.
Hours = Annotated[dict[str, Any], WithJsonSchema({"x-schema": "OpenHours"})]


class NewSchedule(Body):
    """Hours to be shared."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"client_id": EXAMPLE_ID, "name": "Office hours", "hours": EXAMPLE_HOURS}}
    )

    agency_id: AgencyId
    client_id: ClientId
    name: ScheduleName
    hours: Hours


class ScheduleChange(Body):
    """A merge patch of a schedule, inside its hours too."""

    model_config = ConfigDict(json_schema_extra={"example": {"hours": {"weekly": {"sat": [["10:00", "14:00"]]}}}})

    name: Annotated[ScheduleName, Field(default_factory=absent)]
    hours: Annotated[
        dict[str, Any],
        Field(
            default_factory=absent, description="Merged into the hours; a day's hours are replaced, null takes it away."
        ),
    ]


class ScheduleAnswer(Answer):
    """Hours that flows share."""

    id: Id
    agency_id: Id
    client_id: Id
    name: ScheduleName
    hours: Hours
    created_at: Moment
    updated_at: Moment
    version: Version


class ScheduleList(Listed[ScheduleAnswer]):
    """A page of schedules."""


def show(schedule: Schedule) -> ScheduleAnswer:
    return ScheduleAnswer.model_validate(schedule)


@endpoint(blueprint, "POST", "/v1/schedules", roles=EVERYBODY, body=NewSchedule, answer=ScheduleAnswer, status=201)
def create_schedule(asked: Asked, body: NewSchedule) -> Reply[ScheduleAnswer]:
    """Make a schedule

    A flow's step `{"type": "schedule", "schedule": "…"}` keeps to it.
    """
    schedules, owner = asked.services.schedules, owner_of(asked)
    return created(
        "/v1/schedules", show(schedules.create_schedule(asked.agency_id, owner, name=body.name, hours=body.hours))
    )


@endpoint(blueprint, "GET", "/v1/schedules", roles=EVERYBODY, query=OwnedQuery, answer=ScheduleList)
def list_schedules(asked: Asked, query: OwnedQuery) -> Any:
    """List schedules

    In the order in which they were made.
    """
    schedules = asked.services.schedules
    return list_page(
        asked,
        query,
        lambda limit, after: schedules.list_schedules(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", ONE, roles=EVERYBODY, answer=ScheduleAnswer)
def get_schedule(asked: Asked, open_schedule_id: UUID) -> Reply[ScheduleAnswer]:
    """Read a schedule"""
    return found(
        show(asked.services.schedules.get_schedule(asked.agency_id, open_schedule_id, client_id=asked.client_id))
    )


@endpoint(blueprint, "PATCH", ONE, roles=EVERYBODY, body=ScheduleChange, answer=ScheduleAnswer)
def change_schedule(asked: Asked, open_schedule_id: UUID, body: ScheduleChange) -> Reply[ScheduleAnswer]:
    """Change a schedule

    Every flow that keeps to it is published anew: calls that begin from now on follow the change.
    """
    schedules = asked.services.schedules
    before = schedules.get_schedule(asked.agency_id, open_schedule_id, client_id=asked.client_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    if "hours" in changes:
        changes["hours"] = merged(before.hours, changes["hours"])
    changed = schedules.update_schedule(
        asked.agency_id, open_schedule_id, client_id=asked.client_id, expected_version=before.version, **changes
    )
    return found(show(changed))


@endpoint(blueprint, "DELETE", ONE, roles=EVERYBODY, status=204, problems=("schedule_in_use",))
def delete_schedule(asked: Asked, open_schedule_id: UUID) -> Response:
    """Remove a schedule"""
    asked.services.schedules.delete_schedule(asked.agency_id, open_schedule_id, client_id=asked.client_id)
    return Response(status=204)

"""`/v1/export-schedules`: exports that come by themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from ..exports.model import ExportSchedule, ScheduleValues
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .exports import Bom, Content, ExportAnswer, Format, note, show
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Name, Version, absent
from .owners import OwnedQuery
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("export_schedules", __name__, tag="Exports")

Client = Annotated[UUID | None, Field(description="null: a file for each client of the agency.", examples=[EXAMPLE_ID])]
Every = Annotated[Literal["daily", "weekly", "monthly"], Field(examples=["weekly"])]
Hour = Annotated[StrictInt, Field(ge=0, le=23, description="Local hour at which a span ends.", examples=[4])]
Weekday = Annotated[
    StrictInt | None, Field(ge=1, le=7, description="With weekly: 1 is Monday, 7 is Sunday.", examples=[1])
]
Day = Annotated[StrictInt | None, Field(ge=1, le=28, description="With monthly: the day.", examples=[None])]
Zone = Annotated[str, Field(max_length=64, description="IANA name of the hour's zone.", examples=["Europe/Berlin"])]


class NewExportSchedule(Body):
    """A schedule to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "Calls of the day", "content": "calls", "format": "csv", "every": "daily", "hour": 0,
                "time_zone": "Europe/Berlin",
            }
        }
    )  # fmt: skip

    agency_id: AgencyId
    client_id: Annotated[Client, Field(default=None)]
    name: Name
    content: Content
    format: Format
    every: Every
    hour: Hour
    weekday: Annotated[Weekday, Field(default=None)]
    day: Annotated[Day, Field(default=None)]
    time_zone: Annotated[Zone, Field(default="UTC")]
    bom: Annotated[Bom, Field(default=False)]
    enabled: Annotated[StrictBool, Field(default=True)]


class ExportScheduleChange(Body):
    """A merge patch of a schedule. Its client stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"hour": 6}})

    name: Annotated[Name, Field(default_factory=absent)]
    content: Annotated[Content, Field(default_factory=absent)]
    format: Annotated[Format, Field(default_factory=absent)]
    every: Annotated[Every, Field(default_factory=absent)]
    hour: Annotated[Hour, Field(default_factory=absent)]
    weekday: Annotated[Weekday, Field(default=None)]
    day: Annotated[Day, Field(default=None)]
    time_zone: Annotated[Zone, Field(default_factory=absent)]
    bom: Annotated[Bom, Field(default_factory=absent)]
    enabled: Annotated[StrictBool, Field(default_factory=absent)]


class ExportScheduleAnswer(Answer):
    """A schedule of exports."""

    id: Id
    agency_id: Id
    client_id: Client
    name: Name
    content: Content
    format: Format
    every: Every
    hour: Hour
    weekday: Weekday
    day: Day
    time_zone: Zone
    bom: bool
    enabled: bool
    covered_until: Annotated[Moment, Field(description="Where the span of the next run begins.")]
    next_run_at: Annotated[
        Moment, Field(description="Where it ends, and when it is made: five minutes later, for what commits late.")
    ]
    last_export_id: UUID | None
    created_at: Moment
    updated_at: Moment
    version: Version


class ExportScheduleList(Listed[ExportScheduleAnswer]):
    """A page of schedules."""


def show_schedule(schedule: ExportSchedule) -> ExportScheduleAnswer:
    own = {name: getattr(schedule, name) for name in ExportSchedule.__dataclass_fields__ if name != "values"}
    values = {name: getattr(schedule.values, name) for name in ScheduleValues.__dataclass_fields__}
    return ExportScheduleAnswer(**own, **values)


@endpoint(
    blueprint, "POST", "/v1/export-schedules", roles=AGENCY, body=NewExportSchedule, answer=ExportScheduleAnswer,
    status=201,
)  # fmt: skip
def create_export_schedule(asked: Asked, body: NewExportSchedule) -> Reply[ExportScheduleAnswer]:
    """Make a schedule of exports

    Its first span is the one that ends at its next hour. Calls that are revised later than their own span are exported
    once more in the next one.
    """
    values = ScheduleValues(**body.model_dump(exclude={"agency_id"}))
    made = asked.services.export_schedules.create_schedule(asked.agency_id, values)
    return created("/v1/export-schedules", show_schedule(made))


@endpoint(blueprint, "GET", "/v1/export-schedules", roles=AGENCY, query=OwnedQuery, answer=ExportScheduleList)
def list_export_schedules(asked: Asked, query: OwnedQuery) -> Any:
    """List schedules of exports

    In the order in which they were made.
    """
    schedules = asked.services.export_schedules
    return list_page(
        asked,
        query,
        lambda limit, after: schedules.list_schedules(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(show_schedule),
    )


@endpoint(blueprint, "GET", "/v1/export-schedules/<uuid:schedule_id>", roles=AGENCY, answer=ExportScheduleAnswer)
def get_export_schedule(asked: Asked, schedule_id: UUID) -> Reply[ExportScheduleAnswer]:
    """Read a schedule of exports"""
    return found(show_schedule(asked.services.export_schedules.get_schedule(asked.agency_id, schedule_id)))


@endpoint(
    blueprint, "PATCH", "/v1/export-schedules/<uuid:schedule_id>", roles=AGENCY, body=ExportScheduleChange,
    answer=ExportScheduleAnswer,
)  # fmt: skip
def change_export_schedule(asked: Asked, schedule_id: UUID, body: ExportScheduleChange) -> Reply[ExportScheduleAnswer]:
    """Change a schedule of exports

    A JSON merge patch: what is left out stays. Spans go on where they were.
    """
    schedules = asked.services.export_schedules
    before = schedules.get_schedule(asked.agency_id, schedule_id)
    check_match(request.headers, before.version, required=True)
    changed = schedules.change_schedule(
        asked.agency_id, schedule_id, expected_version=before.version, changes=body.changes()
    )
    return found(show_schedule(changed))


@endpoint(blueprint, "DELETE", "/v1/export-schedules/<uuid:schedule_id>", roles=AGENCY, status=204)
def delete_export_schedule(asked: Asked, schedule_id: UUID) -> Response:
    """Remove a schedule of exports

    Its exports stay until their time is over.
    """
    asked.services.export_schedules.delete_schedule(asked.agency_id, schedule_id)
    return Response(status=204)


@endpoint(
    blueprint, "POST", "/v1/export-schedules/<uuid:schedule_id>/run", roles=AGENCY, answer=ExportAnswer, status=202
)
def run_export_schedule(asked: Asked, schedule_id: UUID) -> tuple[ExportAnswer, int, dict[str, str]]:
    """Run a schedule now

    Everything from where its last run ended until now; the next run goes on from here.
    """
    made = asked.services.export_schedules.run_now(asked.agency_id, schedule_id)
    note(asked, "export.made", made.id, made.client_id, content=made.content, format=made.format)
    return show(made), 202, {"Location": f"/v1/exports/{made.id}"}

"""`/v1/agencies`: the operator's customers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field, StrictBool

from ..tenancy.model import Agency
from .auth import AGENCY, OPERATOR, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import Answer, Body, Id, Moment, Name, Version, absent
from .paging import Listed, ListQuery, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("agencies", __name__, tag="Agencies")


_REQUIRED = "Whoever signs in must have a second factor: who has none may make one, and nothing else until then."


class NewAgency(Body):
    """An agency to be made."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "North Star Media"}})

    name: Name


class AgencyChange(Body):
    """A merge patch of an agency."""

    model_config = ConfigDict(json_schema_extra={"example": {"second_factor_required": True}})

    name: Annotated[Name, Field(default_factory=absent)]
    status: Annotated[
        Literal["active", "suspended"],
        Field(default_factory=absent, description="The operator's to set: suspended stops all its numbers."),
    ]
    second_factor_required: Annotated[StrictBool, Field(default_factory=absent, description=_REQUIRED)]


class AgencyAnswer(Answer):
    """An agency: it resells tracking to its clients."""

    id: Id
    name: Name
    status: Literal["active", "suspended"]
    second_factor_required: Annotated[bool, Field(description=_REQUIRED)]
    created_at: Moment
    updated_at: Moment
    version: Version


class AgencyList(Listed[AgencyAnswer]):
    """A page of agencies."""


def show(agency: Agency) -> AgencyAnswer:
    return AgencyAnswer.model_validate(agency)


@endpoint(blueprint, "POST", "/v1/agencies", roles=OPERATOR, body=NewAgency, answer=AgencyAnswer, status=201)
def create_agency(asked: Asked, body: NewAgency) -> Reply[AgencyAnswer]:
    """Make an agency

    Make a key for it next: `POST /v1/keys` with its `agency_id`.
    """
    return created("/v1/agencies", show(asked.services.tenancy.create_agency(body.name)))


@endpoint(blueprint, "GET", "/v1/agencies", roles=OPERATOR, query=ListQuery, answer=AgencyList)
def list_agencies(asked: Asked, query: ListQuery) -> Any:
    """List agencies

    In the order in which they were made.
    """
    tenancy = asked.services.tenancy
    return list_page(asked, query, lambda limit, after: tenancy.list_agencies(limit=limit, after=after), each(show))


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>", roles=AGENCY, answer=AgencyAnswer)
def get_agency(asked: Asked, agency_id: UUID) -> Reply[AgencyAnswer]:
    """Read an agency

    An agency's own key reads its own agency only.
    """
    return found(show(asked.services.tenancy.get_agency(agency_id)))


@endpoint(blueprint, "PATCH", "/v1/agencies/<uuid:agency_id>", roles=AGENCY, body=AgencyChange, answer=AgencyAnswer)
def change_agency(asked: Asked, agency_id: UUID, body: AgencyChange) -> Reply[AgencyAnswer]:
    """Change an agency

    An agency's own key changes its own agency, but for its status.
    """
    tenancy = asked.services.tenancy
    before = tenancy.get_agency(agency_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    if changes.get("status", before.status) != before.status and asked.principal.role != "operator":
        raise Problem("role_insufficient", "Only the operator suspends an agency, and lets it go on.")
    return found(show(tenancy.update_agency(agency_id, version=before.version, changes=changes)))

"""`/v1/clients`: whom an agency works for."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field

from ..tenancy.model import Client
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Name, Version, absent
from .paging import Listed, ListQuery, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("clients", __name__, tag="Clients")

ZONE = "IANA name of the time zone of the client's reports and schedules."


BackupTarget = Annotated[
    UUID | None,
    Field(
        description="A target of this client that is rung once when a flow has rung all its targets in vain.",
        examples=[EXAMPLE_ID],
    ),
]


class NewClient(Body):
    """A client to be made."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Bright Dental", "time_zone": "Europe/London"}})

    agency_id: AgencyId
    name: Name
    time_zone: Annotated[str, Field(default="UTC", max_length=64, description=ZONE)]


class ClientChange(Body):
    """A merge patch of a client."""

    model_config = ConfigDict(json_schema_extra={"example": {"backup_target_id": EXAMPLE_ID}})

    name: Annotated[Name, Field(default_factory=absent)]
    time_zone: Annotated[str, Field(default_factory=absent, max_length=64, description=ZONE)]
    backup_target_id: Annotated[BackupTarget, Field(default_factory=absent)]
    status: Annotated[
        Literal["active", "suspended"],
        Field(default_factory=absent, description="suspended: calls to its numbers are refused; its records stay."),
    ]


class ClientAnswer(Answer):
    """A client of an agency: it owns numbers, flows, targets and calls."""

    id: Id
    agency_id: Id
    name: Name
    time_zone: Annotated[str, Field(description=ZONE, examples=["Europe/London"])]
    backup_target_id: BackupTarget
    status: Literal["active", "suspended"]
    created_at: Moment
    updated_at: Moment
    version: Version


class ClientList(Listed[ClientAnswer]):
    """A page of clients."""


def show(client: Client) -> ClientAnswer:
    return ClientAnswer.model_validate(client)


@endpoint(blueprint, "POST", "/v1/clients", roles=AGENCY, body=NewClient, answer=ClientAnswer, status=201)
def create_client(asked: Asked, body: NewClient) -> Reply[ClientAnswer]:
    """Make a client"""
    made = asked.services.tenancy.create_client(asked.agency_id, body.name, body.time_zone)
    return created("/v1/clients", show(made))


@endpoint(blueprint, "GET", "/v1/clients", roles=EVERYBODY, query=ListQuery, answer=ClientList)
def list_clients(asked: Asked, query: ListQuery) -> Any:
    """List clients

    In the order in which they were made. A client's key sees its own client only.
    """
    tenancy = asked.services.tenancy
    return list_page(
        asked,
        query,
        lambda limit, after: tenancy.list_clients(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/clients/<uuid:client_id>", roles=EVERYBODY, answer=ClientAnswer)
def get_client(asked: Asked, client_id: UUID) -> Reply[ClientAnswer]:
    """Read a client"""
    if asked.client_id not in {None, client_id}:
        raise Problem("not_found", "There is no such client.")
    return found(show(asked.services.tenancy.get_client(asked.agency_id, client_id)))


@endpoint(blueprint, "PATCH", "/v1/clients/<uuid:client_id>", roles=AGENCY, body=ClientChange, answer=ClientAnswer)
def change_client(asked: Asked, client_id: UUID, body: ClientChange) -> Reply[ClientAnswer]:
    """Change a client

    A JSON merge patch: what is left out stays. A changed time zone or backup target is followed by the next call to any
    of its numbers.
    """
    before = asked.services.tenancy.get_client(asked.agency_id, client_id)
    check_match(request.headers, before.version, required=True)
    changed = asked.services.flows.update_client(
        asked.agency_id, client_id, expected_version=before.version, **body.changes()
    )
    return found(show(changed))

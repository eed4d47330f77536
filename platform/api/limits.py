"""`/v1/agencies/{id}/limits`, `/v1/clients/{id}/limits`, `/v1/agencies/{id}/destinations`: how many calls, where to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field, StrictInt

from ..admission.model import MOST_CALLS, MOST_CALLS_PER_S, MOST_DESTINATIONS, Limits
from .auth import AGENCY, EVERYBODY, OPERATOR, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import AgencyId, Answer, Body

blueprint = APIBlueprint("limits", __name__, tag="Limits")

MaxCalls = Annotated[
    StrictInt | None,
    Field(ge=0, le=MOST_CALLS, description="Calls at a time; null: as many as come, 0: none.", examples=[30]),
]
MaxRate = Annotated[
    StrictInt | None,
    Field(ge=0, le=MOST_CALLS_PER_S, description="Calls that begin within a second; null: any number.", examples=[5]),
]


class LimitsPut(Body):
    """The limits to hold from the next call on. Both must be named."""

    model_config = ConfigDict(json_schema_extra={"example": {"max_calls": 30, "max_calls_per_s": 5}})

    agency_id: AgencyId
    max_calls: MaxCalls
    max_calls_per_s: MaxRate


class LimitsAnswer(Answer):
    """What one more call is held against. Who comes on top hears that the line is busy (486), and has a record."""

    max_calls: MaxCalls
    max_calls_per_s: MaxRate


class DestinationsPut(Body):
    """The prefixes to hold from the next call on."""

    model_config = ConfigDict(json_schema_extra={"example": {"prefixes": ["+44", "+353"]}})

    prefixes: Annotated[
        list[Annotated[str, Field(max_length=15)]],
        Field(max_length=MOST_DESTINATIONS, description="`+` and 1 to 14 digits each.", examples=[["+44", "+353"]]),
    ]


class DestinationsAnswer(Answer):
    """Where calls may be forwarded to by telephone. None: nowhere."""

    prefixes: Annotated[list[str], Field(examples=[["+353", "+44"]])]


def _show(limits: Limits) -> LimitsAnswer:
    return LimitsAnswer(max_calls=limits.max_calls, max_calls_per_s=limits.max_calls_per_s)


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>/limits", roles=AGENCY, answer=LimitsAnswer)
def get_agency_limits(asked: Asked, agency_id: UUID) -> LimitsAnswer:
    """Read an agency's limits"""
    return _show(asked.services.admission.get_limits(agency_id))


@endpoint(blueprint, "PUT", "/v1/agencies/<uuid:agency_id>/limits", roles=OPERATOR, body=LimitsPut, answer=LimitsAnswer)
def put_agency_limits(asked: Asked, agency_id: UUID, body: LimitsPut) -> LimitsAnswer:
    """Set an agency's limits

    Of all its clients together.
    """
    wanted = Limits(body.max_calls, body.max_calls_per_s)
    return _show(asked.services.admission.set_limits(agency_id, None, wanted))


@endpoint(blueprint, "GET", "/v1/clients/<uuid:client_id>/limits", roles=EVERYBODY, answer=LimitsAnswer)
def get_client_limits(asked: Asked, client_id: UUID) -> LimitsAnswer:
    """Read a client's limits"""
    _own_client(asked, client_id)
    return _show(asked.services.admission.get_limits(asked.agency_id, client_id))


@endpoint(blueprint, "PUT", "/v1/clients/<uuid:client_id>/limits", roles=AGENCY, body=LimitsPut, answer=LimitsAnswer)
def put_client_limits(asked: Asked, client_id: UUID, body: LimitsPut) -> LimitsAnswer:
    """Set a client's limits

    The agency's own hold besides.
    """
    _own_client(asked, client_id)
    wanted = Limits(body.max_calls, body.max_calls_per_s)
    return _show(asked.services.admission.set_limits(asked.agency_id, client_id, wanted))


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>/destinations", roles=AGENCY, answer=DestinationsAnswer)
def get_destinations(asked: Asked, agency_id: UUID) -> DestinationsAnswer:
    """Read an agency's destinations"""
    return DestinationsAnswer(prefixes=asked.services.admission.get_destinations(agency_id))


@endpoint(
    blueprint,
    "PUT",
    "/v1/agencies/<uuid:agency_id>/destinations",
    roles=OPERATOR,
    body=DestinationsPut,
    answer=DestinationsAnswer,
)
def put_destinations(asked: Asked, agency_id: UUID, body: DestinationsPut) -> DestinationsAnswer:
    """Set an agency's destinations

    A target whose number no prefix begins any more is not dialled from the next call on.
    """
    return DestinationsAnswer(prefixes=asked.services.admission.set_destinations(agency_id, body.prefixes))


def _own_client(asked: Asked, client_id: UUID) -> None:
    """Raises Problem (404) or ClientUnknown."""
    if asked.client_id not in {None, client_id}:
        raise Problem("not_found", "There is no such client.")
    asked.services.tenancy.get_client(asked.agency_id, client_id)

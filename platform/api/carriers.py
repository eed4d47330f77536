"""`/v1/carriers`: who has telephone numbers for the platform. The operator's."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field

from ..carriers.model import Carrier, CarrierValues
from .auth import OPERATOR, Asked
from .endpoint import endpoint
from .fields import Answer, Body, Id, Moment, Version, absent
from .paging import Listed, ListQuery, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("carriers", __name__, tag="Carriers")

CarrierName = Annotated[str, Field(min_length=1, max_length=41, examples=["own-numbers"])]
File = Annotated[
    str | None,
    Field(
        max_length=65,
        description="Of the adapter `inventory`: a CSV file in DIALTRACE_INVENTORY_DIR with the columns e164, country, "
        "region, kind.",
        examples=["numbers.csv"],
    ),
]
BaseUrl = Annotated[
    str | None, Field(max_length=500, description="Of the adapter `http`: where its API is.", examples=[None])
]
Token = Annotated[
    str | None,
    Field(min_length=1, max_length=500, description="What the adapter `http` shows; kept sealed, never told."),
]


class NewCarrier(Body):
    """A carrier to be made."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "own-numbers", "adapter": "inventory", "file": "numbers.csv"}}
    )

    name: CarrierName
    adapter: Literal["inventory", "http"]
    file: Annotated[File, Field(default=None)]
    base_url: Annotated[BaseUrl, Field(default=None)]
    token: Annotated[Token, Field(default=None)]
    enabled: Annotated[bool, Field(default=True, description="False: its numbers are not offered.")]


class CarrierChange(Body):
    """A merge patch of a carrier."""

    model_config = ConfigDict(json_schema_extra={"example": {"enabled": False}})

    name: Annotated[CarrierName, Field(default_factory=absent)]
    file: Annotated[File, Field(default=None)]
    base_url: Annotated[BaseUrl, Field(default=None)]
    token: Annotated[Token, Field(default=None)]
    enabled: Annotated[bool, Field(default_factory=absent)]


class CarrierAnswer(Answer):
    """A carrier."""

    id: Id
    name: CarrierName
    adapter: Literal["inventory", "http"]
    file: File
    base_url: BaseUrl
    has_token: bool
    enabled: bool
    created_at: Moment
    updated_at: Moment
    version: Version


class CarrierList(Listed[CarrierAnswer]):
    """A page of carriers."""


def show(carrier: Carrier) -> CarrierAnswer:
    names = CarrierAnswer.model_fields.keys() - {"has_token"}
    told = {name: getattr(carrier, name) for name in names}
    return CarrierAnswer(**told, has_token=carrier.sealed_token is not None)


@endpoint(
    blueprint, "POST", "/v1/carriers", roles=OPERATOR, body=NewCarrier, answer=CarrierAnswer, status=201,
    problems=("carrier_name_taken",),
)  # fmt: skip
def create_carrier(asked: Asked, body: NewCarrier) -> Reply[CarrierAnswer]:
    """Make a carrier

    Its numbers can be searched and ordered from now on.
    """
    values = CarrierValues(**body.model_dump(exclude={"token"}))
    return created("/v1/carriers", show(asked.services.carriers.create_carrier(values, token=body.token)))


@endpoint(blueprint, "GET", "/v1/carriers", roles=OPERATOR, query=ListQuery, answer=CarrierList)
def list_carriers(asked: Asked, query: ListQuery) -> Any:
    """List carriers"""
    carriers = asked.services.carriers
    return list_page(asked, query, lambda limit, after: carriers.list_carriers(limit=limit, after=after), each(show))


@endpoint(blueprint, "GET", "/v1/carriers/<uuid:carrier_id>", roles=OPERATOR, answer=CarrierAnswer)
def get_carrier(asked: Asked, carrier_id: UUID) -> Reply[CarrierAnswer]:
    """Read a carrier"""
    return found(show(asked.services.carriers.get_carrier(carrier_id)))


@endpoint(
    blueprint, "PATCH", "/v1/carriers/<uuid:carrier_id>", roles=OPERATOR, body=CarrierChange, answer=CarrierAnswer,
    problems=("carrier_name_taken",),
)  # fmt: skip
def change_carrier(asked: Asked, carrier_id: UUID, body: CarrierChange) -> Reply[CarrierAnswer]:
    """Change a carrier

    A JSON merge patch: what is left out stays.
    """
    before = asked.services.carriers.get_carrier(carrier_id)
    check_match(request.headers, before.version, required=True)
    changed = asked.services.carriers.change_carrier(carrier_id, version=before.version, changes=body.changes())
    return found(show(changed))


@endpoint(blueprint, "DELETE", "/v1/carriers/<uuid:carrier_id>", roles=OPERATOR, status=204)
def delete_carrier(asked: Asked, carrier_id: UUID) -> Response:
    """Delete a carrier

    Numbers that came from it stay; orders that are still with it are not followed any more.
    """
    asked.services.carriers.delete_carrier(carrier_id)
    return Response(status=204)

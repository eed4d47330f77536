"""`/v1/trunks`: who carries calls to telephone numbers. For the operator's keys only."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from ..trunks.model import LOWEST_PRIORITY, MOST_CALLS, MOST_CALLS_PER_S, Trunk, TrunkValues
from .auth import OPERATOR, Asked
from .endpoint import endpoint
from .fields import Answer, Body, Id, Moment, Version, absent
from .paging import Listed, ListQuery, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("trunks", __name__, tag="Trunks")

TrunkName = Annotated[
    str,
    Field(max_length=32, description="Small letters, digits and -; records tell it.", examples=["north"]),
]
Host = Annotated[str, Field(max_length=253, description="Host name or IPv4 address.", examples=["sip.carrier.example"])]
Port = Annotated[StrictInt | None, Field(ge=1, le=65_535, description="null: 5060, or what DNS says.", examples=[5060])]
Authentication = Annotated[
    Literal["address", "digest"],
    Field(
        description="How the trunk knows us: by our address, or by a user name and a password.", examples=["address"]
    ),
]
Username = Annotated[str, Field(max_length=64, description="For digest; else empty.", examples=[""])]
Password = Annotated[
    str,
    Field(
        max_length=128,
        description="For digest; it is sealed, never shown again, and stands in no record, event or log.",
        examples=["correct-horse"],
    ),
]
DialPrefix = Annotated[str, Field(max_length=16, description="Digits in front of every number.", examples=[""])]
NumberForm = Annotated[Literal["e164", "digits"], Field(description="digits: without the `+`.", examples=["e164"])]
Priority = Annotated[
    StrictInt, Field(ge=0, le=LOWEST_PRIORITY, description="Of trunks that cost the same the lowest.", examples=[100])
]
MaxCalls = Annotated[
    StrictInt | None, Field(ge=0, le=MOST_CALLS, description="At a time on each node; null: any number.", examples=[60])
]
MaxCallsPerS = Annotated[
    StrictInt | None,
    Field(ge=1, le=MOST_CALLS_PER_S, description="That begin within a second, on each node; null: any.", examples=[5]),
]
Currency = Annotated[str, Field(max_length=3, description="One for all trunks.", examples=["USD"])]
Costs = Annotated[
    dict[str, str],
    Field(
        description="Prefix → price of a minute; the longest prefix counts, `+` is anywhere. What none begins is not "
        "carried.",
        examples=[{"+": "0.09", "+44": "0.0125"}],
    ),
]


class NewTrunk(Body):
    """A trunk to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "north", "host": "sip.carrier.example", "costs": {"+": "0.09", "+44": "0.0125"}}
        }
    )

    name: TrunkName
    host: Host
    port: Annotated[Port, Field(default=None)]
    authentication: Annotated[Authentication, Field(default="address")]
    username: Annotated[Username, Field(default="")]
    password: Annotated[Password | None, Field(default=None)]
    dial_prefix: Annotated[DialPrefix, Field(default="")]
    number_form: Annotated[NumberForm, Field(default="e164")]
    priority: Annotated[Priority, Field(default=100)]
    max_calls: Annotated[MaxCalls, Field(default=None)]
    max_calls_per_s: Annotated[MaxCallsPerS, Field(default=None)]
    currency: Annotated[Currency, Field(default="USD")]
    costs: Costs
    enabled: Annotated[StrictBool, Field(default=True)]


class TrunkChange(Body):
    """A merge patch of a trunk; `costs` is replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"example": {"enabled": False}})

    name: Annotated[TrunkName, Field(default_factory=absent)]
    host: Annotated[Host, Field(default_factory=absent)]
    port: Annotated[Port, Field(default=None)]
    authentication: Annotated[Authentication, Field(default_factory=absent)]
    username: Annotated[Username, Field(default_factory=absent)]
    password: Annotated[Password, Field(default_factory=absent)]
    dial_prefix: Annotated[DialPrefix, Field(default_factory=absent)]
    number_form: Annotated[NumberForm, Field(default_factory=absent)]
    priority: Annotated[Priority, Field(default_factory=absent)]
    max_calls: Annotated[MaxCalls, Field(default=None)]
    max_calls_per_s: Annotated[MaxCallsPerS, Field(default=None)]
    currency: Annotated[Currency, Field(default_factory=absent)]
    costs: Annotated[Costs, Field(default_factory=absent)]
    enabled: Annotated[StrictBool, Field(default_factory=absent)]


class TrunkAnswer(Answer):
    """A trunk: it carries calls to telephone numbers, the cheapest first."""

    id: Id
    name: TrunkName
    host: Host
    port: Port
    authentication: Authentication
    username: Username
    has_password: bool
    dial_prefix: DialPrefix
    number_form: NumberForm
    priority: Priority
    max_calls: MaxCalls
    max_calls_per_s: MaxCallsPerS
    currency: Currency
    costs: Costs
    enabled: bool
    created_at: Moment
    updated_at: Moment
    version: Version


class TrunkList(Listed[TrunkAnswer]):
    """A page of trunks."""


def show(trunk: Trunk) -> TrunkAnswer:
    return TrunkAnswer.model_validate(trunk)


@endpoint(
    blueprint, "POST", "/v1/trunks", roles=OPERATOR, body=NewTrunk, answer=TrunkAnswer, status=201,
    problems=("trunk_name_taken",),
)  # fmt: skip
def create_trunk(asked: Asked, body: NewTrunk) -> Reply[TrunkAnswer]:
    """Make a trunk"""
    values = TrunkValues(**body.model_dump(exclude={"password"}))
    return created("/v1/trunks", show(asked.services.trunks.create_trunk(values, password=body.password)))


@endpoint(blueprint, "GET", "/v1/trunks", roles=OPERATOR, query=ListQuery, answer=TrunkList)
def list_trunks(asked: Asked, query: ListQuery) -> Any:
    """List trunks

    In the order in which they were made.
    """
    trunks = asked.services.trunks
    return list_page(asked, query, lambda limit, after: trunks.list_trunks(limit=limit, after=after), each(show))


@endpoint(blueprint, "GET", "/v1/trunks/<uuid:trunk_id>", roles=OPERATOR, answer=TrunkAnswer)
def get_trunk(asked: Asked, trunk_id: UUID) -> Reply[TrunkAnswer]:
    """Read a trunk"""
    return found(show(asked.services.trunks.get_trunk(trunk_id)))


@endpoint(
    blueprint, "PATCH", "/v1/trunks/<uuid:trunk_id>", roles=OPERATOR, body=TrunkChange, answer=TrunkAnswer,
    problems=("trunk_name_taken",),
)  # fmt: skip
def change_trunk(asked: Asked, trunk_id: UUID, body: TrunkChange) -> Reply[TrunkAnswer]:
    """Change a trunk

    A JSON merge patch: what is left out stays. It holds from the next call on.
    """
    trunks = asked.services.trunks
    before = trunks.get_trunk(trunk_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    password = changes.pop("password", None)
    changed = trunks.change_trunk(trunk_id, expected_version=before.version, changes=changes, password=password)
    return found(show(changed))


@endpoint(blueprint, "DELETE", "/v1/trunks/<uuid:trunk_id>", roles=OPERATOR, status=204)
def delete_trunk(asked: Asked, trunk_id: UUID) -> Response:
    """Remove a trunk

    Calls that stand go on.
    """
    asked.services.trunks.delete_trunk(trunk_id)
    return Response(status=204)

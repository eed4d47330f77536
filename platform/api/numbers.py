"""`/v1/numbers`: the telephone numbers that callers dial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import AfterValidator, ConfigDict, Field

from ..numbers.model import SOURCE_FIELDS, Inventory, Number
from ..sites.sources import source_book
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, PhoneFilter, Version, absent
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("numbers", __name__, tag="Numbers")

Label = Annotated[
    str, Field(max_length=200, description="For people; the platform does not read it.", examples=["Shop window"])
]
FlowId = Annotated[
    UUID | None,
    Field(description="The flow that answers; null: calls are refused.", examples=[EXAMPLE_ID]),
]
Kind = Literal["static", "dynamic"]
SourceText = Annotated[str | None, Field(max_length=300, examples=[None])]
SOURCE_OF = "What calls to this static number come from; null: nothing is known."


def _channel(text: str) -> str:
    channels = source_book().channels
    if text not in channels:
        raise ValueError("must be one of " + ", ".join(channels))
    return text


ChannelOf = Annotated[
    Annotated[str, Field(max_length=300), AfterValidator(_channel)] | None,
    Field(description=SOURCE_OF, examples=["offline"]),
]
SourceOf = Annotated[str | None, Field(max_length=300, description="Its name.", examples=["radio"])]
State = Literal["free", "soaking", "in_pool", "static", "resting", "quarantined", "released"]


class NewNumber(Body):
    """A number to be added."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID,
                "number": "+442079460123",
                "flow_id": EXAMPLE_ID,
                "label": "Shop window",
            }
        }
    )

    agency_id: AgencyId
    client_id: ClientId
    number: Annotated[str, Field(min_length=1, max_length=40, description="E.164.", examples=["+442079460123"])]
    kind: Annotated[
        Kind, Field(default="static", description="static belongs to one source, dynamic to a pool that leases it.")
    ]
    flow_id: Annotated[FlowId, Field(default=None)]
    label: Annotated[Label, Field(default="")]
    channel: Annotated[ChannelOf, Field(default=None)]
    source: Annotated[SourceOf, Field(default=None)]
    medium: Annotated[SourceText, Field(default=None)]
    campaign: Annotated[SourceText, Field(default=None)]
    content: Annotated[SourceText, Field(default=None)]
    keyword: Annotated[SourceText, Field(default=None)]
    region: Annotated[
        str | None, Field(default=None, max_length=100, description="Where callers take it to be.", examples=["London"])
    ]
    soak_days: Annotated[
        int,
        Field(default=0, ge=0, le=180, description="Of a dynamic number: for so long its calls are counted before "
              "it is free; one that others dial is set aside.", examples=[14]),
    ]  # fmt: skip


class NumberChange(Body):
    """A merge patch of a number."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "suspended"}})

    flow_id: Annotated[FlowId, Field(default=None)]
    label: Annotated[Label, Field(default_factory=absent)]
    status: Annotated[
        Literal["active", "suspended"],
        Field(default_factory=absent, description="suspended: calls are refused. DELETE releases a number."),
    ]
    channel: Annotated[ChannelOf, Field(default=None)]
    source: Annotated[SourceOf, Field(default=None)]
    medium: Annotated[SourceText, Field(default=None)]
    campaign: Annotated[SourceText, Field(default=None)]
    content: Annotated[SourceText, Field(default=None)]
    keyword: Annotated[SourceText, Field(default=None)]


class ProofStepAnswer(Answer):
    """One thing that a proof looked at."""

    name: Annotated[str, Field(description="Such as reached, heard, cdr, flow or recording.", examples=["cdr"])]
    ok: bool
    ms: Annotated[int | None, Field(description="Milliseconds from the call's INVITE.", examples=[5210])]
    detail: Annotated[str | None, Field(description="What was wrong, or odd.", examples=[None])]


class ProofAnswer(Answer):
    """What a test call to the number has shown."""

    outcome: Literal["proven", "failed"]
    tried_at: Moment
    call_id: Annotated[UUID | None, Field(description="The test call, for `GET /v1/calls/{id}`.")]
    node: Annotated[str | None, Field(examples=["node-1"])]
    total_ms: Annotated[int, Field(examples=[6040])]
    steps: list[ProofStepAnswer]


class NumberAnswer(Answer):
    """A telephone number that callers dial."""

    id: Id
    agency_id: Id
    client_id: Id
    number: Annotated[str, Field(description="E.164.", examples=["+442079460123"])]
    kind: Kind
    status: Literal["active", "suspended", "released"]
    label: Label
    flow_id: FlowId
    channel: Annotated[str | None, Field(description=SOURCE_OF, examples=["offline"])]
    source: SourceOf
    medium: SourceText
    campaign: SourceText
    content: SourceText
    keyword: SourceText
    pool_id: Annotated[UUID | None, Field(description="The pool that leases it.", examples=[None])]
    region: Annotated[str | None, Field(description="Where callers take it to be.", examples=["London"])]
    state: Annotated[State, Field(description="Where it stands in the inventory.", examples=["static"])]
    state_at: Annotated[Moment | None, Field(description="Since when.")]
    state_reason: Annotated[str | None, Field(examples=[None])]
    carrier_id: Annotated[UUID | None, Field(description="The carrier that it came from.", examples=[None])]
    free_from: Annotated[Moment | None, Field(description="Of one that soaks or rests: not before that.")]
    created_at: Moment
    updated_at: Moment
    released_at: Moment | None
    last_proven_at: Annotated[Moment | None, Field(description="When a test call succeeded last; null: never.")]
    last_proof: Annotated[ProofAnswer | None, Field(description="The last test call, whatever came of it.")]
    version: Version


class NumberList(Listed[NumberAnswer]):
    """A page of numbers."""


class NumberQuery(OwnedQuery):
    """Filters of the list of numbers."""

    number: Annotated[PhoneFilter | None, Field(default=None)]
    status: Annotated[Literal["active", "suspended", "released"] | None, Field(default=None)]
    state: Annotated[State | None, Field(default=None, description="Where it stands in the inventory.")]
    pool_id: Annotated[UUID | None, Field(default=None, description="Only this pool's.", examples=[EXAMPLE_ID])]


def _source_in(values: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: values[name] for name in SOURCE_FIELDS if name in values}


def show(number: Number) -> NumberAnswer:
    members = {name: getattr(number, name) for name in NumberAnswer.model_fields.keys() - {"number"}}
    return NumberAnswer(number=number.e164, **members)


@endpoint(
    blueprint,
    "POST",
    "/v1/numbers",
    roles=AGENCY,
    body=NewNumber,
    answer=NumberAnswer,
    status=201,
    problems=("number_taken", "number_leaving"),
)
def add_number(asked: Asked, body: NewNumber) -> Reply[NumberAnswer]:
    """Add a number

    The next call to it follows its flow.
    """
    added = asked.services.numbers.add_number(
        asked.agency_id,
        owner_of(asked),
        body.number,
        kind=body.kind,
        flow_id=body.flow_id,
        label=body.label,
        source=_source_in(body.model_dump()),
        inventory=Inventory(region=body.region, soak_days=body.soak_days),
    )
    return created("/v1/numbers", show(added))


@endpoint(blueprint, "GET", "/v1/numbers", roles=EVERYBODY, query=NumberQuery, answer=NumberList)
def list_numbers(asked: Asked, query: NumberQuery) -> Any:
    """List numbers

    In the order in which they were added; released ones too.
    """
    numbers = asked.services.numbers
    return list_page(
        asked,
        query,
        lambda limit, after: numbers.list_numbers(
            asked.agency_id,
            asked.client_id,
            status=query.status,
            e164=query.number,
            state=query.state,
            pool_id=query.pool_id,
            limit=limit,
            after=after,
        ),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/numbers/<uuid:number_id>", roles=EVERYBODY, answer=NumberAnswer)
def get_number(asked: Asked, number_id: UUID) -> Reply[NumberAnswer]:
    """Read a number"""
    return found(show(asked.services.numbers.get_number(asked.agency_id, number_id, client_id=asked.client_id)))


@endpoint(
    blueprint,
    "PATCH",
    "/v1/numbers/<uuid:number_id>",
    roles=EVERYBODY,
    body=NumberChange,
    answer=NumberAnswer,
    problems=("number_released",),
)
def change_number(asked: Asked, number_id: UUID, body: NumberChange) -> Reply[NumberAnswer]:
    """Change a number

    A JSON merge patch: what is left out stays. The next call follows the change.
    """
    numbers = asked.services.numbers
    before = numbers.get_number(asked.agency_id, number_id, client_id=asked.client_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    source = _source_in(changes)
    changed = numbers.update_number(
        asked.agency_id,
        number_id,
        client_id=asked.client_id,
        version=before.version,
        source=source,
        **{name: value for name, value in changes.items() if name not in source},
    )
    return found(show(changed))


class Assignment(Body):
    """Whose a number is to be."""

    model_config = ConfigDict(json_schema_extra={"example": {"to_client_id": EXAMPLE_ID}})

    agency_id: AgencyId
    to_client_id: Annotated[UUID, Field(description="Another client of the agency.", examples=[EXAMPLE_ID])]
    flow_id: Annotated[
        UUID | None, Field(default=None, description="A flow of that client; left out: calls are refused.")
    ]


@endpoint(
    blueprint,
    "POST",
    "/v1/numbers/<uuid:number_id>/assign",
    roles=AGENCY,
    body=Assignment,
    answer=NumberAnswer,
    status=201,
    problems=("number_released", "version_mismatch"),
)
def assign_number(asked: Asked, number_id: UUID, body: Assignment) -> Reply[NumberAnswer]:
    """Give a number to another client

    It gets a new id there; its history stays with the client it was taken from. `If-Match` may be sent.
    """
    numbers = asked.services.numbers
    before = numbers.get_number(asked.agency_id, number_id, client_id=asked.client_id)
    check_match(request.headers, before.version, required=False)
    made = numbers.assign_number(
        asked.agency_id, number_id, body.to_client_id, flow_id=body.flow_id, version=before.version
    )
    return created("/v1/numbers", show(made))


@endpoint(
    blueprint,
    "DELETE",
    "/v1/numbers/<uuid:number_id>",
    roles=AGENCY,
    answer=NumberAnswer,
    problems=("version_mismatch",),
)
def release_number(asked: Asked, number_id: UUID) -> Reply[NumberAnswer]:
    """Release a number

    Calls to it are refused from now on; its history stays. The carrier that it came from gets it after a rest
    (`GET /v1/number-returns`). Releasing again changes nothing. `If-Match` may be sent.
    """
    numbers = asked.services.numbers
    before = numbers.get_number(asked.agency_id, number_id, client_id=asked.client_id)
    # With If-Match the version that was checked is the one that is released.
    version = before.version if "If-Match" in request.headers else None
    released = numbers.release_number(asked.agency_id, number_id, client_id=asked.client_id, version=version)
    return found(show(released))

"""`/v1/targets`: the places that flows ring."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field, StrictInt

from ..calls.model import DEFAULT_RING_S, LEAST_RING_S, LONGEST_RING_S, Target
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Version, absent
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("targets", __name__, tag="Targets")

Address = Annotated[
    str,
    Field(
        max_length=400,
        description="SIP URI (sip:user@host or sip:user@host:port), or a telephone number (tel:+442079460100), which "
        "the operator's trunks dial.",
        examples=["sip:desk@pbx.example"],
    ),
]
RingTimeout = Annotated[
    StrictInt, Field(ge=LEAST_RING_S, le=LONGEST_RING_S, description="How long it rings, in seconds.", examples=[20])
]
TargetName = Annotated[str, Field(min_length=1, max_length=120, examples=["Reception desk"])]


class NewTarget(Body):
    """A target to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"client_id": EXAMPLE_ID, "name": "Reception desk", "address": "sip:desk@pbx.example"}
        }
    )

    agency_id: AgencyId
    client_id: ClientId
    name: TargetName
    address: Address
    ring_timeout_s: Annotated[RingTimeout, Field(default=DEFAULT_RING_S)]


class TargetChange(Body):
    """A merge patch of a target."""

    model_config = ConfigDict(json_schema_extra={"example": {"ring_timeout_s": 30}})

    name: Annotated[TargetName, Field(default_factory=absent)]
    address: Annotated[Address, Field(default_factory=absent)]
    ring_timeout_s: Annotated[RingTimeout, Field(default_factory=absent)]


class TargetAnswer(Answer):
    """A place that a flow rings."""

    id: Id
    agency_id: Id
    client_id: Id
    name: TargetName
    address: Address
    ring_timeout_s: int
    created_at: Moment
    updated_at: Moment
    version: Version


class TargetList(Listed[TargetAnswer]):
    """A page of targets."""


def show(target: Target) -> TargetAnswer:
    return TargetAnswer.model_validate(target)


@endpoint(blueprint, "POST", "/v1/targets", roles=EVERYBODY, body=NewTarget, answer=TargetAnswer, status=201)
def create_target(asked: Asked, body: NewTarget) -> Reply[TargetAnswer]:
    """Make a target"""
    made = asked.services.flows.create_target(
        asked.agency_id,
        client_id=owner_of(asked),
        name=body.name,
        address=body.address,
        ring_timeout_s=body.ring_timeout_s,
    )
    return created("/v1/targets", show(made))


@endpoint(blueprint, "GET", "/v1/targets", roles=EVERYBODY, query=OwnedQuery, answer=TargetList)
def list_targets(asked: Asked, query: OwnedQuery) -> Any:
    """List targets

    In the order in which they were made.
    """
    flows = asked.services.flows
    return list_page(
        asked,
        query,
        lambda limit, after: flows.list_targets(asked.agency_id, client_id=asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/targets/<uuid:target_id>", roles=EVERYBODY, answer=TargetAnswer)
def get_target(asked: Asked, target_id: UUID) -> Reply[TargetAnswer]:
    """Read a target"""
    return found(show(asked.services.flows.get_target(asked.agency_id, target_id, client_id=asked.client_id)))


@endpoint(blueprint, "PATCH", "/v1/targets/<uuid:target_id>", roles=EVERYBODY, body=TargetChange, answer=TargetAnswer)
def change_target(asked: Asked, target_id: UUID, body: TargetChange) -> Reply[TargetAnswer]:
    """Change a target

    A JSON merge patch: what is left out stays. Every flow that rings the target uses the change from the next call on.
    """
    flows = asked.services.flows
    before = flows.get_target(asked.agency_id, target_id, client_id=asked.client_id)
    check_match(request.headers, before.version, required=True)
    changed = flows.update_target(
        asked.agency_id, target_id, client_id=asked.client_id, expected_version=before.version, **body.changes()
    )
    return found(show(changed))

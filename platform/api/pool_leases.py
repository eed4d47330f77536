"""`/v1/pools/{id}/leases`: numbers for visits, asked for by servers of the agency's own."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..ids import new_id
from ..pool.model import VisitRef
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment

blueprint = APIBlueprint("pool_leases", __name__, tag="Pools")


class NewLease(Body):
    """A visit that is to see a number, told by a server of the agency's own; sites use the script."""

    model_config = ConfigDict(json_schema_extra={"example": {"visitor": "c-1789", "source": "google"}})

    visit_id: Annotated[
        UUID | None,
        Field(default=None, description="Of a visit that goes on; left out: a new one.", examples=[EXAMPLE_ID]),
    ]
    visitor: Annotated[
        str | None,
        Field(default=None, max_length=100, description="What the visitor is known by again; no name, no number.",
              examples=["c-1789"]),
    ]  # fmt: skip
    region: Annotated[str | None, Field(default=None, max_length=100, examples=["London"])]
    source: Annotated[str | None, Field(default=None, max_length=100, examples=["google"])]


class LeaseAnswer(Answer):
    """What the visit is to see until ``held_until``; no number: the site's own."""

    visit_id: Id
    number_id: Annotated[UUID | None, Field(examples=[EXAMPLE_ID])]
    number: Annotated[str | None, Field(examples=["+442079460123"])]
    rung: Literal["exclusive", "shared", "source", "site"]
    held_until: Moment


class VisitsBody(Body):
    """Visits that are still there."""

    model_config = ConfigDict(json_schema_extra={"example": {"visit_ids": [EXAMPLE_ID]}})

    agency_id: AgencyId
    visit_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000, examples=[[EXAMPLE_ID]])]


class RenewedAnswer(Answer):
    """A number that a visit goes on seeing."""

    visit_id: Id
    number_id: Annotated[UUID | None, Field(examples=[EXAMPLE_ID])]
    rung: Annotated[str, Field(examples=["exclusive"])]
    held_until: Moment


class RenewalsAnswer(Answer):
    """A visit that is not told of has let its number go."""

    data: list[RenewedAnswer]


@endpoint(
    blueprint,
    "POST",
    "/v1/pools/<uuid:pool_id>/leases",
    roles=AGENCY,
    deed="lease.made",
    body=NewLease,
    answer=LeaseAnswer,
    status=201,
    whole=False,
)
def lease_number(asked: Asked, pool_id: UUID, body: NewLease) -> tuple[LeaseAnswer, int]:
    """Lease a number

    For servers that render pages themselves; a site's script does the same for visitors. A visit that asks again goes
    on with what it has.
    """
    visit = VisitRef(
        body.visit_id or new_id(), asked.services.clock.now(), body.visitor, region=body.region, source=body.source
    )
    if asked.client_id is not None:
        asked.services.pools.get_pool(asked.agency_id, pool_id, client_id=asked.client_id)
    leased = asked.services.leases.lease(asked.agency_id, pool_id, visit)
    told: dict[str, Any] = {"visit_id": visit.id, "number": leased.e164}
    told |= {name: getattr(leased, name) for name in ("number_id", "rung", "held_until")}
    return LeaseAnswer.model_validate(told), 201


@endpoint(
    blueprint,
    "POST",
    "/v1/pools/<uuid:pool_id>/leases/renew",
    roles=AGENCY,
    deed="lease.renewed",
    body=VisitsBody,
    answer=RenewalsAnswer,
    whole=False,
)
def renew_leases(asked: Asked, pool_id: UUID, body: VisitsBody) -> RenewalsAnswer:
    """Prolong leases

    Signs of life of up to 1,000 visits at once.
    """
    asked.services.pools.get_pool(asked.agency_id, pool_id, client_id=asked.client_id)
    renewed = asked.services.leases.renew(asked.agency_id, body.visit_ids)
    return RenewalsAnswer(data=[RenewedAnswer.model_validate(one) for one in renewed])

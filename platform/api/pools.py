"""`/v1/pools`: sets of dynamic numbers that visits are given in turn, and what is known of their size."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from ..pool.model import SHORTEST_TAIL_S, Pool, Reserve
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Version, absent
from .money import Amount
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("pools", __name__, tag="Pools")


Money = Annotated[Amount | None, Field(description="A decimal string.", examples=["1.50"])]
PoolName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["Visitors from search"])]
SiteId = Annotated[UUID | None, Field(description="The site it is for; null: any of the client's.", examples=[None])]
FlowId = Annotated[UUID | None, Field(description="The flow that answers all its numbers.", examples=[EXAMPLE_ID])]
Region = Annotated[
    str | None,
    Field(max_length=100, description="Where new numbers are to be, in the agency's own words.", examples=["London"]),
]
MatchRegion = Annotated[
    StrictBool, Field(description="A visit is given a number of its own region first.", examples=[False])
]
Shares = Annotated[
    StrictBool,
    Field(description="With none free, a visit is shown the number that has been quiet longest.", examples=[True]),
]
TailS = Annotated[
    StrictInt,
    Field(ge=SHORTEST_TAIL_S, le=86_400, examples=[1200],
          description="Seconds that a number stays its visit's after the last sign of life; a hidden page gives one "
          "every 60."),
]  # fmt: skip
RestS = Annotated[
    StrictInt, Field(ge=0, le=2_592_000, description="Seconds that it then rests before the next.", examples=[60])
]
LossTarget = Annotated[
    float,
    Field(ge=0.0001, le=0.5, description="The share of visits that may find no number in the busiest hour.",
          examples=[0.01]),
]  # fmt: skip
Fewest = Annotated[StrictInt, Field(ge=0, le=1_000_000, description="It never shrinks below.", examples=[0])]
Most = Annotated[
    StrictInt | None, Field(ge=0, le=1_000_000, description="It never grows beyond; null: no bound.", examples=[40])
]
Grows = Annotated[
    StrictBool,
    Field(description="It takes free numbers of the client by itself, and gives some back, to keep to loss_target.",
          examples=[False]),
]  # fmt: skip
Currency = Annotated[str | None, Field(max_length=3, description="ISO 4217, where there is a price.", examples=["GBP"])]


class NewPool(Body):
    """A pool to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"client_id": EXAMPLE_ID, "name": "Visitors from search", "flow_id": EXAMPLE_ID, "tail_s": 1200}
        }
    )

    agency_id: AgencyId
    client_id: ClientId
    name: PoolName
    site_id: Annotated[SiteId, Field(default=None)]
    flow_id: Annotated[FlowId, Field(default=None)]
    region: Annotated[Region, Field(default=None)]
    match_region: Annotated[MatchRegion, Field(default=False)]
    shares: Annotated[Shares, Field(default=True)]
    tail_s: Annotated[TailS, Field(default=1200)]
    rest_s: Annotated[RestS, Field(default=60)]
    loss_target: Annotated[LossTarget, Field(default=0.01)]
    fewest_numbers: Annotated[Fewest, Field(default=0)]
    most_numbers: Annotated[Most, Field(default=None)]
    grows: Annotated[Grows, Field(default=False)]
    number_price: Annotated[Money, Field(default=None, description="Of one number a month.")]
    monthly_budget: Annotated[Money, Field(default=None, description="It never grows beyond what this buys.")]
    currency: Annotated[Currency, Field(default=None)]


class PoolChange(Body):
    """A merge patch of a pool."""

    model_config = ConfigDict(json_schema_extra={"example": {"tail_s": 1800}})

    name: Annotated[PoolName, Field(default_factory=absent)]
    site_id: Annotated[SiteId, Field(default=None)]
    flow_id: Annotated[FlowId, Field(default=None)]
    region: Annotated[Region, Field(default=None)]
    match_region: Annotated[MatchRegion, Field(default_factory=absent)]
    shares: Annotated[Shares, Field(default_factory=absent)]
    tail_s: Annotated[TailS, Field(default_factory=absent)]
    rest_s: Annotated[RestS, Field(default_factory=absent)]
    loss_target: Annotated[LossTarget, Field(default_factory=absent)]
    fewest_numbers: Annotated[Fewest, Field(default_factory=absent)]
    most_numbers: Annotated[Most, Field(default=None)]
    grows: Annotated[Grows, Field(default_factory=absent)]
    number_price: Annotated[Money, Field(default=None)]
    monthly_budget: Annotated[Money, Field(default=None)]
    currency: Annotated[Currency, Field(default=None)]


class PoolAnswer(Answer):
    """A set of dynamic numbers that visits are given in turn."""

    id: Id
    agency_id: Id
    client_id: Id
    name: PoolName
    site_id: SiteId
    flow_id: FlowId
    region: Region
    match_region: MatchRegion
    shares: Shares
    tail_s: Annotated[int, Field(examples=[1200])]
    rest_s: RestS
    loss_target: LossTarget
    fewest_numbers: Fewest
    most_numbers: Most
    grows: Grows
    number_price: Money
    monthly_budget: Money
    currency: Currency
    status: Literal["active", "closed"]
    created_at: Moment
    updated_at: Moment
    version: Version


class PoolList(Listed[PoolAnswer]):
    """A page of pools."""


class StandingAnswer(Answer):
    """How a pool stands at this moment."""

    numbers: Annotated[int, Field(description="That may be leased now or later.", examples=[40])]
    free: Annotated[int, Field(examples=[12])]
    held: Annotated[int, Field(description="Of a visit, its tail included.", examples=[26])]
    live: Annotated[int, Field(description="Somebody looks at it.", examples=[8])]
    resting: Annotated[int, Field(examples=[2])]
    used: Annotated[float, Field(description="The share that is not free.", examples=[0.7])]


class PoolNumbers(Body):
    """Numbers of the pool's client."""

    model_config = ConfigDict(json_schema_extra={"example": {"number_ids": [EXAMPLE_ID]}})

    number_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000, examples=[[EXAMPLE_ID]])]


class CountAnswer(Answer):
    """How many numbers it concerned."""

    count: Annotated[int, Field(description="Those that were so already are not counted.", examples=[1])]


class ReserveBody(Body):
    """A source and its number; source "": any."""

    source: Annotated[str, Field(max_length=100, examples=["google"])]
    number_id: Id


class ReservesPut(Body):
    """What sources see when the pool has no number: these and no others."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"reserves": [{"source": "google", "number_id": EXAMPLE_ID}]}}
    )

    reserves: Annotated[list[ReserveBody], Field(max_length=100)]


class ReserveAnswer(Answer):
    """A source and its number."""

    source: str
    number_id: Id


class ReservesAnswer(Answer):
    """What sources see when the pool has no number."""

    reserves: list[ReserveAnswer]


def show(pool: Pool) -> PoolAnswer:
    return PoolAnswer.model_validate(pool)


@endpoint(blueprint, "POST", "/v1/pools", roles=AGENCY, body=NewPool, answer=PoolAnswer, status=201)
def create_pool(asked: Asked, body: NewPool) -> Reply[PoolAnswer]:
    """Make a pool"""
    values = body.model_dump(exclude={"agency_id", "client_id"})
    return created("/v1/pools", show(asked.services.pools.create_pool(asked.agency_id, owner_of(asked), values)))


@endpoint(blueprint, "GET", "/v1/pools", roles=EVERYBODY, query=OwnedQuery, answer=PoolList)
def list_pools(asked: Asked, query: OwnedQuery) -> Any:
    """List pools

    In the order in which they were made; closed ones too.
    """
    pools = asked.services.pools
    return list_page(
        asked,
        query,
        lambda limit, after: pools.list_pools(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/pools/<uuid:pool_id>", roles=EVERYBODY, answer=PoolAnswer)
def get_pool(asked: Asked, pool_id: UUID) -> Reply[PoolAnswer]:
    """Read a pool"""
    return found(show(asked.services.pools.get_pool(asked.agency_id, pool_id, client_id=asked.client_id)))


@endpoint(
    blueprint, "PATCH", "/v1/pools/<uuid:pool_id>", roles=AGENCY, body=PoolChange, answer=PoolAnswer,
    problems=("pool_closed",),
)  # fmt: skip
def change_pool(asked: Asked, pool_id: UUID, body: PoolChange) -> Reply[PoolAnswer]:
    """Change a pool

    A JSON merge patch: what is left out stays. Another flow answers all its numbers from the next call on.
    """
    pools = asked.services.pools
    before = pools.get_pool(asked.agency_id, pool_id, client_id=asked.client_id)
    check_match(request.headers, before.version, required=True)
    changed = pools.change_pool(
        asked.agency_id, pool_id, body.changes(), client_id=asked.client_id, version=before.version
    )
    return found(show(changed))


@endpoint(blueprint, "DELETE", "/v1/pools/<uuid:pool_id>", roles=AGENCY, answer=PoolAnswer)
def close_pool(asked: Asked, pool_id: UUID) -> Reply[PoolAnswer]:
    """Close a pool

    Nobody is given a number of it any more; whoever sees one goes on seeing it, and its calls are answered. Its numbers
    rest. Closing again changes nothing.
    """
    return found(show(asked.services.pools.close_pool(asked.agency_id, pool_id, client_id=asked.client_id)))


@endpoint(blueprint, "GET", "/v1/pools/<uuid:pool_id>/standing", roles=EVERYBODY, answer=StandingAnswer)
def get_pool_standing(asked: Asked, pool_id: UUID) -> StandingAnswer:
    """How a pool stands now"""
    standing = asked.services.pools.standing(asked.agency_id, pool_id, client_id=asked.client_id)
    return StandingAnswer.model_validate(standing)


@endpoint(
    blueprint, "POST", "/v1/pools/<uuid:pool_id>/numbers/add", roles=AGENCY, body=PoolNumbers, answer=CountAnswer,
    problems=("pool_closed", "number_not_fit"),
)  # fmt: skip
def add_pool_numbers(asked: Asked, pool_id: UUID, body: PoolNumbers) -> CountAnswer:
    """Put numbers into a pool

    Dynamic, free numbers of the pool's client; all of them or none. The pool's flow answers them.
    """
    count = asked.services.pools.add_numbers(asked.agency_id, pool_id, body.number_ids, client_id=asked.client_id)
    return CountAnswer(count=count)


@endpoint(
    blueprint, "POST", "/v1/pools/<uuid:pool_id>/numbers/remove", roles=AGENCY, body=PoolNumbers, answer=CountAnswer
)
def remove_pool_numbers(asked: Asked, pool_id: UUID, body: PoolNumbers) -> CountAnswer:
    """Take numbers out of a pool

    They are given to nobody any more and rest; whoever sees one goes on seeing it.
    """
    count = asked.services.pools.remove_numbers(asked.agency_id, pool_id, body.number_ids, client_id=asked.client_id)
    return CountAnswer(count=count)


@endpoint(blueprint, "GET", "/v1/pools/<uuid:pool_id>/reserves", roles=EVERYBODY, answer=ReservesAnswer)
def get_pool_reserves(asked: Asked, pool_id: UUID) -> ReservesAnswer:
    """Read a pool's reserves"""
    return _reserves(asked.services.pools.reserves(asked.agency_id, pool_id, client_id=asked.client_id))


@endpoint(
    blueprint, "PUT", "/v1/pools/<uuid:pool_id>/reserves", roles=AGENCY, body=ReservesPut, answer=ReservesAnswer,
    problems=("pool_closed", "number_not_fit"),
)  # fmt: skip
def put_pool_reserves(asked: Asked, pool_id: UUID, body: ReservesPut) -> ReservesAnswer:
    """Set a pool's reserves

    Which static number a visit of a source sees when the pool has none to give.
    """
    reserves = [Reserve(one.source, one.number_id) for one in body.reserves]
    pools = asked.services.pools
    return _reserves(pools.put_reserves(asked.agency_id, pool_id, reserves, client_id=asked.client_id))


def _reserves(reserves: list[Reserve]) -> ReservesAnswer:
    return ReservesAnswer(reserves=[ReserveAnswer.model_validate(one) for one in reserves])

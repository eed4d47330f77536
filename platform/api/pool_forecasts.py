"""`/v1/pools/{id}/forecast` and `/v1/inventory`: how many numbers it takes, and how many there are."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field, StrictInt

from ..pool.model import Pool
from ..pool.sizing import Forecast
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import TenantQuery, endpoint
from .fields import EXAMPLE_ID, Answer, Body, Id

blueprint = APIBlueprint("pool_forecasts", __name__, tag="Pools")

Loss = Annotated[float, Field(ge=0, le=1, description="Share of visits that find no number.", examples=[0.0083])]
STATES = ("free", "soaking", "in_pool", "static", "resting", "quarantined", "released")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class ForecastQuery(TenantQuery):
    """How many numbers."""

    numbers: Annotated[
        int | None, Field(default=None, ge=0, le=1_000_000, description="What if it had so many; else as it is.")
    ]


class HourAnswer(Answer):
    """One hour of the week."""

    hour_of_week: Annotated[int, Field(ge=0, le=167, description="0: Monday 00:00 UTC.", examples=[34])]
    visits: Annotated[float, Field(description="On average of its weeks.", examples=[212.5])]
    load: Annotated[float, Field(description="Numbers in use on average, were there enough (erlang).", examples=[76.7])]
    loss: Loss
    measured_loss: Annotated[float | None, Field(description="What was lost in that hour so far.", examples=[0.0071])]


class ForecastAnswer(Answer):
    """What so many numbers would do, by Erlang's formula over the last four weeks."""

    numbers: Annotated[int, Field(examples=[90])]
    hold_s: Annotated[float, Field(description="A number is held so long by a visit, tail and rest included.",
                                   examples=[1410.0])]  # fmt: skip
    loss: Annotated[Loss, Field(description="Of all visits of a week.")]
    worst_loss: Annotated[Loss, Field(description="In the busiest hour.")]
    worst_hour: Annotated[int | None, Field(description="Its hour of the week.", examples=[34])]
    measured_loss: Annotated[float | None, Field(description="Of all visits of the last four weeks.", examples=[0.004])]
    loss_target: Loss
    advised: Annotated[int, Field(description="The fewest that keep to the target in the busiest hour.", examples=[92])]
    advised_worst_loss: Loss
    monthly_price: Annotated[str | None, Field(description="Of `numbers`; null: the pool knows no price.",
                                               examples=["135.00"])]  # fmt: skip
    advised_monthly_price: Annotated[str | None, Field(examples=["138.00"])]
    currency: Annotated[str | None, Field(examples=["GBP"])]
    advice: Annotated[str, Field(description="The same in a sentence.")]
    hours: list[HourAnswer]


class InventoryAnswer(Answer):
    """How many numbers stand in each state."""

    free: int
    soaking: int
    in_pool: int
    static: int
    resting: int
    quarantined: int
    released: int


class InventoryQuery(TenantQuery):
    """Whose numbers."""

    client_id: Annotated[UUID | None, Field(default=None, description="Only this client's.", examples=[EXAMPLE_ID])]


@endpoint(
    blueprint, "GET", "/v1/pools/<uuid:pool_id>/forecast", roles=EVERYBODY, query=ForecastQuery, answer=ForecastAnswer
)
def forecast_pool(asked: Asked, pool_id: UUID, query: ForecastQuery) -> ForecastAnswer:
    """Forecast a pool's loss

    What if it had so many numbers: the loss of each hour of the week, and how many it should have.
    """
    pool, made = asked.services.pool_rounds.forecast(
        asked.agency_id, pool_id, numbers=query.numbers, client_id=asked.client_id
    )
    own = ("numbers", "hold_s", "loss", "worst_loss", "worst_hour", "measured_loss", "advised", "advised_worst_loss")
    return ForecastAnswer(
        **{name: getattr(made, name) for name in own},
        loss_target=pool.loss_target,
        monthly_price=_price(pool.number_price, made.numbers),
        advised_monthly_price=_price(pool.number_price, made.advised),
        currency=pool.currency,
        advice=advise(pool, made),
        hours=[HourAnswer.model_validate(hour) for hour in made.hours],
    )


@endpoint(blueprint, "GET", "/v1/inventory", roles=EVERYBODY, query=InventoryQuery, answer=InventoryAnswer)
def get_inventory(asked: Asked, query: InventoryQuery) -> InventoryAnswer:
    """Count the inventory

    How many numbers stand in each state; `GET /v1/numbers?state=…` lists them.
    """
    del query  # the tenant is in ``asked`` already
    counts = asked.services.pools.count_states(asked.agency_id, asked.client_id)
    return InventoryAnswer(**{state: counts.get(state, 0) for state in STATES})


class StateBody(Body):
    """Where the number is to stand."""

    model_config = ConfigDict(json_schema_extra={"example": {"state": "soaking", "days": 14}})

    state: Annotated[
        Literal["free", "soaking", "quarantined"],
        Field(description="soaking: its calls are counted anew; free: it is clean; quarantined: out of use at once."),
    ]
    days: Annotated[StrictInt, Field(default=14, ge=1, le=180, description="Of soaking, at least.", examples=[14])]
    reason: Annotated[
        str | None, Field(default=None, max_length=200, description="For people.", examples=["printed on a flyer"])
    ]


class StateAnswer(Answer):
    """Where the number stands now."""

    number_id: Id
    state: Annotated[str, Field(examples=["soaking"])]


@endpoint(
    blueprint, "POST", "/v1/numbers/<uuid:number_id>/state", roles=AGENCY, body=StateBody, answer=StateAnswer,
    problems=("number_not_fit",),
)  # fmt: skip
def change_number_state(asked: Asked, number_id: UUID, body: StateBody) -> StateAnswer:
    """Move a number in the inventory

    A dynamic number, by hand. One that is in a pool leaves it; whoever sees it keeps it.
    """
    asked.services.numbers.get_number(asked.agency_id, number_id, client_id=asked.client_id)
    asked.services.pools.change_state(
        asked.agency_id, number_id, body.state, client_id=asked.client_id, days=body.days, reason=body.reason
    )
    return StateAnswer(number_id=number_id, state=body.state)


def _price(price: Decimal | None, numbers: int) -> str | None:
    return None if price is None else format(price * numbers, "f")


def advise(pool: Pool, made: Forecast) -> str:
    """In words, with the numbers and the money."""
    if made.worst_hour is None:
        return "The pool has seen no whole hour yet; ask again when visits have come."
    when = f"{DAYS[made.worst_hour // 24]} {made.worst_hour % 24:02}:00 UTC"
    told = (
        f"With {made.numbers} numbers {made.worst_loss:.2%} of visits find none in the busiest hour ({when}), "
        f"{made.loss:.2%} over the week. {made.advised} numbers keep it to {pool.loss_target:.2%}"
    )
    if pool.number_price is not None and made.advised != made.numbers:
        difference = pool.number_price * (made.advised - made.numbers)
        told += f", for {format(abs(difference), 'f')} {pool.currency} a month {'more' if difference > 0 else 'less'}"
    return told + "."

"""`/v1/available-numbers`, `/v1/number-orders`: what numbers can be had, ordering them, and bringing numbers over."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..carriers.model import Order, Progress, Wanted
from .auth import AGENCY, EVERYBODY, OPERATOR, Asked
from .endpoint import TenantQuery, endpoint
from .errors import Fault
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, PhoneFilter, Version
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import tag_of
from .problems import validation_problem
from .replies import Reply, found

blueprint = APIBlueprint("number_orders", __name__, tag="Numbers")

Kind = Literal["purchase", "port_in"]
State = Literal["draft", "requested", "submitted", "accepted", "scheduled", "active", "rejected", "cancelled"]
#: Where the operator may put an order by hand.
Told = Literal["accepted", "scheduled", "active", "rejected"]
CarrierId = Annotated[UUID, Field(description="As `GET /v1/available-numbers` names it.", examples=[EXAMPLE_ID])]


class AvailableQuery(TenantQuery):
    """What numbers are looked for; all that is given must hold."""

    country: Annotated[
        str | None, Field(default=None, pattern="^[A-Z]{2}$", description="ISO 3166-1.", examples=["GB"])
    ]
    prefix: Annotated[PhoneFilter | None, Field(default=None)]
    region: Annotated[str | None, Field(default=None, max_length=100, description="As the carrier names it.")]
    kind: Annotated[str | None, Field(default=None, max_length=40, description="Such as local, mobile or toll_free.")]
    carrier_id: Annotated[UUID | None, Field(default=None, description="Only this carrier's.")]
    limit: Annotated[int, Field(default=50, ge=1, le=200, description="How many at most.")]


class OfferAnswer(Answer):
    """A number that can be ordered."""

    number: Annotated[str, Field(description="E.164.", examples=["+442079460123"])]
    country: Annotated[str, Field(examples=["GB"])]
    region: Annotated[str | None, Field(examples=["London"])]
    kind: Annotated[str, Field(examples=["local"])]
    carrier_id: CarrierId


class OfferList(Answer):
    """Numbers that can be ordered now; nobody keeps them for you meanwhile."""

    data: list[OfferAnswer]


class PortDetails(Body):
    """What the losing carrier must be told."""

    losing_carrier: Annotated[str, Field(min_length=1, max_length=200, examples=["Old Telecom"])]
    account: Annotated[str, Field(default="", max_length=200, description="The account there.", examples=["A-1789"])]
    holder: Annotated[str, Field(default="", max_length=200, description="Whose the number is.", examples=["Dent Ltd"])]
    wanted_on: Annotated[date | None, Field(default=None, description="On which day.", examples=["2026-12-01"])]


class NewOrder(Body):
    """A number to be ordered, or to be brought over."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID,
                "carrier_id": EXAMPLE_ID,
                "number": "+442079460777",
                "port": {"losing_carrier": "Old Telecom", "account": "A-1789", "holder": "Dent Ltd"},
                "submit": False,
            }
        }
    )

    agency_id: AgencyId
    client_id: ClientId
    carrier_id: CarrierId
    number: Annotated[str, Field(min_length=1, max_length=40, description="E.164.", examples=["+442079460777"])]
    number_kind: Annotated[
        Literal["static", "dynamic"], Field(default="static", description="What it becomes; see numbers.")
    ]
    flow_id: Annotated[UUID | None, Field(default=None, description="The flow that is to answer.")]
    label: Annotated[str, Field(default="", max_length=200)]
    port: Annotated[
        PortDetails | None, Field(default=None, description="Given: it is brought over from another carrier.")
    ]
    submit: Annotated[bool, Field(default=True, description="False: a port stays a draft until it is submitted.")]


class OrderAnswer(Answer):
    """An order of a number. Once it is `active` the number is in service."""

    id: Id
    agency_id: Id
    client_id: Id
    carrier_id: CarrierId
    kind: Kind
    number: Annotated[str, Field(description="E.164.", examples=["+442079460777"])]
    state: Annotated[State, Field(examples=["submitted"])]
    reason: Annotated[str | None, Field(description="What the carrier says to it.", examples=[None])]
    reference: Annotated[str | None, Field(description="The carrier's own name for it.", examples=["P-1789"])]
    scheduled_for: Annotated[date | None, Field(description="When a port is to happen.", examples=["2026-12-01"])]
    number_kind: Literal["static", "dynamic"]
    flow_id: UUID | None
    label: str
    port: PortDetails | None
    number_id: Annotated[UUID | None, Field(description="The number that it became.")]
    created_at: Moment
    updated_at: Moment
    version: Version


class OrderList(Listed[OrderAnswer]):
    """A page of orders."""


class OrderQuery(OwnedQuery):
    """Filters of the list of orders."""

    kind: Annotated[Kind | None, Field(default=None, description="Bought, or brought over.")]
    state: Annotated[State | None, Field(default=None, description="Only those in this state.")]
    number: Annotated[PhoneFilter | None, Field(default=None)]


class OrderState(Body):
    """What has become of an order that is carried out by hand."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"agency_id": EXAMPLE_ID, "state": "scheduled", "scheduled_for": "2026-12-01"}}
    )

    agency_id: AgencyId
    state: Told
    reason: Annotated[str | None, Field(default=None, max_length=500)]
    scheduled_for: Annotated[date | None, Field(default=None)]


def show(order: Order) -> OrderAnswer:
    members = {name: getattr(order, name) for name in OrderAnswer.model_fields.keys() - {"number", "port"}}
    port = PortDetails.model_validate(order.details) if order.kind == "port_in" else None
    return OrderAnswer(number=order.e164, port=port, **members)


@endpoint(
    blueprint, "GET", "/v1/available-numbers", roles=AGENCY, query=AvailableQuery, answer=OfferList,
    problems=("carrier_away",),
)  # fmt: skip
def search_numbers(asked: Asked, query: AvailableQuery) -> OfferList:
    """Search numbers to be had

    Of all carriers of the platform. What is in service already is left out.
    """
    wanted = Wanted(query.country, query.prefix, query.region, query.kind, query.limit)
    offers = asked.services.carriers.search(wanted, carrier_id=query.carrier_id)
    return OfferList(
        data=[
            OfferAnswer(
                number=offer.e164, country=offer.country, region=offer.region, kind=offer.kind, carrier_id=carrier.id
            )
            for carrier, offer in offers
        ]
    )


@endpoint(
    blueprint, "POST", "/v1/number-orders", roles=AGENCY, body=NewOrder, answer=OrderAnswer, status=202,
    problems=("number_taken", "number_leaving", "carrier_refuses", "carrier_away"),
)  # fmt: skip
def order_number(asked: Asked, body: NewOrder) -> Any:
    """Order a number, or bring one over

    Of a carrier whose numbers are in a file it is in service at once; any other is asked in the background. Read the
    order to see how far it is.
    """
    port = body.port.model_dump(mode="json") if body.port is not None else None
    if port is None and not body.submit:
        fault = Fault(code="contradiction", detail="only a port may stay a draft", pointer="#/submit")
        raise validation_problem([fault])
    made = asked.services.carriers.order(
        asked.agency_id, owner_of(asked), body.number, carrier_id=body.carrier_id, number_kind=body.number_kind,
        flow_id=body.flow_id, label=body.label, port=port, submit=body.submit,
    )  # fmt: skip
    return show(made), 202, {"Location": f"/v1/number-orders/{made.id}", "ETag": tag_of(made.version)}


@endpoint(blueprint, "GET", "/v1/number-orders", roles=EVERYBODY, query=OrderQuery, answer=OrderList)
def list_orders(asked: Asked, query: OrderQuery) -> Any:
    """List orders of numbers

    In the order in which they were made, ports too.
    """
    given = {"kind": query.kind, "state": query.state, "e164": query.number}
    wanted = {name: value for name, value in given.items() if value is not None}
    carriers = asked.services.carriers
    return list_page(
        asked,
        query,
        lambda limit, after: carriers.list_orders(asked.agency_id, asked.client_id, wanted, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/number-orders/<uuid:order_id>", roles=EVERYBODY, answer=OrderAnswer)
def get_order(asked: Asked, order_id: UUID) -> Reply[OrderAnswer]:
    """Read an order"""
    return found(show(asked.services.carriers.get_order(asked.agency_id, asked.client_id, order_id)))


@endpoint(
    blueprint, "POST", "/v1/number-orders/<uuid:order_id>/submit", roles=AGENCY, answer=OrderAnswer, status=202,
    problems=("order_not_open", "carrier_refuses", "carrier_away"),
)  # fmt: skip
def submit_order(asked: Asked, order_id: UUID) -> Any:
    """Submit a port

    A draft, or one that the carrier has rejected.
    """
    return show(asked.services.carriers.submit(asked.agency_id, asked.client_id, order_id)), 202


@endpoint(
    blueprint, "POST", "/v1/number-orders/<uuid:order_id>/cancel", roles=AGENCY, answer=OrderAnswer, status=202,
    problems=("order_not_open",),
)  # fmt: skip
def cancel_order(asked: Asked, order_id: UUID) -> Any:
    """Take an order back

    As long as the number is not in service; DELETE the number then. The carrier is told in the background.
    """
    moved = asked.services.carriers.move(
        asked.agency_id, asked.client_id, order_id, Progress("cancelled"), tell_carrier=True
    )
    return show(moved), 202


@endpoint(
    blueprint, "POST", "/v1/number-orders/<uuid:order_id>/state", roles=OPERATOR, body=OrderState, answer=OrderAnswer,
    problems=("order_not_open", "number_taken", "number_leaving"),
)  # fmt: skip
def tell_order_state(asked: Asked, order_id: UUID, body: OrderState) -> OrderAnswer:
    """Say what has become of an order

    Of one that is carried out by hand, such as a port to a carrier without an API.
    """
    progress = Progress(body.state, None, body.reason, body.scheduled_for)
    return show(asked.services.carriers.move(asked.agency_id, asked.client_id, order_id, progress))

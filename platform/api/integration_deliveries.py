"""`/v1/integrations/{id}/deliveries`: what an integration was told of each call, when, and what it answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..integrations.model import Delivery, DeliveryFilters
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import Answer, Id, Moment
from .paging import Listed, ListQuery, each, list_page

blueprint = APIBlueprint("integration_deliveries", __name__, tag="Integrations")

LedgerState = Literal["due", "blocked", "sending", "sent", "done", "given_up"]


class IntegrationDeliveryQuery(ListQuery):
    """Filters of the list of an integration's deliveries; all that are given must hold."""

    state: Annotated[LedgerState | None, Field(default=None)]
    call_id: Annotated[UUID | None, Field(default=None, description="Only this call's.")]


class ExchangeAnswer(Answer):
    """A request and its answer, secrets blotted out."""

    at: Annotated[str, Field(description="When it was over.", examples=["2026-03-01T09:30:00.125Z"])]
    ms: Annotated[int, Field(description="How long it took.", examples=[142])]
    what: Annotated[str, Field(examples=["POST sendMessage"])]
    status: Annotated[int | None, Field(description="null: there was no answer.", examples=[200])]
    fault: Annotated[str | None, Field(description="Why there was none.", examples=[None])]
    sent: Annotated[
        str | None, Field(description="The first 2 kB; null: erased, it told of a person.", examples=['{"chat_id": 1}'])
    ]
    answered: Annotated[str | None, Field(description="Likewise.", examples=['{"ok": true}'])]


class IntegrationDeliveryAnswer(Answer):
    """One thing that an integration is to be told of one call, or what became of it."""

    id: Id
    integration_id: Id
    call_id: Id
    type: Annotated[str, Field(description="Of the event that it tells.", examples=["call.ended"])]
    revision: Annotated[int, Field(examples=[1])]
    is_late: Annotated[bool, Field(description="Of a back-fill.")]
    state: Annotated[
        LedgerState,
        Field(
            description="blocked: an earlier one of the same call is not over. sent: a request has left and nobody "
            "knows whether it was carried out; it is looked up before it is repeated."
        ),
    ]
    reason: Annotated[
        str | None,
        Field(description="Why it was given up, is put off, or needed nothing sent; one word.", examples=[None]),
    ]
    detail: Annotated[str | None, Field(description="The same for people.", examples=[None])]
    tries: Annotated[int, Field(description="So far; what a limit put off is none.", examples=[1])]
    due_at: Annotated[Moment, Field(description="While it is due or sent: when it is tried next.")]
    created_at: Moment
    first_try_at: Moment | None
    settled_at: Annotated[Moment | None, Field(description="When it was done, or given up.")]


class IntegrationDeliveryDetail(IntegrationDeliveryAnswer):
    """A delivery with what was said."""

    attempts: Annotated[list[ExchangeAnswer], Field(description="The latest 40 requests.")]


class IntegrationDeliveryList(Listed[IntegrationDeliveryAnswer]):
    """A page of an integration's deliveries."""


def show(delivery: Delivery) -> IntegrationDeliveryAnswer:
    return IntegrationDeliveryAnswer.model_validate(delivery)


@endpoint(
    blueprint, "GET", "/v1/integrations/<uuid:integration_id>/deliveries", roles=EVERYBODY,
    query=IntegrationDeliveryQuery, answer=IntegrationDeliveryList,
)  # fmt: skip
def list_integration_deliveries(asked: Asked, integration_id: UUID, query: IntegrationDeliveryQuery) -> Any:
    """List what an integration was told

    The latest first. They are kept for 90 days after they are over, unless the operator says otherwise.
    """
    integrations, agency_id, client_id = asked.services.integrations, asked.agency_id, asked.client_id
    filters = DeliveryFilters(state=query.state, call_id=query.call_id)
    return list_page(
        asked,
        query,
        lambda limit, after: integrations.list_deliveries(
            agency_id, client_id, integration_id, filters, limit=limit, after=after
        ),
        each(show),
    )


@endpoint(
    blueprint, "GET", "/v1/integrations/<uuid:integration_id>/deliveries/<uuid:integration_delivery_id>",
    roles=EVERYBODY, answer=IntegrationDeliveryDetail,
)  # fmt: skip
def get_integration_delivery(
    asked: Asked, integration_id: UUID, integration_delivery_id: UUID
) -> IntegrationDeliveryDetail:
    """Read a delivery to an integration

    With every request that it made and what was answered.
    """
    found = asked.services.integrations.get_delivery(
        asked.agency_id, asked.client_id, integration_id, integration_delivery_id
    )
    said = [ExchangeAnswer(**attempt) for attempt in found.attempts]
    return IntegrationDeliveryDetail(**show(found).model_dump(), attempts=said)


@endpoint(
    blueprint, "POST", "/v1/integrations/<uuid:integration_id>/deliveries/<uuid:integration_delivery_id>/retry",
    roles=EVERYBODY, deed="integration_delivery.retried", answer=IntegrationDeliveryAnswer, status=202,
    problems=("delivery_under_way",),
)  # fmt: skip
def retry_integration_delivery(
    asked: Asked, integration_id: UUID, integration_delivery_id: UUID
) -> tuple[IntegrationDeliveryAnswer, int]:  # fmt: skip
    """Try a delivery again

    From the first try on. What it made in the other system already is not made twice.
    """
    sent = asked.services.integrations.retry_delivery(
        asked.agency_id, asked.client_id, integration_id, integration_delivery_id
    )
    return show(sent), 202

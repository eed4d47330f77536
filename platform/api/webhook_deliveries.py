"""`/v1/webhooks/{id}/deliveries`: what became of each message, with every try; the test button; sending one again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..webhooks.model import Delivery, DeliveryFilters
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import Answer, Id, Moment
from .paging import Listed, ListQuery, each, list_page

blueprint = APIBlueprint("webhook_deliveries", __name__, tag="Webhooks")

DeliveryState = Literal["waiting", "blocked", "sending", "delivered", "failed"]


class DeliveryQuery(ListQuery):
    """Filters of the list of deliveries; all that are given must hold."""

    state: Annotated[DeliveryState | None, Field(default=None)]
    type: Annotated[str | None, Field(default=None, max_length=64, examples=["call.ended"])]
    call_id: Annotated[UUID | None, Field(default=None, description="Only this call's.")]


class AttemptAnswer(Answer):
    """One try."""

    at: Annotated[str, Field(description="When it was over.", examples=["2026-03-01T09:30:00.125Z"])]
    ms: Annotated[int, Field(description="How long it took.", examples=[142])]
    url: str
    status: Annotated[int | None, Field(description="null: there was no answer.", examples=[500])]
    fault: Annotated[str | None, Field(description="null: it was taken.", examples=["status_500"])]
    headers: Annotated[
        dict[str, str], Field(description="Of the answer, those that are kept.", examples=[{"retry-after": "30"}])
    ]
    body: Annotated[str | None, Field(description="The answer's first kilobyte.", examples=["out of order"])]
    is_whole: Annotated[bool, Field(description="Whether that was all of it.")]


class DeliveryAnswer(Answer):
    """A message on its way to a webhook, or what became of it."""

    id: Id
    webhook_id: Id
    message_id: Annotated[Id, Field(description="`webhook-id` of every try; the event's id.")]
    type: Annotated[str, Field(examples=["call.ended"])]
    call_id: UUID | None
    state: Annotated[
        DeliveryState,
        Field(description="blocked: an earlier event of the same call is not there yet. failed: given up."),
    ]
    tries: Annotated[int, Field(description="So far, without those that a recovered receiver was given.", examples=[1])]
    due_at: Annotated[Moment, Field(description="While it waits: when it is tried next.")]
    created_at: Moment
    first_try_at: Moment | None
    settled_at: Annotated[Moment | None, Field(description="When it was taken, or given up.")]
    replays: Annotated[int, Field(description="How often somebody had it sent again.", examples=[0])]


class DeliveryDetailAnswer(DeliveryAnswer):
    """A delivery with every try and what was sent."""

    attempts: Annotated[list[AttemptAnswer], Field(description="The latest 24.")]
    request_headers: Annotated[
        dict[str, str],
        Field(
            description="As sent, without the signature and the moment, which are of each try.",
            examples=[{"content-type": "application/json", "webhook-id": "0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47"}],
        ),
    ]
    request_body: Annotated[
        dict[str, Any] | None,
        Field(
            description="As it would be sent at this moment; null: its event is removed.",
            examples=[{"type": "call.ended"}],
        ),
    ]


class DeliveryList(Listed[DeliveryAnswer]):
    """A page of deliveries."""


def show(delivery: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer.model_validate(delivery)


def _show_attempt(attempt: Mapping[str, Any]) -> AttemptAnswer:
    return AttemptAnswer(**{"headers": {}, "body": None, "is_whole": True, **attempt})


@endpoint(
    blueprint, "GET", "/v1/webhooks/<uuid:webhook_id>/deliveries", roles=EVERYBODY, query=DeliveryQuery,
    answer=DeliveryList,
)  # fmt: skip
def list_deliveries(asked: Asked, webhook_id: UUID, query: DeliveryQuery) -> Any:
    """List a webhook's deliveries

    The latest first. Those that were taken are kept for a week, those that were given up for four.
    """
    webhooks, agency_id, client_id = asked.services.webhooks, asked.agency_id, asked.client_id
    filters = DeliveryFilters(state=query.state, type=query.type, call_id=query.call_id)
    return list_page(
        asked,
        query,
        lambda limit, after: webhooks.list_deliveries(
            agency_id, client_id, webhook_id, filters, limit=limit, after=after
        ),
        each(show),
    )


@endpoint(
    blueprint, "GET", "/v1/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>", roles=EVERYBODY,
    answer=DeliveryDetailAnswer,
)  # fmt: skip
def get_delivery(asked: Asked, webhook_id: UUID, delivery_id: UUID) -> DeliveryDetailAnswer:
    """Read a delivery with its tries

    The body is rendered now: what was erased meanwhile is not in it.
    """
    delivery, message = asked.services.webhooks.get_delivery(asked.agency_id, asked.client_id, webhook_id, delivery_id)
    return DeliveryDetailAnswer(
        **show(delivery).model_dump(),
        attempts=[_show_attempt(attempt) for attempt in delivery.attempts],
        request_headers={"content-type": "application/json", "webhook-id": str(delivery.message_id)},
        request_body=message,
    )


@endpoint(
    blueprint, "POST", "/v1/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/replay",
    roles=EVERYBODY, deed="delivery.replayed",
    answer=DeliveryAnswer, status=202, problems=("delivery_under_way",),
)  # fmt: skip
def replay_delivery(asked: Asked, webhook_id: UUID, delivery_id: UUID) -> tuple[DeliveryAnswer, int]:
    """Send a message again

    From the first try on, under the same id.
    """
    sent = asked.services.webhooks.replay_delivery(asked.agency_id, asked.client_id, webhook_id, delivery_id)
    return show(sent), 202


@endpoint(
    blueprint,
    "POST",
    "/v1/webhooks/<uuid:webhook_id>/test",
    roles=EVERYBODY,
    deed="webhook.tested",
    answer=DeliveryAnswer,
    status=202,
)
def test_webhook(asked: Asked, webhook_id: UUID) -> tuple[DeliveryAnswer, int]:
    """Send a test message

    `webhook.test`, once, also to a webhook that is paused. Read the delivery to see what the receiver answered.
    """
    return show(asked.services.webhooks.test_webhook(asked.agency_id, asked.client_id, webhook_id)), 202

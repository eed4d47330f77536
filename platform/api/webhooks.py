"""`/v1/webhooks`: endpoints that are told what happens, signed after Standard Webhooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field, StrictBool

from ..outgoing.signing import format_secret
from ..webhooks.model import (
    LONGEST_DESCRIPTION,
    MOST_CLIENTS,
    MOST_TYPES,
    SigningSecret,
    Webhook,
    WebhookValues,
)
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import Answer, Body, Id, Moment, MomentIn, Version, absent
from .owners import ClientId, OwnedQuery
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("webhooks", __name__, tag="Webhooks")

Url = Annotated[
    str,
    Field(
        max_length=2048,
        description="Where messages are sent by POST: https, a public address, no redirect is followed.",
        examples=["https://crm.example.com/dialtrace"],
    ),
]
Description = Annotated[str, Field(max_length=LONGEST_DESCRIPTION, examples=["Calls into the CRM"])]
EventTypes = Annotated[
    list[str],
    Field(
        max_length=MOST_TYPES,
        description="Types of events; `call.*` is all that begin so. Empty: every type.",
        examples=[["call.ended", "recording.*"]],
    ),
]
ClientIds = Annotated[
    list[UUID],
    Field(
        max_length=MOST_CLIENTS,
        description="Of an agency's webhook: only these clients' events. Empty: all of the agency.",
        examples=[[]],
    ),
]
Secret = Annotated[
    str | None,
    Field(
        description="The key is what stands behind `whsec_`, decoded from base64. Null in a replayed answer.",
        examples=["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],
    ),
]
PreviousUntil = Annotated[
    Moment | None, Field(description="Until then the secret before this one signs every message too.")
]


class NewWebhook(Body):
    """A webhook to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"url": "https://crm.example.com/dialtrace", "event_types": ["call.ended", "recording.*"]}
        }
    )

    client_id: ClientId
    url: Url
    description: Annotated[Description, Field(default="")]
    event_types: Annotated[EventTypes, Field(default_factory=list)]
    client_ids: Annotated[ClientIds, Field(default_factory=list)]


class WebhookChange(Body):
    """A merge patch of a webhook; lists are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"example": {"event_types": ["call.ended"]}})

    url: Annotated[Url, Field(default_factory=absent)]
    description: Annotated[Description, Field(default_factory=absent)]
    event_types: Annotated[EventTypes, Field(default_factory=absent)]
    client_ids: Annotated[ClientIds, Field(default_factory=absent)]


class WebhookAnswer(Answer):
    """An endpoint that is told what happens."""

    id: Id
    agency_id: Id
    client_id: Annotated[UUID | None, Field(description="Whose it is; null: the agency's own.")]
    url: Url
    description: Description
    event_types: EventTypes
    client_ids: ClientIds
    state: Annotated[
        Literal["active", "paused", "disabled"],
        Field(description="paused: nothing is sent, and kept for when it is resumed. disabled: it answered 410 Gone."),
    ]
    reason: Annotated[
        Literal["asked", "failing", "gone"] | None,
        Field(
            description="Why it is not active: by request, nothing but failures for too long, or 410.", examples=[None]
        ),
    ]
    state_at: Moment
    failing_since: Annotated[Moment | None, Field(description="Nothing but failures since then.")]
    rest_until: Annotated[Moment | None, Field(description="The receiver has asked for rest until then.")]
    last_success_at: Moment | None
    last_failure_at: Moment | None
    last_fault: Annotated[
        str | None, Field(description="What went wrong last: `status_500`, `timed_out`, …", examples=["status_500"])
    ]
    created_at: Moment
    updated_at: Moment
    version: Version


class MadeWebhookAnswer(WebhookAnswer):
    """A webhook that was made, with the secret that signs its messages."""

    secret: Secret


class WebhookList(Listed[WebhookAnswer]):
    """A page of webhooks."""


class WebhookSecretAnswer(Answer):
    """What signs a webhook's messages."""

    webhook_id: Id
    secret: Secret
    made_at: Moment
    previous_until: PreviousUntil


class Rotation(Body):
    """How a secret is changed over."""

    model_config = ConfigDict(json_schema_extra={"example": {"overlap_h": 24}})

    overlap_h: Annotated[
        int,
        Field(default=24, ge=0, le=168, description="Hours for which the old secret signs too; 0: not at all."),
    ]


class Span(Body):
    """What is to be sent again."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"since": "2026-03-01T09:00:00Z", "until": "2026-03-01T12:00:00Z"}}
    )

    since: Annotated[MomentIn, Field(description="Recorded at this moment or later.")]
    until: Annotated[MomentIn, Field(description="Recorded before this moment.")]
    event_types: Annotated[
        EventTypes, Field(default_factory=list, description="Narrows further what the webhook wants itself.")
    ]
    only_failed: Annotated[StrictBool, Field(default=False, description="Only what was given up.")]


class ReplayAnswer(Answer):
    """What is sent again."""

    count: Annotated[int, Field(description="Messages; what was on its way already is not among them.", examples=[412])]


def show(webhook: Webhook) -> WebhookAnswer:
    return WebhookAnswer.model_validate(webhook)


def show_secret(webhook_id: UUID, secret: SigningSecret) -> WebhookSecretAnswer:
    return WebhookSecretAnswer(
        webhook_id=webhook_id,
        secret=format_secret(secret.key),
        made_at=secret.made_at,
        previous_until=secret.previous_until,
    )


@endpoint(
    blueprint, "POST", "/v1/webhooks", roles=EVERYBODY, body=NewWebhook, answer=MadeWebhookAnswer, status=201,
    problems=("too_many_webhooks",), secrets=("secret",),
)  # fmt: skip
def create_webhook(asked: Asked, body: NewWebhook) -> Reply[MadeWebhookAnswer]:
    """Make a webhook

    It is told what is recorded from now on; older events are sent by `replay`. Each message is signed
    (docs/howto/webhooks.md), tried up to 12 times within 72 hours, and those of one call come in their order.
    """
    values = WebhookValues(
        url=body.url, description=body.description, event_types=body.event_types, client_ids=body.client_ids
    )
    webhook, secret = asked.services.webhooks.create_webhook(asked.agency_id, asked.client_id, values)
    answer = MadeWebhookAnswer(**show(webhook).model_dump(), secret=format_secret(secret.key))
    return created("/v1/webhooks", answer)


@endpoint(blueprint, "GET", "/v1/webhooks", roles=EVERYBODY, query=OwnedQuery, answer=WebhookList)
def list_webhooks(asked: Asked, query: OwnedQuery) -> Any:
    """List webhooks

    In the order in which they were made.
    """
    webhooks, agency_id, client_id = asked.services.webhooks, asked.agency_id, asked.client_id
    return list_page(
        asked,
        query,
        lambda limit, after: webhooks.list_webhooks(agency_id, client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/webhooks/<uuid:webhook_id>", roles=EVERYBODY, answer=WebhookAnswer)
def get_webhook(asked: Asked, webhook_id: UUID) -> Reply[WebhookAnswer]:
    """Read a webhook"""
    return found(show(asked.services.webhooks.get_webhook(asked.agency_id, asked.client_id, webhook_id)))


@endpoint(
    blueprint, "PATCH", "/v1/webhooks/<uuid:webhook_id>", roles=EVERYBODY, body=WebhookChange, answer=WebhookAnswer
)
def change_webhook(asked: Asked, webhook_id: UUID, body: WebhookChange) -> Reply[WebhookAnswer]:
    """Change a webhook

    A JSON merge patch: what is left out stays. Filters hold for what is recorded from now on; messages that wait go to
    the new address.
    """
    webhooks, agency_id, client_id = asked.services.webhooks, asked.agency_id, asked.client_id
    before = webhooks.get_webhook(agency_id, client_id, webhook_id)
    check_match(request.headers, before.version, required=True)
    changed = webhooks.change_webhook(
        agency_id, client_id, webhook_id, expected_version=before.version, changes=body.changes()
    )
    return found(show(changed))


@endpoint(blueprint, "DELETE", "/v1/webhooks/<uuid:webhook_id>", roles=EVERYBODY, status=204)
def delete_webhook(asked: Asked, webhook_id: UUID) -> Response:
    """Remove a webhook

    Nothing is sent to it any more; what waits for it is forgotten.
    """
    asked.services.webhooks.delete_webhook(asked.agency_id, asked.client_id, webhook_id)
    return Response(status=204)


@endpoint(
    blueprint, "GET", "/v1/webhooks/<uuid:webhook_id>/secret", roles=EVERYBODY, permission="webhooks.write",
    answer=WebhookSecretAnswer,
)  # fmt: skip
def get_webhook_secret(asked: Asked, webhook_id: UUID) -> WebhookSecretAnswer:
    """Read a webhook's secret"""
    secret = asked.services.webhooks.reveal_secret(asked.agency_id, asked.client_id, webhook_id)
    return show_secret(webhook_id, secret)


@endpoint(
    blueprint, "POST", "/v1/webhooks/<uuid:webhook_id>/secret", roles=EVERYBODY, body=Rotation,
    answer=WebhookSecretAnswer, status=201, secrets=("secret",),
)  # fmt: skip
def rotate_webhook_secret(asked: Asked, webhook_id: UUID, body: Rotation) -> tuple[WebhookSecretAnswer, int]:
    """Make a new secret for a webhook

    For `overlap_h` hours the old one signs every message too, so that nothing is refused while the receiver is changed
    over. Rotating again meanwhile ends the older one at once.
    """
    secret = asked.services.webhooks.rotate_secret(
        asked.agency_id, asked.client_id, webhook_id, overlap=timedelta(hours=body.overlap_h)
    )
    return show_secret(webhook_id, secret), 201


@endpoint(blueprint, "POST", "/v1/webhooks/<uuid:webhook_id>/pause", roles=EVERYBODY, answer=WebhookAnswer, status=200)
def pause_webhook(asked: Asked, webhook_id: UUID) -> Reply[WebhookAnswer]:
    """Pause a webhook

    Nothing is sent to it until it is resumed. What it misses is kept in the log.
    """
    return found(show(asked.services.webhooks.pause_webhook(asked.agency_id, asked.client_id, webhook_id)))


@endpoint(blueprint, "POST", "/v1/webhooks/<uuid:webhook_id>/resume", roles=EVERYBODY, answer=WebhookAnswer, status=200)
def resume_webhook(asked: Asked, webhook_id: UUID) -> Reply[WebhookAnswer]:
    """Resume a webhook

    It is sent what it missed: what waited, what was given up while it failed, and what came meanwhile. Also one that is
    active: then what waits for its next try is sent at once.
    """
    return found(show(asked.services.webhooks.resume_webhook(asked.agency_id, asked.client_id, webhook_id)))


@endpoint(
    blueprint, "POST", "/v1/webhooks/<uuid:webhook_id>/replay",
    roles=EVERYBODY, deed="webhook.replayed", body=Span, answer=ReplayAnswer,
    status=202,
)  # fmt: skip
def replay_webhook(asked: Asked, webhook_id: UUID, body: Span) -> tuple[ReplayAnswer, int]:
    """Send a span again

    Everything that was recorded in it and that the webhook wants, also from before it was made; under the same ids as
    before. At most 10,000 events at a time.
    """
    count = asked.services.webhooks.replay_span(
        asked.agency_id, asked.client_id, webhook_id, since=body.since, until=body.until, types=body.event_types,
        only_failed=body.only_failed,
    )  # fmt: skip
    return ReplayAnswer(count=count), 202

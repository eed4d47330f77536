"""`/v1/integrations`: other systems that are told of a client's calls; set up, tested, paused, back-filled."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field

from ..integrations.model import LONGEST_NAME, Integration
from ..integrations.service import schema_of
from .auth import EVERYBODY, Asked
from .endpoint import TenantQuery, endpoint
from .fields import EXAMPLE_ID, Answer, Body, Id, Moment, MomentIn, Version, absent
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("integrations", __name__, tag="Integrations")

SystemName = Annotated[
    str, Field(max_length=40, description="As `GET /v1/integration-systems` names it.", examples=["telegram"])
]
IntegrationName = Annotated[str, Field(max_length=LONGEST_NAME, examples=["Missed calls to the sales chat"])]
Settings = Annotated[
    dict[str, Any],
    Field(
        description="By the system's schema; what is left out has its default.",
        examples=[{"chat_id": "-1001234567890", "calls": "missed"}],
    ),
]
Secrets = Annotated[
    dict[str, Any],
    Field(
        description="By the system's schema. They are kept sealed and never shown again.",
        examples=[{"bot_token": "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"}],
    ),
]
EventType = Annotated[str, Field(max_length=64, description="Of what is told.", examples=["call.ended"])]


class SystemsQuery(TenantQuery):
    """For whom it is asked; the systems are the same for all."""

    client_id: Annotated[UUID | None, Field(default=None, description="For this client.", examples=[EXAMPLE_ID])]


class SystemAnswer(Answer):
    """A system that can be integrated."""

    name: SystemName
    title: Annotated[str, Field(examples=["Telegram"])]
    summary: Annotated[str, Field(examples=["A notice of each call, or of those that were missed, in a chat."])]
    is_advertising: Annotated[
        bool, Field(description="true: it is told only of visitors whose consent is on the record.")
    ]
    settings_schema: Annotated[dict[str, Any], Field(description="JSON schema.", examples=[{"type": "object"}])]
    secrets_schema: Annotated[dict[str, Any], Field(description="JSON schema.", examples=[{"type": "object"}])]


class SystemsAnswer(Answer):
    """Every system that can be integrated."""

    data: list[SystemAnswer]


class NewIntegration(Body):
    """An integration to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID,
                "system": "telegram",
                "name": "Missed calls to the sales chat",
                "settings": {"chat_id": "-1001234567890", "calls": "missed"},
                "secrets": {"bot_token": "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"},
            }
        }
    )

    client_id: ClientId
    system: SystemName
    name: IntegrationName
    settings: Annotated[Settings, Field(default_factory=dict)]
    secrets: Annotated[Secrets, Field(default_factory=dict)]


class IntegrationChange(Body):
    """A merge patch of an integration, of its settings and secrets too: null puts back a member's default."""

    model_config = ConfigDict(json_schema_extra={"example": {"settings": {"calls": "all"}}})

    name: Annotated[IntegrationName, Field(default_factory=absent)]
    settings: Annotated[Settings, Field(default_factory=absent)]
    secrets: Annotated[Secrets, Field(default_factory=absent)]


class IntegrationAnswer(Answer):
    """An integration, without its secrets."""

    id: Id
    agency_id: Id
    client_id: Id
    system: SystemName
    name: IntegrationName
    settings: Settings
    event_types: Annotated[
        list[str], Field(description="What it is told of, by its settings.", examples=[["call.ended"]])
    ]
    state: Annotated[
        Literal["active", "paused", "broken"],
        Field(description="broken: the other system refuses us; nothing is sent until it is mended and resumed."),
    ]
    reason: Annotated[str | None, Field(description="Why it is not active, as one word.", examples=[None])]
    detail: Annotated[str | None, Field(description="The same for people, and what they can do.", examples=[None])]
    state_at: Moment
    failing_since: Annotated[Moment | None, Field(description="Nothing but failures since then.")]
    last_success_at: Moment | None
    last_failure_at: Moment | None
    last_fault: Annotated[str | None, Field(description="What went wrong last.", examples=["status_500"])]
    created_at: Moment
    updated_at: Moment
    version: Version


class IntegrationList(Listed[IntegrationAnswer]):
    """A page of integrations."""


class CheckAnswer(Answer):
    """One finding of a connection test."""

    name: Annotated[str, Field(examples=["chat"])]
    is_well: bool
    detail: Annotated[str, Field(description="What was found; what is wrong and how to mend it.", examples=["Sales"])]


class ConnectionAnswer(Answer):
    """How a connection test went."""

    is_well: bool
    checks: list[CheckAnswer]


class DryRun(Body):
    """A call whose telling is tried without sending anything."""

    model_config = ConfigDict(json_schema_extra={"example": {"call_id": EXAMPLE_ID, "type": "call.ended"}})

    call_id: Annotated[UUID, Field(examples=[EXAMPLE_ID])]
    type: Annotated[EventType, Field(default="call.ended")]


class DryRequestAnswer(Answer):
    """A request that would leave."""

    method: Annotated[str, Field(examples=["POST"])]
    url: Annotated[
        str, Field(description="Secrets are blotted out.", examples=["https://api.telegram.org/bot•••/sendMessage"])
    ]
    body: Annotated[Any, Field(examples=[{"chat_id": "-1001234567890", "text": "Missed call: +442079460123"}])]


class DryRunAnswer(Answer):
    """What a call would make an integration send, if the other system knew nothing of it yet."""

    outcome: Annotated[
        str, Field(description="`would_send`, or the word for why nothing would be sent.", examples=["would_send"])
    ]
    detail: Annotated[str, Field(examples=[""])]
    requests: list[DryRequestAnswer]


class BackfillSpan(Body):
    """Calls that are to be told."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}}
    )

    since: Annotated[MomentIn, Field(description="Calls that began at this moment or later.")]
    until: Annotated[MomentIn, Field(description="Calls that began before this moment.")]
    call_id: Annotated[UUID | None, Field(default=None, description="Only this call.", examples=[None])]


class BackfillAnswer(Answer):
    """What is told now."""

    count: Annotated[int, Field(description="Deliveries; what was told already is not among them.", examples=[412])]


def show(integration: Integration) -> IntegrationAnswer:
    return IntegrationAnswer.model_validate(integration)


@endpoint(blueprint, "GET", "/v1/integration-systems", roles=EVERYBODY, query=SystemsQuery, answer=SystemsAnswer)
def list_integration_systems(asked: Asked, query: SystemsQuery) -> SystemsAnswer:
    """List the systems that can be integrated

    Each with the schemas of its settings and secrets.
    """
    return SystemsAnswer(
        data=[
            SystemAnswer(
                name=one.name, title=one.title, summary=one.summary, is_advertising=one.is_advertising,
                settings_schema=schema_of(one.settings), secrets_schema=schema_of(one.secrets),
            )
            for one in asked.services.integrations.systems.values()
        ]
    )  # fmt: skip


@endpoint(blueprint, "POST", "/v1/integrations", roles=EVERYBODY, body=NewIntegration, answer=IntegrationAnswer,
    status=201, problems=("too_many_integrations",),
)  # fmt: skip
def create_integration(asked: Asked, body: NewIntegration) -> Reply[IntegrationAnswer]:
    """Make an integration

    It is told what is recorded from now on; older calls are told by `backfill`. Test it before you wait for a call.
    """
    made = asked.services.integrations.create_integration(
        asked.agency_id, owner_of(asked), system=body.system, name=body.name, settings=body.settings,
        secrets=body.secrets,
    )  # fmt: skip
    return created("/v1/integrations", show(made))


@endpoint(blueprint, "GET", "/v1/integrations", roles=EVERYBODY, query=OwnedQuery, answer=IntegrationList)
def list_integrations(asked: Asked, query: OwnedQuery) -> Any:
    """List integrations

    In the order in which they were made.
    """
    integrations, agency_id, client_id = asked.services.integrations, asked.agency_id, asked.client_id
    return list_page(
        asked,
        query,
        lambda limit, after: integrations.list_integrations(agency_id, client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/integrations/<uuid:integration_id>", roles=EVERYBODY, answer=IntegrationAnswer)
def get_integration(asked: Asked, integration_id: UUID) -> Reply[IntegrationAnswer]:
    """Read an integration"""
    return found(show(asked.services.integrations.get_integration(asked.agency_id, asked.client_id, integration_id)))


@endpoint(
    blueprint, "PATCH", "/v1/integrations/<uuid:integration_id>", roles=EVERYBODY, body=IntegrationChange,
    answer=IntegrationAnswer,
)  # fmt: skip
def change_integration(asked: Asked, integration_id: UUID, body: IntegrationChange) -> Reply[IntegrationAnswer]:
    """Change an integration

    A JSON merge patch. What waits is told by the new settings and secrets. One that is broken goes on when it is
    resumed.
    """
    integrations, agency_id, client_id = asked.services.integrations, asked.agency_id, asked.client_id
    before = integrations.get_integration(agency_id, client_id, integration_id)
    check_match(request.headers, before.version, required=True)
    changed = integrations.change_integration(
        agency_id, client_id, integration_id, expected_version=before.version, **body.changes()
    )
    return found(show(changed))


@endpoint(blueprint, "DELETE", "/v1/integrations/<uuid:integration_id>", roles=EVERYBODY, status=204)
def delete_integration(asked: Asked, integration_id: UUID) -> Response:
    """Remove an integration

    It is told nothing any more, its secrets are gone, and what it was told is forgotten.
    """
    asked.services.integrations.delete_integration(asked.agency_id, asked.client_id, integration_id)
    return Response(status=204)


@endpoint(
    blueprint, "POST", "/v1/integrations/<uuid:integration_id>/pause", roles=EVERYBODY, answer=IntegrationAnswer,
)  # fmt: skip
def pause_integration(asked: Asked, integration_id: UUID) -> Reply[IntegrationAnswer]:
    """Pause an integration

    It is told nothing until it is resumed. What it misses is kept in the log.
    """
    return found(show(asked.services.integrations.pause_integration(asked.agency_id, asked.client_id, integration_id)))


@endpoint(
    blueprint, "POST", "/v1/integrations/<uuid:integration_id>/resume", roles=EVERYBODY, answer=IntegrationAnswer,
)  # fmt: skip
def resume_integration(asked: Asked, integration_id: UUID) -> Reply[IntegrationAnswer]:
    """Resume an integration

    It is told what it missed. Also one that is active: then what waits for its next try is tried at once.
    """
    return found(show(asked.services.integrations.resume_integration(asked.agency_id, asked.client_id, integration_id)))


@endpoint(
    blueprint, "POST", "/v1/integrations/<uuid:integration_id>/test", roles=EVERYBODY, deed="integration.tested",
    answer=ConnectionAnswer, whole=False,
)  # fmt: skip
def test_integration(asked: Asked, integration_id: UUID) -> ConnectionAnswer:
    """Test an integration

    Asks the other system whether the credentials are good and what is set is there. It is told of no call.
    """
    checks = asked.services.integrations.test_connection(asked.agency_id, asked.client_id, integration_id)
    shown = [CheckAnswer.model_validate(check) for check in checks]
    return ConnectionAnswer(is_well=all(check.is_well for check in shown), checks=shown)


@endpoint(
    blueprint, "POST", "/v1/integrations/<uuid:integration_id>/preview", roles=EVERYBODY, body=DryRun,
    permission="integrations.read", answer=DryRunAnswer, keeps_nothing=True,
)  # fmt: skip
def preview_integration(asked: Asked, integration_id: UUID, body: DryRun) -> DryRunAnswer:
    """Show what a call would send

    A dry run: nothing leaves. The other system's answers are taken to be those of one that does not know the caller.
    """
    preview = asked.services.integrations.preview_call(
        asked.agency_id, asked.client_id, integration_id, body.call_id, body.type
    )
    return DryRunAnswer.model_validate(preview)


@endpoint(
    blueprint, "POST", "/v1/integrations/<uuid:integration_id>/backfill", roles=EVERYBODY, body=BackfillSpan,
    deed="integration.backfilled", answer=BackfillAnswer, status=202,
)  # fmt: skip
def backfill_integration(asked: Asked, integration_id: UUID, body: BackfillSpan) -> tuple[BackfillAnswer, int]:
    """Tell of a span of calls

    Also from before the integration was made. What was told already is not told again; what was given up is tried
    again. At most 10,000 deliveries at a time.
    """
    count = asked.services.integrations.backfill_span(
        asked.agency_id, asked.client_id, integration_id, since=body.since, until=body.until, call_id=body.call_id
    )
    return BackfillAnswer(count=count), 202

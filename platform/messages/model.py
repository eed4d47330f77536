"""What events say when they leave: one body for each type, as values that know their own JSON schema. No I/O.

A body's members are only ever added to; whatever else would change makes a new ``version`` of its type. Every member is
always there: null means that it is not known (any more), never that somebody forgot it. Must not know who is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from ..clock import moment_text

Moment = Annotated[
    datetime,
    PlainSerializer(moment_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-01T09:30:00.125Z"]}),
]
Ms = Annotated[int | None, Field(description="Milliseconds.", examples=[16_480])]
Id = Annotated[UUID, Field(examples=["0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47"])]
Phone = Annotated[str | None, Field(examples=["+442079460999"])]


class Body(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(from_attributes=True)


class OfCall(Body):
    """What every event of a call says."""

    call_id: Annotated[Id, Field(description="The call; `GET /v1/calls/{id}` once it has ended.")]
    revision: Annotated[int, Field(ge=1, description="Counts what is told again under this type.", examples=[1])]
    rank: Annotated[
        int,
        Field(ge=1, description="Place of the type within a call: with `revision` it orders a call's events."),
    ]


class CallProgress(OfCall):
    """A call that stands. Number, caller and target are as they are known at the moment of reading."""

    number_id: UUID | None
    number: Annotated[str | None, Field(description="What was dialled.", examples=["+442079460123"])]
    caller: Annotated[Phone, Field(description="null where it is withheld, or erased meanwhile.")]
    flow_id: UUID | None
    target_id: Annotated[UUID | None, Field(description="Whom the caller talks with, once that is known.")]
    node: str | None
    source: Annotated[dict[str, str], Field(description="What the route knew of where the caller came from.")]


class Attestation(Body):
    """The caller's right to the number, and who vouches for it."""

    level: Annotated[Literal["A", "B", "C"] | None, Field(description="Of a signature that was good.")]
    verstat: Annotated[str | None, Field(description="What verifying the signature brought; null: nobody verified.")]
    verified_by: Literal["switch", "edge"] | None
    claimed: Annotated[Literal["A", "B", "C"] | None, Field(description="What an unverified header says.")]


class AttributionTold(Body):
    """Where the caller came from, as far as it is known. Two probabilities: the visit's, and the source's."""

    revision: Annotated[int, Field(ge=1, description="Counts what was found anew.", examples=[1])]
    method: Annotated[
        Literal["manual", "promo_code", "visit", "number", "self_reported", "unknown"],
        Field(description="visit: matched to a visit. number: the source that the number is bound to; no visit."),
    ]
    rung: Annotated[
        str | None, Field(description="What the visit was given: exclusive, shared, source, site or static.")
    ]
    visit_id: Annotated[UUID | None, Field(description="null: to none that is likelier than nobody.")]
    probability: Annotated[float | None, Field(ge=0, le=1, description="Of the visit.", examples=[0.97])]
    source_probability: Annotated[float | None, Field(ge=0, le=1, description="Of the source.", examples=[0.98])]
    channel: Annotated[str | None, Field(examples=["paid_search"])]
    source: Annotated[str | None, Field(examples=["yandex"])]
    medium: Annotated[str | None, Field(examples=["cpc"])]
    campaign: Annotated[str | None, Field(examples=["spring"])]
    content: str | None
    keyword: Annotated[str | None, Field(examples=["dentist"])]


class CallRecord(Body):
    """The call's record as it is at the moment of reading."""

    id: Id
    revision: Annotated[int, Field(ge=1, description="Of the record now: not below that of the event.", examples=[1])]
    number_id: UUID | None
    number: Annotated[str, Field(description="What was dialled.", examples=["+442079460123"])]
    caller: Annotated[Phone, Field(description="E.164; null where it is withheld, or erased meanwhile.")]
    caller_name: Annotated[str | None, Field(examples=["Jane Doe"])]
    outcome: Annotated[str, Field(examples=["answered"])]
    started_at: Moment
    ringing_at: Moment | None
    answered_at: Moment | None
    connected_at: Moment | None
    ended_at: Moment | None
    duration_ms: Ms
    ring_ms: Ms
    talk_ms: Ms
    billed_ms: Ms
    target_id: UUID | None
    hangup_side: Annotated[str, Field(examples=["caller"])]
    hangup_cause: Annotated[str | None, Field(examples=["NORMAL_CLEARING"])]
    cause_q850: Annotated[int | None, Field(examples=[16])]
    sip_status: Annotated[int | None, Field(examples=[200])]
    flow_id: UUID | None
    flow_version: int | None
    decided_by: Annotated[str, Field(examples=["worker"])]
    fallback_reason: str | None
    node: Annotated[str, Field(examples=["node-1"])]
    codec: str | None
    sip_call_id: str | None
    pdd_ms: Annotated[int | None, Field(description="From the INVITE to a sign of life.", examples=[182])]
    hold_ms: Annotated[int | None, Field(description="Held by the caller's telephone; null: never.")]
    queue_ms: Annotated[int | None, Field(description="In queues; null: in none.")]
    mos: Annotated[float | None, Field(description="Of what came from the caller, by the E-model.", examples=[4.35])]
    attestation: Annotated[Attestation | None, Field(description="STIR/SHAKEN; null where nobody said anything.")]
    diverted_from: Annotated[Phone, Field(description="Who had been called before.")]
    spam_score: Annotated[int | None, Field(description="0 to 100; null: nobody scored the caller.")]
    should_record: Annotated[bool, Field(description="Whether the rule wanted a recording; `recording.ready` follows.")]
    consent: Literal["given", "refused"] | None
    tags: list[str]
    variables: dict[str, str]
    is_test: Annotated[bool, Field(description="Placed by the installation itself, to prove a number.")]
    attribution: Annotated[AttributionTold | None, Field(description="null: nothing is known (yet).")]


class CallOver(OfCall):
    """A call that has ended, with its record."""

    call: Annotated[CallRecord | None, Field(description="null once the record is removed.")]


class RecordingTold(Body):
    """One segment of a call's recording."""

    id: Id
    segment: int
    size_bytes: int | None
    sha256: Annotated[str | None, Field(description="In hexadecimal; also the `ETag` of the audio.")]
    duration_ms: Ms
    channels: int | None
    stored_at: Moment | None
    href: Annotated[str, Field(examples=["/v1/calls/0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47/recording?segment=1"])]


class RecordingReady(OfCall):
    """A recording that the store holds and has confirmed."""

    recording: Annotated[RecordingTold | None, Field(description="null once the recording is removed.")]


class AttributionRevised(OfCall):
    """Where a call came from, as it is known from this revision on."""

    attribution: Annotated[AttributionTold | None, Field(description="null once the record is removed.")]


class PersonErased(Body):
    """A person's data was erased here; whoever keeps copies of these calls is to do the same."""

    request_id: Annotated[Id, Field(description="The request for erasure.")]
    call_ids: Annotated[list[UUID], Field(description="Calls that lost their personal values; at most 1,000.")]
    call_count: Annotated[int, Field(ge=0, description="How many there are in all; the receipt names the rest.")]
    objects: Annotated[list[str], Field(description="Names of objects in your own bucket that are to go.")]


class NumberQuarantined(Body):
    """A number that nobody is given any more because others dial it."""

    number_id: Id
    pool_id: Annotated[UUID | None, Field(description="The pool that it was in.")]
    reason: Annotated[
        Literal["leaked", "dirty", "found_on_page"],
        Field(
            description="leaked: calls that no visit explains; dirty: calls while nobody was shown it; "
            "found_on_page: a page of the client's own names it."
        ),
    ]
    calls: Annotated[int, Field(ge=0, description="How many calls say so.", examples=[3])]


class PoolResized(Body):
    """A pool that took numbers by itself, or gave some back."""

    pool_id: Id
    numbers_before: Annotated[int, Field(ge=0, examples=[20])]
    numbers_after: Annotated[int, Field(ge=0, examples=[24])]
    needed: Annotated[int, Field(ge=0, description="What its loss target asks for.", examples=[31])]


class WebhookChanged(Body):
    """A webhook endpoint that stopped, or that goes on."""

    webhook_id: Id
    reason: Annotated[
        Literal["failing", "gone", "asked"],
        Field(description="failing: nothing but failures for too long; gone: it answered 410; asked: by somebody."),
    ]
    failing_since: Moment | None


Money = Annotated[str, Field(description="A decimal text.", examples=["12.50"])]
AccountId = Annotated[UUID, Field(description="The client that pays, or the agency itself.")]


class BalanceLow(Body):
    """A balance fell below one of the account's alarms."""

    account_id: AccountId
    alarm: Money
    balance: Money
    currency: Annotated[str, Field(examples=["GBP"])]


class AccountChanged(Body):
    """An account is overdue, was stopped by what its policy says, or is good again."""

    account_id: AccountId
    state: Literal["good", "overdue", "stopped"]
    balance: Money
    currency: Annotated[str, Field(examples=["GBP"])]


class StatementMade(Body):
    """A month was closed; `GET …/billing/statements/{month}`."""

    account_id: AccountId
    month: Annotated[str, Field(examples=["2026-11"])]
    total: Money
    currency: Annotated[str, Field(examples=["GBP"])]


class WebhookTest(Body):
    """Sent when somebody presses the test button; is in no log."""

    webhook_id: Id


#: What each type says. The first attribution goes out with `call.ended`, if it is known by then.
BODIES: Mapping[str, tuple[int, type[Body], str]] = {
    "call.started": (1, CallProgress, "A call came in."),
    "call.ringing": (1, CallProgress, "The caller hears ringing; never after `call.answered`."),
    "call.answered": (1, CallProgress, "The caller was answered, if only by an announcement."),
    "call.ended": (1, CallOver, "A call has ended and its record is kept. Told once for each call."),
    "call.revised": (1, CallOver, "A record changed: a fact came late, or a better one was found."),
    "recording.ready": (
        1,
        RecordingReady,
        "A recording is in the store and was verified there: each segment of a call once, and once more in the form "
        "into which it was made. The revision counts them within the call.",
    ),
    "attribution.revised": (1, AttributionRevised, "A call's attribution was found, or changed."),
    "person.erased": (1, PersonErased, "A person's data was erased on request or by law."),
    "number.quarantined": (1, NumberQuarantined, "A number was taken out of use because others dial it."),
    "pool.resized": (1, PoolResized, "A pool took numbers by itself, or gave some back."),
    "balance.low": (1, BalanceLow, "A balance fell below an alarm of its account."),
    "account.changed": (1, AccountChanged, "An account became overdue, was stopped, or is good again."),
    "statement.made": (1, StatementMade, "A month was closed and its statement made."),
    "webhook.paused": (1, WebhookChanged, "A webhook endpoint is not tried any more; what it misses is kept."),
    "webhook.disabled": (1, WebhookChanged, "A webhook endpoint answered 410 Gone and is not used any more."),
    "webhook.resumed": (1, WebhookChanged, "A webhook endpoint goes on, and is sent what it missed."),
    "webhook.test": (1, WebhookTest, "The test button was pressed. Sent to that endpoint only; not in the log."),
}


class Envelope(Body):
    """What every message begins with (Standard Webhooks: `type`, `timestamp`, `data`)."""

    id: Annotated[Id, Field(description="The event's id; also `webhook-id`: the same however often it is sent.")]
    type: str
    version: Annotated[int, Field(ge=1, description="Of the schema.")]
    timestamp: Annotated[Moment, Field(description="When it happened.")]
    position: Annotated[
        int | None,
        Field(
            ge=1,
            description="In the agency's log, which has no gaps. null for a client's reader, who sees a part only.",
            examples=[1042],
        ),
    ]
    agency_id: Id
    client_id: UUID | None
    data: dict[str, Any]


def schema_of(type_: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type's messages. Raises KeyError."""
    version, body, told = BODIES[type_]
    schema = Envelope.model_json_schema(mode="serialization")
    data = body.model_json_schema(mode="serialization", ref_template="#/$defs/{model}")
    definitions = data.pop("$defs", {})
    schema["properties"] |= {"data": data, "type": {"const": type_}, "version": {"const": version}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/v1/event-schemas/{type_}",
        **schema,
        "title": type_,
        "description": told,
    } | ({"$defs": definitions} if definitions else {})

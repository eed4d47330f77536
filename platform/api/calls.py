"""`/v1/calls`: call detail records, and each call with its legs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..billing.service import Margin
from ..cdr.model import Call, CallDetail, CallFilters, Leg, Outcome
from ..recording.model import Recording
from .archived import ArchivedUntil, archived_until, telling_the_archive
from .attribution_parts import AttributionShort, show_short
from .auth import EVERYBODY, Asked
from .call_parts import AttestationAnswer, CostAnswer, MediaAnswer, show_attestation, show_cost, show_media
from .endpoint import endpoint
from .fields import Answer, Body, Id, Moment, MomentIn, PhoneFilter
from .owners import OwnedQuery
from .paging import Listed, list_page
from .store import recording_states

blueprint = APIBlueprint("calls", __name__, tag="Calls")

RecordingState = Literal["none", "pending", "stored", "absent"]
_STATES: Mapping[str, RecordingState] = {
    **dict.fromkeys(("expected", "writing", "on_node", "uploading"), "pending"),
    "stored": "stored",
    "verified": "stored",
    "absent": "absent",
}
#: Of several segments the least settled one speaks for the call.
_RANK: Sequence[RecordingState] = ("none", "absent", "stored", "pending")

_TESTS: Mapping[str, bool | None] = {"exclude": False, "include": None, "only": True}

Ms = Annotated[int | None, Field(description="Milliseconds.", examples=[16_480])]
Cause = Annotated[str | None, Field(description="The switch's name for why it ended.", examples=["NORMAL_CLEARING"])]
Q850 = Annotated[int | None, Field(description="The same as a number of ITU-T Q.850.", examples=[16])]
SipStatus = Annotated[int | None, Field(description="The final SIP status.", examples=[200])]
Codec = Annotated[str | None, Field(examples=["PCMA"])]
Q850Name = Annotated[
    str | None, Field(description="That number's name in ITU-T Q.850.", examples=["normal call clearing"])
]
HangupSide = Literal["caller", "target", "platform", "unknown"]
SipCallId = Annotated[
    str | None, Field(description="`Call-ID` of the SIP dialog.", examples=["3848276298220188511@edge"])
]
Node = Annotated[str, Field(description="Name of the node that had the call.", examples=["node-1"])]


class CallFilterQuery(Body):
    """Filters of calls; all that are given must hold."""

    number: Annotated[PhoneFilter | None, Field(default=None)]
    caller: Annotated[PhoneFilter | None, Field(default=None)]
    outcome: Annotated[Outcome | None, Field(default=None)]
    node: Annotated[Node | None, Field(default=None, max_length=100)]
    started_from: Annotated[MomentIn | None, Field(default=None, description="Began at this moment or later.")]
    started_until: Annotated[MomentIn | None, Field(default=None, description="Began before this moment.")]
    answered_only: Annotated[bool, Field(default=False, description="Only calls that were connected to a target.")]
    min_talk_ms: Annotated[int | None, Field(default=None, ge=0, le=2**53, description="Talked at least this long.")]
    test: Annotated[
        Literal["exclude", "include", "only"],
        Field(default="exclude", description="Calls that the installation placed itself, to prove a number."),
    ]

    def to_filters(self) -> CallFilters:
        """As the rooms below understand them."""
        names = CallFilterQuery.model_fields.keys() - {"test"}
        return CallFilters(**{name: getattr(self, name) for name in names}, is_test=_TESTS[self.test])


class CallQuery(OwnedQuery, CallFilterQuery):
    """Filters of the list of calls; all that are given must hold."""


class CallAnswer(Answer):
    """A call's final record (CDR)."""

    id: Annotated[UUID, Field(description="The switch's UUID of the caller's leg.")]
    agency_id: Id
    client_id: Id
    number_id: Annotated[UUID | None, Field(description="null for a number that nobody has.")]
    number: Annotated[
        str, Field(description="What was dialled: E.164 where it can be read so.", examples=["+442079460123"])
    ]
    caller: Annotated[
        str | None, Field(description="E.164, or null where the caller withheld it.", examples=["+442079460999"])
    ]
    caller_name: Annotated[str | None, Field(examples=["Jane Doe"])]
    outcome: Annotated[str, Field(description="One of: " + ", ".join(get_args(Outcome)) + ".", examples=["answered"])]
    started_at: Moment
    ringing_at: Moment | None
    answered_at: Annotated[Moment | None, Field(description="When the platform answered, if only for an announcement.")]
    connected_at: Annotated[Moment | None, Field(description="When caller and target could talk.")]
    ended_at: Moment | None
    duration_ms: Ms
    ring_ms: Ms
    talk_ms: Ms
    billed_ms: Annotated[
        int | None,
        Field(description="From the platform's answer to the end, from microsecond stamps.", examples=[16_480]),
    ]
    pdd_ms: Annotated[
        int | None, Field(description="From the INVITE to ringing, early media or answer.", examples=[182])
    ]
    hold_ms: Annotated[int | None, Field(description="Held by the caller's telephone; null: never.", examples=[None])]
    queue_ms: Annotated[
        int | None,
        Field(description="In queues, until connected, gone on or given up; null: in none.", examples=[None]),
    ]
    target_id: Annotated[UUID | None, Field(description="The target that answered.")]
    hangup_side: HangupSide
    hangup_cause: Cause
    cause_q850: Q850
    q850_name: Q850Name
    sip_status: SipStatus
    flow_id: UUID | None
    flow_version: int | None
    decided_by: Annotated[
        Literal["worker", "fallback", "none"], Field(description="Who made the plan that the call followed.")
    ]
    fallback_reason: Annotated[
        str | None, Field(description="Why no worker made it: plan, or no_plan.", examples=[None])
    ]
    node: Node
    codec: Codec
    sip_call_id: SipCallId
    mos: Annotated[
        float | None, Field(description="Of what came from the caller; the details are in `media`.", examples=[4.35])
    ]
    attestation: AttestationAnswer | None
    diversion: Annotated[
        str | None,
        Field(
            description="The Diversion header as it came: who had been called before.",
            examples=["<sip:+442079460124@carrier.example>;reason=unconditional"],
        ),
    ]
    diverted_from: Annotated[
        str | None, Field(description="Its number, where it is written in E.164.", examples=["+442079460124"])
    ]
    spam_score: Annotated[
        int | None, Field(description="0 (none) to 100, as the flow saw it; null: nobody scored it.", examples=[0])
    ]
    cost: Annotated[CostAnswer | None, Field(description="null until the call was priced.", examples=[None])]
    attribution: Annotated[AttributionShort | None, Field(description="null: nothing is known of where it came from.")]
    recording: Annotated[
        RecordingState,
        Field(
            description="pending: on its way from the node. absent: expected, and there is none.", examples=["stored"]
        ),
    ]
    consent: Annotated[
        Literal["given", "refused"] | None,
        Field(description="What the caller answered where the flow asks whether it may record.", examples=["given"]),
    ]
    tags: Annotated[list[str], Field(description="What the flow tagged the call with.", examples=[["vip"]])]
    variables: Annotated[
        dict[str, str], Field(description="The flow's own variables at the end.", examples=[{"basket": "large"}])
    ]
    is_test: Annotated[
        bool,
        Field(
            description="The installation placed the call itself, to prove a number: it is in no report and no bill."
        ),
    ]
    revision: Annotated[int, Field(description="Counts the changes to this record, such as a leg that came late.")]
    created_at: Moment
    updated_at: Moment


class StepAnswer(Answer):
    """A step of the flow that ran."""

    step: Annotated[str, Field(description="Its name in the flow.", examples=["menu"])]
    at: Annotated[Moment, Field(description="To the second.")]
    result: Annotated[str | None, Field(default=None, description="What it brought, such as a digit.", examples=["1"])]


class LegAnswer(Answer):
    """One attempt to reach a target."""

    id: UUID
    target_id: UUID | None
    address: Annotated[str | None, Field(examples=["sip:desk@pbx.example"])]
    outcome: Annotated[str, Field(description="As of a call.", examples=["answered"])]
    started_at: Moment | None
    ringing_at: Moment | None
    answered_at: Moment | None
    connected_at: Moment | None
    ended_at: Moment | None
    ring_ms: Ms
    talk_ms: Ms
    pdd_ms: Annotated[int | None, Field(description="From our INVITE to a sign of life.", examples=[96])]
    hold_ms: Annotated[int | None, Field(description="Held by the target; null: never.", examples=[None])]
    hangup_side: Annotated[HangupSide | None, Field(description="Who ended this leg.", examples=["target"])]
    hangup_cause: Cause
    cause_q850: Q850
    q850_name: Q850Name
    sip_status: SipStatus
    trunk: Annotated[str | None, Field(description="Of a telephone number: the trunk it went by.", examples=[None])]
    codec: Codec
    sip_call_id: SipCallId
    media: MediaAnswer | None


class MoveAnswer(Answer):
    """A caller who was connected was moved on to another target."""

    at: Moment


class RecordingAnswer(Answer):
    """One segment of a call's recording."""

    segment: int
    state: Annotated[RecordingState, Field(examples=["stored"])]
    absence_reason: Annotated[str | None, Field(description="With the state absent: why.", examples=[None])]
    size_bytes: Annotated[int | None, Field(examples=[527_404])]
    sha256: Annotated[
        str | None, Field(description="In hexadecimal; also the `ETag` of the audio.", examples=["9f86d081884c7d65…"])
    ]
    duration_ms: Ms
    channels: Annotated[
        int | None, Field(description="2: the caller is on the left, the target on the right.", examples=[2])
    ]
    stored_at: Moment | None
    href: Annotated[
        str | None,
        Field(
            description="Where the audio is; null as long as it is not stored.",
            examples=["/v1/calls/0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47/recording?segment=1"],
        ),
    ]


class CallDetailAnswer(CallAnswer):
    """A call's record with its legs and recordings."""

    caller_raw: Annotated[str | None, Field(description="The caller as the carrier sent it.", examples=["02079460999"])]
    media: Annotated[MediaAnswer | None, Field(description="What came from the caller; null: there never was sound.")]
    moves: Annotated[list[MoveAnswer], Field(description="When a caller who was talking was moved on.", examples=[[]])]
    core_uuid: Annotated[UUID | None, Field(description="Which run of the node's switch had the call.")]
    trail: Annotated[list[StepAnswer], Field(description="The steps of the flow that ran, in their order.")]
    legs: list[LegAnswer]
    recordings: list[RecordingAnswer]
    attempts_without_leg: Annotated[
        list[UUID], Field(description="Targets that were tried and refused before any leg came to be.")
    ]


class CallList(Listed[CallAnswer]):
    """A page of calls."""

    archived_until: ArchivedUntil


#: Members of an answer that are no fields of the record.
_MADE_HERE = {"attribution", "recording", "consent", "tags", "variables", "attestation", "cost"}


def _call_members(
    call: Call, recording: RecordingState, attribution: Mapping[str, Any] | None, margin: Margin | None
) -> dict[str, Any]:
    names = CallAnswer.model_fields.keys() - _MADE_HERE
    facts = call.facts
    return {name: getattr(call, name) for name in names} | {
        "recording": recording,
        "attribution": show_short(attribution),
        "attestation": show_attestation(call),
        "cost": show_cost(call, margin),
        "consent": facts.get("consent"),
        "tags": facts.get("tags", []),
        "variables": facts.get("variables", {}),
    }


def margins_for(asked: Asked, calls: Sequence[UUID]) -> Mapping[UUID, Margin]:
    """What calls cost the agency: nothing that a client's key may see."""
    may = asked.principal.role != "client" and "billing.read" in asked.principal.permissions
    return asked.services.billing.margins(asked.agency_id, calls) if may else {}


def state_of(states: Sequence[str]) -> RecordingState:
    """What the ledger's rows say of a call as a whole."""
    return max((_STATES[state] for state in states), key=_RANK.index, default="none")


def show_detail(
    detail: CallDetail, attribution: Mapping[str, Any] | None, margin: Margin | None = None
) -> CallDetailAnswer:
    call = detail.call
    return CallDetailAnswer(
        **_call_members(call, state_of([row.state for row in detail.recordings]), attribution, margin),
        caller_raw=call.caller_raw,
        core_uuid=call.core_uuid,
        media=show_media(call),
        moves=[MoveAnswer(**move) for move in call.facts.get("moves", [])],
        trail=[StepAnswer(**step) for step in call.facts.get("trail", [])],
        legs=[_show_leg(leg) for leg in detail.legs],
        recordings=[_show_recording(row) for row in detail.recordings],
        attempts_without_leg=list(detail.attempts_without_leg),
    )


def _show_leg(leg: Leg) -> LegAnswer:
    told = {name: getattr(leg, name) for name in LegAnswer.model_fields.keys() - {"media"}}
    return LegAnswer.model_validate(told | {"media": show_media(leg)})


def _show_recording(row: Recording) -> RecordingAnswer:
    stored = row.is_there
    return RecordingAnswer(
        segment=row.segment,
        state=_STATES[row.state],
        absence_reason=row.absence_reason,
        size_bytes=row.size_bytes,
        sha256=row.sha256.hex() if row.sha256 is not None else None,
        duration_ms=row.duration_ms,
        channels=row.channels,
        stored_at=row.stored_at,
        href=f"/v1/calls/{row.call_id}/recording?segment={row.segment}" if stored else None,
    )


@endpoint(blueprint, "GET", "/v1/calls", roles=EVERYBODY, query=CallQuery, answer=CallList)
def list_calls(asked: Asked, query: CallQuery) -> Any:
    """List calls

    The latest first. A call is there once it has ended. Calls to numbers that nobody has belong to the operator. Test
    calls are left out unless `test` asks for them. Calls of months that have gone to the archive are not in the list;
    `archived_until` says so.
    """
    filters = query.to_filters()
    services = asked.services

    def show(calls: Sequence[Call]) -> list[CallAnswer]:
        with services.database.tenant(asked.agency_id, asked.client_id) as connection:
            states = recording_states(connection, asked.agency_id, [call.id for call in calls])
        ids = [call.id for call in calls]
        found, margins = services.attribution.current(asked.agency_id, ids), margins_for(asked, ids)
        return [
            CallAnswer(
                **_call_members(call, state_of(states.get(call.id, ())), found.get(call.id), margins.get(call.id))
            )
            for call in calls
        ]

    listed, status, headers = list_page(
        asked,
        query,
        lambda limit, after: services.cdr.list_calls(
            asked.agency_id, asked.client_id, filters, limit=limit, after=after
        ),
        show,
    )
    gone = archived_until(asked, filters.started_from, filters.started_until)
    page = CallList(data=listed.data, next_cursor=listed.next_cursor, has_more=listed.has_more, archived_until=gone)
    return page, status, headers


@endpoint(blueprint, "GET", "/v1/calls/<uuid:call_id>", roles=EVERYBODY, answer=CallDetailAnswer)
def get_call(asked: Asked, call_id: UUID) -> CallDetailAnswer:
    """Read a call with its legs

    Legs are in the order of their start. A leg whose file comes late is added, and `revision` counts up.
    """
    with telling_the_archive(asked):
        detail = asked.services.cdr.get_call(asked.agency_id, asked.client_id, call_id)
    found = asked.services.attribution.current(asked.agency_id, [call_id])
    return show_detail(detail, found.get(call_id), margins_for(asked, [call_id]).get(call_id))

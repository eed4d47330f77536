"""Parts of an attribution's answer: the short one that stands with every call, and the whole. No endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from ..attribution.model import source_of
from ..attribution.service import CallAttribution
from .fields import Answer, Id, Moment

MethodWord = Literal["manual", "promo_code", "visit", "number", "self_reported", "unknown"]
Method = Annotated[
    MethodWord,
    Field(
        description="What it goes by. manual: somebody said so. promo_code: the caller named a visit's code. visit: "
        "matched to the visits that saw the number. number: the source that the number is bound to, which is certain "
        "and says nothing of a visit. self_reported: nothing else is known. unknown: nobody is likelier than nobody.",
        examples=["visit"],
    ),
]
Probability = Annotated[float | None, Field(ge=0, le=1, examples=[0.9731])]


class CallSourceAnswer(Answer):
    """Where somebody came from."""

    channel: Annotated[str | None, Field(examples=["paid_search"])]
    source: Annotated[str | None, Field(examples=["yandex"])]
    medium: Annotated[str | None, Field(examples=["cpc"])]
    campaign: Annotated[str | None, Field(examples=["spring"])]
    content: Annotated[str | None, Field(examples=[None])]
    keyword: Annotated[str | None, Field(examples=["dentist near me"])]


class AttributionShort(Answer):
    """What is known at last of where a call came from; `GET /v1/calls/{id}/attribution` has the rest."""

    revision: Annotated[int, Field(description="Counts what was found anew.", examples=[1])]
    method: Method
    rung: Annotated[
        str | None,
        Field(description="What the visit was given: exclusive, shared, source, site, static.", examples=["exclusive"]),
    ]
    visit_id: Annotated[UUID | None, Field(description="The likeliest visit, where it is likelier than none.")]
    probability: Annotated[Probability, Field(description="That the call is that visit's.")]
    source: CallSourceAnswer
    source_probability: Annotated[Probability, Field(description="That it came from that source; of several visits.")]


class VisitCandidateAnswer(Answer):
    """A visit that may be the caller's."""

    visit_id: Id
    visit_started_at: Moment
    probability: Annotated[float, Field(ge=0, le=1, examples=[0.9731])]
    rung: Annotated[str | None, Field(examples=["exclusive"])]
    source: CallSourceAnswer
    why: Annotated[
        dict[str, Any],
        Field(description="What spoke for and against it.", examples=[{"seen_for_s": 42, "same_region": True}]),
    ]


class AttributionRevisionAnswer(AttributionShort):
    """One revision: it is added and never changed."""

    made_at: Moment
    nobody: Annotated[Probability, Field(description="That the call is none of the candidates'.", examples=[0.0041])]
    candidates: list[VisitCandidateAnswer]
    curve_id: Annotated[UUID | None, Field(description="By what was learnt; null: by the defaults.", examples=[None])]


class CorrectionAnswer(Answer):
    """What somebody said of the call."""

    id: Id
    kind: Annotated[
        Literal["manual", "withdrawn", "promo_code", "self_reported"],
        Field(description="withdrawn: takes every manual one before it back.", examples=["manual"]),
    ]
    said_at: Moment
    said_by: Annotated[UUID | None, Field(description="The key by which it was said.")]
    visit_id: UUID | None
    code: Annotated[str | None, Field(examples=[None])]
    source: CallSourceAnswer
    note: Annotated[str | None, Field(examples=["She said so on the telephone."])]


class CallTouchAnswer(Answer):
    """A meeting with a visitor before the call. Touches of one `path` are one visitor's."""

    path: Annotated[int, Field(examples=[0])]
    probability: Annotated[float, Field(description="That this visitor is the caller.", examples=[0.9731])]
    kind: Annotated[Literal["visit", "impression"], Field(examples=["visit"])]
    at: Moment
    is_lead: Annotated[bool, Field(description="The visit of the caller's first call.", examples=[True])]
    visit_id: UUID | None
    source: CallSourceAnswer


class AttributionAnswer(Answer):
    """Everything that is known of where a call came from."""

    call_id: Id
    client_id: Id
    current: Annotated[
        AttributionRevisionAnswer | None, Field(description="The last revision; null: nothing is known.")
    ]
    revisions: Annotated[list[AttributionRevisionAnswer], Field(description="All of them, the first first.")]
    corrections: list[CorrectionAnswer]
    touches: Annotated[
        list[CallTouchAnswer], Field(description="Before the call, by the last revision; gathered within some minutes.")
    ]


def show_source(row: Mapping[str, Any]) -> CallSourceAnswer:
    return CallSourceAnswer.model_validate(source_of(row))


def show_short(row: Mapping[str, Any] | None) -> AttributionShort | None:
    """Of a call in a list."""
    if row is None:
        return None
    names = ("revision", "method", "rung", "visit_id", "probability", "source_probability")
    return AttributionShort(**{name: row[name] for name in names}, source=show_source(row))


def _show_revision(row: Mapping[str, Any]) -> AttributionRevisionAnswer:
    names = (
        "revision", "method", "rung", "visit_id", "probability", "source_probability", "made_at", "nobody", "curve_id",
    )  # fmt: skip
    candidates = [
        VisitCandidateAnswer(
            **{name: one[name] for name in ("visit_id", "visit_started_at", "probability", "rung", "why")},
            source=show_source(one),
        )
        for one in row["candidates"]
    ]
    return AttributionRevisionAnswer(
        **{name: row[name] for name in names}, source=show_source(row), candidates=candidates
    )


def show_attribution(found: CallAttribution) -> AttributionAnswer:
    revisions = [_show_revision(one) for one in found.revisions]
    said = ("id", "kind", "said_at", "said_by", "visit_id", "code", "note")
    touch = ("path", "probability", "kind", "is_lead", "visit_id")
    return AttributionAnswer(
        call_id=found.call_id,
        client_id=found.client_id,
        current=revisions[-1] if revisions else None,
        revisions=revisions,
        corrections=[
            CorrectionAnswer(**{name: one[name] for name in said}, source=show_source(one)) for one in found.corrections
        ],
        touches=[
            CallTouchAnswer(**{name: one[name] for name in touch}, at=one["touched_at"], source=show_source(one))
            for one in found.touches
        ],
    )

"""`/v1/calls/{id}/attribution`, its corrections, promo codes, impressions, and models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..attribution.comparing import Comparison, Question, in_calls
from ..attribution.model import SOURCE_FIELDS, Source
from ..attribution.models import MODELS, MOST_WINDOW_DAYS, ModelName, Rules
from ..attribution.service import MOST_IMPRESSIONS, Impression, NewCorrection
from ..audit.service import NewEntry
from .attribution_parts import AttributionAnswer, show_attribution
from .auditing import actor_of
from .auth import EVERYBODY, Asked
from .endpoint import TenantQuery, endpoint
from .errors import Fault
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Moment, MomentIn
from .owners import ClientId, owner_of
from .problems import validation_problem

blueprint = APIBlueprint("attribution", __name__, tag="Attribution")

#: Of a comparison that names none.
DEFAULT_SPAN = timedelta(days=30)

Word = Annotated[str | None, Field(default=None, max_length=500)]


class CallSourceBody(Body):
    """Where somebody came from, as far as it is known; a channel or a source is needed."""

    channel: Annotated[Word, Field(examples=["offline"])]
    source: Annotated[Word, Field(examples=["radio"])]
    medium: Word
    campaign: Word
    content: Word
    keyword: Word

    def to_source(self) -> Source:
        return Source(**{name: getattr(self, name) or None for name in SOURCE_FIELDS})


class CorrectionBody(Body):
    """One more fact about a call."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"kind": "self_reported", "source": {"channel": "offline", "source": "radio"}}}
    )

    agency_id: AgencyId
    kind: Annotated[
        Literal["manual", "withdrawn", "promo_code", "self_reported"],
        Field(
            description="manual: it belongs to `visit_id`, or to `source`, or (with neither) to nobody. withdrawn: no "
            "manual correction holds any more. promo_code: the caller named `code`. self_reported: the caller said "
            "that he comes from `source`."
        ),
    ]
    visit_id: Annotated[UUID | None, Field(default=None, examples=[EXAMPLE_ID])]
    code: Annotated[str | None, Field(default=None, max_length=20, examples=["402 618"])]
    source: Annotated[CallSourceBody | None, Field(default=None)]
    note: Annotated[str | None, Field(default=None, max_length=1000, description="For people.")]


class CodeAnswer(Answer):
    """A promo code: short enough to be said or pressed on a telephone; its last digit checks the others."""

    code: Annotated[str, Field(examples=["402618"])]
    expires_at: Moment


class ImpressionBody(Body):
    """An advertisement that a visitor was shown."""

    reference: Annotated[
        str, Field(min_length=1, max_length=200, description="Yours: the same one twice is one.", examples=["imp-77"])
    ]
    visitor_id: Annotated[
        str, Field(min_length=1, max_length=100, description="As the visits have it.", examples=[EXAMPLE_ID])
    ]
    shown_at: MomentIn
    source: CallSourceBody


class ImpressionsBody(Body):
    """Impressions to be taken in, all or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID,
                "impressions": [
                    {
                        "reference": "imp-77", "visitor_id": EXAMPLE_ID, "shown_at": "2026-11-20T09:30:00Z",
                        "source": {"channel": "display", "source": "vk"},
                    }
                ],
            }
        }
    )  # fmt: skip

    agency_id: AgencyId
    client_id: ClientId
    impressions: Annotated[list[ImpressionBody], Field(min_length=1, max_length=MOST_IMPRESSIONS)]


class ImpressionsTaken(Answer):
    """What became of them."""

    new: Annotated[int, Field(description="Others were there already.", examples=[998])]
    calls: Annotated[int, Field(description="Calls whose touches are gathered anew because of them.", examples=[3])]


class ComparisonQuery(TenantQuery):
    """Which calls, by which models."""

    client_id: Annotated[
        UUID | None, Field(default=None, description="Only this client's calls.", examples=[EXAMPLE_ID])
    ]
    from_: Annotated[
        MomentIn | None,
        Field(default=None, alias="from", description="Calls from this moment on; left out: of 30 days."),
    ]
    until: Annotated[MomentIn | None, Field(default=None, description="And before this one; left out: `as_of`.")]
    as_of: Annotated[
        MomentIn | None,
        Field(default=None, description="As all was known at that moment; left out: now. Name it to repeat an answer."),
    ]
    models: Annotated[
        str,
        Field(default=",".join(MODELS), max_length=200, description="With commas between.", examples=["first,last"]),
    ]
    window_days: Annotated[int, Field(default=30, ge=1, le=MOST_WINDOW_DAYS, description="Older touches do not count.")]
    view_through_days: Annotated[
        int, Field(default=0, ge=0, le=MOST_WINDOW_DAYS, description="For so long an impression counts; 0: never.")
    ]
    half_life_days: Annotated[
        float, Field(default=7.0, ge=0.01, le=MOST_WINDOW_DAYS, allow_inf_nan=False, description="Of time_decay.")
    ]
    group_by: Annotated[
        str,
        Field(
            default="channel,source", max_length=100, description="Of " + ", ".join(SOURCE_FIELDS) + ".",
            examples=["channel,source,campaign"],
        ),
    ]  # fmt: skip


class ComparisonLine(Answer):
    """One group, with the calls that each model gives it."""

    group: Annotated[
        dict[str, str | None],
        Field(description="null: not known.", examples=[{"channel": "paid_search", "source": "yandex"}]),
    ]
    calls: Annotated[
        dict[str, float],
        Field(description="By model, exact to the millionth.", examples=[{"first": 41.5, "last": 37.0}]),
    ]


class ComparisonAnswer(Answer):
    """Models side by side for the same calls; the sum of every model is the number of calls."""

    client_id: Annotated[UUID | None, Field(description="null: all clients of the agency.", examples=[EXAMPLE_ID])]
    calls: Annotated[int, Field(examples=[412])]
    as_of: Moment
    is_complete: Annotated[
        bool, Field(description="Nothing of these calls is still to be done: from now on the answer stays the same.")
    ]
    fit_ids: Annotated[
        list[UUID],
        Field(description="What data_driven goes by, by client; where nothing was measured all channels are equal."),
    ]
    digest: Annotated[str, Field(description="SHA-256 of the lines.", examples=["9f86d081884c7d65…"])]
    lines: list[ComparisonLine]


@endpoint(blueprint, "GET", "/v1/calls/<uuid:call_id>/attribution", roles=EVERYBODY, answer=AttributionAnswer)
def get_attribution(asked: Asked, call_id: UUID) -> AttributionAnswer:
    """Read where a call came from

    Every visit that may have called with its probability, what spoke for it, what people have said, and the touches
    before. Probabilities are calibrated: of calls that are stated at 0.9, nine of ten are that visit's.
    """
    return show_attribution(asked.services.attribution.get(asked.agency_id, asked.client_id, call_id))


@endpoint(
    blueprint,
    "POST",
    "/v1/calls/<uuid:call_id>/attribution/corrections",
    roles=EVERYBODY,
    body=CorrectionBody,
    answer=AttributionAnswer,
    status=201,
)
def correct_attribution(asked: Asked, call_id: UUID, body: CorrectionBody) -> tuple[AttributionAnswer, int]:
    """Say where a call came from

    One more fact, beside all others: nothing is overwritten, and it can be taken back (`withdrawn`). Where it changes
    what is known, there is a further revision, and `attribution.revised` tells of it.
    """
    source = body.source.to_source() if body.source is not None else Source()
    said = NewCorrection(kind=body.kind, visit_id=body.visit_id, source=source, code=body.code, note=body.note)
    found = asked.services.attribution.correct(
        asked.agency_id, asked.client_id, call_id, said, said_by=asked.principal.key_id
    )
    entry = NewEntry(
        actor=actor_of(asked),
        action="attribution.correct",
        object_kind="call",
        object_id=call_id,
        client_id=found.client_id,
        details={"kind": body.kind},
    )
    asked.services.audit.record(asked.agency_id, entry)
    return show_attribution(found), 201


@endpoint(
    blueprint,
    "POST",
    "/v1/visits/<uuid:visit_id>/promo-code",
    roles=EVERYBODY,
    answer=CodeAnswer,
    status=201,
    problems=("no_code_free",),
)
def give_promo_code(asked: Asked, visit_id: UUID) -> tuple[CodeAnswer, int]:
    """Give a visit a promo code

    To be shown on the page; who names it is that visitor. Asked again it is the same code. An operator enters it as a
    correction of the call; a flow asks for it with the step `code`.
    """
    code, expires = asked.services.attribution.give_code(asked.agency_id, asked.client_id, visit_id)
    return CodeAnswer(code=code, expires_at=expires), 201


@endpoint(
    blueprint,
    "POST",
    "/v1/impressions",
    roles=EVERYBODY,
    deed="impressions.imported",
    body=ImpressionsBody,
    answer=ImpressionsTaken,
    status=201,
)
def import_impressions(asked: Asked, body: ImpressionsBody) -> tuple[ImpressionsTaken, int]:
    """Import impressions

    Advertisements that visitors were shown, for view-through attribution. They count where a comparison asks for
    `view_through_days`. Calls that they may have led to get their touches anew, as a further revision.
    """
    client_id = owner_of(asked)
    given = [
        Impression(
            reference=one.reference, visitor_id=one.visitor_id, shown_at=one.shown_at, source=one.source.to_source()
        )
        for one in body.impressions
    ]
    new, calls = asked.services.attribution.import_impressions(asked.agency_id, client_id, given)
    return ImpressionsTaken(new=new, calls=calls), 201


@endpoint(
    blueprint, "GET", "/v1/attribution/comparison", roles=EVERYBODY, query=ComparisonQuery, answer=ComparisonAnswer
)
def compare_models(asked: Asked, query: ComparisonQuery) -> ComparisonAnswer:
    """Compare attribution models

    Side by side for the same calls. Choosing a model rewrites nothing: all are views over the same
    touches. Where it is only probable whose a call was, each candidate has its share; what belongs to nobody stands in
    the line without words. With the same `as_of` and `is_complete` true the answer is the same for ever.
    """
    as_of = query.as_of or asked.services.clock.now()
    until = query.until or as_of
    question = Question(
        since=query.from_ or until - DEFAULT_SPAN,
        until=until,
        as_of=as_of,
        models=_models(query.models),
        rules=Rules(
            window_days=query.window_days,
            view_through_days=query.view_through_days,
            half_life_days=query.half_life_days,
        ),
        group_by=tuple(dict.fromkeys(word.strip() for word in query.group_by.split(","))),
    )
    return _show_comparison(
        asked.client_id, asked.services.attribution.compare(asked.agency_id, asked.client_id, question)
    )


def _models(words: str) -> tuple[ModelName, ...]:
    """Raises Problem (422) for a word that names none."""
    wanted: Sequence[str] = list(dict.fromkeys(word.strip() for word in words.split(",")))
    unknown = [word for word in wanted if word not in MODELS]
    if unknown:
        detail = f"there is no model {', '.join(unknown)}; there are {', '.join(MODELS)}"
        raise validation_problem([Fault(code="not_a_choice", detail=detail, parameter="models")])
    return tuple(wanted)  # type: ignore[arg-type]


def _show_comparison(client_id: UUID | None, found: Comparison) -> ComparisonAnswer:
    return ComparisonAnswer(
        client_id=client_id,
        calls=found.calls,
        as_of=found.question.as_of,
        is_complete=found.is_complete,
        fit_ids=list(found.fit_ids),
        digest=found.digest,
        lines=[
            ComparisonLine(
                group=dict(line.group), calls={name: in_calls(credit) for name, credit in line.credits.items()}
            )
            for line in found.lines
        ],
    )

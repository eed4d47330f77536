"""`/v1/calls/{id}/explain`: why a call went as it went."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import Field

from ..cdr.explain import LANGUAGES
from .archived import telling_the_archive
from .auth import EVERYBODY, Asked
from .endpoint import TenantQuery, endpoint
from .fields import Answer, Id, Moment

blueprint = APIBlueprint("explanations", __name__, tag="Calls")

Language = Literal["en", "ru"]


class ExplainQuery(TenantQuery):
    """How it shall be told."""

    language: Annotated[
        Language | None,
        Field(default=None, description="Of the sentences; left out: what Accept-Language prefers, or English."),
    ]


class EntryAnswer(Answer):
    """One decision or happening."""

    at: Annotated[Moment | None, Field(description="null where nobody knows when.")]
    kind: Annotated[
        str,
        Field(
            description="Such as number, decision, limits, spam, refusal, step, consent, leg, connected, end, "
            "recording, event or integration; more may come.",
            examples=["leg"],
        ),
    ]
    text: Annotated[
        str,
        Field(description="The same as a sentence.", examples=["Desk was called: it rang for 8200 ms; it was busy."]),
    ]
    data: Annotated[
        dict[str, Any],
        Field(
            description="The facts, by kind.", examples=[{"left_because": "busy", "ring_ms": 8200, "sip_status": 486}]
        ),
    ]


class ExplanationAnswer(Answer):
    """The whole story of a call, in the order of time."""

    call_id: Id
    language: Language
    outcome: Annotated[str, Field(description="As of the call.", examples=["busy"])]
    entries: list[EntryAnswer]


@endpoint(
    blueprint,
    "GET",
    "/v1/calls/<uuid:call_id>/explain",
    roles=EVERYBODY,
    query=ExplainQuery,
    answer=ExplanationAnswer,
)
def explain_call(asked: Asked, call_id: UUID, query: ExplainQuery) -> ExplanationAnswer:
    """Explain a call

    Every decision with its time: the number that was found, who decided and why, limits, spam, each step and each leg
    with its causes, consent, recordings, events, who hung up, and what integrations were told.
    """
    language = query.language or request.accept_languages.best_match(LANGUAGES) or "en"
    with telling_the_archive(asked):
        found = asked.services.cdr.explain_call(asked.agency_id, asked.client_id, call_id, language=language)
    return ExplanationAnswer.model_validate(found)

"""`/v1/flows/dry-run`: what a flow would do with a call that nobody makes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..calls.model import Facts
from ..calls.trials import MOST_ANSWERS, TAKEN, UNTAKEN, Ending, Trial
from ..phone import is_e164
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Fault
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, MomentIn
from .flows import EXAMPLE_DOCUMENT, Document
from .owners import ClientId, owner_of
from .problems import validation_problem

blueprint = APIBlueprint("flow_trials", __name__, tag="Flows")


class FlowToTry(Body):
    """A document, and what is known of the call."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID, "document": EXAMPLE_DOCUMENT, "at": "2026-03-01T09:00:00Z", "answers": [""],
            }
        }
    )  # fmt: skip

    agency_id: AgencyId
    client_id: ClientId
    flow_id: Annotated[
        UUID | None, Field(default=None, description="The flow that the document is meant for.", examples=[None])
    ]
    document: Document
    at: Annotated[MomentIn | None, Field(default=None, description="When the call begins; else now.")]
    caller: Annotated[
        str | None, Field(default=None, description="E.164; null: withheld.", examples=["+442079460123"], max_length=20)
    ]
    repeat: Annotated[bool | None, Field(default=None, description="Whether the caller has called before.")]
    spam: Annotated[int | None, Field(default=None, ge=0, le=100, examples=[0])]
    source: Annotated[str | None, Field(default=None, max_length=200, examples=["google"])]
    campaign: Annotated[str | None, Field(default=None, max_length=200, examples=["spring"])]
    answers: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(
            default_factory=list,
            max_length=MOST_ANSWERS,
            description="What the steps that ask are told, in turn: keys that are pressed, the word that a web hook "
            f"answers, of a queue `{TAKEN}` or `{UNTAKEN}`; an empty text: nothing.",
        ),
    ]


class TriedTargetAnswer(Answer):
    """Somebody who would be rung."""

    target_id: Id
    name: Annotated[str, Field(examples=["Front desk"])]
    address: Annotated[str, Field(examples=["sip:desk@pbx.example"])]
    ring_timeout_s: Annotated[int, Field(examples=[20])]


class TriedStepAnswer(Answer):
    """A step that the call comes through."""

    name: Annotated[str, Field(description="Without a name of its own `step-<n>`.", examples=["reception"])]
    type: Annotated[str, Field(examples=["ring"])]
    flow_id: Annotated[UUID | None, Field(description="The flow it belongs to; null: the one that is tried.")]
    result: Annotated[
        str | None,
        Field(description="open, closed, holds, fails, or what it was told; null: nothing.", examples=["open"]),
    ]
    targets: Annotated[list[TriedTargetAnswer], Field(description="Who would ring, in this order.")]
    strategy: Annotated[str | None, Field(description="How; of some the order is drawn or counted anew for each call.")]


class TrialAnswer(Answer):
    """The way of the call."""

    steps: list[TriedStepAnswer]
    ending: Annotated[
        Ending,
        Field(
            description="asks: the last step wants one of `offers` first. taken: somebody took it. in_vain: nobody "
            "answered. hung_up: the flow ended it. over: the flow has come to its end. too_long: it goes on and on."
        ),
    ]
    offers: Annotated[list[str], Field(description="What may be said next; an empty text: nothing is said.")]
    digits: Annotated[int | None, Field(description="So many digits may be said as well.")]
    backup: Annotated[
        TriedTargetAnswer | None, Field(description="Who is rung at last, when nobody else has answered.")
    ]


@endpoint(
    blueprint, "POST", "/v1/flows/dry-run", roles=EVERYBODY, keeps_nothing=True, permission="flows.read",
    body=FlowToTry, answer=TrialAnswer,
)  # fmt: skip
def try_flow(asked: Asked, body: FlowToTry) -> TrialAnswer:
    """Try a flow

    Tells which steps a call would come through and who would be rung, at a moment and with what is known of the caller:
    nobody is rung, nothing is kept, and nobody answers where targets ring. A step that asks something ends it until
    `answers` says what it is told.
    """
    if body.caller is not None and not is_e164(body.caller):
        fault = Fault(code="invalid", detail="must be a number in E.164, such as +442079460123", pointer="#/caller")
        raise validation_problem([fault])
    facts = Facts(
        now=body.at or asked.services.clock.now(), caller=body.caller, repeat=body.repeat, spam_score=body.spam,
        source=body.source, campaign=body.campaign,
    )  # fmt: skip
    trial, names = asked.services.flows.try_flow(
        asked.agency_id, owner_of(asked), document=body.document, flow_id=body.flow_id, facts=facts,
        answers=body.answers,
    )  # fmt: skip
    return _show(trial, names)


def _show(trial: Trial, names: dict[UUID, str]) -> TrialAnswer:
    def target(one: Any) -> TriedTargetAnswer:
        return TriedTargetAnswer(
            target_id=one.id, name=names.get(one.id, ""), address=one.address, ring_timeout_s=one.ring_timeout_s
        )

    return TrialAnswer(
        steps=[
            TriedStepAnswer(
                name=one.name, type=one.kind, flow_id=one.flow_id, result=one.result,
                targets=list(map(target, one.targets)), strategy=one.strategy,
            )
            for one in trial.steps
        ],
        ending=trial.ending, offers=list(trial.offers), digits=trial.digits,
        backup=target(trial.backup) if trial.backup else None,
    )  # fmt: skip

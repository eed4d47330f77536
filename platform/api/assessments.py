"""`/v1/calls/{id}/assessment`: what people and their systems say of a call, beside its record."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import AfterValidator, ConfigDict, Field

from ..assessments.model import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, Assessment, Money
from .archived import telling_the_archive
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import Answer, Body, Id, Moment, MomentIn, Version, absent
from .preconditions import check_match, tag_of
from .replies import Reply

blueprint = APIBlueprint("assessments", __name__, tag="Calls")


def _amount(text: str) -> Decimal:
    return Decimal(text)


Amount = Annotated[
    str,
    Field(pattern=r"^-?\d{1,12}(\.\d{1,4})?$", description="A decimal, exact.", examples=["1250.00"]),
    AfterValidator(_amount),
]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["GBP"])]
Reference = Annotated[
    str | None, Field(max_length=200, description="Your own name for it, such as an order.", examples=["order-1789"])
]
Tags = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)]],
    Field(max_length=MOST_TAGS, description="Said of the call; what its flow tagged it with is in `tags` of the call.",
          examples=[["new patient"]]),
]  # fmt: skip
Note = Annotated[str | None, Field(max_length=LONGEST_NOTE, examples=["Wants a quotation by Friday."])]
Score = Annotated[int | None, Field(ge=0, le=100, description="How good a lead it is.", examples=[80])]


class ValueChange(Body):
    """A merge patch of what a call is worth."""

    amount: Annotated[Amount, Field(default_factory=absent)]
    currency: Annotated[Currency, Field(default_factory=absent)]


class SaleChange(Body):
    """A merge patch of a sale."""

    amount: Annotated[Amount, Field(default_factory=absent)]
    currency: Annotated[Currency, Field(default_factory=absent)]
    sold_at: Annotated[MomentIn | None, Field(default=None)]
    reference: Annotated[Reference, Field(default=None)]


class AssessmentChange(Body):
    """A merge patch of what is said of a call; null takes a member back."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"tags": ["new patient"], "score": 80, "value": {"amount": "1250.00", "currency": "GBP"}}
        }
    )

    tags: Annotated[Tags, Field(default_factory=absent)]
    note: Annotated[Note, Field(default=None)]
    score: Annotated[Score, Field(default=None)]
    value: Annotated[ValueChange | None, Field(default=None)]
    sale: Annotated[SaleChange | None, Field(default=None)]


class ValueAnswer(Answer):
    """What a call is worth."""

    amount: Annotated[str, Field(description="A decimal, exact.", examples=["1250.0000"])]
    currency: Currency


class SaleAnswer(ValueAnswer):
    """What was sold because of the call."""

    sold_at: Moment | None
    reference: Reference


class AssessmentAnswer(Answer):
    """What people and their systems say of a call; its record stays as it is."""

    call_id: Id
    tags: Tags
    note: Note
    score: Score
    value: ValueAnswer | None
    sale: SaleAnswer | None
    updated_at: Annotated[Moment | None, Field(description="null: nothing was said yet.")]
    version: Version


def show(found: Assessment) -> AssessmentAnswer:
    sale = found.sale
    return AssessmentAnswer(
        call_id=found.call_id,
        tags=list(found.tags),
        note=found.note,
        score=found.score,
        value=_show_money(found.value),
        sale=SaleAnswer(
            amount=f"{sale.amount:.4f}", currency=sale.currency, sold_at=sale.sold_at, reference=sale.reference
        )
        if sale is not None
        else None,
        updated_at=found.updated_at,
        version=found.version,
    )


def _show_money(money: Money | None) -> ValueAnswer | None:
    return ValueAnswer(amount=f"{money.amount:.4f}", currency=money.currency) if money is not None else None


def _reply(found: Assessment) -> Reply[Any]:
    return show(found), 200, {"ETag": tag_of(found.version)}


@endpoint(blueprint, "GET", "/v1/calls/<uuid:call_id>/assessment", roles=EVERYBODY, answer=AssessmentAnswer)
def get_assessment(asked: Asked, call_id: UUID) -> Reply[Any]:
    """Read what is said of a call

    Version 0 as long as nobody has said anything.
    """
    return _reply(_current(asked, call_id)[0])


@endpoint(
    blueprint,
    "PATCH",
    "/v1/calls/<uuid:call_id>/assessment",
    roles=EVERYBODY,
    body=AssessmentChange,
    answer=AssessmentAnswer,
)
def change_assessment(asked: Asked, call_id: UUID, body: AssessmentChange) -> Reply[Any]:
    """Say something of a call

    A JSON merge patch, inside of `value` and `sale` too: what is left out stays, null takes it back.
    """
    before, started_at = _current(asked, call_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    for name in ("value", "sale"):
        if changes.get(name) is not None:
            changes[name] = changes[name].changes()
    changed = asked.services.assessments.change(
        asked.agency_id,
        call_id,
        changes,
        client_id=before.client_id,
        started_at=started_at,
        version=before.version,
    )
    return _reply(changed)


def _current(asked: Asked, call_id: UUID) -> tuple[Assessment, datetime]:
    """What is said of a call that the asker may see, and when it began."""
    with telling_the_archive(asked):
        call = asked.services.cdr.get_call(asked.agency_id, asked.client_id, call_id).call
    found = asked.services.assessments.find(asked.agency_id, asked.client_id, [call_id])
    return found.get(call_id, Assessment(call_id, call.client_id)), call.started_at

"""`/v1/billing/reratings`: calls are rated anew; and what one call costs, part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field, StrictBool

from ..billing.model import Rerating
from .archived import telling_the_archive
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, MomentIn
from .money import Amount, SignedAmount
from .paging import Listed, ListQuery, each, list_page
from .price_books import CurrencyOf

blueprint = APIBlueprint("reratings", __name__, tag="Billing")


class RatingBody(Body):
    """Calls to be rated anew."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "dry_run": True}
        }
    )

    agency_id: AgencyId
    client_id: Annotated[UUID | None, Field(default=None, description="null: of every client.", examples=[EXAMPLE_ID])]
    price_book_id: Annotated[
        UUID | None, Field(default=None, description="null: by the books that the accounts have now.", examples=[None])
    ]
    from_: Annotated[MomentIn, Field(alias="from")]
    until: MomentIn
    dry_run: Annotated[StrictBool, Field(default=False, description="Only says what would change.", examples=[True])]


class RatingAnswer(Answer):
    """Calls that are rated anew by a job."""

    id: Id
    agency_id: Id
    client_id: UUID | None
    price_book_id: UUID | None
    from_at: Moment
    until_at: Moment
    dry_run: bool
    state: Literal["waiting", "running", "done", "failed"]
    calls: Annotated[int, Field(description="That were looked at.")]
    changed: Annotated[int, Field(description="That got another price: each is a revision of its call.")]
    difference: Annotated[
        dict[str, dict[str, str]],
        Field(description="By side and currency: by how much charges change.", examples=[{"client": {"GBP": "-1.20"}}]),
    ]
    created_at: Moment
    finished_at: Moment | None


class RatingList(Listed[RatingAnswer]):
    """A page of reratings."""


class ChargeAnswer(Answer):
    """A charge of one part of a call, or the reversal of one."""

    side: Literal["client", "agency"]
    rating: Annotated[int, Field(description="Counts how often the call was given a price.", examples=[1])]
    kind: Literal["charge", "reversal"]
    meter: str
    direction: str
    prefix: str | None
    price: Amount | None
    quantity: Annotated[int, Field(description="Seconds, or pieces.")]
    free: int
    package: str | None
    amount: SignedAmount
    currency: CurrencyOf
    book_id: Id
    edition: int
    call_revision: int
    rated_at: Moment


class ChargesAnswer(Answer):
    """Every charge and reversal of a call, in the order of time. Their sum is what holds."""

    charges: list[ChargeAnswer]


@endpoint(blueprint, "POST", "/v1/billing/reratings", roles=AGENCY, body=RatingBody, answer=RatingAnswer, status=202)
def begin_rerating(asked: Asked, body: RatingBody) -> tuple[RatingAnswer, int, dict[str, str]]:
    """Rate calls anew

    A job does it. A call that gets another price has a revision with its event, the old charge is reversed in the
    ledger, and what was told of a closed month stays: the difference stands in the next statement.
    """
    made = asked.services.billing.begin_rerating(
        asked.agency_id, client_id=asked.client_id, price_book_id=body.price_book_id, from_at=body.from_,
        until_at=body.until, dry_run=body.dry_run,
    )  # fmt: skip
    return _show_rating(made), 202, {"Location": f"/v1/billing/reratings/{made.id}"}


@endpoint(blueprint, "GET", "/v1/billing/reratings", roles=AGENCY, query=ListQuery, answer=RatingList)
def list_reratings(asked: Asked, query: ListQuery) -> Any:
    """List what was rated anew"""
    billing = asked.services.billing
    show: Callable[[Rerating], RatingAnswer] = _show_rating
    return list_page(
        asked, query, lambda limit, after: billing.list_reratings(asked.agency_id, limit=limit, after=after), each(show)
    )


@endpoint(blueprint, "GET", "/v1/billing/reratings/<uuid:rerating_id>", roles=AGENCY, answer=RatingAnswer)
def get_rerating(asked: Asked, rerating_id: UUID) -> RatingAnswer:
    """Read how far rating anew is"""
    return _show_rating(asked.services.billing.get_rerating(asked.agency_id, rerating_id))


def _show_rating(rerating: Rerating) -> RatingAnswer:
    return RatingAnswer.model_validate(rerating)


@endpoint(blueprint, "GET", "/v1/calls/<uuid:call_id>/charges", roles=EVERYBODY, answer=ChargesAnswer)
def get_call_charges(asked: Asked, call_id: UUID) -> ChargesAnswer:
    """Read what a call costs, part by part

    A client's key sees what the client pays; an agency's also what the agency does.
    """
    with telling_the_archive(asked):
        call = asked.services.cdr.get_call(asked.agency_id, asked.client_id, call_id).call
    rows = asked.services.billing.charges(asked.agency_id, asked.client_id, call.id)
    return ChargesAnswer(charges=[ChargeAnswer.model_validate(dict(row)) for row in rows])

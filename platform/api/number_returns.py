"""`/v1/number-returns`: released numbers on their way back to the carriers that they came from."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..carriers.model import NumberReturn
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, Answer, Id, Moment, PhoneFilter, Version
from .owners import OwnedQuery
from .paging import Listed, each, list_page
from .preconditions import tag_of
from .replies import Reply, found

blueprint = APIBlueprint("number_returns", __name__, tag="Numbers")

State = Literal["resting", "leaving", "given_back", "refused", "kept"]


class ReturnAnswer(Answer):
    """A released number on its way back. `resting`: not before `due_at`; `leaving`: its carrier is being asked, and
    nobody may add it meanwhile; `kept`: somebody has it in service again."""

    id: Annotated[UUID, Field(description="That of the released number.", examples=[EXAMPLE_ID])]
    agency_id: Id
    client_id: Id
    carrier_id: Annotated[UUID, Field(description="Where it came from.", examples=[EXAMPLE_ID])]
    number: Annotated[str, Field(description="E.164.", examples=["+442079460123"])]
    state: Annotated[State, Field(examples=["resting"])]
    reason: Annotated[str | None, Field(description="What the carrier says to it, or why it waits.", examples=[None])]
    due_at: Annotated[Moment, Field(description="The carrier is not asked before that.")]
    tries: Annotated[int, Field(description="How often the carrier did not answer, one time after another.")]
    given_back_at: Moment | None
    created_at: Moment
    updated_at: Moment
    version: Version


class ReturnList(Listed[ReturnAnswer]):
    """A page of numbers on their way back."""


class ReturnQuery(OwnedQuery):
    """Filters of the list of numbers on their way back."""

    state: Annotated[State | None, Field(default=None, description="Only those in this state.")]
    number: Annotated[PhoneFilter | None, Field(default=None)]


def show(one: NumberReturn) -> ReturnAnswer:
    members = {name: getattr(one, name) for name in ReturnAnswer.model_fields.keys() - {"id", "number"}}
    return ReturnAnswer(id=one.number_id, number=one.e164, **members)


@endpoint(blueprint, "GET", "/v1/number-returns", roles=EVERYBODY, query=ReturnQuery, answer=ReturnList)
def list_number_returns(asked: Asked, query: ReturnQuery) -> Any:
    """List numbers on their way back

    Released numbers that came from a carrier, in the order in which they were added.
    """
    given = {"state": query.state, "e164": query.number}
    wanted = {name: value for name, value in given.items() if value is not None}
    returns = asked.services.returns
    return list_page(
        asked,
        query,
        lambda limit, after: returns.list_returns(asked.agency_id, asked.client_id, wanted, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/number-returns/<uuid:return_id>", roles=EVERYBODY, answer=ReturnAnswer)
def get_number_return(asked: Asked, return_id: UUID) -> Reply[ReturnAnswer]:
    """Read a number on its way back

    To keep the number, add it again (`POST /v1/numbers`) before it is `leaving`.
    """
    return found(show(asked.services.returns.get_return(asked.agency_id, asked.client_id, return_id)))


@endpoint(
    blueprint, "POST", "/v1/number-returns/<uuid:return_id>/hasten", roles=AGENCY, answer=ReturnAnswer, status=202,
    problems=("return_over",),
)  # fmt: skip
def hasten_number_return(asked: Asked, return_id: UUID) -> Any:
    """Give a number back now

    It rests no longer; what the carrier has refused is tried again. Asked in the background, once nobody sees the
    number and no call to it stands: read it to see what came of it.
    """
    changed = asked.services.returns.hasten(asked.agency_id, asked.client_id, return_id)
    return show(changed), 202, {"ETag": tag_of(changed.version)}

"""`/v1/calls/{id}/revisions`: what a record said before it was revised."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from .archived import telling_the_archive
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import Answer, Id, Moment

blueprint = APIBlueprint("revisions", __name__, tag="Calls")


class ChangeAnswer(Answer):
    """One member that changed."""

    member: Annotated[str, Field(description="Its name; further facts are `facts.…`.", examples=["outcome"])]
    before: Annotated[Any, Field(description="null: it was not there.", examples=["no_answer"])]
    after: Annotated[Any, Field(description="null: it is not there any more.", examples=["answered"])]


class RevisionAnswer(Answer):
    """What one revision changed."""

    revision: Annotated[int, Field(description="Of the call, or of the leg; the first is 1.", examples=[2])]
    leg_id: Annotated[Id | None, Field(description="Whose it is; null: the call's own record.")]
    at: Annotated[Moment, Field(description="When it was written.")]
    changes: list[ChangeAnswer]


class RevisionList(Answer):
    """Every revision after the first, in the order of time."""

    call_id: Id
    revision: Annotated[int, Field(description="The call's at this moment.", examples=[2])]
    created_at: Annotated[Moment, Field(description="When its first revision was written.")]
    data: list[RevisionAnswer]


@endpoint(blueprint, "GET", "/v1/calls/<uuid:call_id>/revisions", roles=EVERYBODY, answer=RevisionList)
def list_revisions(asked: Asked, call_id: UUID) -> RevisionList:
    """List a call's revisions

    A record that is there is revised by what comes late, such as a leg's file from a node that was away; never without
    a trace. Each revision tells what it changed. What a person's erasure took out is not told any more.
    """
    with telling_the_archive(asked):
        call, found = asked.services.cdr.list_revisions(asked.agency_id, asked.client_id, call_id)
    return RevisionList.model_validate(
        {"call_id": call.id, "revision": call.revision, "created_at": call.created_at, "data": found}
    )

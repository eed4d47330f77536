"""`/v1/blocks`: whose calls are refused; and `/v1/calls/{id}/not-spam`, the other way round."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field

from ..admission.model import LONGEST_NOTE, MOST_ADDED, Block, NewBlock
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment
from .owners import OwnedQuery
from .paging import Listed, each, list_page

#: What the writes of a caller's score are held against.
CALL = "/v1/calls/<uuid:call_id>"

blueprint = APIBlueprint("blocks", __name__, tag="Limits")

Kind = Annotated[
    Literal["number", "prefix", "withheld"],
    Field(description="withheld: everybody whose number does not come with the call.", examples=["number"]),
]
Pattern = Annotated[
    str,
    Field(
        max_length=16, description="E.164, or the first digits of it; empty with withheld.", examples=["+442079460999"]
    ),
]
Note = Annotated[str, Field(max_length=LONGEST_NOTE, description="For people.", examples=["Sells windows"])]


class BlockEntry(Body):
    """One entry to be added."""

    kind: Kind
    pattern: Annotated[Pattern, Field(default="")]
    note: Annotated[Note, Field(default="")]


class NewBlocks(Body):
    """Entries to be added, all or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID,
                "entries": [{"kind": "number", "pattern": "+442079460999"}, {"kind": "withheld"}],
            }
        }
    )

    agency_id: AgencyId
    client_id: Annotated[
        UUID | None,
        Field(default=None, description="Whose list; left out: the whole agency's.", examples=[EXAMPLE_ID]),
    ]
    entries: Annotated[list[BlockEntry], Field(min_length=1, max_length=MOST_ADDED)]


class BlockAnswer(Answer):
    """An entry of a block list. A caller on it hears that the call is rejected (603), and the call has a record."""

    id: Id
    agency_id: Id
    client_id: Annotated[UUID | None, Field(description="null: it holds for the whole agency.")]
    kind: Kind
    pattern: Pattern
    note: Note
    created_at: Moment


class BlocksAdded(Answer):
    """What was added; entries that were there already are left out."""

    data: list[BlockAnswer]


class BlockList(Listed[BlockAnswer]):
    """A page of block lists."""


def show(block: Block) -> BlockAnswer:
    return BlockAnswer.model_validate(block)


@endpoint(blueprint, "POST", "/v1/blocks", roles=EVERYBODY, body=NewBlocks, answer=BlocksAdded, status=201)
def add_blocks(asked: Asked, body: NewBlocks) -> tuple[BlocksAdded, int]:
    """Block callers

    A client's key adds to its client's list. What the operator adds to its own agency holds for everybody.
    """
    entries = [NewBlock(entry.kind, entry.pattern, entry.note) for entry in body.entries]
    added = asked.services.admission.add_blocks(asked.agency_id, asked.client_id, entries)
    return BlocksAdded(data=[show(block) for block in added]), 201


@endpoint(blueprint, "GET", "/v1/blocks", roles=EVERYBODY, query=OwnedQuery, answer=BlockList)
def list_blocks(asked: Asked, query: OwnedQuery) -> Any:
    """List blocked callers

    In the order in which they were added; with `client_id` that client's own list only.
    """
    admission = asked.services.admission
    return list_page(
        asked,
        query,
        lambda limit, after: admission.list_blocks(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/blocks/<uuid:block_id>", roles=EVERYBODY, answer=BlockAnswer)
def get_block(asked: Asked, block_id: UUID) -> BlockAnswer:
    """Read an entry of a block list"""
    return show(asked.services.admission.get_block(asked.agency_id, asked.client_id, block_id))


@endpoint(blueprint, "DELETE", "/v1/blocks/<uuid:block_id>", roles=EVERYBODY, status=204)
def remove_block(asked: Asked, block_id: UUID) -> Response:
    """Unblock

    From the next call on.
    """
    asked.services.admission.remove_block(asked.agency_id, asked.client_id, block_id)
    return Response(status=204)


@endpoint(blueprint, "PUT", "/v1/calls/<uuid:call_id>/not-spam", roles=EVERYBODY, status=204, read_at=CALL)
def mark_not_spam(asked: Asked, call_id: UUID) -> Response:
    """Say that a caller is no spam

    From the next call on its caller has the spam score 0 for this agency. The call's own record stays as it is.
    """
    asked.services.admission.welcome_caller(asked.agency_id, asked.client_id, call_id, welcome=True)
    return Response(status=204)


@endpoint(blueprint, "DELETE", "/v1/calls/<uuid:call_id>/not-spam", roles=EVERYBODY, status=204, read_at=CALL)
def unmark_not_spam(asked: Asked, call_id: UUID) -> Response:
    """Take that back"""
    asked.services.admission.welcome_caller(asked.agency_id, asked.client_id, call_id, welcome=False)
    return Response(status=204)

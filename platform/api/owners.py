"""Whose things they are: the `client_id` of bodies and of lists."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from .auth import Asked
from .errors import Fault
from .fields import EXAMPLE_ID
from .paging import ListQuery
from .problems import validation_problem

ClientId = Annotated[
    UUID | None,
    Field(
        default=None,
        description="The client that owns it. A client's key may leave it out; it names its own client only.",
        examples=[EXAMPLE_ID],
    ),
]


class OwnedQuery(ListQuery):
    """A list of what clients own."""

    client_id: Annotated[UUID | None, Field(default=None, description="Only this client's.", examples=[EXAMPLE_ID])]


def owner_of(asked: Asked) -> UUID:
    """The client that is to own what is being made. Raises Problem (422) when none is named."""
    if asked.client_id is None:
        raise validation_problem([Fault(code="required", detail="Field required", pointer="#/client_id")])
    return asked.client_id

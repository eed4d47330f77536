"""`/v1/calls/live`: the calls that stand at this moment. The stream of them is another process's (`dialtrace live`)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..live.model import LiveFilters, ShownCall, State
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, Answer, Id, Moment
from .owners import OwnedQuery
from .paging import Listed, each, list_page

blueprint = APIBlueprint("live", __name__, tag="Calls")

Node = Annotated[str, Field(description="Name of the node that has the call.", examples=["node-1"])]


class LiveQuery(OwnedQuery):
    """Filters of the list; all that are given must hold."""

    state: Annotated[State | None, Field(default=None)]
    node: Annotated[Node | None, Field(default=None, max_length=100)]


class LiveCallAnswer(Answer):
    """A call that stands."""

    id: Annotated[UUID, Field(description="The same as of its record once it has ended.", examples=[EXAMPLE_ID])]
    agency_id: Id
    client_id: Id
    number_id: UUID | None
    number: Annotated[str, Field(description="What was dialled.", examples=["+442079460123"])]
    caller: Annotated[str | None, Field(description="null where it was withheld.", examples=["+442079460999"])]
    flow_id: UUID | None
    node: Node
    state: Annotated[State, Field(description="What it does.", examples=["answered"])]
    started_at: Moment
    ringing_at: Moment | None
    answered_at: Annotated[Moment | None, Field(description="When the platform answered, if only for an announcement.")]
    connected_at: Annotated[Moment | None, Field(description="When caller and target could talk.")]
    queued_at: Annotated[Moment | None, Field(description="Since when it waits for a target in a queue.")]
    target_id: Annotated[UUID | None, Field(description="The target that it talks with.")]
    source: Annotated[dict[str, str], Field(description="What is known so far of where the caller came from.")]
    seen_ms: Annotated[int, Field(description="Milliseconds since its node last spoke for it.", examples=[3_200])]
    is_unknown: Annotated[
        bool,
        Field(
            description="Its node has been silent for more than 30 seconds: the call may be over; nobody has ended it."
        ),
    ]


class LiveCallList(Listed[LiveCallAnswer]):
    """A page of calls that stand."""

    unknown_nodes: Annotated[
        list[str], Field(description="Nodes with calls of yours that cannot be asked at the moment.", examples=[[]])
    ]


def show(call: ShownCall) -> LiveCallAnswer:
    return LiveCallAnswer.model_validate(call)


@endpoint(blueprint, "GET", "/v1/calls/live", roles=EVERYBODY, query=LiveQuery, answer=LiveCallList)
def list_live_calls(asked: Asked, query: LiveQuery) -> Any:
    """List calls that stand

    The oldest first, at most a second behind the switches. A call leaves the list when it ends, and has a record
    (`GET /v1/calls/{id}`) within two seconds. `dialtrace live` streams the same as server-sent events
    (`GET /v1/calls/live/stream`, docs/live.md).
    """
    live, agency_id, client_id = asked.services.live, asked.agency_id, asked.client_id
    filters = LiveFilters(state=query.state, node=query.node)
    page, status, headers = list_page(
        asked,
        query,
        lambda limit, after: live.list_calls(agency_id, client_id, filters, limit=limit, after=after),
        each(show),
    )
    unknown = live.unknown_nodes(agency_id, client_id)
    return LiveCallList(**page.model_dump(), unknown_nodes=unknown), status, headers

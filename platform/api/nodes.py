"""`/v1/nodes`: the operator's switches; drained before they are touched, and put back."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from apiflask import APIBlueprint
from pydantic import Field

from ..audit.service import NewEntry
from ..calls.nodes import WAITS, Node
from .auditing import actor_of
from .auth import OPERATOR, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import Answer, Id, Moment
from .paging import Listed, ListQuery, each, list_page

blueprint = APIBlueprint("nodes", __name__, tag="Nodes")

#: A node that was heard of since then may bring its recordings home yet.
GONE_AFTER = timedelta(minutes=10)
State = Literal["up", "down", "unknown", "draining", "drained"]
_WAITS = (
    "What a node that drains still holds, by kind; empty: nothing. Null: it does not drain, or its monitor has not "
)
_WAITS += "counted yet. " + "; ".join(f"`{what}`: {meaning}" for what, meaning in WAITS.items()) + "."


class NodeAnswer(Answer):
    """A node: one switch, as its monitor knows it."""

    name: Annotated[str, Field(examples=["node-1"])]
    kind: Literal["embedded", "freeswitch"]
    sip_address: Annotated[str, Field(examples=["192.0.2.10:5060"])]
    state: Annotated[
        State,
        Field(
            description="`draining`: it takes no new call. `drained`: and it holds nothing any more that would be "
            "missed. `unknown`: its monitor cannot ask it."
        ),
    ]
    core_uuid: Id | None
    switch_version: str | None
    sessions: Annotated[int | None, Field(description="Legs, by its last heartbeat.")]
    max_sessions: int | None
    weight: int
    last_seen_at: Moment | None
    drain_asked_at: Moment | None
    waits: Annotated[dict[str, int] | None, Field(description=_WAITS, examples=[{"calls": 3, "journal": 3}])]


class NodeList(Listed[NodeAnswer]):
    """A page of nodes."""


def show(node: Node) -> NodeAnswer:
    return NodeAnswer.model_validate(node)


@endpoint(blueprint, "GET", "/v1/nodes", roles=OPERATOR, query=ListQuery, answer=NodeList)
def list_nodes(asked: Asked, query: ListQuery) -> Any:
    """List nodes

    By name. A node is here once its monitor has run.
    """
    nodes = asked.services.nodes
    return list_page(asked, query, lambda limit, after: nodes.list_nodes(limit=limit, after=after), each(show))


@endpoint(
    blueprint, "POST", "/v1/nodes/<name>/drain", roles=OPERATOR, deed="node.drained", answer=NodeAnswer, status=202
)
def drain_node(asked: Asked, name: str) -> tuple[NodeAnswer, int]:
    """Drain a node

    It takes no new call: OPTIONS and INVITE are answered with 503, calls that stand go on. Read the list of nodes until
    its state is `drained`; `waits` says what it still holds. It stays so, also when it is started anew, until it is
    undrained.
    """
    return show(asked.services.nodes.drain(name)), 202


@endpoint(
    blueprint, "POST", "/v1/nodes/<name>/undrain", roles=OPERATOR, deed="node.undrained", answer=NodeAnswer, status=202
)
def undrain_node(asked: Asked, name: str) -> tuple[NodeAnswer, int]:
    """Put a node back

    It takes calls again as soon as its monitor has told the switch.
    """
    return show(asked.services.nodes.undrain(name)), 202


class LostAnswer(Answer):
    """What was lost with a node."""

    recordings: Annotated[int, Field(description="That were still on it, or being sent from it.", examples=[12])]


@endpoint(
    blueprint, "POST", "/v1/nodes/<name>/lost", roles=OPERATOR, answer=LostAnswer, problems=("node_is_there",)
)  # fmt: skip
def lose_node(asked: Asked, name: str) -> LostAnswer:
    """Say that a node is gone for good

    With its disk: recordings that were still on it are told as absent, `node_lost`, instead of pending for ever.
    Refused for a node that was heard of within ten minutes. Should one of its files turn up after all, it is stored.
    """
    node = asked.services.nodes.get_node(name)
    if node.last_seen_at is not None and asked.services.clock.now() - node.last_seen_at < GONE_AFTER:
        raise Problem("node_is_there", f"{name} was heard of at {node.last_seen_at.isoformat(timespec='seconds')}.")
    actor, details = actor_of(asked), {"name": name}
    entry = NewEntry(actor=actor, action="node.lost", object_kind="node", object_id=None, details=details)
    asked.services.audit.record(asked.agency_id, entry)
    return LostAnswer(recordings=asked.services.recordings.settle_lost(name))

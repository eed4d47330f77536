"""`/v1/flows`: what happens to a call to a number, step by step."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from ..calls.model import Flow, name_fault
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Fault
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Version, absent
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import check_match
from .problems import validation_problem
from .replies import Reply, created, found

blueprint = APIBlueprint("flows", __name__, tag="Flows")

EXAMPLE_DOCUMENT: JsonDict = {
    "version": 2,
    "record": True,
    "language": "en",
    "steps": [
        {
            "type": "schedule",
            "weekly": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
            "closed": "after-hours",
        },
        {
            "type": "consent",
            "prompt": {"kind": "say", "text": "This call is recorded. Press 9 if you do not want that."},
        },
        {"type": "ring", "targets": [EXAMPLE_ID], "strategy": "in_turn", "sticky_days": 30},
        {
            "name": "after-hours",
            "type": "voicemail",
            "prompt": {"kind": "say", "text": "Please leave a message, and we will call you back."},
        },
    ],
}

FlowName = Annotated[str, Field(min_length=1, max_length=120, examples=["Office hours"])]
#: The room of calls checks it and names every fault; here it is any object. pydantic can make no reference to a schema
#: that it did not make itself: `openapi.complete` puts it in.
Document = Annotated[dict[str, Any], WithJsonSchema({"x-schema": "AnyFlowDocument"})]


class NewFlow(Body):
    """A flow to be made."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"client_id": EXAMPLE_ID, "name": "Office hours", "document": EXAMPLE_DOCUMENT}}
    )

    agency_id: AgencyId
    client_id: ClientId
    name: FlowName
    document: Document


class FlowChange(Body):
    """A merge patch of a flow, inside its document too."""

    model_config = ConfigDict(json_schema_extra={"example": {"document": {"record": False}}})

    name: Annotated[FlowName, Field(default_factory=absent)]
    document: Annotated[
        dict[str, Any],
        Field(
            default_factory=absent, description="Merged into the document; its list of steps is replaced as a whole."
        ),
    ]


class FlowToCheck(Body):
    """A document that may become a flow's."""

    model_config = ConfigDict(json_schema_extra={"example": {"client_id": EXAMPLE_ID, "document": EXAMPLE_DOCUMENT}})

    agency_id: AgencyId
    client_id: ClientId
    flow_id: Annotated[
        UUID | None, Field(default=None, description="The flow it is meant for, if there is one.", examples=[None])
    ]
    document: Document


class CheckedFlow(Answer):
    """A document that could be saved as it is."""

    document: Annotated[Document, Field(description="As it is understood: what was left out is filled in.")]


class FlowAnswer(Answer):
    """A flow, as its owner wrote it."""

    id: Id
    agency_id: Id
    client_id: Id
    name: FlowName
    document: Document
    created_at: Moment
    updated_at: Moment
    version: Version


class FlowList(Listed[FlowAnswer]):
    """A page of flows."""


def show(flow: Flow) -> FlowAnswer:
    return FlowAnswer.model_validate(flow)


@endpoint(blueprint, "POST", "/v1/flows", roles=EVERYBODY, body=NewFlow, answer=FlowAnswer, status=201)
def create_flow(asked: Asked, body: NewFlow) -> Reply[FlowAnswer]:
    """Make a flow

    Its targets must be the same client's. A fault is answered with its place in the document.
    """
    _check_name(body.name)
    owner = owner_of(asked)
    made = asked.services.flows.create_flow(asked.agency_id, client_id=owner, name=body.name, document=body.document)
    return created("/v1/flows", show(made))


@endpoint(
    blueprint, "POST", "/v1/flows/check",
    roles=EVERYBODY, keeps_nothing=True, permission="flows.read", body=FlowToCheck,
    answer=CheckedFlow,
)  # fmt: skip
def check_flow(asked: Asked, body: FlowToCheck) -> CheckedFlow:
    """Check a flow

    Saves nothing: answers whether the document could be saved for this client, and if not (422) everything that is
    wrong with it, each fault with its place.
    """
    understood = asked.services.flows.check_flow(
        asked.agency_id, owner_of(asked), document=body.document, flow_id=body.flow_id
    )
    return CheckedFlow(document=understood)


@endpoint(blueprint, "GET", "/v1/flows", roles=EVERYBODY, query=OwnedQuery, answer=FlowList)
def list_flows(asked: Asked, query: OwnedQuery) -> Any:
    """List flows

    In the order in which they were made.
    """
    flows = asked.services.flows
    return list_page(
        asked,
        query,
        lambda limit, after: flows.list_flows(asked.agency_id, client_id=asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/flows/<uuid:flow_id>", roles=EVERYBODY, answer=FlowAnswer)
def get_flow(asked: Asked, flow_id: UUID) -> Reply[FlowAnswer]:
    """Read a flow"""
    return found(show(asked.services.flows.get_flow(asked.agency_id, flow_id, client_id=asked.client_id)))


@endpoint(blueprint, "PATCH", "/v1/flows/<uuid:flow_id>", roles=EVERYBODY, body=FlowChange, answer=FlowAnswer)
def change_flow(asked: Asked, flow_id: UUID, body: FlowChange) -> Reply[FlowAnswer]:
    """Change a flow

    A JSON merge patch, inside the document too: what is left out stays; its list of steps is replaced as a whole. Calls
    that begin from now on follow the change, in the flows that go to this one as well; calls that stand already go on
    with what they have until they come back for a decision.
    """
    flows = asked.services.flows
    before = flows.get_flow(asked.agency_id, flow_id, client_id=asked.client_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    if "name" in changes:
        _check_name(changes["name"])
    if "document" in changes:
        changes["document"] = merged(before.document, changes["document"])
    changed = flows.update_flow(
        asked.agency_id, flow_id, client_id=asked.client_id, expected_version=before.version, **changes
    )
    return found(show(changed))


def merged(document: Any, patch: Any) -> Any:
    """A merge patch applied (RFC 7396, 2)."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = merged(kept.get(name), value)
    return kept


def _check_name(name: str) -> None:
    """Here, so that every fault that the room of calls finds after it lies in the document."""
    if fault := name_fault(name):
        raise validation_problem([Fault(code=fault.code, detail=fault.message, pointer="#" + fault.pointer)])

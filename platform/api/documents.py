"""`/v1/clients/{id}/document`: a client as code; and copies of a client."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field

from ..audit.service import NewEntry
from ..documents.model import FORMAT, Document, canonical, digest_of
from .auditing import actor_of
from .auth import AGENCY, Asked
from .clients import ClientAnswer
from .clients import show as show_client
from .endpoint import TenantQuery, endpoint
from .fields import AgencyId, Answer, Body, Name
from .replies import Reply, created

blueprint = APIBlueprint("documents", __name__, tag="Clients")


_EMPTY: dict[str, Any] = {
    "format": FORMAT,
    "client": {"name": "Bright Dental", "time_zone": "Europe/London", "backup_target": None},
    "targets": {"reception": {"name": "Reception", "address": "sip:desk@pbx.example", "ring_timeout_s": 20}},
    "schedules": {}, "flows": {}, "sites": {}, "pools": {}, "numbers": {}, "webhooks": {}, "export_schedules": {},
    "site_rules": {}, "pool_numbers": {}, "pool_reserves": {}, "source_rules": [], "blocks": [],
    "limits": {"max_calls": 30, "max_calls_per_s": None},
    "retention": dict.fromkeys(("cdr_days", "recording_days", "caller_days", "visit_days", "caller_becomes")),
    "recording": None, "export_columns": {"calls": None, "events": None, "audit": None}, "billing": None,
}  # fmt: skip
Thing = dict[str, Any]
Things = Annotated[dict[str, Thing], Field(description="Each under its key.")]


class DocumentBody(Body):
    """A client's document, whole, as `GET` gives it. What its things say is checked when it is applied."""

    model_config = ConfigDict(json_schema_extra={"example": _EMPTY})

    format: Annotated[Literal["dialtrace-client/1"], Field(examples=[FORMAT])]
    client: Thing
    targets: Things
    schedules: Things
    flows: Things
    sites: Things
    pools: Things
    numbers: Annotated[dict[str, Thing], Field(description="Each under its E.164 form.")]
    webhooks: Things
    export_schedules: Things
    site_rules: Annotated[dict[str, Thing], Field(description="By site: the rules that are live, and the draft.")]
    pool_numbers: Annotated[dict[str, list[str]], Field(description="By pool: references to its numbers.")]
    pool_reserves: Annotated[dict[str, list[Thing]], Field(description="By pool.")]
    source_rules: list[Any]
    blocks: list[Thing]
    limits: Thing
    retention: Thing
    recording: Annotated[Thing | None, Field(description="null: as the agency says.")]
    export_columns: Thing
    billing: Annotated[Thing | None, Field(description="null: there is no account.")]


class DocumentQuery(TenantQuery):
    """How it is to be applied."""

    dry_run: Annotated[bool, Field(default=False, description="Do everything, tell what it was, and undo it.")]
    remove: Annotated[
        bool,
        Field(default=False, description="What the document does not name goes where it can: numbers are released."),
    ]


class DocumentStepAnswer(Answer):
    """What became of one thing, or would."""

    action: Annotated[
        Literal["create", "change", "remove", "keep"],
        Field(description="keep: it is not in the document, and stays.", examples=["change"]),
    ]
    kind: Annotated[str, Field(examples=["targets"])]
    key: Annotated[str, Field(description="Empty: there is one of it.", examples=["main-office"])]
    members: Annotated[list[str], Field(description="Those that change.", examples=[["address"]])]


class AppliedAnswer(Answer):
    """What applying a document has done, or would do."""

    dry_run: bool
    steps: list[DocumentStepAnswer]


class CopyBody(Body):
    """The copy's name."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Bright Dental, Leeds"}})

    agency_id: AgencyId
    name: Name


#: Of everything that a document tells of: whoever applies one could have done all of it one by one.
_AREAS = ("tenants", "numbers", "flows", "sites", "webhooks", "privacy", "recordings", "exports", "billing")
_READ = tuple(f"{area}.read" for area in _AREAS)
_WRITE = tuple(f"{area}.write" for area in _AREAS)


#: What `PUT` reads is what `GET` tells.
_SHAPE = {"$ref": f"#/components/schemas/{DocumentBody.__name__}"}


@endpoint(blueprint, "GET", "/v1/clients/<uuid:client_id>/document", roles=AGENCY, permission=_READ, shape=_SHAPE)
def get_client_document(asked: Asked, client_id: UUID) -> Response:
    """Read a client as a document

    Everything that somebody has set for it: targets, flows, sites with their rules, pools, numbers, webhooks, blocks,
    limits, retention, exports, prices. Things are named by keys, not ids, so that the document can be kept, compared
    and applied to another client. Secrets, records and what is the agency's or the operator's are not in it.
    """
    document = asked.services.documents.export(asked.agency_id, client_id)
    response = Response(canonical(document), content_type="application/json")
    response.headers["ETag"] = _tag_of(document)
    return response


@endpoint(
    blueprint, "PUT", "/v1/clients/<uuid:client_id>/document", roles=AGENCY, permission=_WRITE, body=DocumentBody,
    query=DocumentQuery,
    answer=AppliedAnswer, problems=("version_mismatch", "number_taken", "number_not_fit"),
)  # fmt: skip
def put_client_document(
    asked: Asked, client_id: UUID, query: DocumentQuery, body: DocumentBody
) -> tuple[AppliedAnswer, int, dict[str, str]]:
    """Apply a document to a client

    Whole, in one transaction, or not at all. `If-Match` with the `ETag` of what was read refuses it if somebody has
    changed the client since. What the document does not name stays and is told as `keep`; with `remove` numbers are
    released, pools closed, sites and webhooks removed. Targets and flows always stay.
    """
    applied = asked.services.documents.apply(
        asked.agency_id, client_id, body.model_dump(), dry_run=query.dry_run, remove=query.remove
    )
    if not query.dry_run:
        _note(asked, "document.applied", client_id, steps=len(applied.steps), remove=query.remove)
    steps = [DocumentStepAnswer.model_validate(step) for step in applied.steps]
    # What a dry run would have come to stands nowhere.
    headers = {} if query.dry_run else {"ETag": _tag_of(applied.document)}
    return AppliedAnswer(dry_run=query.dry_run, steps=steps), 200, headers


@endpoint(
    blueprint,
    "POST",
    "/v1/clients/<uuid:client_id>/copy",
    roles=AGENCY,
    permission=_WRITE,
    body=CopyBody,
    answer=ClientAnswer,
    status=201,
)
def copy_client(asked: Asked, client_id: UUID, body: CopyBody) -> Reply[ClientAnswer]:
    """Copy a client

    A new client with all that is set for this one except its numbers, which can be at one client only.
    """
    made = asked.services.documents.copy_client(asked.agency_id, client_id, body.name)
    _note(asked, "client.copied", made, copy_of=str(client_id))
    return created("/v1/clients", show_client(asked.services.tenancy.get_client(asked.agency_id, made)))


def _tag_of(document: Document) -> str:
    return f'"{digest_of(document)}"'


def _note(asked: Asked, action: str, client_id: UUID, **details: Any) -> None:
    entry = NewEntry(
        actor=actor_of(asked), action=action, object_kind="client", object_id=client_id, client_id=client_id,
        details=details,
    )  # fmt: skip
    asked.services.audit.record(asked.agency_id, entry)

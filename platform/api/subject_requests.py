"""`/v1/subject-requests`, `/v1/privacy/receipts`, `/v1/calls/{id}/consent`: what persons ask for, and proofs."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import ConfigDict, Field

from ..privacy.model import (
    Consent,
    Receipt,
    SubjectRequest,
)
from .archived import telling_the_archive
from .auth import EVERYBODY, Asked
from .endpoint import endpoint, public, services
from .errors import Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment
from .owners import OwnedQuery
from .paging import Listed, each, list_page
from .retention import note, who

blueprint = APIBlueprint("subject_requests", __name__, tag="Privacy")


# --- Requests of persons. ---


class NewSubjectRequest(Body):
    """What a person asks for."""

    model_config = ConfigDict(json_schema_extra={"example": {"kind": "erase", "phone": "+442079460123"}})

    agency_id: AgencyId
    client_id: Annotated[
        UUID | None,
        Field(default=None, description="Left out: with every client of the agency.", examples=[EXAMPLE_ID]),
    ]
    kind: Annotated[Literal["export", "erase"], Field(examples=["erase"])]
    phone: Annotated[str, Field(max_length=40, description="E.164.", examples=["+442079460123"])]


class SubjectRequestAnswer(Answer):
    """A person's request. `state`: `waiting` (`waits` says for what), `running`, `held` (a legal hold keeps something),
    `done` (with a receipt). The number itself is never shown, and forgotten once it is done."""

    id: Id
    agency_id: Id
    client_id: UUID | None
    kind: str
    caller: Annotated[str, Field(description="A hint of the number.", examples=["+44…23"])]
    state: Annotated[str, Field(examples=["done"])]
    waits: Annotated[dict[str, Any], Field(examples=[{"standing_calls": 1, "nodes": ["node-2"]}])]
    counts: Annotated[dict[str, Any], Field(description="What was done so far.", examples=[{"calls": 3}])]
    fault: Annotated[str | None, Field(description="Of the last try, which is repeated.")]
    requested_by: str
    requested_at: Moment
    finished_at: Moment | None
    receipt_id: UUID | None


class SubjectRequestList(Listed[SubjectRequestAnswer]):
    """A page of requests."""


def _show_request(request: SubjectRequest) -> SubjectRequestAnswer:
    counts = {name: count for name, count in request.counts.items() if name != "objects"}
    hidden = {"hint", "counts", "waits"}
    names = [name for name in SubjectRequestAnswer.model_fields if name not in hidden | {"caller"}]
    return SubjectRequestAnswer(
        **{name: getattr(request, name) for name in names},
        caller=request.hint,
        counts=counts,
        waits=dict(request.waits),
    )


@endpoint(
    blueprint,
    "POST",
    "/v1/subject-requests",
    roles=EVERYBODY,
    body=NewSubjectRequest,
    answer=SubjectRequestAnswer,
    status=202,
)
def ask_for_person(asked: Asked, body: NewSubjectRequest) -> Any:
    """Export or erase a person

    All that is held of a telephone number. The same request that is not done yet is answered with itself.
    """
    request, made = asked.services.privacy.ask(asked.agency_id, asked.client_id, body.kind, body.phone, by=who(asked))
    if made:
        note(asked, "subject_request.make", "subject_request", request.id, asked_for=request.kind)
    return _show_request(request), 202, {"Location": f"/v1/subject-requests/{request.id}"}


@endpoint(blueprint, "GET", "/v1/subject-requests", roles=EVERYBODY, query=OwnedQuery, answer=SubjectRequestList)
def list_subject_requests(asked: Asked, query: OwnedQuery) -> Any:
    """List requests of persons

    Oldest first.
    """
    privacy = asked.services.privacy
    return list_page(
        asked,
        query,
        lambda limit, after: privacy.list_requests(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(_show_request),
    )


@endpoint(blueprint, "GET", "/v1/subject-requests/<uuid:request_id>", roles=EVERYBODY, answer=SubjectRequestAnswer)
def get_subject_request(asked: Asked, request_id: UUID) -> SubjectRequestAnswer:
    """Read a person's request"""
    return _show_request(asked.services.privacy.get_request(asked.agency_id, asked.client_id, request_id))


@endpoint(
    blueprint,
    "GET",
    "/v1/subject-requests/<uuid:request_id>/file",
    roles=EVERYBODY,
    permission="privacy.write",
    media_types=("application/zip",),
)
def get_subject_file(asked: Asked, request_id: UUID) -> Response:
    """Fetch what was exported

    A ZIP file: `calls.json`, `legs.json` and further tables, `recordings/`. It is kept for seven days.
    """
    stream = asked.services.privacy.open_file(asked.agency_id, asked.client_id, request_id)
    try:
        note(asked, "subject_request.fetch_file", "subject_request", request_id)
    except BaseException:
        stream.close()
        raise
    response = Response(iter(stream), mimetype="application/zip")
    response.call_on_close(stream.close)
    response.content_length = stream.size_bytes
    response.headers["Content-Disposition"] = f'attachment; filename="{request_id}.zip"'
    return response


# --- Receipts. ---


class ReceiptAnswer(Answer):
    """A proof of what was deleted or given out. `document` is the very text that was signed by Ed25519: verify before
    you parse it (`GET /v1/privacy/keys`, `dialtrace privacy receipt verify`)."""

    id: Id
    agency_id: Id
    client_id: UUID | None
    kind: Annotated[str, Field(examples=["retention"])]
    request_id: UUID | None
    document: Annotated[str, Field(examples=['{"class":"recording","counts":{"recordings":200},…}'])]
    signature: Annotated[str, Field(description="64 bytes in base64.")]
    key_id: Annotated[str, Field(examples=["3f6c0a1b9d2e4c57"])]
    made_at: Moment


class ReceiptList(Listed[ReceiptAnswer]):
    """A page of receipts."""


def _show_receipt(receipt: Receipt) -> ReceiptAnswer:
    values = {name: getattr(receipt, name) for name in Receipt.__dataclass_fields__ if name != "signature"}
    return ReceiptAnswer(**values, signature=base64.b64encode(receipt.signature).decode())


@endpoint(blueprint, "GET", "/v1/privacy/receipts", roles=EVERYBODY, query=OwnedQuery, answer=ReceiptList)
def list_receipts(asked: Asked, query: OwnedQuery) -> Any:
    """List receipts

    Oldest first; of retention and of requests of persons.
    """
    privacy = asked.services.privacy
    return list_page(
        asked,
        query,
        lambda limit, after: privacy.list_receipts(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(_show_receipt),
    )


@endpoint(blueprint, "GET", "/v1/privacy/receipts/<uuid:receipt_id>", roles=EVERYBODY, answer=ReceiptAnswer)
def get_receipt(asked: Asked, receipt_id: UUID) -> ReceiptAnswer:
    """Read a receipt"""
    return _show_receipt(asked.services.privacy.get_receipt(asked.agency_id, asked.client_id, receipt_id))


@public(
    blueprint,
    "/v1/privacy/keys",
    summary="Public keys of receipts",
    answers={200: "Every key that ever signed a receipt, as JWK (RFC 8037), the newest first."},
)
def receipt_keys() -> Response:
    """Needs no key: a receipt is verified by whoever gets it."""
    keys = [
        {"kid": key_id, "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": _base64url(key)}
        for key_id, key in services().privacy.public_keys()
    ]
    return jsonify({"keys": keys})


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


# --- Consent. ---


class ConsentAnswer(Answer):
    """How a call's caller came to be recorded, or not. It is kept as long as a recording of the call is."""

    call_id: Id
    rule: Annotated[
        Literal["ask", "notice", "none", "off"],
        Field(description="ask: a key refuses. notice: it is announced. none: without a word. off: not recorded."),
    ]
    step: Annotated[str | None, Field(description="The flow's step that played the notice.", examples=["consent"])]
    notice: Annotated[str | None, Field(description="The sound's name.", examples=["say-5f2c…"])]
    notice_sha256: Annotated[str | None, Field(description="Of the file that was played.")]
    played_at: Annotated[Moment | None, Field(description="When the call came to the step; null: never.")]
    answer: Annotated[Literal["given", "refused", "not_asked", "not_answered"], Field(examples=["given"])]
    answered_at: Moment | None
    flow_id: UUID | None
    flow_version: int | None


@endpoint(
    blueprint, "GET", "/v1/calls/<uuid:call_id>/consent", roles=EVERYBODY, permission="calls.read",
    answer=ConsentAnswer,
)  # fmt: skip
def get_consent(asked: Asked, call_id: UUID) -> ConsentAnswer:
    """Prove a call's consent

    Which rule held, which notice was played when, and what the caller answered.
    """
    found = asked.services.privacy.get_consent(asked.agency_id, asked.client_id, call_id)
    if found is None:
        with telling_the_archive(asked):
            asked.services.cdr.get_call(asked.agency_id, asked.client_id, call_id)
        raise Problem("not_found", "Nothing was noted of this call's consent: its record is older than that.")
    return _show_consent(found)


def _show_consent(consent: Consent) -> ConsentAnswer:
    names = [name for name in ConsentAnswer.model_fields if name != "notice_sha256"]
    digest = consent.notice_sha256.hex() if consent.notice_sha256 else None
    return ConsentAnswer(**{name: getattr(consent, name) for name in names}, notice_sha256=digest)

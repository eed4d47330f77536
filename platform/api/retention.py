"""`/v1/agencies/{id}/retention`, `/v1/clients/{id}/retention`, `/v1/legal-holds`: how long what is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field, StrictInt

from ..audit.service import NewEntry
from ..privacy.model import (
    CLASSES,
    LONGEST_REASON,
    MOST_DAYS,
    Bound,
    Hold,
    Retention,
    Rules,
)
from .auditing import actor_of
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment
from .owners import OwnedQuery
from .paging import Listed, each, list_page

blueprint = APIBlueprint("retention", __name__, tag="Privacy")

Days = Annotated[
    StrictInt | None,
    Field(ge=1, le=MOST_DAYS, description="Days from the call's start; null: as the level above says.", examples=[365]),
]
Becomes = Annotated[
    Literal["key", "nothing"] | None,
    Field(
        description="What is left of a caller's number: a keyed hash, by which repeated callers are counted, or "
        "nothing. null: as the level above says.",
        examples=["nothing"],
    ),
]


class BoundBody(Body):
    """Within which days an agency and its clients may choose."""

    least_days: Annotated[StrictInt | None, Field(default=None, ge=1, le=MOST_DAYS, examples=[30])]
    most_days: Annotated[StrictInt | None, Field(default=None, ge=1, le=MOST_DAYS, examples=[1095])]


class BoundsBody(Body):
    """Bounds of each class; what is left out is free."""

    cdr: Annotated[BoundBody, Field(default_factory=BoundBody)]
    recording: Annotated[BoundBody, Field(default_factory=BoundBody)]
    caller: Annotated[BoundBody, Field(default_factory=BoundBody)]
    visit: Annotated[BoundBody, Field(default_factory=BoundBody)]


_EXAMPLE: dict[str, Any] = {
    "cdr_days": 1095,
    "recording_days": 180,
    "caller_days": 365,
    "visit_days": 400,
    "caller_becomes": "key",
}


class RetentionPut(Body):
    """The rules to hold from the next run on. All must be named; null leaves it to the level above."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    agency_id: AgencyId
    cdr_days: Days
    recording_days: Days
    caller_days: Days
    visit_days: Days
    caller_becomes: Becomes


class AgencyRetentionPut(RetentionPut):
    """An agency's default, and (the operator's keys only) the bounds within which it and its clients may choose."""

    model_config = ConfigDict(
        json_schema_extra={"example": {**_EXAMPLE, "bounds": {"recording": {"least_days": 1, "most_days": 365}}}}
    )

    bounds: Annotated[
        BoundsBody | None, Field(default=None, description="The operator's; left out: they stay as they are.")
    ]


class EffectiveAnswer(Answer):
    """What holds at last; null: for ever."""

    cdr_days: int | None
    recording_days: int | None
    caller_days: int | None
    visit_days: int | None
    caller_becomes: str


class BoundAnswer(Answer):
    """Bounds of one class."""

    least_days: int | None
    most_days: int | None


class RetentionAnswer(Answer):
    """How long what is kept: what was said here, the operator's bounds, and what holds at last."""

    cdr_days: Days
    recording_days: Days
    caller_days: Days
    visit_days: Days
    caller_becomes: Becomes
    bounds: dict[str, BoundAnswer]
    effective: EffectiveAnswer


def _show_retention(found: Retention) -> RetentionAnswer:
    rules, holds = found.rules, found.effective
    return RetentionAnswer(
        **{f"{one}_days": rules.days(one) for one in CLASSES},
        caller_becomes=rules.caller_becomes,
        bounds={one: BoundAnswer.model_validate(bound) for one, bound in found.bounds.items()},
        effective=EffectiveAnswer(
            **{f"{one}_days": holds.days[one] for one in CLASSES}, caller_becomes=holds.caller_becomes
        ),
    )


def _rules_of(body: RetentionPut) -> Rules:
    days = {f"{one}_days": getattr(body, f"{one}_days") for one in CLASSES}
    return Rules(**days, caller_becomes=body.caller_becomes)


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>/retention", roles=AGENCY, answer=RetentionAnswer)
def get_agency_retention(asked: Asked, agency_id: UUID) -> RetentionAnswer:
    """Read an agency's retention"""
    return _show_retention(asked.services.privacy.get_retention(agency_id))


@endpoint(
    blueprint,
    "PUT",
    "/v1/agencies/<uuid:agency_id>/retention",
    roles=AGENCY,
    body=AgencyRetentionPut,
    answer=RetentionAnswer,
)
def put_agency_retention(asked: Asked, agency_id: UUID, body: AgencyRetentionPut) -> RetentionAnswer:
    """Set an agency's retention

    The default of its clients. What was kept too long by the new rules is deleted by the next run, and cannot be had
    back.
    """
    if body.bounds is not None and asked.principal.role != "operator":
        raise Problem("role_insufficient", "Only the operator's keys set bounds.")
    bounds = None
    if body.bounds is not None:
        named = {one: getattr(body.bounds, one) for one in CLASSES}
        bounds = {one: Bound(found.least_days, found.most_days) for one, found in named.items()}
    found = asked.services.privacy.set_retention(agency_id, None, _rules_of(body), bounds=bounds)
    note(asked, "retention.set", "agency", agency_id)
    return _show_retention(found)


@endpoint(blueprint, "GET", "/v1/clients/<uuid:client_id>/retention", roles=EVERYBODY, answer=RetentionAnswer)
def get_client_retention(asked: Asked, client_id: UUID) -> RetentionAnswer:
    """Read a client's retention"""
    _own_client(asked, client_id)
    return _show_retention(asked.services.privacy.get_retention(asked.agency_id, client_id))


@endpoint(
    blueprint,
    "PUT",
    "/v1/clients/<uuid:client_id>/retention",
    roles=EVERYBODY,
    body=RetentionPut,
    answer=RetentionAnswer,
)
def put_client_retention(asked: Asked, client_id: UUID, body: RetentionPut) -> RetentionAnswer:
    """Set a client's retention

    What was kept too long by the new rules is deleted by the next run, and cannot be had back.
    """
    _own_client(asked, client_id)
    found = asked.services.privacy.set_retention(asked.agency_id, client_id, _rules_of(body))
    note(asked, "retention.set", "client", client_id)
    return _show_retention(found)


def _own_client(asked: Asked, client_id: UUID) -> None:
    """Raises Problem (404) or ClientUnknown."""
    if asked.client_id not in {None, client_id}:
        raise Problem("not_found", "There is no such client.")
    asked.services.tenancy.get_client(asked.agency_id, client_id)


# --- Holds. ---


class NewHold(Body):
    """What is to be kept, and why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"kind": "caller", "phone": "+442079460123", "reason": "Case 17/2026"}}
    )

    agency_id: AgencyId
    client_id: Annotated[
        UUID | None,
        Field(default=None, description="Left out: with every client of the agency.", examples=[EXAMPLE_ID]),
    ]
    kind: Annotated[Literal["call", "caller", "client"], Field(examples=["caller"])]
    call_id: Annotated[UUID | None, Field(default=None, description="Of a hold on a call.", examples=[EXAMPLE_ID])]
    phone: Annotated[
        str | None,
        Field(
            default=None,
            max_length=40,
            description="Of a hold on a caller: E.164. Only a keyed hash of it is kept.",
            examples=["+442079460123"],
        ),
    ]
    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON, examples=["Case 17/2026"])]


class HoldAnswer(Answer):
    """A legal hold: nothing of what it names is deleted or anonymised while it stands."""

    id: Id
    agency_id: Id
    client_id: UUID | None
    kind: str
    call_id: UUID | None
    caller: Annotated[str, Field(description="A hint of the number; empty for other kinds.", examples=["+44…23"])]
    reason: str
    placed_by: str
    placed_at: Moment
    lifted_by: str | None
    lifted_at: Moment | None


class HoldList(Listed[HoldAnswer]):
    """A page of legal holds."""


def _show_hold(hold: Hold) -> HoldAnswer:
    values = {name: getattr(hold, name) for name in Hold.__dataclass_fields__ if name != "hint"}
    return HoldAnswer(**values, caller=hold.hint)


def note(asked: Asked, action: str, kind: str, thing: UUID | None, **details: str) -> None:
    """Into the audit log: who did what, without a number or a name."""
    entry = NewEntry(
        actor=actor_of(asked),
        action=action,
        object_kind=kind,
        object_id=thing,
        client_id=asked.client_id,
        details=details,
    )
    asked.services.audit.record(asked.agency_id, entry)


def who(asked: Asked) -> str:
    """How whoever asked stands in what is kept of it."""
    return f"key {asked.principal.key_id}"


@endpoint(blueprint, "POST", "/v1/legal-holds", roles=EVERYBODY, body=NewHold, answer=HoldAnswer, status=201)
def place_legal_hold(asked: Asked, body: NewHold) -> Any:
    """Place a legal hold

    It stands until it is lifted: neither retention nor a person's request touches what it keeps.
    """
    hold = asked.services.privacy.place_hold(
        asked.agency_id,
        asked.client_id,
        body.kind,
        reason=body.reason,
        by=who(asked),
        call_id=body.call_id,
        phone=body.phone,
    )
    note(asked, "legal_hold.place", "legal_hold", hold.id, held=hold.kind)
    return _show_hold(hold), 201, {"Location": f"/v1/legal-holds/{hold.id}"}


@endpoint(blueprint, "GET", "/v1/legal-holds", roles=EVERYBODY, query=OwnedQuery, answer=HoldList)
def list_legal_holds(asked: Asked, query: OwnedQuery) -> Any:
    """List legal holds

    Oldest first; those that were lifted too.
    """
    privacy = asked.services.privacy
    return list_page(
        asked,
        query,
        lambda limit, after: privacy.list_holds(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(_show_hold),
    )


@endpoint(blueprint, "GET", "/v1/legal-holds/<uuid:hold_id>", roles=EVERYBODY, answer=HoldAnswer)
def get_legal_hold(asked: Asked, hold_id: UUID) -> HoldAnswer:
    """Read a legal hold"""
    return _show_hold(asked.services.privacy.get_hold(asked.agency_id, asked.client_id, hold_id))


@endpoint(blueprint, "DELETE", "/v1/legal-holds/<uuid:hold_id>", roles=EVERYBODY, status=204)
def lift_legal_hold(asked: Asked, hold_id: UUID) -> Response:
    """Lift a legal hold

    What waited for it goes on; the hold stays listed with who lifted it.
    """
    asked.services.privacy.lift_hold(asked.agency_id, asked.client_id, hold_id, by=who(asked))
    note(asked, "legal_hold.lift", "legal_hold", hold_id)
    return Response(status=204)

"""`/v1/keys`: API keys. Only a hash is stored; a key's token is shown when it is made and never again."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field, StrictBool

from ..tenancy.model import ApiKey
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .errors import Fault, Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, MomentIn, Name
from .paging import Listed, ListQuery, each, list_page
from .problems import validation_problem

blueprint = APIBlueprint("keys", __name__, tag="Keys")

Role = Literal["operator", "agency", "client"]


class NewKey(Body):
    """A key to be made."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"role": "client", "client_id": EXAMPLE_ID, "name": "Bright Dental's CRM"}}
    )

    agency_id: AgencyId
    role: Annotated[Role, Field(description="What the key may do. Only the operator makes keys of the role operator.")]
    client_id: Annotated[UUID | None, Field(default=None, description="With the role client: the one client it sees.")]
    name: Name
    expires_at: Annotated[MomentIn | None, Field(default=None, description="After this moment it opens nothing.")]
    may_listen: Annotated[
        StrictBool, Field(default=True, description="Whether it may hear recordings, and make links to them.")
    ]


class KeyAnswer(Answer):
    """A key, without what opens."""

    id: Id
    agency_id: Id
    client_id: Id | None
    role: Role
    name: Name
    created_at: Moment
    last_used_at: Moment | None
    expires_at: Moment | None
    revoked_at: Moment | None
    may_listen: bool


class MadeKey(KeyAnswer):
    """A key that was just made."""

    token: Annotated[
        str | None,
        Field(
            description="Send it as `Authorization: Bearer <token>`. Shown this once; null in a replayed answer.",
            examples=["dt_0199a3c2…_0199a3c3…_…"],
        ),
    ]


class KeyList(Listed[KeyAnswer]):
    """A page of keys."""


def show(key: ApiKey) -> KeyAnswer:
    return KeyAnswer.model_validate(key)


@endpoint(
    blueprint, "POST", "/v1/keys", roles=AGENCY, body=NewKey, answer=MadeKey, status=201, secrets=("token",),
)  # fmt: skip
def create_key(asked: Asked, body: NewKey) -> tuple[MadeKey, int, dict[str, str]]:
    """Make a key

    The answer holds the token, this once: only its hash is stored.
    """
    if body.role == "operator" and asked.principal.role != "operator":
        raise Problem("role_insufficient", "Only the operator makes keys of the role operator.")
    if body.role == "operator" and asked.agency_id != asked.principal.agency_id:
        detail = "must be left out: an operator's key belongs to the operator's own agency"
        raise validation_problem([Fault(code="contradiction", detail=detail, pointer="#/agency_id")])
    if (body.role == "client") != (body.client_id is not None):
        detail = "is required with the role client, and has no place with any other"
        raise validation_problem([Fault(code="contradiction", detail=detail, pointer="#/client_id")])
    if body.may_listen and not asked.principal.may_listen:
        detail = "must be false: a key that may not hear recordings makes none that may"
        raise validation_problem([Fault(code="contradiction", detail=detail, pointer="#/may_listen")])
    key, token = asked.services.tenancy.create_key(
        asked.agency_id, role=body.role, name=body.name, client_id=body.client_id, expires_at=body.expires_at,
        may_listen=body.may_listen,
    )  # fmt: skip
    made = MadeKey(**show(key).model_dump(), token=token)
    return made, 201, {"Location": f"/v1/keys/{made.id}"}


@endpoint(blueprint, "GET", "/v1/keys", roles=AGENCY, query=ListQuery, answer=KeyList)
def list_keys(asked: Asked, query: ListQuery) -> Any:
    """List keys

    Revoked and expired ones too.
    """
    tenancy = asked.services.tenancy
    return list_page(
        asked, query, lambda limit, after: tenancy.list_keys(asked.agency_id, limit=limit, after=after), each(show)
    )


@endpoint(blueprint, "DELETE", "/v1/keys/<uuid:key_id>", roles=AGENCY, status=204)
def revoke_key(asked: Asked, key_id: UUID) -> Response:
    """Revoke a key

    From now on it opens nothing. Revoking again changes nothing.
    """
    asked.services.tenancy.revoke_key(asked.agency_id, key_id)
    return Response(status=204)

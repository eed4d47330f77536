"""`/v1/keys`: API keys. Only a hash is stored; a key's token is shown when it is made and never again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field, StrictBool

from ..tenancy.model import ApiKey
from ..tenancy.permissions import PERMISSIONS, ROLES, beyond
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Fault, Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, MomentIn, Name
from .paging import Listed, ListQuery, each, list_page
from .problems import validation_problem

blueprint = APIBlueprint("keys", __name__, tag="Keys")

Role = Literal["operator", "agency", "client"]


Scopes = Annotated[
    list[str],
    Field(
        max_length=100,
        description="Permissions (`GET /v1/permissions`); null: all that its role reaches.",
        examples=[["calls.read", "numbers.read"]],
    ),
]
Networks = Annotated[
    list[str],
    Field(
        max_length=50,
        description="Networks that it may be used from; null: anywhere.",
        examples=[["203.0.113.0/24"]],
    ),
]


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
    scopes: Annotated[Scopes | None, Field(default=None)]
    networks: Annotated[Networks | None, Field(default=None)]


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
    scopes: Scopes | None
    networks: Networks | None
    last_used_from: Annotated[str | None, Field(description="Address of its last use.", examples=["203.0.113.7"])]
    rotated_from: Annotated[UUID | None, Field(description="The key that it took over from.", examples=[None])]


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
    would_listen = body.may_listen and (body.scopes is None or "calls.listen" in body.scopes)
    if would_listen and not asked.principal.may_listen:
        detail = "must be false: a key that may not hear recordings makes none that may"
        raise validation_problem([Fault(code="contradiction", detail=detail, pointer="#/may_listen")])
    need_within(asked, body.scopes, "#/scopes", but={"calls.listen"} if not body.may_listen else set())
    key, token = asked.services.tenancy.create_key(
        asked.agency_id, role=body.role, name=body.name, client_id=body.client_id, expires_at=body.expires_at,
        may_listen=body.may_listen, scopes=body.scopes, networks=body.networks,
    )  # fmt: skip
    return _made(key, token)


def _made(key: ApiKey, token: str) -> tuple[MadeKey, int, dict[str, str]]:
    made = MadeKey(**show(key).model_dump(), token=token)
    return made, 201, {"Location": f"/v1/keys/{made.id}"}


def need_within(asked: Asked, wanted: Collection[str] | None, pointer: str, but: Collection[str] = ()) -> None:
    """Nobody gives away what he has not got. Raises Problem (422)."""
    if lacking := set(beyond(wanted, asked.principal.permissions)) - set(but):
        detail = f"goes beyond your own permissions: {sorted(lacking)[0]}; name what you give, all of it yours"
        raise validation_problem([Fault(code="beyond_own", detail=detail, pointer=pointer)])


class Rotation(Body):
    """How long the old key stays valid."""

    model_config = ConfigDict(json_schema_extra={"example": {"overlap_s": 86_400}})

    agency_id: AgencyId
    overlap_s: Annotated[
        int,
        Field(default=86_400, ge=0, le=30 * 86_400, description="Seconds for which the old key is valid beside it."),
    ]


@endpoint(
    blueprint, "POST", "/v1/keys/<uuid:key_id>/rotate", roles=AGENCY, body=Rotation, answer=MadeKey, status=201,
    secrets=("token",), problems=("key_over",),
)  # fmt: skip
def rotate_key(asked: Asked, key_id: UUID, body: Rotation) -> tuple[MadeKey, int, dict[str, str]]:
    """Rotate a key

    Makes a key that is like this one. The old one stays valid for `overlap_s`, so that nothing is refused while its
    holder changes over, but never longer than it was.
    """
    tenancy = asked.services.tenancy
    need_within(asked, tenancy.get_key(asked.agency_id, key_id).permissions, "#/")
    return _made(*tenancy.rotate_key(asked.agency_id, key_id, overlap=timedelta(seconds=body.overlap_s)))


class PermissionAnswer(Answer):
    """A permission."""

    name: Annotated[str, Field(examples=["calls.read"])]
    meaning: Annotated[str, Field(examples=["see call records"])]


class PermissionList(Answer):
    """Every permission, and the roles that are made of them."""

    data: list[PermissionAnswer]
    roles: Annotated[
        dict[str, list[str]],
        Field(description="Built-in roles of users.", examples=[{"listener": ["calls.listen", "calls.read"]}]),
    ]


@endpoint(blueprint, "GET", "/v1/permissions", roles=EVERYBODY, permission=(), answer=PermissionList)
def list_permissions(_: Asked) -> PermissionList:
    """List permissions

    What keys and users can be allowed to do.
    """
    data = [PermissionAnswer(name=name, meaning=meaning) for name, meaning in PERMISSIONS.items()]
    return PermissionList(data=data, roles={name: sorted(held) for name, held in ROLES.items()})


@endpoint(blueprint, "GET", "/v1/keys", roles=AGENCY, query=ListQuery, answer=KeyList)
def list_keys(asked: Asked, query: ListQuery) -> Any:
    """List keys

    Revoked and expired ones too.
    """
    tenancy = asked.services.tenancy
    return list_page(
        asked, query, lambda limit, after: tenancy.list_keys(asked.agency_id, limit=limit, after=after), each(show)
    )


@endpoint(blueprint, "GET", "/v1/keys/<uuid:key_id>", roles=AGENCY, answer=KeyAnswer)
def get_key(asked: Asked, key_id: UUID) -> KeyAnswer:
    """Read a key

    All but what opens: that is nowhere.
    """
    return show(asked.services.tenancy.get_key(asked.agency_id, key_id))


@endpoint(blueprint, "DELETE", "/v1/keys/<uuid:key_id>", roles=AGENCY, status=204)
def revoke_key(asked: Asked, key_id: UUID) -> Response:
    """Revoke a key

    From now on it opens nothing. Revoking again changes nothing.
    """
    asked.services.tenancy.revoke_key(asked.agency_id, key_id)
    return Response(status=204)

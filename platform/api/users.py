"""`/v1/users` and `/v1/roles`: who signs in, and what they may do."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field

from ..people.model import Role, User
from .auth import AGENCY, EVERYBODY, Asked
from .endpoint import TenantQuery, endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Name, Version, absent
from .owners import OwnedQuery
from .paging import Listed, ListQuery, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("users", __name__, tag="People")

Email = Annotated[str, Field(max_length=254, examples=["ann@example.com"])]
Language = Annotated[Literal["en", "ru"] | None, Field(description="Of letters; null: the agency's.", examples=["en"])]
RoleName = Annotated[
    Literal["owner", "manager", "analyst", "listener", "read_only"] | None,
    Field(description="A built-in role (`GET /v1/permissions`); null with `role_id`.", examples=["manager"]),
]
RoleId = Annotated[UUID | None, Field(description="One of the agency's own roles.", examples=[None])]
Permissions = Annotated[list[str], Field(max_length=100, examples=[["calls.read", "calls.listen"]])]


class NewUser(Body):
    """Somebody to be invited."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"email": "ann@example.com", "name": "Ann Example", "role": "manager"}}
    )

    agency_id: AgencyId
    client_id: Annotated[
        UUID | None,
        Field(default=None, description="The one client whose things the user sees; null: all of the agency's."),
    ]
    email: Email
    name: Name
    role: Annotated[RoleName, Field(default=None)]
    role_id: Annotated[RoleId, Field(default=None)]
    language: Annotated[Language, Field(default=None)]


class UserChange(Body):
    """A merge patch of a user."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "analyst"}})

    name: Annotated[Name, Field(default_factory=absent)]
    role: Annotated[RoleName, Field(default_factory=absent)]
    role_id: Annotated[RoleId, Field(default_factory=absent)]
    language: Annotated[Language, Field(default_factory=absent)]
    state: Annotated[Literal["active", "disabled"], Field(default_factory=absent)]


class UserAnswer(Answer):
    """Somebody who signs in."""

    id: Id
    agency_id: Id
    client_id: UUID | None
    email: Email
    name: Name
    role: RoleName
    role_id: RoleId
    permissions: Permissions
    state: Annotated[
        Literal["invited", "active", "disabled"],
        Field(description="invited: has not set a password yet. disabled: may not sign in."),
    ]
    language: Language
    has_second_factor: bool
    last_sign_in_at: Moment | None
    created_at: Moment
    updated_at: Moment
    version: Version


class UserList(Listed[UserAnswer]):
    """A page of users."""


def show(user: User) -> UserAnswer:
    shown = {name: getattr(user, name) for name in UserAnswer.model_fields if name != "permissions"}
    return UserAnswer(**shown, permissions=sorted(user.permissions))


_PROBLEMS = ("email_taken", "last_owner")


@endpoint(
    blueprint, "POST", "/v1/users", roles=EVERYBODY, body=NewUser, answer=UserAnswer, status=201, problems=_PROBLEMS
)
def create_user(asked: Asked, body: NewUser) -> Reply[UserAnswer]:
    """Invite a user

    A letter with a link to choose a password is sent; the link opens once within seven days. Nobody invites somebody
    to more than he may himself.
    """
    made = asked.services.people.invite(
        asked.agency_id, asked.client_id, email=body.email, name=body.name, role=body.role, role_id=body.role_id,
        language=body.language, held=asked.principal.permissions,
    )  # fmt: skip
    return created("/v1/users", show(made))


@endpoint(blueprint, "GET", "/v1/users", roles=EVERYBODY, query=OwnedQuery, answer=UserList)
def list_users(asked: Asked, query: OwnedQuery) -> Any:
    """List users

    In the order in which they were invited.
    """
    people = asked.services.people
    return list_page(
        asked,
        query,
        lambda limit, after: people.list_users(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/users/<uuid:user_id>", roles=EVERYBODY, answer=UserAnswer)
def get_user(asked: Asked, user_id: UUID) -> Reply[UserAnswer]:
    """Read a user"""
    return found(show(asked.services.people.get_user(asked.agency_id, asked.client_id, user_id)))


@endpoint(
    blueprint, "PATCH", "/v1/users/<uuid:user_id>", roles=EVERYBODY, body=UserChange, answer=UserAnswer,
    problems=_PROBLEMS,
)  # fmt: skip
def change_user(asked: Asked, user_id: UUID, body: UserChange) -> Reply[UserAnswer]:
    """Change a user

    A JSON merge patch: what is left out stays. Who is disabled or loses a permission is signed out everywhere.
    """
    people = asked.services.people
    before = people.get_user(asked.agency_id, asked.client_id, user_id)
    check_match(request.headers, before.version, required=True)
    changed = people.change_user(
        asked.agency_id, asked.client_id, user_id, expected_version=before.version, held=asked.principal.permissions,
        changes=body.changes(),
    )  # fmt: skip
    return found(show(changed))


@endpoint(blueprint, "DELETE", "/v1/users/<uuid:user_id>", roles=EVERYBODY, status=204, problems=("last_owner",))
def delete_user(asked: Asked, user_id: UUID) -> Response:
    """Remove a user

    With sessions and links. What the user did stays in the audit log.
    """
    asked.services.people.delete_user(asked.agency_id, asked.client_id, user_id, held=asked.principal.permissions)
    return Response(status=204)


@endpoint(
    blueprint, "POST", "/v1/users/<uuid:user_id>/invitation", roles=EVERYBODY, answer=UserAnswer, status=202,
    deed="user.invited_again",
)  # fmt: skip
def invite_again(asked: Asked, user_id: UUID) -> tuple[UserAnswer, int]:
    """Invite a user again

    Another letter; the link of the one before opens nothing any more.
    """
    return show(asked.services.people.invite_again(asked.agency_id, asked.client_id, user_id)), 202


# --- Roles. ---


class NewRole(Body):
    """A role to be made."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Call centre", "permissions": ["calls.read", "calls.listen"]}}
    )

    agency_id: AgencyId
    name: Name
    permissions: Permissions


class RoleChange(Body):
    """A merge patch of a role."""

    model_config = ConfigDict(json_schema_extra={"example": {"permissions": ["calls.read"]}})

    name: Annotated[Name, Field(default_factory=absent)]
    permissions: Annotated[Permissions, Field(default_factory=absent)]


class RoleAnswer(Answer):
    """A role that the agency made."""

    id: Annotated[UUID, Field(examples=[EXAMPLE_ID])]
    agency_id: Id
    name: Name
    permissions: Permissions
    created_at: Moment
    updated_at: Moment
    version: Version


class RoleList(Listed[RoleAnswer]):
    """A page of roles."""


def show_role(role: Role) -> RoleAnswer:
    return RoleAnswer.model_validate(role)


@endpoint(
    blueprint, "POST", "/v1/roles", roles=AGENCY, body=NewRole, answer=RoleAnswer, status=201,
    problems=("role_name_taken",),
)  # fmt: skip
def create_role(asked: Asked, body: NewRole) -> Reply[RoleAnswer]:
    """Make a role

    From permissions that you have yourself.
    """
    made = asked.services.people.create_role(
        asked.agency_id, name=body.name, permissions=body.permissions, held=asked.principal.permissions
    )
    return created("/v1/roles", show_role(made))


@endpoint(blueprint, "GET", "/v1/roles", roles=AGENCY, query=ListQuery, answer=RoleList)
def list_roles(asked: Asked, query: ListQuery) -> Any:
    """List roles

    The agency's own; the built-in ones stand in `GET /v1/permissions`.
    """
    people = asked.services.people
    return list_page(
        asked, query, lambda limit, after: people.list_roles(asked.agency_id, limit=limit, after=after), each(show_role)
    )


@endpoint(blueprint, "GET", "/v1/roles/<uuid:role_id>", roles=AGENCY, query=TenantQuery, answer=RoleAnswer)
def get_role(asked: Asked, role_id: UUID) -> Reply[RoleAnswer]:
    """Read a role"""
    return found(show_role(asked.services.people.get_role(asked.agency_id, role_id)))


@endpoint(
    blueprint, "PATCH", "/v1/roles/<uuid:role_id>", roles=AGENCY, body=RoleChange, answer=RoleAnswer,
    problems=("role_name_taken",),
)  # fmt: skip
def change_role(asked: Asked, role_id: UUID, body: RoleChange) -> Reply[RoleAnswer]:
    """Change a role

    A JSON merge patch. Whoever has the role has what it says now with the next request.
    """
    people = asked.services.people
    before = people.get_role(asked.agency_id, role_id)
    check_match(request.headers, before.version, required=True)
    changed = people.change_role(
        asked.agency_id, role_id, expected_version=before.version, held=asked.principal.permissions,
        changes=body.changes(),
    )  # fmt: skip
    return found(show_role(changed))


@endpoint(blueprint, "DELETE", "/v1/roles/<uuid:role_id>", roles=AGENCY, status=204, problems=("role_in_use",))
def delete_role(asked: Asked, role_id: UUID) -> Response:
    """Remove a role

    Refused while a user has it.
    """
    asked.services.people.delete_role(asked.agency_id, role_id)
    return Response(status=204)

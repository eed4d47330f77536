"""Use cases of users and roles: who belongs to an agency or a client, and what they may do there.

Each runs as the tenant that it is about. Nobody gives what he has not got: whoever asks says what he holds himself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..jobs.model import Request
from ..jobs.service import JobQueue
from ..paging import Page, cut
from ..tenancy.model import check_name
from ..tenancy.permissions import MOST_OWN_ROLES, beyond, check_permissions
from . import store
from .errors import (
    EmailTaken,
    LastOwner,
    OwnerUnknown,
    RoleInUse,
    RoleNameTaken,
    RoleUnknown,
    UserUnknown,
    ValueRefused,
    VersionMismatch,
)
from .model import Role, User, check_email, check_language, check_role

#: The job that writes an invitation or a reset to a user.
SEND_LINK = "people.send_link"
MAX_PAGE = 500
_CONSTRAINTS = {"uq_users_agency_id_email": EmailTaken, "uq_roles_agency_id_name": RoleNameTaken}


def _translated(error: sqlalchemy.exc.IntegrityError) -> Exception:
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", "") or ""
    if name == "fk_users_agency_id_role_id":
        return RoleUnknown()
    return _CONSTRAINTS.get(name, OwnerUnknown)()


def find_person(connection: Connection, agency_id: UUID, user_id: UUID) -> User | None:
    """Somebody who signs in, for rooms that tell people something; within their transaction."""
    return store.find_user(connection, agency_id, user_id)


class PeopleService:
    """Users and roles in one database."""

    def __init__(self, database: Database, clock: Clock, queue: JobQueue) -> None:
        self._database = database
        self._clock = clock
        self._queue = queue

    # --- Users. ---

    def invite(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        *,
        email: str,
        name: str,
        role: str | None,
        role_id: UUID | None,
        language: str | None,
        held: Collection[str],
    ) -> User:
        """A user who is sent a letter to set a password. ``held``: the permissions of whoever invites. Raises
        EmailTaken, OwnerUnknown, RoleUnknown, ValueRefused."""
        check_role(role, role_id)
        values: dict[str, Any] = {
            "agency_id": agency_id, "id": new_id(), "client_id": client_id, "email": check_email(email),
            "name": check_name(name), "role": role, "role_id": role_id, "language": check_language(language),
        }  # fmt: skip
        try:
            with self._database.tenant(agency_id, client_id) as connection:
                store.insert_user(connection, values)
                user = self._found(connection, agency_id, values["id"])
                _need_held(user.permissions, held)
                store.put_in_directory(connection, agency_id, user.id)
                self._send(connection, user, "invitation")
        except sqlalchemy.exc.IntegrityError as error:
            raise _translated(error) from error
        return user

    def invite_again(self, agency_id: UUID, client_id: UUID | None, user_id: UUID) -> User:
        """Another letter; the one before opens nothing any more. Raises UserUnknown, ValueRefused."""
        with self._database.tenant(agency_id, client_id) as connection:
            user = self._found(connection, agency_id, user_id)
            if user.state != "invited":
                raise ValueRefused("state", "must be invited: whoever has a password resets it himself")
            self._send(connection, user, "invitation")
        return user

    def get_user(self, agency_id: UUID, client_id: UUID | None, user_id: UUID) -> User:
        """Raises UserUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            return self._found(connection, agency_id, user_id)

    def list_users(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[User]:
        """The agency's users (or one client's), the oldest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_users(
                connection, agency_id, client_id, limit=limit + 1, after=after[0] if after else None
            )
        return cut(found, limit, "id")

    def change_user(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        user_id: UUID,
        *,
        expected_version: int,
        held: Collection[str],
        changes: Mapping[str, Any],
    ) -> User:
        """``changes``: name, role, role_id, language, state (active or disabled). Whoever loses a right loses his
        sessions. Raises UserUnknown, RoleUnknown, VersionMismatch, LastOwner, ValueRefused."""
        values = _checked(changes)
        try:
            with self._database.tenant(agency_id, client_id) as connection:
                # Before the user is read, so that two who change the last two owners come one after the other.
                owners = store.lock_owners(connection, agency_id, self._found(connection, agency_id, user_id).client_id)
                before = self._found(connection, agency_id, user_id)
                if before.version != expected_version:
                    raise VersionMismatch(before.version)
                _need_held(before.permissions, held)
                if values.get("state") == "active" and before.state == "invited":
                    raise ValueRefused("state", "an invitation is accepted by whoever was invited")
                if not store.update_user(connection, before, values, self._clock.now()):
                    raise VersionMismatch(self._found(connection, agency_id, user_id).version)
                after = self._found(connection, agency_id, user_id)
                _need_held(after.permissions, held)
                _keep_an_owner(owners, after)
                if after.state == "disabled" or before.permissions - after.permissions:
                    store.end_sessions(connection, agency_id, user_id)
        except sqlalchemy.exc.IntegrityError as error:
            raise _translated(error) from error
        return after

    def delete_user(self, agency_id: UUID, client_id: UUID | None, user_id: UUID, *, held: Collection[str]) -> None:
        """With sessions and links; what he did stays in the audit log under his id. Raises UserUnknown, LastOwner,
        ValueRefused."""
        with self._database.tenant(agency_id, client_id) as connection:
            user = self._found(connection, agency_id, user_id)
            _need_held(user.permissions, held)
            owners = store.lock_owners(connection, agency_id, user.client_id)
            if owners == [user_id]:
                raise LastOwner
            store.delete_user(connection, agency_id, user_id)
            store.put_in_directory(connection, agency_id, user_id)

    def _found(self, connection: Connection, agency_id: UUID, user_id: UUID) -> User:
        found = store.find_user(connection, agency_id, user_id)
        if found is None:
            raise UserUnknown
        return found

    def _send(self, connection: Connection, user: User, kind: str) -> None:
        args = {"agency_id": str(user.agency_id), "user_id": str(user.id), "kind": kind}
        self._queue.defer(connection, Request(name=SEND_LINK, args=args, lock=f"user:{user.id}"))

    # --- Roles. ---

    def create_role(self, agency_id: UUID, *, name: str, permissions: Collection[str], held: Collection[str]) -> Role:
        """Raises RoleNameTaken, OwnerUnknown, ValueRefused."""
        wanted = check_permissions(permissions, "permissions")
        _need_held(wanted, held)
        try:
            with self._database.tenant(agency_id) as connection:
                if store.count_roles(connection, agency_id) >= MOST_OWN_ROLES:
                    raise ValueRefused("name", f"is one too many: an agency may have {MOST_OWN_ROLES} roles of its own")
                return store.insert_role(connection, agency_id, new_id(), check_name(name), sorted(wanted))
        except sqlalchemy.exc.IntegrityError as error:
            raise _translated(error) from error

    def get_role(self, agency_id: UUID, role_id: UUID) -> Role:
        """Raises RoleUnknown."""
        with self._database.tenant(agency_id) as connection:
            found = store.find_role(connection, agency_id, role_id)
        if found is None:
            raise RoleUnknown
        return found

    def list_roles(self, agency_id: UUID, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Role]:
        """The agency's own roles, the oldest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id) as connection:
            found = store.find_roles(connection, agency_id, limit=limit + 1, after=after[0] if after else None)
        return cut(found, limit, "id")

    def change_role(
        self,
        agency_id: UUID,
        role_id: UUID,
        *,
        expected_version: int,
        held: Collection[str],
        changes: Mapping[str, Any],
    ) -> Role:
        """``changes``: name, permissions. Whoever has the role has the new permissions with his next request. Raises
        RoleUnknown, RoleNameTaken, VersionMismatch, ValueRefused."""
        values = dict(changes)
        if "name" in values:
            values["name"] = check_name(values["name"])
        if "permissions" in values:
            wanted = check_permissions(values["permissions"], "permissions")
            _need_held(wanted, held)
            values["permissions"] = sorted(wanted)
        before = self.get_role(agency_id, role_id)
        _need_held(before.permissions, held)
        if before.version != expected_version:
            raise VersionMismatch(before.version)
        try:
            with self._database.tenant(agency_id) as connection:
                changed = store.update_role(connection, before, values, self._clock.now())
        except sqlalchemy.exc.IntegrityError as error:
            raise _translated(error) from error
        if changed is None:
            raise VersionMismatch(self.get_role(agency_id, role_id).version)
        return changed

    def delete_role(self, agency_id: UUID, role_id: UUID) -> None:
        """Raises RoleUnknown, RoleInUse."""
        self.get_role(agency_id, role_id)
        try:
            with self._database.tenant(agency_id) as connection:
                store.delete_role(connection, agency_id, role_id)
        except sqlalchemy.exc.IntegrityError as error:
            raise RoleInUse from error


def _need_held(wanted: Collection[str], held: Collection[str]) -> None:
    """Raises ValueRefused: nobody gives, changes or takes away what he has not got."""
    if lacking := beyond(wanted, held):
        raise ValueRefused("role", f"goes beyond your own permissions: {lacking[0]}")


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(changes)
    if "name" in values:
        values["name"] = check_name(values["name"])
    if "language" in values:
        values["language"] = check_language(values["language"])
    if "role" in values or "role_id" in values:
        values = {"role": None, "role_id": None} | values
        check_role(values["role"], values["role_id"])
    if values.get("state", "active") not in {"active", "disabled"}:
        raise ValueRefused("state", "must be active or disabled")
    return values


def _keep_an_owner(owners: list[UUID], after: User) -> None:
    """Raises LastOwner when the only one would be none any more."""
    if owners == [after.id] and not (after.role == "owner" and after.state == "active"):
        raise LastOwner

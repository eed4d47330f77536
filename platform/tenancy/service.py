"""Use cases of agencies, clients and API keys.

Every one runs as the tenant it is about, so the database refuses what this code might forget to; only the operator's
list of agencies reads across tenants. Must not know HTTP.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..db.tables import OPERATOR_AGENCY
from ..ids import new_id
from ..paging import Page, cut
from . import store
from .errors import (
    AddressRefused,
    AgencyUnknown,
    ClientUnknown,
    InvalidKey,
    KeyOver,
    KeyUnknown,
    ValueRefused,
    VersionMismatch,
)
from .model import (
    SECRET_BYTES,
    Agency,
    ApiKey,
    Client,
    Principal,
    Token,
    check_key,
    check_name,
    check_networks,
    check_status,
    check_time_zone,
    hash_secret,
    is_from,
    is_usable,
    parse_token,
    secret_fits,
    secret_of,
)
from .permissions import check_permissions

MAX_PAGE = 500
#: A key's last use is written at most this often: authentication stays a read.
TOUCH_EVERY = timedelta(minutes=1)
#: For how long an old key may stay valid beside the one that takes over from it.
LONGEST_OVERLAP = timedelta(days=30)


class _Identified(Protocol):
    @property
    def id(self) -> UUID: ...


Item = TypeVar("Item", bound=_Identified)


def _page(read: Callable[[int, UUID | None], Sequence[Item]], limit: int, after: tuple[Any, ...] | None) -> Page[Item]:
    """One page of a list in the order of its ids."""
    limit = max(1, min(limit, MAX_PAGE))
    found = read(limit + 1, after[0] if after else None)
    return cut(found, limit, "id")


class TenancyService:
    """Agencies, clients and keys in one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # --- Agencies. ---

    def create_agency(self, name: str) -> Agency:
        """Only the operator may ask for this. Raises ValueRefused."""
        name, agency_id = check_name(name), new_id()
        with self._database.tenant(agency_id) as connection:
            return store.insert_agency(connection, agency_id, name)

    def get_agency(self, agency_id: UUID | str) -> Agency:
        """Raises AgencyUnknown."""
        agency_id = UUID(str(agency_id))
        with self._database.tenant(agency_id) as connection:
            found = store.find_agency(connection, agency_id)
        if found is None:
            raise AgencyUnknown(f"there is no agency {agency_id}")
        return found

    def list_agencies(self, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Agency]:
        """Every agency, the oldest first. Only the operator may ask for this."""
        with self._database.system() as connection:
            return _page(lambda most, from_id: store.find_agencies(connection, limit=most, after=from_id), limit, after)

    def set_agency_status(self, agency_id: UUID | str, status: str) -> Agency:
        """Suspended: calls to all its numbers are refused; its records stay readable. Raises AgencyUnknown,
        ValueRefused."""
        agency_id, status = UUID(str(agency_id)), check_status(status)
        with self._database.tenant(agency_id) as connection:
            changed = store.update_agency_status(connection, agency_id, status, self._clock.now())
            if changed is None:
                raise AgencyUnknown(f"there is no agency {agency_id}")
            store.refresh_directory(connection, agency_id)
        return changed

    def update_agency(self, agency_id: UUID, *, version: int, changes: Mapping[str, Any]) -> Agency:
        """``changes``: name, status, second_factor_required. Raises AgencyUnknown, ValueRefused, VersionMismatch."""
        values = dict(changes)
        if "name" in values:
            values["name"] = check_name(values["name"])
        if "status" in values:
            check_status(values["status"])
        with self._database.tenant(agency_id) as connection:
            before = store.find_agency(connection, agency_id, lock=True)
            if before is None:
                raise AgencyUnknown(f"there is no agency {agency_id}")
            if before.version != version:
                raise VersionMismatch(before.version)
            changed = store.update_agency(connection, agency_id, values, self._clock.now())
            if changed.status != before.status:
                store.refresh_directory(connection, agency_id)
            return changed

    # --- Clients. ---

    def create_client(self, agency_id: UUID | str, name: str, time_zone: str = "UTC") -> Client:
        """Raises AgencyUnknown, ValueRefused."""
        agency_id, name, time_zone = UUID(str(agency_id)), check_name(name), check_time_zone(time_zone)
        try:
            with self._database.tenant(agency_id) as connection:
                return store.insert_client(connection, agency_id, new_id(), name, time_zone)
        except sqlalchemy.exc.IntegrityError as error:
            raise AgencyUnknown(f"there is no agency {agency_id}") from error

    def get_client(self, agency_id: UUID | str, client_id: UUID | str) -> Client:
        """Raises ClientUnknown, also for a client of another agency."""
        agency_id, client_id = UUID(str(agency_id)), UUID(str(client_id))
        with self._database.tenant(agency_id) as connection:
            found = store.find_client(connection, agency_id, client_id)
        if found is None:
            raise ClientUnknown(f"there is no client {client_id}")
        return found

    def list_clients(
        self,
        agency_id: UUID | str,
        client_id: UUID | str | None = None,
        *,
        limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[Client]:
        """The agency's clients, the oldest first; with ``client_id`` what that client may see: itself."""
        agency_id = UUID(str(agency_id))
        with self._database.tenant(agency_id, client_id) as connection:
            return _page(
                lambda most, from_id: store.find_clients(connection, agency_id, limit=most, after=from_id), limit, after
            )

    def set_client_status(self, agency_id: UUID | str, client_id: UUID | str, status: str) -> Client:
        """Suspended: calls to its numbers are refused; its records stay readable. Raises ClientUnknown,
        ValueRefused."""
        agency_id, client_id, status = UUID(str(agency_id)), UUID(str(client_id)), check_status(status)
        with self._database.tenant(agency_id) as connection:
            changed = store.update_client_status(connection, agency_id, client_id, status, self._clock.now())
            if changed is None:
                raise ClientUnknown(f"there is no client {client_id}")
            store.refresh_directory(connection, agency_id)
        return changed

    # --- Keys. ---

    def create_key(
        self,
        agency_id: UUID | str,
        *,
        role: str,
        name: str,
        client_id: UUID | str | None = None,
        expires_at: datetime | None = None,
        may_listen: bool = True,
        scopes: Sequence[str] | None = None,
        networks: Sequence[str] | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which nobody can ask for again. ``scopes`` None: all that is within its reach.

        Raises AgencyUnknown, ClientUnknown, ValueRefused."""
        agency_id, client_id = UUID(str(agency_id)), UUID(str(client_id)) if client_id is not None else None
        now = self._clock.now()
        check_key(role=role, client_id=client_id, expires_at=expires_at, now=now)
        if role == "operator" and agency_id != UUID(OPERATOR_AGENCY):
            raise ValueRefused("role", "only the operator's own agency has keys of the role operator")
        key = ApiKey(
            agency_id, new_id(), client_id, check_name(name), role, now, None, expires_at, None, may_listen,
            scopes=tuple(sorted(check_permissions(scopes, "scopes"))) if scopes is not None else None,
            networks=check_networks(networks),
        )  # fmt: skip
        try:
            with self._database.tenant(agency_id) as connection:
                return key, self._insert_key(connection, key)
        except sqlalchemy.exc.IntegrityError as error:
            if client_id is not None:
                raise ClientUnknown(f"there is no client {client_id}") from error
            raise AgencyUnknown(f"there is no agency {agency_id}") from error

    @staticmethod
    def _insert_key(connection: Connection, key: ApiKey) -> str:
        token = Token(key.agency_id, key.id, secret_of(secrets.token_bytes(SECRET_BYTES)))
        store.insert_key(connection, key, hash_secret(token.secret))
        return token.format()

    def rotate_key(self, agency_id: UUID, key_id: UUID, *, overlap: timedelta) -> tuple[ApiKey, str]:
        """A key like this one, and its text; the old one stays valid for ``overlap``, though never longer than it was.

        Raises KeyUnknown, KeyOver, ValueRefused."""
        if not timedelta() <= overlap <= LONGEST_OVERLAP:
            raise ValueRefused("overlap_s", f"must be 0 to {int(LONGEST_OVERLAP.total_seconds())}")
        now = self._clock.now()
        with self._database.tenant(agency_id) as connection:
            old = store.find_key(connection, agency_id, key_id, lock=True)
            if old is None:
                raise KeyUnknown(f"there is no API key {key_id}")
            if not is_usable(old[0], now):
                raise KeyOver
            made = replace(
                old[0], id=new_id(), created_at=now, last_used_at=None, last_used_from=None, rotated_from=key_id
            )
            token = self._insert_key(connection, made)
            store.end_key(connection, agency_id, key_id, now + overlap)
        return made, token

    def authenticate(self, token: str, address: str | None = None) -> Principal:
        """Whose key this is. ``address``: where it is used from. Raises InvalidKey, the same for unknown, wrong,
        revoked and expired ones; AddressRefused."""
        sent = parse_token(token)
        now = self._clock.now()
        with self._database.tenant(sent.agency_id) as connection:
            found = store.find_key(connection, sent.agency_id, sent.key_id)
            if found is None or not secret_fits(sent.secret, found[1]) or not is_usable(found[0], now):
                raise InvalidKey
            key = found[0]
            if not is_from(address, key.networks):
                raise AddressRefused
            if key.last_used_at is None or key.last_used_at <= now - TOUCH_EVERY:
                store.touch_key(connection, key, now=now, unless_after=now - TOUCH_EVERY, address=address)
        return key.principal()

    def stand_in(self, agency_id: UUID, key_id: UUID, permissions: frozenset[str], address: str | None) -> Principal:
        """Who asks by a token that a key was given, with no more than ``permissions`` of what the key has now. Raises
        InvalidKey, AddressRefused."""
        with self._database.tenant(agency_id) as connection:
            found = store.find_key(connection, agency_id, key_id)
        if found is None or not is_usable(found[0], self._clock.now()):
            raise InvalidKey
        if not is_from(address, found[0].networks):
            raise AddressRefused
        return replace(found[0].principal(), permissions=found[0].permissions & permissions)

    def get_key(self, agency_id: UUID | str, key_id: UUID | str) -> ApiKey:
        """Raises KeyUnknown."""
        agency_id, key_id = UUID(str(agency_id)), UUID(str(key_id))
        with self._database.tenant(agency_id) as connection:
            found = store.find_key(connection, agency_id, key_id)
        if found is None:
            raise KeyUnknown(f"there is no API key {key_id}")
        return found[0]

    def list_keys(
        self, agency_id: UUID | str, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[ApiKey]:
        """The agency's keys, the oldest first, revoked ones included; their secrets are nowhere."""
        agency_id = UUID(str(agency_id))
        with self._database.tenant(agency_id) as connection:
            return _page(
                lambda most, from_id: store.find_keys(connection, agency_id, limit=most, after=from_id), limit, after
            )

    def revoke_key(self, agency_id: UUID | str, key_id: UUID | str) -> ApiKey:
        """From now on nobody gets in with it; doing it again changes nothing. Raises KeyUnknown."""
        agency_id, key_id = UUID(str(agency_id)), UUID(str(key_id))
        with self._database.tenant(agency_id) as connection:
            store.revoke_key(connection, agency_id, key_id, self._clock.now())
            found = store.find_key(connection, agency_id, key_id)
        if found is None:
            raise KeyUnknown(f"there is no API key {key_id}")
        return found[0]

"""Agencies, their clients and API keys as values, and the rules that need no database.

A key is shown once, as ``dt_<agency>_<key id>_<secret>``: agency and id in 32 hexadecimal digits, so that the key finds
its own agency and row-level security holds from the first statement on; the secret has 256 bits. Only its SHA-256 is
kept: with that many bits there is nothing for a slow hash to protect. Must not know how any of it is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal
from uuid import UUID

from .errors import InvalidKey, ValueRefused
from .permissions import ALL

#: How far a key or a user reaches; what they may do there is said by permissions.
ROLES = ("operator", "agency", "client")
MOST_NETWORKS = 50
STATUSES = ("active", "suspended")
NAME_LENGTH = 200
SECRET_BYTES = 32

_TOKEN = re.compile(r"dt_([0-9a-f]{32})_([0-9a-f]{32})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True)
class Agency:
    """Resells tracking to its clients. ``status``: active or suspended; suspended stops all its numbers.
    ``second_factor_required``: whoever signs in needs one before he may do anything else."""

    id: UUID
    name: str
    status: str
    created_at: datetime
    updated_at: datetime
    version: int
    second_factor_required: bool = False


@dataclass(frozen=True)
class Client:
    """A customer of an agency. ``time_zone`` (IANA name) is for its schedules and reports; ``backup_target_id`` is rung
    when a flow has rung all its targets in vain."""

    agency_id: UUID
    id: UUID
    name: str
    time_zone: str
    status: str
    created_at: datetime
    updated_at: datetime
    version: int
    backup_target_id: UUID | None


@dataclass(frozen=True)
class ApiKey:
    """All that may be shown of a key. ``client_id`` is set exactly for the role `client`."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    name: str
    role: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    #: Whether it may hear recordings.
    may_listen: bool = True
    #: What it may do (`permissions`); None: everything within its reach.
    scopes: tuple[str, ...] | None = None
    #: Where it may be used from; None: anywhere.
    networks: tuple[str, ...] | None = None
    last_used_from: str | None = None
    #: The key that this one takes over from.
    rotated_from: UUID | None = None

    @property
    def permissions(self) -> frozenset[str]:
        found = ALL if self.scopes is None else frozenset(self.scopes)
        return found if self.may_listen else found - {"calls.listen"}

    def principal(self) -> Principal:
        return Principal(
            agency_id=self.agency_id, client_id=self.client_id, role=self.role, key_id=self.id,
            permissions=self.permissions,
        )  # fmt: skip


@dataclass(frozen=True)
class Principal:
    """Who asks: the tenant, reach and permissions that a key or a user has. ``client_id`` None: the whole agency.

    ``key_id`` is the user's id where ``kind`` is ``user``; ``session_id`` is set then.
    """

    agency_id: UUID
    client_id: UUID | None
    role: str
    key_id: UUID
    permissions: frozenset[str] = ALL
    kind: Literal["key", "user"] = "key"
    session_id: UUID | None = None
    #: A user of an agency that wants a second factor, who has none yet: he may make one, and nothing else.
    needs_factor: bool = False

    @property
    def may_listen(self) -> bool:
        return "calls.listen" in self.permissions


@dataclass(frozen=True)
class Token:
    """A key as its holder sends it. Never logged: ``secret`` stays out of the repr."""

    agency_id: UUID
    key_id: UUID
    secret: str

    def __repr__(self) -> str:
        return f"Token(agency_id={self.agency_id}, key_id={self.key_id})"

    def format(self) -> str:
        """The text that is shown once."""
        return f"dt_{self.agency_id.hex}_{self.key_id.hex}_{self.secret}"


def parse_token(text: str) -> Token:
    """Raises InvalidKey for anything that :meth:`Token.format` did not write."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise InvalidKey
    return Token(UUID(match[1]), UUID(match[2]), match[3])


def secret_of(random_bytes: bytes) -> str:
    """The secret's text; ``random_bytes`` are SECRET_BYTES from the system's generator."""
    assert len(random_bytes) == SECRET_BYTES, "a secret has 256 bits"
    return base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode("ascii")


def hash_secret(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("ascii")).digest()


def secret_fits(secret: str, kept_hash: bytes) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(hash_secret(secret), kept_hash)


def is_usable(key: ApiKey, now: datetime) -> bool:
    """Whether the key is neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def is_from(address: str | None, networks: Sequence[str] | None) -> bool:
    """Whether a request from ``address`` is from one of ``networks`` (None: from anywhere is fine)."""
    if networks is None:
        return True
    if address is None:
        return False
    asking = ip_address(address)
    return any(asking in ip_network(network) for network in networks)


def check_networks(networks: Sequence[str] | None) -> tuple[str, ...] | None:
    """Networks as they are kept, in their shortest form. Raises ValueRefused."""
    if networks is None:
        return None
    if not 1 <= len(networks) <= MOST_NETWORKS:
        raise ValueRefused("networks", f"must name 1 to {MOST_NETWORKS} networks, or be null for anywhere")
    return tuple(dict.fromkeys(str(_network(one)) for one in networks))


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        detail = f"holds {text[:60]!r}; write addresses or networks such as 192.0.2.7 or 192.0.2.0/24"
        raise ValueRefused("networks", detail) from None


def check_name(name: str) -> str:
    """A name as it is kept: without blanks around it. Raises ValueRefused."""
    kept = name.strip()
    if not 1 <= len(kept) <= NAME_LENGTH:
        raise ValueRefused("name", f"must have 1 to {NAME_LENGTH} characters")
    if not kept.isprintable():
        raise ValueRefused("name", "must hold no line breaks or other control characters")
    return kept


def check_time_zone(name: str) -> str:
    """An IANA time zone that this machine knows. Raises ValueRefused."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueRefused("time_zone", "must be a time zone's name such as Europe/Moscow") from None
    return name


def check_status(status: str) -> str:
    """Raises ValueRefused."""
    if status not in STATUSES:
        raise ValueRefused("status", "must be active or suspended")
    return status


def check_key(*, role: str, client_id: UUID | None, expires_at: datetime | None, now: datetime) -> None:
    """Whether a key may be made like this. Raises ValueRefused."""
    if role not in ROLES:
        raise ValueRefused("role", "must be one of " + ", ".join(ROLES))
    if (role == "client") != (client_id is not None):
        raise ValueRefused("client_id", "must be given for a key of the role client, and only for that")
    if expires_at is not None and expires_at.tzinfo is None:
        raise ValueRefused("expires_at", "must carry a UTC offset")
    if expires_at is not None and expires_at <= now:
        raise ValueRefused("expires_at", "must lie in the future")

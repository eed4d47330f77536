"""Users, roles, sessions and links as values, and the rules that need no database.

A session's cookie and a link are texts like an API key's: they carry their agency and id, so that row-level security
holds from the first statement on, and 256 random bits of which only the SHA-256 is kept. Must not know how any of it is
stored.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from ..tenancy.permissions import ROLES
from .errors import LinkInvalid, SessionInvalid, ValueRefused

State = Literal["invited", "active", "disabled"]
LinkKind = Literal["invitation", "reset"]
LANGUAGES = ("en", "ru")

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
EMAIL_LENGTH = 254
#: A session that nobody used for so long is over; and however much it is used, after the longest.
IDLE, LONGEST = timedelta(hours=12), timedelta(days=14)
LINK_LIFE: dict[LinkKind, timedelta] = {"invitation": timedelta(days=7), "reset": timedelta(hours=1)}
#: Within this time so many tries are let through. From one address for one e-mail address; for one e-mail address from
#: anywhere (an attacker must not be able to lock somebody out cheaply); from one address for anybody.
TRIES_WINDOW = timedelta(minutes=15)
MOST_TRIES = (10, 100, 200)

_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_TOKEN = re.compile(r"d([si])_([0-9a-f]{32})_([0-9a-f]{32})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who signs in. ``role``: a built-in role's name; else ``role_id``: one of the agency's own."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    email: str
    name: str
    reach: str
    role: str | None
    role_id: UUID | None
    state: State
    language: str | None
    has_second_factor: bool
    last_sign_in_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int
    #: What its role lets it do.
    permissions: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that an agency made from permissions."""

    agency_id: UUID
    id: UUID
    name: str
    permissions: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a user proves to be himself by. Never logged."""

    user_id: UUID
    password_hash: str | None
    totp_sealed: bytes | None
    totp_confirmed_at: datetime | None
    totp_last_step: int | None
    recovery_hashes: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Credentials({self.user_id})"


@dataclass(frozen=True, kw_only=True)
class Session:
    """Somebody who is signed in."""

    agency_id: UUID
    id: UUID
    user_id: UUID
    client_id: UUID | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None
    browser: str


@dataclass(frozen=True)
class Pass:
    """A session's cookie or a link, as its holder sends it. ``kind``: s(ession) or i(nvitation, reset)."""

    kind: str
    agency_id: UUID
    id: UUID
    secret: str

    def __repr__(self) -> str:
        return f"Pass({self.kind}, {self.id})"

    def format(self) -> str:
        return f"d{self.kind}_{self.agency_id.hex}_{self.id.hex}_{self.secret}"


def parse_session(text: str) -> Pass:
    """Raises SessionInvalid for anything that :meth:`Pass.format` did not write."""
    match = _TOKEN.fullmatch(text)
    if match is None or match[1] != "s":
        raise SessionInvalid
    return Pass("s", UUID(match[2]), UUID(match[3]), match[4])


def parse_link(text: str) -> Pass:
    """Raises LinkInvalid, likewise."""
    match = _TOKEN.fullmatch(text)
    if match is None or match[1] != "i":
        raise LinkInvalid
    return Pass("i", UUID(match[2]), UUID(match[3]), match[4])


def is_over(session: Session, now: datetime) -> bool:
    return now >= session.expires_at or now - session.last_seen_at >= IDLE


def check_email(email: str) -> str:
    """An e-mail address as it is kept and compared: in small letters. Raises ValueRefused."""
    kept = unicodedata.normalize("NFC", email.strip()).lower()
    if len(kept) > EMAIL_LENGTH or not _EMAIL.fullmatch(kept):
        raise ValueRefused("email", "must be an e-mail address such as ann@example.com")
    return kept


def check_password(password: str, *, email: str) -> str:
    """A password as it is hashed. Length is what counts (NIST SP 800-63B); one that is the address is none. Raises
    ValueRefused."""
    kept = unicodedata.normalize("NFKC", password)
    if not SHORTEST_PASSWORD <= len(kept) <= LONGEST_PASSWORD:
        raise ValueRefused("password", f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    if len(set(kept)) < 5 or kept.lower() in {email, email.partition("@")[0]}:
        raise ValueRefused("password", "is too easy to guess")
    return kept


def check_language(language: str | None) -> str | None:
    """Raises ValueRefused."""
    if language is not None and language not in LANGUAGES:
        raise ValueRefused("language", "must be one of " + ", ".join(LANGUAGES))
    return language


def check_role(role: str | None, role_id: UUID | None) -> None:
    """Exactly one of a built-in role and an own one. Raises ValueRefused."""
    if (role is None) == (role_id is None):
        raise ValueRefused("role", "name either a built-in role or, as role_id, one of the agency's own")
    if role is not None and role not in ROLES:
        raise ValueRefused("role", "must be one of " + ", ".join(ROLES))


def reach_of(agency_id: UUID, client_id: UUID | None, operator_agency: UUID) -> str:
    """How far a user of this tenant reaches."""
    if client_id is not None:
        return "client"
    return "operator" if agency_id == operator_agency else "agency"

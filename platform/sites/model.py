"""Sites and visits as values, and the rules of a site's own settings. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, ValidationError

from .classify import Source
from .errors import Fault, SiteFaulty
from .source_rules import Host, Strict, faults_of, host_of_text

NAME_LENGTH = 120
MOST_DOMAINS = 50
STATUSES = ("active", "suspended")
#: How long a number stays a visitor's after the last sign of life, unless a pool says otherwise.
DEFAULT_HOLD_S = 1200

Consent = Literal["given", "refused", "not_asked"]


class SiteSettings(Strict):
    """How a site treats its visitors.

    ``consent``: `required` keeps nothing in the browser until the page says that the visitor agrees; `assumed` does
    until it says the opposite. ``address``: what is kept of a visitor's address, `none`, its network (`truncated`, the
    first 24 or 48 bits), or a keyed hash (`hashed`). ``follows``: hosts that count as the site's own when they refer.
    """

    consent: Literal["required", "assumed"] = "required"
    privacy_signal: bool = True
    address: Literal["none", "truncated", "hashed"] = "truncated"
    visitor_days: Annotated[int, Field(strict=True, ge=1, le=400)] = 90
    visit_idle_min: Annotated[int, Field(strict=True, ge=5, le=480)] = 30
    follows: Annotated[list[Host], Field(default_factory=list, max_length=100)]
    iframes: bool = False
    shadow: bool = False
    keep_width: bool = True


@dataclass(frozen=True, kw_only=True)
class Site:
    """A web site of a client. ``rules_draft`` None: there is none."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    name: str
    token: str
    domains: tuple[str, ...]
    settings: Mapping[str, Any]
    rules_draft: Mapping[str, Any] | None
    rules_live: Mapping[str, Any]
    rules_version: int
    status: str
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, kw_only=True)
class SourceRules:
    """A client's own rules for telling sources. ``version`` 0: it has none yet."""

    agency_id: UUID
    client_id: UUID
    rules: tuple[Mapping[str, Any], ...] = ()
    updated_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A browsing session of one visitor on a site."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    site_id: UUID
    visitor_id: UUID
    started_at: datetime
    landing_page: str
    referrer: str | None
    source: Source
    rules_version: int
    device: str
    region: str | None
    consent: Consent
    last_seen_at: datetime
    address: str | None = None
    address_hash: bytes | None = None
    pages: int = 1
    left_at: datetime | None = None
    is_bot: bool = False
    is_preview: bool = False
    #: Who the visitor is to analytics systems (`analytics_ids`); empty without consent.
    analytics_ids: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TelClick:
    """A visitor pressed a telephone link."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    visit_id: UUID
    visit_started_at: datetime
    number_id: UUID | None
    clicked_at: datetime


def moment_of(visit_id: UUID) -> datetime:
    """When a visit began: its id is a UUIDv7. Raises ValueError for an id of another kind."""
    if visit_id.version != 7:
        raise ValueError("must be a visit's id")
    seconds, milliseconds = divmod(visit_id.int >> 80, 1000)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)
    except (OverflowError, ValueError, OSError) as error:
        raise ValueError("must be a visit's id") from error


def read_settings(document: Mapping[str, Any]) -> SiteSettings:
    """Raises SiteFaulty."""
    try:
        return SiteSettings.model_validate(document)
    except ValidationError as error:
        raise SiteFaulty(faults_of(error, "/settings")) from error


def check_name(name: str) -> str:
    """Raises SiteFaulty."""
    kept = name.strip()
    if not 1 <= len(kept) <= NAME_LENGTH or not kept.isprintable():
        raise SiteFaulty([Fault("/name", "invalid", f"must have 1 to {NAME_LENGTH} printable characters")])
    return kept


def check_domains(domains: list[str]) -> tuple[str, ...]:
    """Domains as they are compared; whatever lies below one belongs to it. Raises SiteFaulty with every fault."""
    if not 1 <= len(domains) <= MOST_DOMAINS:
        raise SiteFaulty([Fault("/domains", "invalid", f"must have 1 to {MOST_DOMAINS} domains")])
    found: dict[str, None] = {}
    faults = []
    for place, domain in enumerate(domains):
        try:
            found[host_of_text(domain)] = None
        except ValueError as error:
            faults.append(Fault(f"/domains/{place}", "invalid", str(error)))
    if faults:
        raise SiteFaulty(faults)
    return tuple(found)


def check_status(status: str) -> str:
    """Raises SiteFaulty."""
    if status not in STATUSES:
        raise SiteFaulty([Fault("/status", "invalid", "must be active or suspended; delete a site to end it")])
    return status

"""Links to recordings that hold for a while and need no key: signed, with the tenant, the key that made it and the end.

A link is as good as its key: once that is revoked, or may not listen any more, the link opens nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from ..tenancy.errors import KeyUnknown
from ..tenancy.model import Principal, is_usable
from .auth import Asked
from .errors import Problem
from .rooms import ApiServices

SHORTEST_S, LONGEST_S, USUAL_S = 60, 7 * 24 * 3600, 15 * 60


@dataclass(frozen=True)
class Link:
    """What a link opens, until when, and whose key made it. The operator's keys belong to the operator's agency."""

    agency_id: UUID
    key_agency_id: UUID
    key_id: UUID
    call_id: UUID
    segment: int
    until: datetime


def write_link(secret_key: str, link: Link) -> str:
    """The token that stands in the address."""
    return _signer(secret_key).dumps(
        [
            link.agency_id.hex, link.key_agency_id.hex, link.key_id.hex, link.call_id.hex, link.segment,
            int(link.until.timestamp()),
        ]
    )  # fmt: skip


def read_link(secret_key: str, token: str, now: datetime) -> Link:
    """Raises Problem (404), the same for one that was changed and one that is over."""
    try:
        agency, key_agency, key, call, segment, until_s = _signer(secret_key).loads(token)
        until = datetime.fromtimestamp(until_s, UTC)
        link = Link(UUID(agency), UUID(key_agency), UUID(key), UUID(call), int(segment), until)
    except (BadData, ValueError, TypeError) as error:
        raise _not_there() from error
    if link.until <= now:
        raise _not_there()
    return link


def asked_by_link(services: ApiServices, link: Link) -> Asked:
    """As if the key that made the link had asked. Raises Problem (404)."""
    try:
        key = services.tenancy.get_key(link.key_agency_id, link.key_id)
    except KeyUnknown as error:
        raise _not_there() from error
    if not is_usable(key, services.clock.now()) or not key.may_listen:
        raise _not_there()
    principal = Principal(agency_id=key.agency_id, client_id=key.client_id, role=key.role, key_id=key.id)
    return Asked(services, principal, link.agency_id, key.client_id)


def end_of(now: datetime, valid_s: int) -> datetime:
    """When a link that is made now ends; whole seconds."""
    return (now + timedelta(seconds=valid_s)).replace(microsecond=0)


def _not_there() -> Problem:
    return Problem("not_found", "There is no such link, or it is over.")


def _signer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret_key, salt="dialtrace recording link", signer_kwargs={"digest_method": hashlib.sha256}
    )

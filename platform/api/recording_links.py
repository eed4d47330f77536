"""Links to recordings that hold for a while and need no key: signed, with the tenant, the key that made it and the end.

A link is as good as its key: once that is revoked, or may not listen any more, the link opens nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from ..people.errors import UserUnknown
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
    by_user: bool = False


def write_link(secret_key: str, link: Link) -> str:
    """The token that stands in the address."""
    return _signer(secret_key).dumps(
        [
            link.agency_id.hex, link.key_agency_id.hex, link.key_id.hex, link.call_id.hex, link.segment,
            int(link.until.timestamp()), int(link.by_user),
        ]
    )  # fmt: skip


def read_link(secret_key: str, token: str, now: datetime) -> Link:
    """Raises Problem (404), the same for one that was changed and one that is over."""
    try:
        # A link of the release before says nothing of users: a key made it.
        agency, key_agency, key, call, segment, until_s, *by_user = _signer(secret_key).loads(token)
        until = datetime.fromtimestamp(until_s, UTC)
        link = Link(UUID(agency), UUID(key_agency), UUID(key), UUID(call), int(segment), until, by_user == [1])
    except (BadData, ValueError, TypeError) as error:
        raise _not_there() from error
    if link.until <= now:
        raise _not_there()
    return link


def asked_by_link(services: ApiServices, link: Link) -> Asked:
    """As if the key that made the link had asked. Raises Problem (404)."""
    try:
        principal = _maker(services, link)
    except (KeyUnknown, UserUnknown) as error:
        raise _not_there() from error
    if not principal.may_listen:
        raise _not_there()
    return Asked(services, principal, link.agency_id, principal.client_id)


def _maker(services: ApiServices, link: Link) -> Principal:
    """What the key or user that made it may do now. Raises KeyUnknown, UserUnknown, Problem (404)."""
    if link.by_user:
        return services.sign_in.standing(link.key_agency_id, link.key_id)
    key = services.tenancy.get_key(link.key_agency_id, link.key_id)
    if not is_usable(key, services.clock.now()):
        raise _not_there()
    return key.principal()


def end_of(now: datetime, valid_s: int) -> datetime:
    """When a link that is made now ends; whole seconds."""
    return (now + timedelta(seconds=valid_s)).replace(microsecond=0)


def _not_there() -> Problem:
    return Problem("not_found", "There is no such link, or it is over.")


def _signer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret_key, salt="dialtrace recording link", signer_kwargs={"digest_method": hashlib.sha256}
    )

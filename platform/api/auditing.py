"""Who stands behind a request, as the audit log names it, and deeds that no changed row tells of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import g

from ..audit.service import Actor, NewEntry
from .asking import asking_address
from .auth import Asked


def actor_of(asked: Asked) -> Actor:
    """The key or user that asks, and where from."""
    return Actor(
        kind=asked.principal.kind,
        id=asked.principal.key_id,
        address=asking_address(asked.services.proxies),
        request_id=g.request_id,
    )


def actor_text(asked: Asked) -> str:
    """The same in one line, for the database to keep with each row that changes (`db.floor`)."""
    actor = actor_of(asked)
    return f"{actor.kind}|{actor.id}|{actor.address or ''}|{actor.request_id}"


def note_deed(asked: Asked, deed: str, values: Mapping[str, Any]) -> None:
    """Notes what was done. ``values``: of the path; the last id is the thing's."""
    ids = [value for value in values.values() if isinstance(value, UUID)]
    names = {name: value for name, value in values.items() if isinstance(value, str)}
    entry = NewEntry(
        actor=actor_of(asked), action=deed, object_kind=deed.partition(".")[0], object_id=ids[-1] if ids else None,
        client_id=asked.client_id, details=names,
    )  # fmt: skip
    asked.services.audit.record(asked.agency_id, entry)

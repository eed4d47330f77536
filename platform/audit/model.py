"""Entries of the audit log as values, and the rules that need no database.

An entry that a room makes holds ids, never names or telephone numbers: erasing a person must not touch a log that
nobody may change. Entries of changed rows (a trigger, migration 0033) hold what tenants have set up, before and after;
columns that may name a caller or open something are named there without their values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

from .errors import EntryFaulty

#: key: an API key. link: whoever held a signed link; ``id`` is the key that made it. user: somebody who signed in.
#: platform: a process or command of our own; ``name`` says which.
ActorKind = Literal["key", "link", "user", "platform"]

ACTION_LENGTH = 64
MOST_DETAIL_BYTES = 2_000
_ACTION = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+", re.ASCII)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, and from where. ``address``: the IP address that the request came from."""

    kind: ActorKind
    id: UUID | None = None
    name: str | None = None
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """Something that was done. ``client_id``: whose thing it was, if a client's. ``details``: a few ids and words."""

    actor: Actor
    action: str
    object_kind: str
    object_id: UUID | None
    client_id: UUID | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        if len(self.action) > ACTION_LENGTH or not _ACTION.fullmatch(self.action):
            raise EntryFaulty(f"{self.action[:80]!r} is no action: {EntryFaulty.__doc__}")
        if len(json.dumps(dict(self.details))) > MOST_DETAIL_BYTES:
            raise EntryFaulty(f"the details of {self.action} are longer than {MOST_DETAIL_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as it is kept."""

    agency_id: UUID
    id: UUID
    at: datetime
    client_id: UUID | None
    actor_kind: ActorKind
    actor_id: UUID | None
    actor_name: str | None
    address: str | None
    request_id: str | None
    action: str
    object_kind: str
    object_id: UUID | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilters:
    """What a list is narrowed to; None: anything. ``action`` ending in `.` takes all that begin with it."""

    at_from: datetime | None = None
    at_until: datetime | None = None
    action: str | None = None
    actor_id: UUID | None = None
    object_id: UUID | None = None

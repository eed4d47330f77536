"""What each revision of a record changed, from what every one before it said and what it says now. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: Further facts have names of their own.
_FACTS = "facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A revision that another took the place of: the members that changed, as they were. ``leg_id`` None: the call."""

    leg_id: uuid.UUID | None
    revision: int
    replaced_at: datetime
    before: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One member of a record."""

    member: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What a revision of the call (``leg_id`` None) or of one of its legs changed, and when it was written."""

    leg_id: uuid.UUID | None
    revision: int
    at: datetime
    changes: Sequence[Change]


def revisions_of(replaced: Sequence[Replaced], now: Mapping[uuid.UUID | None, Mapping[str, Any]]) -> list[Revision]:
    """In the order of time; ``now``: what each record says at last. First revisions change nothing and are not told."""
    state = {part: dict(members) for part, members in now.items()}
    found = []
    for one in sorted(replaced, key=lambda one: (one.replaced_at, one.revision), reverse=True):
        members = state.setdefault(one.leg_id, {})
        changes = [
            Change(name, before, after)
            for member, old in sorted(one.before.items())
            for name, before, after in _changes(member, old, members.get(member))
        ]
        members.update(one.before)
        found.append(Revision(leg_id=one.leg_id, revision=one.revision + 1, at=one.replaced_at, changes=changes))
    return found[::-1]


def _changes(member: str, before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    if member != _FACTS or not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return [(member, before, after)]
    return [
        (f"{member}.{name}", before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]

"""Who may call, how often, and where an agency's own calls may go: values and rules. No I/O.

A **block** keeps callers out: a number, all numbers that begin alike, or whoever withholds the number; it holds for one
client, for an agency, or, on the operator's own agency, for everybody. A **limit** bounds calls at a time and calls
that begin within a second. A **destination** is a prefix to which an agency may have calls forwarded by telephone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from ..phone import is_e164
from .errors import ValueRefused

BlockKind = Literal["number", "prefix", "withheld"]
#: The tables' checks say the same.
MOST_CALLS, MOST_CALLS_PER_S = 100_000, 10_000
#: Entries of one request, and of one list as a whole.
MOST_ADDED, MOST_BLOCKS = 1_000, 50_000
MOST_DESTINATIONS = 500
LONGEST_NOTE = 200

_PREFIX = re.compile(r"\+[1-9][0-9]{0,13}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of an agency, or of one client. None: as many as come."""

    max_calls: int | None = None
    max_calls_per_s: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One entry of a block list. ``client_id`` None: the whole agency's; ``pattern`` is empty for who withholds."""

    id: UUID
    agency_id: UUID
    client_id: UUID | None
    kind: BlockKind
    pattern: str
    note: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewBlock:
    """An entry to be added."""

    kind: BlockKind
    pattern: str = ""
    note: str = ""


def check_limits(limits: Limits) -> Limits:
    """Raises ValueRefused."""
    for field, value, most in (
        ("max_calls", limits.max_calls, MOST_CALLS),
        ("max_calls_per_s", limits.max_calls_per_s, MOST_CALLS_PER_S),
    ):
        if value is not None and not 0 <= value <= most:
            raise ValueRefused(field, f"must be 0 to {most}, or null for no limit")
    return limits


def check_blocks(entries: Sequence[NewBlock]) -> list[NewBlock]:
    """The entries, each once. Raises ValueRefused for the first that is not usable."""
    if not 1 <= len(entries) <= MOST_ADDED:
        raise ValueRefused("entries", f"must have 1 to {MOST_ADDED} entries at a time")
    for place, entry in enumerate(entries):
        fault = _block_fault(entry)
        if fault is not None:
            raise ValueRefused(f"entries/{place}/{fault[0]}", fault[1])
    return list({(entry.kind, entry.pattern): entry for entry in entries}.values())


def _block_fault(entry: NewBlock) -> tuple[str, str] | None:
    if entry.kind not in ("number", "prefix", "withheld"):
        return "kind", "must be number, prefix or withheld"
    if entry.kind == "number" and not is_e164(entry.pattern):
        return "pattern", "must be a number in E.164, such as +442079460123"
    if entry.kind == "prefix" and not _PREFIX.fullmatch(entry.pattern):
        return "pattern", "must be + and 1 to 14 digits, such as +4420"
    if entry.kind == "withheld" and entry.pattern:
        return "pattern", "has no place with the kind withheld"
    if len(entry.note) > LONGEST_NOTE or not entry.note.isprintable():
        return "note", f"must have at most {LONGEST_NOTE} printable characters"
    return None


def check_destinations(prefixes: Iterable[str]) -> list[str]:
    """The prefixes, each once and in order. Raises ValueRefused."""
    found = sorted(set(prefixes))
    if len(found) > MOST_DESTINATIONS:
        raise ValueRefused("prefixes", f"must be at most {MOST_DESTINATIONS}")
    for prefix in found:
        if not _PREFIX.fullmatch(prefix):
            raise ValueRefused("prefixes", f"{prefix[:20]!r} is not + and 1 to 14 digits, such as +4420")
    return found


def is_allowed(number: str, prefixes: Iterable[str]) -> bool:
    """Whether calls may be forwarded to this number. Nothing is allowed that no prefix allows."""
    return any(number.startswith(prefix) for prefix in prefixes)


def block_kind(text: str) -> BlockKind:
    """A kind as the database keeps it."""
    return cast(BlockKind, text)

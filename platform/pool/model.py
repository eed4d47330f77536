"""Pools and leases as values. Must not know how they are stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .errors import ValueRefused

#: From best to worst: a number of the visit's own; one that another visit has seen lately; the one that is reserved for
#: the visit's source; the site's own. `static`: a source's number that no pool had to give.
RUNGS = ("exclusive", "shared", "source", "site", "static")

#: Whoever was heard of so lately is taken to be there still: a hidden page gives a sign of life each minute.
LIVE_S = 90
#: Heartbeats that are written with one statement.
MOST_AT_ONCE = 1_000
#: How long a static number counts as seen after the last sign of life.
STATIC_TAIL_S = 1_200


@dataclass(frozen=True, slots=True)
class VisitRef:
    """What a lease must know of a visit. ``visitor_id`` None: nobody may know the visitor again. ``is_new``: neither
    the visit nor its visitor has ever been shown a number."""

    id: UUID
    started_at: datetime
    visitor_id: str | UUID | None = None
    site_id: UUID | None = None
    region: str | None = None
    source: str | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Leased:
    """What a visit is to see until ``held_until``. No number: the site's own stays."""

    number_id: UUID | None
    e164: str | None
    rung: str
    held_until: datetime
    exposure_id: UUID


@dataclass(frozen=True, slots=True)
class Renewed:
    """A number that a visit goes on seeing."""

    visit_id: UUID
    number_id: UUID | None
    rung: str
    held_until: datetime


@dataclass(frozen=True)
class Pool:
    """A set of dynamic numbers of one client. Prices are of one number a month."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    site_id: UUID | None
    flow_id: UUID | None
    name: str
    region: str | None
    match_region: bool
    shares: bool
    tail_s: int
    rest_s: int
    loss_target: float
    fewest_numbers: int
    most_numbers: int | None
    grows: bool
    number_price: Decimal | None
    monthly_budget: Decimal | None
    currency: str | None
    status: str
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True)
class Standing:
    """How a pool stands at a moment: its numbers by what they do."""

    numbers: int
    free: int
    held: int
    live: int
    resting: int

    @property
    def used(self) -> float:
        """The share of its numbers that cannot be leased."""
        return 0.0 if not self.numbers else 1 - self.free / self.numbers


@dataclass(frozen=True)
class Reserve:
    """The number that visits of a source see when the pool has none; source '': of any."""

    source: str
    number_id: UUID


def distinct(visit_ids: Sequence[UUID | str]) -> list[str]:
    """Each once, in the order of the ids, so that two batches never wait for each other crosswise."""
    return sorted({str(visit) for visit in visit_ids})


NAME_LENGTH = 200
WORD_LENGTH = 100
#: A hidden page gives a sign of life each minute, and one may be late: with a shorter tail its number would be somebody
#: else's while it is still open.
SHORTEST_TAIL_S = 75
LONGEST_TAIL_S, LONGEST_REST_S = 86_400, 2_592_000
MOST_NUMBERS = 1_000_000
#: What a pool may be given, and changed in.
SETTINGS = (
    "name", "site_id", "flow_id", "region", "match_region", "shares", "tail_s", "rest_s", "loss_target",
    "fewest_numbers", "most_numbers", "grows", "number_price", "monthly_budget", "currency",
)  # fmt: skip
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_BOUNDS = {
    "tail_s": (SHORTEST_TAIL_S, LONGEST_TAIL_S),
    "rest_s": (0, LONGEST_REST_S),
    "fewest_numbers": (0, MOST_NUMBERS),
    "most_numbers": (0, MOST_NUMBERS),
}


def check_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """A pool's settings as they are kept, checked one by one and against each other. Raises ValueRefused."""
    kept = dict(values)
    for word in ("name", "region"):
        if kept.get(word) is not None:
            kept[word] = _text(word, kept[word])
    if not kept.get("name"):
        raise ValueRefused("name", "must say something")
    for name, (least, most) in _BOUNDS.items():
        if kept.get(name) is not None and not least <= kept[name] <= most:
            why = ": a hidden page gives a sign of life every 60 s" if name == "tail_s" else ""
            raise ValueRefused(name, f"must be between {least} and {most}{why}")
    if not 0.0001 <= kept.get("loss_target", 0.01) <= 0.5:
        raise ValueRefused("loss_target", "must be between 0.0001 and 0.5: the share of visits that find no number")
    if kept.get("most_numbers") is not None and kept["most_numbers"] < kept.get("fewest_numbers", 0):
        raise ValueRefused("most_numbers", "must not be below fewest_numbers")
    _check_money(kept)
    return kept


def _text(field: str, value: str) -> str:
    kept = " ".join(value.split())
    if not kept.isprintable() or len(kept) > (NAME_LENGTH if field == "name" else WORD_LENGTH):
        raise ValueRefused(field, f"must be printable and have at most {NAME_LENGTH} characters")
    return kept


def _check_money(values: Mapping[str, Any]) -> None:
    priced = [name for name in ("number_price", "monthly_budget") if values.get(name) is not None]
    for name in priced:
        if values[name] < 0 or values[name].as_tuple().exponent < -6:
            raise ValueRefused(name, "must be a decimal number, not below 0, with at most 6 places")
    if priced and not _CURRENCY.fullmatch(values.get("currency") or ""):
        raise ValueRefused("currency", "must be three capital letters (ISO 4217) where there is a price or a budget")
    if values.get("monthly_budget") is not None and values.get("number_price") is None:
        raise ValueRefused("number_price", "must be there with a budget: it says how many numbers that buys")

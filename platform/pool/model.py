"""Pools and leases as values. Must not know how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

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
    """What a lease must know of a visit. ``visitor_id`` None: nobody may know the visitor again."""

    id: UUID
    started_at: datetime
    visitor_id: str | UUID | None = None
    site_id: UUID | None = None
    region: str | None = None
    source: str | None = None


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

"""What a visit is given for one page, by whoever gives numbers (the room of pools, which this one does not know)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ..db.prepared import Ready
from .model import DEFAULT_HOLD_S, Visit
from .rules import Show

#: Numbers that one visit may be shown at a time.
MOST_NUMBERS = 20


@dataclass(frozen=True)
class Lease:
    """A number that a visit sees until then. ``e164`` None: the real one."""

    e164: str | None
    rung: str
    held_until: datetime


class Leases(Protocol):
    """Who gives visits their numbers (pool.visiting). ``first`` is carried out in the transaction of the lease,
    whatever becomes of that."""

    def lease(self, visit: Visit, pool_id: UUID, first: Ready | None, *, is_new: bool) -> Lease | None:
        """A number of a pool; None: there is no such pool any more. ``is_new``: neither the visit nor its visitor has
        been shown any number before."""

    def show_static(self, visit: Visit, number_id: UUID, first: Ready | None) -> Lease | None:
        """A source's own number; None: it is not in use any more."""

    def renew(self, agency_id: UUID, visit_ids: Sequence[UUID]) -> None:
        """Signs of life."""

    def end(self, agency_id: UUID, visit_id: UUID) -> None:
        """The visitor has left."""

    def click(self, agency_id: UUID, visit_id: UUID, number_id: UUID) -> None:
        """The visitor has pressed this number."""


class Taken:
    """What one visit is given for one page: each number once, however many places show it. ``unwritten``: the visit
    itself, which goes to the database with its first number. ``is_new``: nor has its visitor been here before."""

    def __init__(self, leases: Leases, visit: Visit, unwritten: Ready | None, *, is_new: bool) -> None:
        self._leases = leases
        self._visit = visit
        self._is_new = is_new
        self.unwritten = unwritten
        self._taken: dict[UUID, Lease | None] = {}

    def number(self, show: Show) -> str | None:
        wanted = show.number_id or show.pool_id
        if wanted is None:
            return None
        if wanted not in self._taken and len(self._taken) < MOST_NUMBERS:
            if show.number_id is not None:
                self._taken[wanted] = self._leases.show_static(self._visit, wanted, self.unwritten)
            else:
                self._taken[wanted] = self._leases.lease(self._visit, wanted, self.unwritten, is_new=self._is_new)
            self.unwritten = None
        lease = self._taken.get(wanted)
        return lease.e164 if lease is not None else None

    def hold_s(self, now: datetime) -> int:
        held = [lease.held_until for lease in self._taken.values() if lease is not None and lease.e164 is not None]
        return max(1, int((min(held) - now).total_seconds())) if held else DEFAULT_HOLD_S

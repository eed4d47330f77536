"""Use cases of visits: lease a number, go on seeing it, leave. What the pools themselves are is `pools.py`'s matter.

Must not know HTTP, nor how a visit's source was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ..clock import Clock
from ..db.engine import Database
from ..db.prepared import Ready
from ..ids import new_id
from ..metrics import POOL_GATHERED, POOL_LEASES, POOL_RENEWALS
from . import lease_store as store
from . import together_store
from .errors import NotTogether, NumberNotFit, PoolUnknown
from .gathering import Gathering
from .model import MOST_AT_ONCE, RUNGS, STATIC_TAIL_S, Leased, Renewed, VisitRef, distinct
from .oldest import OldestFree

#: Statements that new visits of one pool have on the way at a time, in one process. With two, four who ask are slower
#: than each by himself, since the database carries out four at once; beyond that a statement for each costs it twice
#: the work (measured: loadtest/README.md).
ON_THE_WAY = 4
_LEASES = {rung: POOL_LEASES.labels(rung=rung) for rung in RUNGS}


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose visit it is."""

    agency_id: UUID
    client_id: UUID | None = None


class Pools:
    """Leases in one database. Every method is one statement, a transaction of its own; new visits that wait for one
    pool at the same moment are given their numbers by one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._oldest = OldestFree()
        self.gathering: Gathering[tuple[UUID, UUID], together_store.Wanted, Leased | None] = Gathering(
            self._lease_gathered, on_the_way=ON_THE_WAY, most=together_store.MOST_TOGETHER
        )

    def lease(self, tenant: Tenant | UUID, pool_id: UUID, visit: VisitRef, *, first: Ready | None = None) -> Leased:
        """The number that the visit is to see. The rungs of the ladder: its own or its visitor's number, the longest
        rested of the pool (one of the visit's region first, if the pool is to match regions), the longest quiet one of
        somebody else, the source's reserve, and last the site's own (``number_id`` None). No number of a visit that is
        there is ever taken away. Asking again prolongs what the visit has. ``first`` is carried out in the same
        transaction. Raises PoolUnknown, also for one that is closed; ``first`` is done then all the same."""
        agency_id, now = _agency(tenant), self._clock.now()
        visitor = None if visit.visitor_id is None else str(visit.visitor_id)
        values = (
            str(agency_id), str(pool_id), str(visit.id), visit.started_at, visitor or str(visit.id),
            visit.site_id and str(visit.site_id), visit.region, visit.source or "", now, str(new_id()), visitor,
        )  # fmt: skip
        leased = self._lease_new(agency_id, pool_id, values, first) if visit.is_new else None
        if leased is None:
            leased = store.lease(self._database, agency_id, values, first=None if visit.is_new else first)
        if leased is None:
            raise PoolUnknown(f"there is no pool {pool_id} to lease from")
        _LEASES[leased.rung].inc()
        return leased

    def _lease_new(
        self, agency_id: UUID, pool_id: UUID, values: tuple[object, ...], first: Ready | None
    ) -> Leased | None:
        """Together with whoever stands waiting for the same pool at this moment; alone where nobody does, or where
        nothing is known of the pool: it may match regions, or be empty."""
        wanted, key = together_store.Wanted(values, first), (agency_id, pool_id)
        if not self._oldest.knows(pool_id):
            return self._lease_alone(key, wanted)
        try:
            return self.gathering.ask(key, wanted)
        except NotTogether:
            # One of them has spoilt it for all; alone it spoils its own.
            return self._lease_alone(key, wanted)

    def _lease_gathered(self, key: tuple[UUID, UUID], wanted: Sequence[together_store.Wanted]) -> list[Leased | None]:
        if len(wanted) == 1:
            return [self._lease_alone(key, wanted[0])]
        (agency_id, pool_id), now_s = key, self._clock.monotonic_s()
        since = self._oldest.of(pool_id, now_s)
        found = together_store.lease_together(self._database, agency_id, pool_id, wanted, since)
        leased = [one for one in found if one is not None]
        POOL_GATHERED.inc(len(leased))
        if len(leased) < len(found):
            self._oldest.forget(pool_id)
        else:
            self._oldest.note(pool_id, max(free_from for _, free_from in leased), now_s)
        return [one and one[0] for one in found]

    def _lease_alone(self, key: tuple[UUID, UUID], wanted: together_store.Wanted) -> Leased | None:
        (agency_id, pool_id), now_s = key, self._clock.monotonic_s()
        since = self._oldest.of(pool_id, now_s)
        found = store.lease_new(self._database, agency_id, wanted.values, since, first=wanted.first)
        if found is None:
            self._oldest.forget(pool_id)
            return None
        leased, free_from = found
        if free_from is not None:
            self._oldest.note(pool_id, free_from, now_s)
        return leased

    def show_static(
        self, tenant: Tenant | UUID, number_id: UUID, visit: VisitRef, *, first: Ready | None = None
    ) -> Leased:
        """Keeps that the visit sees a source's own number, and carries out ``first`` in the same transaction. Raises
        NumberNotFit; ``first`` is done then all the same."""
        agency_id, now = _agency(tenant), self._clock.now()
        values = (
            str(agency_id), str(number_id), str(visit.id), visit.started_at,
            None if visit.visitor_id is None else str(visit.visitor_id), visit.site_id and str(visit.site_id),
            str(new_id()), now, STATIC_TAIL_S,
        )  # fmt: skip
        shown = store.show(self._database, agency_id, values, first=first)
        if shown is None:
            raise NumberNotFit(f"the number {number_id} is not in use")
        _LEASES[shown.rung].inc()
        return shown

    def renew(self, tenant: Tenant | UUID, visit_ids: Sequence[UUID | str]) -> list[Renewed]:
        """Signs of life of visits, each with all numbers that it sees. A visit that is not told of in the answer has
        let its number go and must ask for one again."""
        return self._renew(tenant, visit_ids, leaving=False)

    def end(self, tenant: Tenant | UUID, visit_id: UUID | str) -> list[Renewed]:
        """The visitor has left the page: the tail begins."""
        return self._renew(tenant, [visit_id], leaving=True)

    def click(self, tenant: Tenant | UUID, visit_id: UUID, number_id: UUID) -> bool:
        """The visitor has tapped the number. Whether the visit has seen it at all."""
        return store.click(self._database, _agency(tenant), visit_id, number_id, self._clock.now())

    def _renew(self, tenant: Tenant | UUID, visit_ids: Sequence[UUID | str], *, leaving: bool) -> list[Renewed]:
        agency_id, now, wanted = _agency(tenant), self._clock.now(), distinct(visit_ids)
        renewed: list[Renewed] = []
        for start in range(0, len(wanted), MOST_AT_ONCE):
            batch = wanted[start : start + MOST_AT_ONCE]
            renewed += store.renew(self._database, agency_id, batch, now, leaving=leaving)
        POOL_RENEWALS.inc(len(renewed))
        return renewed


def _agency(tenant: Tenant | UUID) -> UUID:
    return tenant.agency_id if isinstance(tenant, Tenant) else tenant

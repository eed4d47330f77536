"""What visits are given, in the words of the room of sites. Must not know how a lease is found."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ..db.prepared import Ready
from ..sites.leases import Lease
from ..sites.model import Visit
from .errors import NumberNotFit, PoolUnknown
from .model import Leased, VisitRef
from .service import Pools


class VisitLeases:
    """Leases for visits (sites.leases.Leases)."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    def lease(self, visit: Visit, pool_id: UUID, first: Ready | None, *, is_new: bool) -> Lease | None:
        try:
            return _lease(self._pools.lease(visit.agency_id, pool_id, _reference(visit, is_new=is_new), first=first))
        except PoolUnknown:
            return None

    def show_static(self, visit: Visit, number_id: UUID, first: Ready | None) -> Lease | None:
        try:
            return _lease(self._pools.show_static(visit.agency_id, number_id, _reference(visit), first=first))
        except NumberNotFit:
            return None

    def renew(self, agency_id: UUID, visit_ids: Sequence[UUID]) -> None:
        self._pools.renew(agency_id, visit_ids)

    def end(self, agency_id: UUID, visit_id: UUID) -> None:
        self._pools.end(agency_id, visit_id)

    def click(self, agency_id: UUID, visit_id: UUID, number_id: UUID) -> None:
        self._pools.click(agency_id, visit_id, number_id)


def _lease(leased: Leased) -> Lease:
    return Lease(leased.e164, leased.rung, leased.held_until)


def _reference(visit: Visit, *, is_new: bool = False) -> VisitRef:
    """Whoever refused is known as this visit alone."""
    return VisitRef(
        id=visit.id,
        started_at=visit.started_at,
        visitor_id=None if visit.consent == "refused" else visit.visitor_id,
        site_id=visit.site_id,
        region=visit.region,
        source=visit.source.source,
        is_new=is_new,
    )

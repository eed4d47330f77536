"""Since when the longest rested number of each pool is free, as the last lease has found it.

Whatever was leased since the table was last vacuumed still lies before that moment in the index, and every lease would
walk over it: after ten thousand leases a hundred pages for each node. A lease that knows where the last one found its
number begins there. A number may come that has rested for longer (it was added, or nobody could be led to it), so now
and then one looks from the beginning. Must not know SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

#: How long a number that has rested for longer may be passed over.
FRESH_S = 1.0
MOST_POOLS = 10_000


@dataclass(frozen=True, slots=True)
class _Found:
    free_from: datetime
    #: When somebody looked from the beginning.
    looked_s: float


class OldestFree:
    """Of the pools that one process leases from; several threads may ask at once. Not of those that match
    regions: what is nearby says nothing of the others."""

    def __init__(self) -> None:
        self._found: dict[UUID, _Found] = {}

    def of(self, pool_id: UUID, now_s: float) -> datetime | None:
        """From where on to look; None: from the beginning."""
        found = self._found.get(pool_id)
        return None if found is None or now_s - found.looked_s >= FRESH_S else found.free_from

    def knows(self, pool_id: UUID) -> bool:
        """Whether the last lease of it has found a number, in a pool that does not match regions."""
        return pool_id in self._found

    def note(self, pool_id: UUID, free_from: datetime, now_s: float) -> None:
        """A lease that began to look at ``now_s`` has found its number there."""
        before = self._found.get(pool_id)
        if before is None and len(self._found) >= MOST_POOLS:
            self._found.clear()
        is_fresh = before is not None and now_s - before.looked_s < FRESH_S
        self._found[pool_id] = _Found(free_from, before.looked_s if before is not None and is_fresh else now_s)

    def forget(self, pool_id: UUID) -> None:
        """None was found: the next one looks from the beginning."""
        self._found.pop(pool_id, None)

"""Use cases of agencies: make a pool, put numbers into it and take them out, see how it stands.

A number that leaves a pool is given to nobody any more, but whoever sees it goes on seeing it; it rests before it is
used again. Must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..paging import Page, cut
from . import store
from .errors import NumberNotFit, PoolClosed, PoolUnknown, VersionMismatch
from .hygiene import NEXT
from .model import SETTINGS, Pool, Reserve, Standing, check_settings

MAX_PAGE = 500
MOST_RESERVES = 100
#: A number that has left a pool is still dialled by those who noted it down: no sooner than this is it used again.
REST_DAYS = 7
#: States from which a number may go into a pool.
FIT = {"free"}
#: What somebody may decide; the other states are reached by pools, by rules and by releasing.
BY_HAND = frozenset({"free", "soaking", "quarantined"})


class PoolService:
    """The pools in one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_pool(self, agency_id: UUID, client_id: UUID, values: Mapping[str, Any]) -> Pool:
        """``values``: members of `model.SETTINGS`. Raises ValueRefused, HolderUnknown, FlowUnknown."""
        checked = check_settings(values)
        with store.naming_refusals(), self._database.tenant(agency_id, client_id) as connection:
            return store.insert_pool(
                connection, {"agency_id": agency_id, "id": new_id(), "client_id": client_id, **checked}
            )

    def get_pool(self, agency_id: UUID, pool_id: UUID, *, client_id: UUID | None = None) -> Pool:
        """Raises PoolUnknown, also for a pool of somebody else."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found(store.find_pool(connection, agency_id, pool_id), pool_id)

    def list_pools(
        self,
        agency_id: UUID,
        client_id: UUID | None = None,
        *,
        limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[Pool]:
        """The oldest first; closed ones too."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_pools(
                connection, agency_id, client_id, limit=limit + 1, after=after[0] if after else None
            )
        return cut(found, limit, "id")

    def change_pool(
        self,
        agency_id: UUID,
        pool_id: UUID,
        changes: Mapping[str, Any],
        *,
        client_id: UUID | None = None,
        version: int | None = None,
    ) -> Pool:
        """What is left out stays; another flow answers all numbers of the pool. Raises PoolUnknown, PoolClosed,
        VersionMismatch, ValueRefused, FlowUnknown."""
        with store.naming_refusals(), self._database.tenant(agency_id, client_id) as connection:
            before = self._open(connection, agency_id, pool_id, version)
            checked = check_settings({name: getattr(before, name) for name in SETTINGS} | dict(changes))
            if all(getattr(before, name) == value for name, value in checked.items()):
                return before
            after = store.update_pool(connection, agency_id, pool_id, checked, self._clock.now())
            if after.flow_id != before.flow_id and (own := store.numbers_of(connection, agency_id, pool_id)):
                store.set_flow(connection, agency_id, own, after.flow_id, self._clock.now())
            return after

    def close_pool(self, agency_id: UUID, pool_id: UUID, *, client_id: UUID | None = None) -> Pool:
        """Nobody is leased a number of it any more; its numbers rest. Doing it twice changes nothing. Raises
        PoolUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            pool = _found(store.find_pool(connection, agency_id, pool_id, lock=True), pool_id)
            if pool.status == "closed":
                return pool
            self._take_out(connection, agency_id, store.numbers_of(connection, agency_id, pool_id), "the pool closed")
            return store.update_pool(connection, agency_id, pool_id, {"status": "closed"}, self._clock.now())

    # --- Its numbers. ---

    def add_numbers(
        self, agency_id: UUID, pool_id: UUID, number_ids: Sequence[UUID], *, client_id: UUID | None = None
    ) -> int:
        """Puts dynamic, free numbers of the pool's client into it, all or none; returns how many were not in it yet.
        The pool's flow answers them. Raises PoolUnknown, PoolClosed, NumberNotFit."""
        with self._database.tenant(agency_id, client_id) as connection:
            pool = self._open(connection, agency_id, pool_id, None)
            return self.put_in(connection, pool, number_ids)

    def put_in(self, connection: Connection, pool: Pool, number_ids: Sequence[UUID]) -> int:
        """As `add_numbers`, within a transaction of whoever has locked the pool."""
        rows = store.lock_numbers(connection, pool.agency_id, number_ids)
        missing = set(number_ids) - {row.id for row in rows if row.client_id == pool.client_id}
        if missing:
            raise NumberNotFit(f"the pool's client has no number {min(map(str, missing))}")
        fresh = [row for row in rows if row.pool_id != pool.id]
        for row in fresh:
            _check_fit(row)
        if fresh:
            changes: dict[str, Any] = {"pool_id": pool.id, "state": "in_pool", "state_reason": None}
            if pool.flow_id is not None:
                changes["flow_id"] = pool.flow_id
            store.set_state(connection, pool.agency_id, [row.id for row in fresh], changes, self._clock.now())
            store.join_pool(connection, pool.agency_id, pool.id, self._clock.now())
        return len(fresh)

    def remove_numbers(
        self, agency_id: UUID, pool_id: UUID, number_ids: Sequence[UUID], *, client_id: UUID | None = None
    ) -> int:
        """Takes numbers out; they rest. Returns how many were in it. Raises PoolUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            _found(store.find_pool(connection, agency_id, pool_id, lock=True), pool_id)
            rows = store.lock_numbers(connection, agency_id, number_ids)
            own = [row.id for row in rows if row.pool_id == pool_id]
            self._take_out(connection, agency_id, own, "taken out")
            return len(own)

    def take_out(self, connection: Connection, agency_id: UUID, number_ids: Sequence[UUID], reason: str) -> None:
        """For whoever has a transaction of the agency's open already."""
        self._take_out(connection, agency_id, number_ids, reason)

    def standing(self, agency_id: UUID, pool_id: UUID, *, client_id: UUID | None = None) -> Standing:
        """Its numbers by what they do at this moment. Raises PoolUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            _found(store.find_pool(connection, agency_id, pool_id), pool_id)
            return store.standing(connection, agency_id, pool_id, self._clock.now())

    # --- Its reserves. ---

    def reserves(self, agency_id: UUID, pool_id: UUID, *, client_id: UUID | None = None) -> list[Reserve]:
        """What sources are shown when it has no number. Raises PoolUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            _found(store.find_pool(connection, agency_id, pool_id), pool_id)
            return store.reserves_of(connection, agency_id, pool_id)

    def put_reserves(
        self, agency_id: UUID, pool_id: UUID, reserves: Sequence[Reserve], *, client_id: UUID | None = None
    ) -> list[Reserve]:
        """These and no others: static numbers of the pool's client. Raises PoolUnknown, PoolClosed, NumberNotFit."""
        if len(reserves) > MOST_RESERVES or len({one.source for one in reserves}) < len(reserves):
            raise NumberNotFit(f"name each source once, and at most {MOST_RESERVES} of them")
        with self._database.tenant(agency_id, client_id) as connection:
            pool = self._open(connection, agency_id, pool_id, None)
            found = {
                row.id: row for row in store.lock_numbers(connection, agency_id, [one.number_id for one in reserves])
            }
            for one in reserves:
                row = found.get(one.number_id)
                if row is None or row.client_id != pool.client_id:
                    raise NumberNotFit(f"the pool's client has no number {one.number_id}")
                if row.state != "static" or row.status != "active":
                    raise NumberNotFit(
                        f"the number {row.e164} is {row.state}, {row.status}; a reserve is static, active"
                    )
            store.put_reserves(connection, pool, reserves)
            return store.reserves_of(connection, agency_id, pool_id)

    def change_state(
        self,
        agency_id: UUID,
        number_id: UUID,
        state: str,
        *,
        client_id: UUID | None = None,
        days: int = 14,
        reason: str | None = None,
    ) -> None:
        """By hand: `soaking` counts its calls anew for so many days, `free` believes that it is clean, `quarantined`
        takes it out of use at once, out of a pool too; whoever sees it keeps it. Raises NumberNotFit where that may not
        follow, and for a number that there is not."""
        now = self._clock.now()
        with self._database.tenant(agency_id, client_id) as connection:
            rows = store.lock_numbers(connection, agency_id, [number_id])
            if not rows:
                raise NumberNotFit(f"there is no number {number_id}")
            row = rows[0]
            if row.kind != "dynamic" or state not in NEXT[row.state] & BY_HAND:
                allowed = ", ".join(sorted(NEXT[row.state] & BY_HAND)) or "nothing"
                raise NumberNotFit(f"the number {row.e164} is {row.kind} and {row.state}; what may follow is {allowed}")
            store.leave_pool(connection, agency_id, [number_id])
            changes = {
                "state": state, "state_reason": reason, "pool_id": None,
                "free_from": now + timedelta(days=days) if state == "soaking" else None,
            }  # fmt: skip
            store.set_state(connection, agency_id, [number_id], changes, now)

    def count_states(self, agency_id: UUID, client_id: UUID | None = None) -> dict[str, int]:
        """The inventory: how many numbers stand in each state."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.count_states(connection, agency_id, client_id)

    def _open(self, connection: Connection, agency_id: UUID, pool_id: UUID, version: int | None) -> Pool:
        pool = _found(store.find_pool(connection, agency_id, pool_id, lock=True), pool_id)
        if pool.status == "closed":
            raise PoolClosed(f"the pool {pool_id} is closed; make another")
        if version is not None and version != pool.version:
            raise VersionMismatch(pool.version)
        return pool

    def _take_out(self, connection: Connection, agency_id: UUID, number_ids: Sequence[UUID], reason: str) -> None:
        if not number_ids:
            return
        now = self._clock.now()
        store.leave_pool(connection, agency_id, number_ids)
        changes = {
            "pool_id": None, "state": "resting", "state_reason": reason, "free_from": now + timedelta(days=REST_DAYS),
        }  # fmt: skip
        store.set_state(connection, agency_id, number_ids, changes, now)


def _found(pool: Pool | None, pool_id: UUID) -> Pool:
    if pool is None:
        raise PoolUnknown(f"there is no pool {pool_id}")
    return pool


def _check_fit(row: Any) -> None:
    if row.kind != "dynamic":
        raise NumberNotFit(f"the number {row.e164} is static; a pool takes dynamic ones")
    if row.status != "active":
        raise NumberNotFit(f"the number {row.e164} is {row.status}")
    if row.state not in FIT:
        why = f" ({row.state_reason})" if row.state_reason else ""
        raise NumberNotFit(f"the number {row.e164} is {row.state}{why}; a pool takes free ones")

"""What is looked after in all pools now and then: their hours are counted, their size follows their load, their
numbers are judged clean or not. One process of all does it at a time (`workers/pools.py`). Must not know processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..events.model import NewEvent
from ..events.service import append
from ..metrics import NUMBERS_JUDGED, POOL_FORECAST, POOL_LOSS, POOL_NUMBERS, POOL_RESIZED, POOL_SHORT
from . import rounds_store, store
from .hygiene import is_leaked, judge_quiet
from .model import Pool
from .placing_store import agencies_of
from .pools import PoolService
from .sizing import (
    Bounds,
    Forecast,
    affordable,
    forecast,
    mean_hold_s,
    needed_now,
    numbers_for,
    profile,
    wanted_change,
)

#: What a forecast is made of: four of each hour of the week.
WEEKS = 4
#: Tails and rests of an hour's visits are over by then, nearly all.
COUNT_AGAIN = timedelta(hours=3)
PRESENT = timedelta(minutes=15)
#: Before a pool has seen a whole week nobody knows its busiest hour: it may grow, not shrink.
SHRINK_AFTER_HOURS = 168


class PoolRounds:
    """The rounds over all pools of one database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tell: Callable[[Sequence[tuple[Pool, int, int]]], None] = lambda _: None,
    ) -> None:
        """``tell`` hears, after each round, how pools stand: visits of the last quarter of an hour, and those that
        found no number of their own."""
        self._database = database
        self._clock = clock
        self._tell = tell
        self._pools = PoolService(database, clock)

    def forecast(
        self, agency_id: UUID, pool_id: UUID, *, numbers: int | None = None, client_id: UUID | None = None
    ) -> tuple[Pool, Forecast]:
        """What ``numbers`` (None: as many as it has) would do. Raises PoolUnknown."""
        pool = self._pools.get_pool(agency_id, pool_id, client_id=client_id)
        with self._database.tenant(agency_id, client_id) as connection:
            hours = self._hours(connection, pool)
            if numbers is None:
                numbers = store.standing(connection, agency_id, pool_id, self._clock.now()).numbers
        made = forecast(hours, numbers=numbers, loss_target=pool.loss_target, tail_s=pool.tail_s, rest_s=pool.rest_s)
        return pool, made

    # --- Rounds. ---

    def rejoin(self) -> int:
        """Numbers that belong to a pool and stand ready for no lease (added by hand, in use again) do so again."""
        joined = 0
        for agency_id in self._agencies():
            with self._database.tenant(agency_id) as connection:
                joined += store.join_pool(connection, agency_id, None, self._clock.now())
        return joined

    def count_hours(self) -> None:
        """Counts the last hours of all pools, and tells how they stand."""
        now, have, needed, missing = self._clock.now(), 0, 0, 0
        for pool in self._open():
            with self._database.tenant(pool.agency_id) as connection:
                rounds_store.count_hours(connection, pool, now - COUNT_AGAIN, now)
                numbers = store.standing(connection, pool.agency_id, pool.id, now).numbers
                hours = self._hours(connection, pool)
            made = forecast(
                hours, numbers=numbers, loss_target=pool.loss_target, tail_s=pool.tail_s, rest_s=pool.rest_s
            )
            have, needed, missing = have + numbers, needed + made.advised, missing + max(0, made.advised - numbers)
        for what, count in (("there", have), ("needed", needed), ("missing", missing)):
            POOL_FORECAST.labels(what).set(count)

    def resize(self) -> int:
        """Lets pools that may grow do so, and tells how many visits they all lose. Returns how many numbers moved."""
        now, moved, came, lost, worst, short = self._clock.now(), 0, 0, 0, 0.0, 0
        standings: list[tuple[Pool, int, int]] = []
        for pool in self._open():
            with self._database.tenant(pool.agency_id) as connection:
                visits, missed = rounds_store.recent(connection, pool, now - PRESENT)
                came, lost = came + visits, lost + missed
                worst = max(worst, missed / visits if visits else 0.0)
                short += missed > visits * pool.loss_target
                standings.append((pool, visits, missed))
                if pool.grows:
                    moved += abs(self._resize(connection, pool, visits, now))
        POOL_LOSS.labels("all").set(lost / came if came else 0.0)
        POOL_LOSS.labels("worst").set(worst)
        POOL_SHORT.set(short)
        self._tell(standings)
        return moved

    def judge(self) -> int:
        """Sets dirty and leaked numbers aside, and clean ones free. Returns how many changed."""
        changed, busy = 0, {"free": 0, "live": 0, "quiet": 0}
        for agency_id in self._agencies():
            with self._database.tenant(agency_id) as connection:
                changed += self._judge_quiet(connection, agency_id) + self._judge_leaks(connection, agency_id)
                for state, count in rounds_store.busy(connection, agency_id, self._clock.now()).items():
                    busy[state] += count
        for state, count in busy.items():
            POOL_NUMBERS.labels(state).set(count)
        return changed

    def quarantine(
        self, connection: Connection, agency_id: UUID, row: Any, reason: str, calls: int, now: datetime
    ) -> None:
        """Nobody is given the number any more; whoever sees it keeps it, and the agency is told."""
        store.leave_pool(connection, agency_id, [row.id])
        store.set_state(
            connection, agency_id, [row.id], {"state": "quarantined", "state_reason": reason, "pool_id": None}, now
        )
        data = {"number_id": str(row.id), "pool_id": row.pool_id and str(row.pool_id), "reason": reason, "calls": calls}
        append(connection, agency_id, [NewEvent("number.quarantined", now, client_id=row.client_id, data=data)])
        NUMBERS_JUDGED.labels(to="quarantined", why=reason).inc()

    def _resize(self, connection: Connection, pool: Pool, visits: int, now: datetime) -> int:
        locked = store.find_pool(connection, pool.agency_id, pool.id, lock=True)
        if locked is None or locked.status != "active":
            return 0
        pool = locked
        hours = self._hours(connection, pool)
        size = len(store.numbers_of(connection, pool.agency_id, pool.id))
        hold_s = mean_hold_s(hours, least_s=float(pool.tail_s + pool.rest_s))
        loads = {key: visits_ * hold_s / 3600 for key, (visits_, _) in profile(hours).items()}
        present = visits * hold_s / PRESENT.total_seconds()
        needed = needed_now(loads, now, present, pool.loss_target)
        bounds = Bounds(pool.fewest_numbers, pool.most_numbers, affordable(pool.number_price, pool.monthly_budget))
        knows_the_week = len(hours) >= SHRINK_AFTER_HOURS
        if knows_the_week:
            needed = max(needed, numbers_for(max(loads.values()), pool.loss_target))
        change = wanted_change(size, needed, bounds, may_shrink=knows_the_week)
        moved = self._grow(connection, pool, change) if change > 0 else -self._shrink(connection, pool, -change, now)
        if moved:
            data = {"pool_id": str(pool.id), "numbers_before": size, "numbers_after": size + moved, "needed": needed}
            append(connection, pool.agency_id, [NewEvent("pool.resized", now, client_id=pool.client_id, data=data)])
            POOL_RESIZED.labels("grown" if moved > 0 else "shrunk").inc(abs(moved))
        return moved

    def _grow(self, connection: Connection, pool: Pool, most: int) -> int:
        taken = store.free_numbers(connection, pool.agency_id, pool.client_id, pool.region, most)
        return self._pools.put_in(connection, pool, taken) if taken else 0

    def _shrink(self, connection: Connection, pool: Pool, most: int, now: datetime) -> int:
        if most == 0:
            return 0
        spare = rounds_store.spare_numbers(connection, pool, most, now)
        self._pools.take_out(connection, pool.agency_id, spare, "the pool shrank")
        return len(spare)

    def _judge_quiet(self, connection: Connection, agency_id: UUID) -> int:
        now, changed = self._clock.now(), 0
        for row in rounds_store.quiet_numbers(connection, agency_id, now):
            days = (now - row.state_at).total_seconds() / 86_400
            least = ((row.free_from or row.state_at) - row.state_at).total_seconds() / 86_400
            verdict = judge_quiet(row.calls, days, least_days=least)
            if verdict == "dirty":
                self.quarantine(connection, agency_id, row, "dirty", row.calls, now)
            elif verdict == "clean":
                store.set_state(
                    connection, agency_id, [row.id], {"state": "free", "state_reason": None, "free_from": None}, now
                )
                NUMBERS_JUDGED.labels(to="free", why=row.state).inc()
            changed += verdict != "wait"
        return changed

    def _judge_leaks(self, connection: Connection, agency_id: UUID) -> int:
        now, changed = self._clock.now(), 0
        for row in rounds_store.orphans(connection, agency_id, now):
            if is_leaked(
                row.orphans, row.callers,
                pool_orphans=row.pool_orphans, pool_number_days=float(row.pool_number_days or 0),
            ):  # fmt: skip
                self.quarantine(connection, agency_id, row, "leaked", row.orphans, now)
                changed += 1
        return changed

    def _hours(self, connection: Connection, pool: Pool) -> Sequence[Any]:
        this = self._clock.now().replace(minute=0, second=0, microsecond=0)
        since = max(this - timedelta(weeks=WEEKS), pool.created_at)
        return rounds_store.hours_of(connection, pool.agency_id, pool.id, since, this)

    def _open(self) -> list[Pool]:
        with self._database.system() as connection:
            return rounds_store.open_pools(connection)

    def _agencies(self) -> list[UUID]:
        with self._database.system() as connection:
            return agencies_of(connection)

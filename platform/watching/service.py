"""What is watched, as it is told and as it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..db.errors import DatabaseError
from ..db.floor import need_no_floor
from . import store
from .agency import FIGURES, exposition
from .model import MinuteBook, Note, PoolStanding, Span, Target, minute_of, spans, worst_pools

__all__ = ["Backlog", "MinuteBook", "Note", "PoolStanding", "Span", "Standing", "Target", "WatchService"]

#: A machine that has said nothing for so long was taken away by somebody who told nobody.
MACHINE_GONE_AFTER = timedelta(days=7)
#: Pools that are told of.
MOST_POOLS = 20
DAY, DAY_STEP = timedelta(hours=24), timedelta(minutes=10)
NOW_SPAN = timedelta(minutes=15)


@dataclass(frozen=True)
class Standing:
    """The calls that stand, by node and by what they do, and callers in queues."""

    by_node: Mapping[str, int]
    by_state: Mapping[str, int]
    waiting: int
    offered: int
    longest_wait_s: float


@dataclass(frozen=True)
class Backlog:
    """What is on its way in the database."""

    events_unsequenced: int
    recordings_pending: int


class WatchService:
    """Raises the errors of `db.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- Told by processes. ---

    def note(self, name: str, data: Mapping[str, Any]) -> None:
        """Somebody's newest word, in the place of the last."""
        store.put_note(self._database, name, data)

    def note_targets(self, machine: str, targets: Sequence[Target]) -> None:
        """Which processes of a machine serve metrics."""
        self.note(f"machine:{machine}", {"targets": [asdict(one) for one in targets]})

    def note_pools(self, standings: Sequence[PoolStanding]) -> None:
        """How the pools stand, the worst of them by name."""
        told = [asdict(one) for one in worst_pools(standings, MOST_POOLS)]
        self.note("pools", {"pools": len(standings), "worst": told})

    def write_minutes(self, book: MinuteBook) -> None:
        """What was counted; what cannot be written stays in the book."""
        taken = book.take()
        if not taken:
            return
        try:
            store.add_minutes(self._database, taken)
        except DatabaseError:
            book.put_back(taken)
            raise

    # --- Read by people and by Prometheus. ---

    def notes(self) -> dict[str, Note]:
        """By name. Raises TenantRefused inside a tenant's request: pools of others are among them."""
        need_no_floor()
        return {one.name: one for one in store.notes(self._database)}

    def scrape_targets(self, now: datetime) -> list[dict[str, Any]]:
        """Every process of every machine that serves metrics, for Prometheus' HTTP service discovery."""
        found = []
        for name, note in self.notes().items():
            kind, _, machine = name.partition(":")
            if kind == "machine" and now - note.told_at < MACHINE_GONE_AFTER:
                found += [Target(**one).as_scraped(machine) for one in note.data["targets"]]
        return found

    def standing(self) -> Standing:
        """The calls that stand at this moment, of all tenants."""
        with self._database.system() as connection:
            rows, (waiting, offered, longest_s) = store.standing_calls(connection), store.queues(connection)
        by_node: dict[str, int] = {}
        by_state: dict[str, int] = {}
        for node, state, count in rows:
            by_node[node] = by_node.get(node, 0) + count
            by_state[state] = by_state.get(state, 0) + count
        return Standing(by_node, by_state, waiting, offered, longest_s)

    def unsequenced(self) -> int:
        """Events of all agencies without a position."""
        with self._database.system() as connection:
            return store.unsequenced(connection)

    def backlog(self) -> Backlog:
        """What waits in the database."""
        with self._database.system() as connection:
            return Backlog(store.unsequenced(connection), store.pending_recordings(connection))

    def agency_text(self, agency_id: UUID) -> bytes:
        """An agency's own figures in Prometheus' format."""
        with self._database.tenant(agency_id) as connection:
            found = {one.name: store.figures(connection, one.statement, agency_id) for one in FIGURES}
        return exposition(found)

    def rates(self, now: datetime) -> dict[str, float]:
        """Calls a second of each node that began in the last whole minute."""
        last = minute_of(now) - timedelta(minutes=1)
        rows = store.minutes(self._database, last)
        return {row.node: row.begun / 60 for row in rows if row.minute == last}

    def day(self, now: datetime) -> tuple[Span, list[Span]]:
        """The last quarter of an hour, and the last day in steps of ten minutes. What began within the last minute or
        still stands has not ended: ASR speaks of calls that are over."""
        rows = store.minutes(self._database, now - DAY)
        (lately,) = spans(rows, now - NOW_SPAN, now, NOW_SPAN)
        return lately, spans(rows, now - DAY, now, DAY_STEP)

"""Values: what a process says of itself, calls of one minute, and what is made of them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

#: Outcomes for which the network did its work, whatever the called party did with it (NER; the glossary states the
#: choice).
DELIVERED = frozenset(
    {"answered", "voicemail", "no_answer", "busy", "rejected", "caller_cancelled", "blocked", "unallocated"}
)
ANSWERED = frozenset({"answered", "voicemail"})


@dataclass(frozen=True, slots=True)
class Note:
    """The newest word of somebody under a name: `node:node-1`, `machine:host`, `pools`."""

    name: str
    told_at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A process that serves metrics. ``address``: host and port."""

    process: str
    kind: str
    address: str

    def as_scraped(self, machine: str) -> dict[str, Any]:
        """In the form of Prometheus' HTTP service discovery."""
        # No name that a metric's own label has: Prometheus would call that one `exported_…` and no rule would find it.
        labels = {"process": self.process, "role": self.kind, "machine": machine}
        return {"targets": [self.address], "labels": labels}


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """A pool's last quarter of an hour: visits, how many found no number of their own, and how many may."""

    agency_id: str
    pool_id: str
    name: str
    visits: int
    lost: int
    loss_target: float

    @property
    def loss(self) -> float:
        return self.lost / self.visits if self.visits else 0.0

    @property
    def used(self) -> float:
        """How much of its loss target is used up: from 1 on it is short."""
        return self.loss / self.loss_target if self.loss_target else float(self.lost > 0)


def worst_pools(standings: Iterable[PoolStanding], most: int) -> list[PoolStanding]:
    """Those that lose, the nearest to its target first."""
    losing = [one for one in standings if one.lost]
    return sorted(losing, key=lambda one: (-one.used, -one.lost, one.pool_id))[:most]


@dataclass(slots=True)
class Counts:
    """Calls of one node in one minute: those that began in it, and those that ended whose record says they began in
    it."""

    begun: int = 0
    ended: int = 0
    answered: int = 0
    delivered: int = 0
    talk_ms: int = 0

    def add(self, other: Counts) -> None:
        self.begun += other.begun
        self.ended += other.ended
        self.answered += other.answered
        self.delivered += other.delivered
        self.talk_ms += other.talk_ms


def minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


class MinuteBook:
    """What is counted and not written yet. Bounded: of minutes too many to keep the oldest are given up, since these
    are figures for a picture and no records."""

    MOST = 2_000

    def __init__(self) -> None:
        self._counts: dict[tuple[str, datetime], Counts] = {}

    def begun(self, node: str, moment: datetime) -> None:
        self._at(node, moment).begun += 1

    def ended(self, node: str, moment: datetime, outcome: str, talk_ms: int | None) -> None:
        counts = self._at(node, moment)
        counts.ended += 1
        counts.answered += outcome in ANSWERED
        counts.delivered += outcome in DELIVERED
        counts.talk_ms += talk_ms or 0

    def take(self) -> dict[tuple[str, datetime], Counts]:
        """Everything; the book is empty then."""
        taken, self._counts = self._counts, {}
        return taken

    def put_back(self, taken: Mapping[tuple[str, datetime], Counts]) -> None:
        """What could not be written."""
        for (node, minute), counts in taken.items():
            self._at(node, minute).add(counts)

    def _at(self, node: str, moment: datetime) -> Counts:
        key = node, minute_of(moment)
        if key not in self._counts:
            if len(self._counts) >= self.MOST:
                del self._counts[min(self._counts, key=lambda one: one[1])]
            self._counts[key] = Counts()
        return self._counts[key]


@dataclass(frozen=True, slots=True)
class MinuteRow:
    """One node's minute as it is kept."""

    node: str
    minute: datetime
    begun: int
    ended: int
    answered: int
    delivered: int
    talk_ms: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time of all nodes, for a curve. None where no call ended."""

    begins_at: datetime
    calls_per_s: float
    asr: float | None
    ner: float | None
    acd_s: float | None


def spans(rows: Sequence[MinuteRow], since: datetime, until: datetime, step: timedelta) -> list[Span]:
    """One for each ``step`` from ``since`` on, also where nothing happened."""
    sums: dict[int, Counts] = defaultdict(Counts)
    for row in rows:
        if row.minute >= since:
            told = Counts(row.begun, row.ended, row.answered, row.delivered, row.talk_ms)
            sums[(row.minute - since) // step].add(told)
    count = -((since - until) // step)
    return [
        _span(since + index * step, sums[index], min(step, until - (since + index * step))) for index in range(count)
    ]


def _span(begins_at: datetime, counts: Counts, length: timedelta) -> Span:
    return Span(
        begins_at=begins_at,
        calls_per_s=counts.begun / max(1.0, length.total_seconds()),
        asr=_share(counts.answered, counts.ended),
        ner=_share(counts.delivered, counts.ended),
        acd_s=_share(counts.talk_ms / 1000, counts.answered),
    )


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None

"""Everything on one page: nodes, calls, pools, what waits, alerts. Each part is read by itself, so that one that cannot
be read is missing and says so, and the others are there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog

from ..calls.nodes import Node
from ..errors import DialtraceError
from ..jobs.model import Backlog as JobBacklog
from ..webhooks.claims import Backlog as WebhookBacklog
from .model import Note, Span
from .service import Backlog, Standing, WatchService

log = structlog.get_logger("noc")

#: The curve of a day is read anew after so long; it grows by a point every ten minutes.
DAY_FOR = timedelta(seconds=30)
#: A node's monitor speaks every second, its agent every five.
STALE_AFTER = timedelta(seconds=30)

Part = TypeVar("Part")


@dataclass(frozen=True)
class SeenNode:
    """A node, its calls, and the newest word of its agent. ``is_stale``: nobody has spoken for it lately."""

    node: Node
    live_calls: int
    calls_per_s: float
    backlog: Mapping[str, Any]
    is_stale: bool


@dataclass(frozen=True)
class Page:
    """What is shown. None: it could not be read; ``missing`` says why."""

    at: datetime
    nodes: Sequence[SeenNode] | None
    standing: Standing | None
    lately: Span | None
    day: Sequence[Span]
    pools: Mapping[str, Any] | None
    backlog: Backlog | None
    jobs: Sequence[JobBacklog] | None
    webhooks: WebhookBacklog | None
    alerts: Sequence[Mapping[str, Any]] | None
    #: Whether there is anybody to ask for alerts.
    knows_alerts: bool
    missing: Mapping[str, str]


@dataclass
class Overview:
    """Reads the page. ``alerts`` None: no Prometheus is known."""

    watch: WatchService
    nodes: Callable[[], Sequence[Node]]
    jobs: Callable[[], Sequence[JobBacklog]]
    webhooks: Callable[[], WebhookBacklog]
    alerts: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _day: tuple[datetime, tuple[Span, list[Span]]] | None = field(default=None, init=False)

    def read(self, now: datetime) -> Page:
        """The page of this moment. Raises nothing that a part of the platform may have wrong with it."""
        missing: dict[str, str] = {}
        notes = _read("notes", self.watch.notes, missing) or {}
        standing = _read("calls", self.watch.standing, missing)
        nodes = _read("nodes", self.nodes, missing)
        curve = _read("day", lambda: self._day_until(now), missing)
        minute = _read("rates", lambda: self.watch.rates(now), missing) or {}
        pools = notes.get("pools")
        return Page(
            at=now,
            nodes=None if nodes is None else [_seen(one, standing, minute, notes, now) for one in nodes],
            standing=standing,
            lately=curve[0] if curve else None,
            day=curve[1] if curve else [],
            pools=None if pools is None else {"told_at": pools.told_at, **pools.data},
            backlog=_read("backlog", self.watch.backlog, missing),
            jobs=_read("jobs", self.jobs, missing),
            webhooks=_read("webhooks", self.webhooks, missing),
            alerts=_read("alerts", self.alerts, missing) if self.alerts else None,
            knows_alerts=self.alerts is not None,
            missing=missing,
        )

    def _day_until(self, now: datetime) -> tuple[Span, list[Span]]:
        with self._lock:
            if self._day is None or not timedelta() <= now - self._day[0] < DAY_FOR:
                self._day = now, self.watch.day(now)
            return self._day[1]


def _read(name: str, read: Callable[[], Part], missing: dict[str, str]) -> Part | None:
    try:
        return read()
    except DialtraceError as error:
        missing[name] = (type(error).__doc__ or "").strip().splitlines()[0]
        log.warning("a part of the NOC page cannot be read", part=name, why=str(error))
        return None


def _seen(
    node: Node, standing: Standing | None, rates: Mapping[str, float], notes: Mapping[str, Note], now: datetime
) -> SeenNode:
    note = notes.get(f"node:{node.name}")
    return SeenNode(
        node=node,
        live_calls=standing.by_node.get(node.name, 0) if standing else 0,
        calls_per_s=rates.get(node.name, 0.0),
        backlog=note.data if note else {},
        is_stale=node.last_seen_at is None or now - node.last_seen_at > STALE_AFTER,
    )

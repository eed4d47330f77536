"""Keeps the machine's copy of all routes in step with the database: all of them at the start and now and then, what has
changed every second. While the database is away the copy stays as it is, and its age grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import structlog
from gevent.threadpool import ThreadPool

from ..calls.routes import RouteChanges
from ..db.errors import DatabaseError
from ..metrics import ROUTE_COPY_FAILURES, ROUTE_COPY_ROUTES, ROUTE_COPY_SYNCED
from .plan_keeper import FOLLOW_EVERY_S, FULL_EVERY_S, RoutesChanged
from .route_copy import CopyUnusable, RouteCopyFile

log = structlog.get_logger("monitor")


class RouteKeeper:
    """Follows the routes into the file."""

    def __init__(
        self,
        *,
        file: RouteCopyFile,
        routes_changed: RoutesChanged,
        monotonic_s: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._routes_changed = routes_changed
        self._monotonic_s = monotonic_s
        self._now_s = now_s
        self._mark: str | None = None
        self._full_at_s = float("-inf")
        self._failing = False
        self._disk = ThreadPool(1)

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.follow()
            gevent.sleep(FOLLOW_EVERY_S)

    def follow(self) -> None:
        """One look. Raises nothing that a next look could mend."""
        whole = self._mark is None or self._monotonic_s() >= self._full_at_s
        # Before the question: what changes while it is answered counts as newer than the copy.
        asked_at_s = self._now_s()
        try:
            changes = self._routes_changed(None if whole else self._mark)
            count = self._keep(changes, whole=whole, synced_at_s=asked_at_s)
        except DatabaseError as fault:
            self._failed("database", fault)
        except CopyUnusable as fault:
            self._failed("disk", fault)
        else:
            self._mark, self._failing = changes.mark, False
            if whole:
                self._full_at_s = self._monotonic_s() + FULL_EVERY_S
            ROUTE_COPY_ROUTES.set(count)
            ROUTE_COPY_SYNCED.set(asked_at_s)

    def _keep(self, changes: RouteChanges, *, whole: bool, synced_at_s: float) -> int:
        count, fault = self._disk.apply(self._attempt, (changes, whole, synced_at_s))
        if fault is not None:
            raise fault
        return int(count)

    def _attempt(self, changes: RouteChanges, whole: bool, synced_at_s: float) -> tuple[Any, CopyUnusable | None]:
        """A fault is returned: of one that is raised in its threads gevent prints a traceback."""
        try:
            return self._file.keep(changes.routes, whole=whole, synced_at_s=synced_at_s), None
        except CopyUnusable as fault:
            return None, fault

    def _failed(self, what: str, fault: Exception) -> None:
        self._mark = None
        ROUTE_COPY_FAILURES.labels(what).inc()
        if not self._failing:
            log.warning("the copy of the routes is kept as it is", what=what, fault=str(fault))
        self._failing = True

"""Keeps a node's fallback plans: everything at the start, what has changed every second, nothing touched while the
database is away. One keeper a node, so that a full disk is that node's trouble only.

Sounds are on the node before a plan that names them. Files are replaced by rename and not synced: after a power cut the
next full run writes again whatever differs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import gevent
import structlog
from gevent.threadpool import ThreadPool

from ..calls.errors import CallsError
from ..calls.model import Route
from ..calls.plan_file import plan_file, plan_path
from ..calls.routes import RouteChanges
from ..clock import Clock, SystemClock
from ..db.errors import DatabaseError
from ..metrics import PLAN_FAILURES, PLAN_FILES_CHANGED, PLAN_SYNCED
from .prompt_files import FindSounds, PromptFolder, bring_for_plans

log = structlog.get_logger("monitor")

FOLLOW_EVERY_S = 1.0
#: Mends what somebody deleted, and what a restored database would never mention (its marks mean nothing to it). Files
#: whose flows look at the clock reach seven days ahead: the first such look of a day (UTC) writes them anew.
FULL_EVERY_S = 900.0
#: Numbers that are written at a time; the other greenlets run after each.
_AT_A_TIME = 20

#: What a file of ours is called; others are nobody's business.
_NUMBER = re.compile(r"[0-9]{5,15}")

RoutesChanged = Callable[[str | None], RouteChanges]


class PlanFiles:
    """The files below ``<spool>/plans``. Blocks on the disk: called in a thread. Raises OSError."""

    def __init__(self, spool: Path) -> None:
        self._folder = spool / "plans"

    def put(self, e164: str, text: str | None) -> str | None:
        """Writes or (None) removes a number's file; what it did, or None if it was so already."""
        path = self._folder / plan_path(e164)
        if text is None:
            return self._remove(path)
        if _content(path) == text:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="ascii")
        fresh.replace(path)
        return "written"

    def put_all(self, texts: Mapping[str, str | None]) -> list[str]:
        """:meth:`put` for several numbers; what was done."""
        return [done for done in (self.put(e164, text) for e164, text in texts.items()) if done is not None]

    def strangers(self, known: Iterable[str]) -> list[str]:
        """Numbers that have a file and should not."""
        wanted = {plan_path(e164) for e164 in known}
        return [
            "+" + path.stem
            for path in self._folder.glob("???/*.plan")
            if f"{path.parent.name}/{path.name}" not in wanted and _NUMBER.fullmatch(path.stem)
        ]

    def _remove(self, path: Path) -> str | None:
        try:
            path.unlink()
        except FileNotFoundError:
            return None
        return "removed"


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


class PlanKeeper:
    """Follows the routes and keeps one node's files in step."""

    def __init__(
        self,
        *,
        node: str,
        spool: Path,
        routes_changed: RoutesChanged,
        find_sounds: FindSounds,
        monotonic_s: Callable[[], float] = time.monotonic,
        clock: Clock | None = None,
    ) -> None:
        self._node = node
        self._clock = clock or SystemClock()
        self._folder = PromptFolder(spool)
        self._find_sounds = find_sounds
        self._spool = str(spool)
        self._files = PlanFiles(spool)
        self._routes_changed = routes_changed
        self._monotonic_s = monotonic_s
        self._mark: str | None = None
        self._full_at_s = float("-inf")
        # One thread: files of one number are never written by two at once.
        self._disk = ThreadPool(1)
        for what in ("database", "disk", "plan", "rules"):
            # Prometheus sees a rise only from what was there before.
            PLAN_FAILURES.labels(node, what)

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.follow()
            gevent.sleep(FOLLOW_EVERY_S)

    def follow(self) -> None:
        """One look. Raises nothing that a next look could mend."""
        full = self._mark is None or self._monotonic_s() >= self._full_at_s
        try:
            changes = self._routes_changed(None if full else self._mark)
            self._keep(changes.routes)
            if full:
                self._remove_strangers(changes.routes)
                self._full_at_s = self._monotonic_s() + FULL_EVERY_S
        except DatabaseError as fault:
            self._failed("database", fault)
        except OSError as fault:
            self._failed("disk", fault)
        else:
            self._mark = changes.mark
            PLAN_SYNCED.labels(self._node).set_to_current_time()

    def _failed(self, what: str, fault: Exception) -> None:
        # It may be another server, or an older copy of itself, when it is back: begin anew.
        self._mark = None
        PLAN_FAILURES.labels(self._node, what).inc()
        log.warning("fallback plans are kept as they are", node=self._node, what=what, fault=str(fault))

    def _keep(self, routes: Mapping[str, Route]) -> None:
        for part in _parts(routes.items(), _AT_A_TIME):
            # A plan may be taken the moment it is there, so what it plays is there before.
            texts = bring_for_plans(dict(self._made(part)), self._folder, self._find_sounds)
            self._count(self._on_disk(self._files.put_all, texts))

    def _remove_strangers(self, routes: Mapping[str, Route]) -> None:
        for part in _parts(self._on_disk(self._files.strangers, routes), _AT_A_TIME):
            self._count(self._on_disk(self._files.put_all, dict.fromkeys(part)))

    def _made(self, routes: Iterable[tuple[str, Route]]) -> Iterator[tuple[str, str | None]]:
        """A number whose plan cannot be made keeps the one that it has."""
        for e164, route in routes:
            gevent.sleep(0)
            try:
                yield e164, plan_file(route, spool=self._spool, now=self._clock.now())
            except CallsError as fault:
                PLAN_FAILURES.labels(self._node, "plan").inc()
                log.error("no fallback plan", node=self._node, number_id=str(route.number_id), fault=str(fault))

    def _on_disk(self, function: Callable[..., Any], *values: Any) -> Any:
        found, fault = self._disk.apply(_attempt, (function, values))
        if fault is not None:
            raise fault
        return found

    def _count(self, done: list[str]) -> None:
        for change in done:
            PLAN_FILES_CHANGED.labels(self._node, change).inc()


def _attempt(function: Callable[..., Any], values: tuple[Any, ...]) -> tuple[Any, OSError | None]:
    """A fault is returned: of one that is raised in its threads gevent prints a traceback, however foreseen it is."""
    try:
        return function(*values), None
    except OSError as fault:
        return None, fault


def _parts(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part

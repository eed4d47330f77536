"""Signs of life of visits, gathered for a second and written together: a page gives one every 20 seconds, and a
statement for each would be most of what the database does.

One that is lost (a crash, a full queue, a database that is away) costs nothing: the next comes before the tail of a
lease is over. So nobody waits for it to be written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any
from uuid import UUID

import structlog

from ..db.errors import DatabaseError
from ..metrics import VISIT_SIGNS

log = structlog.get_logger(__name__)

GATHER_S = 1.0
MOST_WAITING = 50_000
MOST_AT_ONCE = 1_000

Write = Callable[[UUID, Mapping[UUID, Mapping[str, Any]]], None]
_NOTHING: Mapping[str, Any] = {}


class Signs:
    """Gathers (agency, visit) and hands them to ``write`` from a thread of its own, which begins with the first."""

    def __init__(self, write: Write, *, gather_s: float = GATHER_S, most_waiting: int = MOST_WAITING) -> None:
        self._write = write
        self._gather_s = gather_s
        self._most_waiting = most_waiting
        self._waiting: dict[tuple[UUID, UUID], Mapping[str, Any]] = {}
        self._lock = threading.Lock()
        self._came = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, agency_id: UUID, visit_id: UUID, known: Mapping[str, Any] = _NOTHING) -> None:
        """``known``: what it says of who the visitor is to analytics. Returns at once; beyond the most that may wait a
        sign is dropped, and counted."""
        with self._lock:
            if len(self._waiting) >= self._most_waiting:
                VISIT_SIGNS.labels("dropped").inc()
                return
            before = self._waiting.get((agency_id, visit_id), _NOTHING)
            self._waiting[agency_id, visit_id] = {**before, **known} if known else before
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="signs of life", daemon=True)
                self._thread.start()
        self._came.set()

    def forget(self, agency_id: UUID, visit_id: UUID) -> None:
        """The page was left: a sign that it gave before, and that still waits, would say that it is there."""
        with self._lock:
            self._waiting.pop((agency_id, visit_id), None)

    def flush(self) -> None:
        """Writes what waits. What the database does not take is dropped."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        by_agency: dict[UUID, dict[UUID, Mapping[str, Any]]] = {}
        for (agency_id, visit_id), known in waiting.items():
            by_agency.setdefault(agency_id, {})[visit_id] = known
        for agency_id, signs in by_agency.items():
            left = iter(signs.items())
            while several := dict(islice(left, MOST_AT_ONCE)):
                self._hand_over(agency_id, several)

    def _hand_over(self, agency_id: UUID, signs: Mapping[UUID, Mapping[str, Any]]) -> None:
        try:
            self._write(agency_id, signs)
            VISIT_SIGNS.labels("written").inc(len(signs))
        except DatabaseError as error:
            VISIT_SIGNS.labels("failed").inc(len(signs))
            log.warning("signs of life not written", count=len(signs), reason=type(error).__name__)

    def _run(self) -> None:
        while True:
            self._came.wait()
            # The first of a burst waits for the others.
            threading.Event().wait(self._gather_s)
            self._came.clear()
            try:
                self.flush()
            except Exception as error:
                log.error("signs of life failed", exc_info=error)

"""What monitor and agent tell the NOC every few seconds: calls minute by minute, what waits on the disks, which
processes of the machine serve metrics. Nothing waits for it, and nothing is lost with it but a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent
import structlog

from ..db.errors import DatabaseError
from ..scrape_files import machine_name
from ..watching.model import MinuteBook, Target
from ..watching.service import WatchService

log = structlog.get_logger("noc")

TELL_EVERY_S = 5.0


class NocNotes:
    """Told every few seconds. ``book``: what is counted in the meantime; ``find_notes``: further words by name, such as
    a node's backlog; ``find_targets``: processes that serve metrics (the monitor's matter: one of each machine)."""

    def __init__(
        self,
        service: WatchService,
        *,
        book: MinuteBook,
        find_notes: Callable[[], Mapping[str, Mapping[str, Any]]] = dict,
        find_targets: Callable[[], Sequence[Mapping[str, str]]] | None = None,
    ) -> None:
        self._service = service
        self.book = book
        self._find_notes = find_notes
        self._find_targets = find_targets
        self._failing = False

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.tell()
            gevent.sleep(TELL_EVERY_S)

    def tell(self) -> None:
        """Once; a database that is away is told later."""
        try:
            self._service.write_minutes(self.book)
            for name, data in self._find_notes().items():
                self._service.note(name, data)
            if self._find_targets is not None:
                self._service.note_targets(machine_name(), [Target(**one) for one in self._find_targets()])
        except DatabaseError as fault:
            if not self._failing:
                log.warning("the NOC is told later", fault=str(fault))
            self._failing = True
        else:
            self._failing = False

"""Looks after the pools (`dialtrace work pools`): placement of numbers, hours, sizes, cleanliness.

Any number of these processes may run; one has the turn, and another takes it within a second when that one is gone. No
lease and no call waits for it. Must not know what is done, only how often.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import gevent
import structlog
from gevent.event import Event

from ..db.engine import Turn
from ..db.errors import DatabaseError
from ..metrics import NUMBERS_PLACED, POOL_MANAGER_TURN, POOL_PASSES_FAILED
from ..pool.page_rounds import PageRounds
from ..pool.placing import Placer
from ..pool.rounds import PoolRounds
from ..readiness import tell_ready

log = structlog.get_logger("pools")

#: Nodes and new numbers: an edge hears of them within this and its own look.
LOOK_EVERY_S = 1.0
REJOIN_EVERY_S = 20.0
RESIZE_EVERY_S = 30.0
COUNT_EVERY_S = 60.0
JUDGE_EVERY_S = 60.0
PAGES_EVERY_S = 6 * 3600.0
#: After the database failed.
REST_S = 1.0


@dataclass
class Task:
    """Something that is done every so often, and when it is due."""

    name: str
    every_s: float
    run: Callable[[], int | None]
    due_s: float = 0.0


class PoolManager:
    """Does what is due, while it has the turn."""

    def __init__(self, placer: Placer, rounds: PoolRounds, pages: PageRounds, turn: Turn) -> None:
        self._turn = turn
        self._stopping = Event()
        self._tasks = [
            Task("placement", LOOK_EVERY_S, placer.run),
            Task("rejoin", REJOIN_EVERY_S, rounds.rejoin),
            Task("hours", COUNT_EVERY_S, rounds.count_hours),
            Task("sizes", RESIZE_EVERY_S, rounds.resize),
            Task("hygiene", JUDGE_EVERY_S, rounds.judge),
        ]
        #: Waits for other people's servers: beside the others, one at a time.
        self._pages = Task("pages", PAGES_EVERY_S, pages.look)
        self._looking: gevent.Greenlet[..., None] | None = None

    def run(self) -> None:
        """Until :meth:`stop`."""
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(LOOK_EVERY_S)
        self._turn.give_back()

    def stop(self) -> None:
        """Gives the turn away."""
        self._stopping.set()

    def look(self) -> None:
        """One pass. What fails is tried again with the next; the others are done nevertheless."""
        try:
            ours = self._turn.is_ours()
        except DatabaseError as fault:
            self._failed("turn", fault)
            return
        POOL_MANAGER_TURN.set(ours)
        if not ours:
            return
        for task in self._tasks:
            if time.monotonic() >= task.due_s:
                self._do(task)
        if time.monotonic() >= self._pages.due_s and not self._looking:
            self._looking = gevent.spawn(self._do, self._pages)

    def _do(self, task: Task) -> None:
        try:
            changed = task.run()
        except DatabaseError as fault:
            self._failed(task.name, fault)
            task.due_s = time.monotonic() + REST_S
            return
        task.due_s = time.monotonic() + task.every_s
        if changed:
            log.info("looked after the pools", what=task.name, changed=changed)
        if task.name == "placement" and changed:
            NUMBERS_PLACED.inc(changed)

    def _failed(self, what: str, fault: DatabaseError) -> None:
        POOL_PASSES_FAILED.labels(what).inc()
        log.warning("the pools could not be looked after", what=what, fault=str(fault))


def run_pool_manager(manager: PoolManager) -> None:
    """Serves until SIGTERM or SIGINT. The process must be patched for gevent, its database driver too."""
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, manager.stop)
    log.info("ready to look after the pools")
    tell_ready()
    manager.run()

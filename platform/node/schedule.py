"""Things to do to a call later: ``sched_transfer``, ``sched_hangup`` and their cancelling. Knows calls by UUID only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gevent

from .faults import Faults

MAX_DELAY_S = 86_400


@dataclass(slots=True)
class _Task:
    call_id: str
    greenlet: gevent.Greenlet[..., None]


class Schedule:
    """Tasks by number; numbers are the switch's ``last_sched_id`` and are never used twice."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._tasks: dict[int, _Task] = {}
        self._last = 0

    def add(self, call_id: str, delay_s: float, run: Callable[[], None]) -> int:
        """Run something for a call after a while; returns the task's number."""
        self._last += 1
        number = self._last

        def fire() -> None:
            if self._tasks.pop(number, None) is not None:
                run()

        greenlet = gevent.spawn_later(min(max(0.0, delay_s), MAX_DELAY_S), self._faults.guarded("scheduled task", fire))
        self._tasks[number] = _Task(call_id, greenlet)
        return number

    def cancel(self, number: int) -> bool:
        """Forget one task; False if there is none."""
        task = self._tasks.pop(number, None)
        if task is None:
            return False
        task.greenlet.kill(block=False)
        return True

    def cancel_all(self, call_id: str) -> int:
        """Forget every task of a call."""
        numbers = [number for number, task in self._tasks.items() if task.call_id == call_id]
        return sum(self.cancel(number) for number in numbers)

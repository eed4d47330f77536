"""Who is served now, who may wait, and who is sent away at once: so that a busy worker answers in time or not at all.

A call that waits for a worker hears nothing. When more come than can be answered in time, the rest is better off with
the switch's own fallback now than with an answer too late. Knows greenlets, no sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from gevent.lock import BoundedSemaphore

#: What is begun together; each of them waits for the switch and for the database more than it works.
AT_ONCE = 64
#: Who cannot be begun within this time is not begun at all.
LONGEST_WAIT_S = 0.3
#: A measurement needs so many that were finished while others waited.
_ENOUGH = 50


class Admission:
    """At most ``at_once`` are served; behind them is one line, as long as those in it are likely to be served within
    ``longest_wait_s``. How many that are is measured while somebody waits: then, and only then, we go as fast as we
    can."""

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        longest_wait_s: float = LONGEST_WAIT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = BoundedSemaphore(at_once)
        self._at_once = at_once
        self._longest_wait_s = longest_wait_s
        self._monotonic_s = monotonic_s
        self._waiting = 0
        self._rate: float | None = None
        self._counted, self._since_s = 0, 0.0

    @property
    def longest_line(self) -> int:
        """How many may wait. Before anything was measured: as many again as are served at once."""
        return self._at_once if self._rate is None else int(self._rate * self._longest_wait_s)

    @property
    def is_full(self) -> bool:
        """Whether one more would wait in vain."""
        return self._turns.locked() and self._waiting >= self.longest_line

    def enter(self) -> bool:
        """Waits for the turn; False: it did not come in time. Who got True must :meth:`leave`."""
        # Nobody passes those who wait.
        if not self._waiting and self._turns.acquire(blocking=False):
            return True
        if self._waiting == 0:
            self._counted, self._since_s = 0, self._monotonic_s()
        self._waiting += 1
        try:
            return bool(self._turns.acquire(timeout=self._longest_wait_s))
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """One is finished."""
        if self._waiting:
            self._measure()
        self._turns.release()

    def _measure(self) -> None:
        self._counted += 1
        seconds = self._monotonic_s() - self._since_s
        if self._counted >= _ENOUGH and seconds > 0:
            self._rate = self._counted / seconds
            self._counted, self._since_s = 0, self._monotonic_s()

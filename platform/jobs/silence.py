"""Which workers are gone: those that one observer has seen silent for long enough, while he could see.

Comparing a sign's age with the clock alone would give away the jobs of every worker after an outage of the database, in
which none of them could give a sign. Must not know the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

#: A worker gives a sign of life every ten seconds; one that was silent for so long is gone.
SILENT_S = 40.0


class Silence:
    """One observer's memory of the last signs."""

    def __init__(self, *, silent_s: float = SILENT_S, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._silent_s = silent_s
        self._monotonic = monotonic
        self._seen: dict[int, tuple[datetime, float]] = {}

    def gone(self, signs: Mapping[int, datetime]) -> dict[int, datetime]:
        """The workers whose sign has not changed for so long, with that sign."""
        now_s = self._monotonic()
        self._seen = {
            worker: (sign, self._seen[worker][1] if self._seen.get(worker, (None,))[0] == sign else now_s)
            for worker, sign in signs.items()
        }
        return {worker: sign for worker, (sign, since_s) in self._seen.items() if now_s - since_s >= self._silent_s}

    def forget(self) -> None:
        """Nothing could be seen for a while: observing begins anew."""
        self._seen.clear()

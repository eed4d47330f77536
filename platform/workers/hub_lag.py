"""Measures how late the loop of a gevent process comes back to whoever slept: what holds it up holds up every call and
record of the process (STYLE 8: no work over 10 ms in a call worker).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from ..metrics import HUB_LAG_SECONDS

LOOK_EVERY_S = 0.25


def watch_hub() -> None:
    """From now on, as long as the process lives."""
    greenlet = gevent.spawn(measure)
    greenlet.name = "hub-lag"


def measure(sleep: Callable[[float], None] = gevent.sleep, monotonic_s: Callable[[], float] = time.monotonic) -> None:
    """Sleeps, and notes by how much longer than it had asked for."""
    while True:
        began_s = monotonic_s()
        sleep(LOOK_EVERY_S)
        HUB_LAG_SECONDS.observe(max(0.0, monotonic_s() - began_s - LOOK_EVERY_S))

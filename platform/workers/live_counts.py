"""Counts the calls that stand and the callers who wait in queues, of all nodes together, for Prometheus. In `dialtrace
live`, which reads them anyway.
"""

from __future__ import annotations

from collections.abc import Callable

import gevent
import structlog

from ..db.errors import DatabaseError
from ..live.model import STATES as LIVE_STATES
from ..metrics import LIVE_BY_STATE, LIVE_READS_FAILED, QUEUE_CALLERS, QUEUE_LONGEST_SECONDS
from ..watching.service import Standing

log = structlog.get_logger("live")

COUNT_EVERY_S = 5.0
#: What a call's own leg tells. `queued` is told by the queue, whose figures are beside these.
STATES = tuple(one for one in LIVE_STATES if one != "queued")


def count_standing(read: Callable[[], Standing]) -> None:
    """Until the greenlet is killed; while the database is away the last figures stay, and the failures say so."""
    failing = False
    while True:
        try:
            show(read())
            failing = False
        except DatabaseError as fault:
            LIVE_READS_FAILED.inc()
            if not failing:
                log.warning("calls that stand cannot be counted", fault=str(fault))
            failing = True
        gevent.sleep(COUNT_EVERY_S)


def show(found: Standing) -> None:
    """Into the gauges."""
    for state in STATES:
        LIVE_BY_STATE.labels(state).set(found.by_state.get(state, 0))
    QUEUE_CALLERS.labels("waiting").set(found.waiting)
    QUEUE_CALLERS.labels("offered").set(found.offered)
    QUEUE_LONGEST_SECONDS.set(found.longest_wait_s)

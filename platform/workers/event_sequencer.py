"""Gives committed events their positions, whoever wrote them: a part of the agent, because most events are the agent's
and none of this may cost the call plane anything. Several agents may do it at once; each agency's log has one at a
time.
"""

from __future__ import annotations

import structlog
from gevent.event import Event

from ..db.engine import Database
from ..db.errors import DatabaseError
from ..events import service as log_of_events
from ..metrics import EVENT_SEQUENCE_FAILURES, EVENTS_SEQUENCED

log = structlog.get_logger("agent")

#: An event is in the log for readers within half a second of its commit.
LOOK_EVERY_S = 0.3
LONGEST_PAUSE_S = 5.0
#: Of one agency at a time: a flood of one must not keep the others waiting.
MOST_AT_ONCE = 500


def sequence_events(database: Database, stop: Event) -> None:
    """Until ``stop``."""
    failures = 0
    while not stop.is_set():
        try:
            given = log_of_events.sequence(database, limit=MOST_AT_ONCE)
        except DatabaseError as fault:
            failures += 1
            EVENT_SEQUENCE_FAILURES.inc()
            if failures == 1:
                log.warning("events get their positions later", why=str(fault))
        else:
            failures = 0
            EVENTS_SEQUENCED.inc(given)
            if given >= MOST_AT_ONCE:
                continue
        stop.wait(min(LOOK_EVERY_S * 2**failures, LONGEST_PAUSE_S))

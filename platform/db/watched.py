"""Measures what connections do: statements, the wait for a connection, connections at work (docs/metrics.md). Costs
some microseconds a statement. Must not know any room.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, event

from ..metrics import (
    DB_CONNECTION_WAIT_SECONDS,
    DB_CONNECTIONS_MOST,
    DB_CONNECTIONS_USED,
    DB_FAILURES,
    DB_STATEMENT_SECONDS,
)
from .errors import DatabaseError, words

#: Whoever asked has stopped waiting, before the database or its own limit said anything.
_GIVEN_UP = "GivenUp"
#: What `dialtrace_db_failures_total` tells apart.
WHYS = (*words(), _GIVEN_UP)
_VERBS = frozenset({"select", "insert", "update", "delete", "with", "set", "execute", "prepare"})


@lru_cache(maxsize=2048)
def verb_of(statement: str) -> str:
    """The first word, as far as it is one of those that are told apart."""
    first, _, _ = statement[:64].lstrip().partition(" ")
    word = first.strip("(;\n").lower()
    return word if word in _VERBS else "other"


def watch(engine: Engine, most: int) -> None:
    """Counts from now on. ``most``: connections that the engine may have."""
    DB_CONNECTIONS_MOST.inc(most)
    for why in WHYS:
        # Prometheus sees a rise only from what was there before.
        DB_FAILURES.labels(why)
    event.listen(engine, "checkout", lambda *_: DB_CONNECTIONS_USED.inc())
    event.listen(engine, "checkin", lambda *_: DB_CONNECTIONS_USED.dec())

    @event.listens_for(engine, "before_cursor_execute")
    def begin(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.dialtrace_began_s = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        DB_STATEMENT_SECONDS.labels(verb_of(statement)).observe(time.perf_counter() - context.dialtrace_began_s)


def unwatch(most: int) -> None:
    """An engine that is done with has no connections any more."""
    DB_CONNECTIONS_MOST.dec(most)


@contextmanager
def timed(statement: str) -> Iterator[None]:
    """A statement that goes by the driver alone; one that fails is not among those that were answered."""
    began_s = time.perf_counter()
    yield
    DB_STATEMENT_SECONDS.labels(verb_of(statement)).observe(time.perf_counter() - began_s)


@contextmanager
def waiting() -> Iterator[None]:
    """The wait for a connection, whether it comes or not."""
    with DB_CONNECTION_WAIT_SECONDS.time():
        yield


def counted(error: DatabaseError | None) -> DatabaseError | None:
    """The same, after it was counted; what the room is to name (None) is no failure."""
    if error is not None:
        DB_FAILURES.labels(type(error).__name__).inc()
    return error


def given_up() -> None:
    """Counts one whose asker waits no more."""
    DB_FAILURES.labels(_GIVEN_UP).inc()

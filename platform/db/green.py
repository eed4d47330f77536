"""How the database driver waits: it yields in gevent processes, and nowhere does it wait for ever.

The server ends a statement that takes too long, but not when it is the server that stands still (its disk hangs, its
machine is frozen): nothing then comes over a socket that looks alive. Then the wait ends here, the driver closes the
connection, and whoever asked learns that the database is away.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg2
from psycopg2 import extensions

__all__ = ["LONGEST_WAIT_S", "bound_psycopg", "patch_psycopg"]

#: Above every statement timeout that a `Database` sets, so that a server that lives always answers first.
LONGEST_WAIT_S = 15.0


def patch_psycopg(longest_s: float = LONGEST_WAIT_S) -> None:
    """For gevent processes. Called by `__main__` right after monkey patching."""
    from psycogreen.gevent import gevent_wait_callback

    def wait(connection: Any) -> None:
        try:
            gevent_wait_callback(connection, timeout=longest_s)
        except TimeoutError:
            raise _silent(longest_s) from None

    extensions.set_wait_callback(wait)


def bound_psycopg(longest_s: float = LONGEST_WAIT_S) -> None:
    """For processes with plain threads."""

    def wait(connection: Any) -> None:
        while (state := connection.poll()) != extensions.POLL_OK:
            poller = select.poll()
            poller.register(connection.fileno(), select.POLLOUT if state == extensions.POLL_WRITE else select.POLLIN)
            if not poller.poll(longest_s * 1000):
                raise _silent(longest_s)

    extensions.set_wait_callback(wait)


def _silent(longest_s: float) -> psycopg2.OperationalError:
    """Not the server's word, so without an SQLSTATE: `errors.translate` takes it for an unreachable database."""
    return psycopg2.OperationalError(f"the server has not said a word for {longest_s:g} s")

"""Names to addresses within a bounded time: the system's own look-up cannot be given one.

Each look-up runs in a thread of its own (a greenlet in processes that live on gevent) and is left behind when it takes
too long; how many there may be is bounded. Must not know HTTP.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from .errors import NameNotFound, TimedOut, TooBusy
from .model import IpAddress

#: Asks for a name's addresses; raises OSError.
Resolve = Callable[[str], Sequence[str]]

MOST_AT_A_TIME = 64
#: A name with more addresses than this is nobody's web hook.
MOST_ADDRESSES = 16


def ask_the_system(host: str) -> list[str]:
    """The addresses as the machine's resolver gives them, its preference first. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class NameLookup:
    """Looks names up through ``resolve``."""

    def __init__(self, resolve: Resolve = ask_the_system, *, most_at_a_time: int = MOST_AT_A_TIME) -> None:
        self._resolve = resolve
        self._places = threading.BoundedSemaphore(most_at_a_time)

    def find(self, host: str, *, timeout_s: float) -> list[IpAddress]:
        """At least one address. Raises NameNotFound, TimedOut, TooBusy."""
        if not self._places.acquire(blocking=False):
            raise TooBusy(f"{TooBusy.__doc__} (looking up names)")
        box: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()
        threading.Thread(target=self._ask, args=(host, box), name="look-up", daemon=True).start()
        try:
            found = box.get(timeout=max(timeout_s, 0.001))
        except queue.Empty as error:
            raise TimedOut(f"{host} could not be looked up in time") from error
        if isinstance(found, OSError):
            raise NameNotFound(f"{host} cannot be looked up: {found.strerror or found}") from found
        addresses = [ip_address(text) for text in found[:MOST_ADDRESSES]]
        if not addresses:
            raise NameNotFound(f"{host} has no address")
        return addresses

    def _ask(self, host: str, box: queue.SimpleQueue[Sequence[str] | OSError]) -> None:
        try:
            box.put(self._resolve(host))
        except (OSError, UnicodeError) as error:
            box.put(error if isinstance(error, OSError) else OSError(str(error)))
        finally:
            self._places.release()

"""The routes as a worker sees them: the database within a bounded time, the last-known copy when that fails.

There are two copies: what this process has read itself, and the machine's file with all routes, which the monitor keeps
and which a worker has from its first moment on. The newer one answers; what neither knows, the node's own fallback
plans do. Must not know sockets or plans.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gevent import Timeout

from ..calls.model import Route
from ..db.errors import DatabaseError
from ..errors import DialtraceError

#: Two thirds of what a worker has in all; the statement's own limit (250 ms) normally ends it before.
READ_TIMEOUT_S = 0.35
#: After a failure, numbers with a copy are answered from it at once for so long: waiting again would only add to the
#: load of a database in trouble and to each caller's silence.
REST_S = 1.0
MOST_COPIES = 100_000


class RouteNotKnown(DialtraceError):
    """The database did not answer in time, and no copy here knows the number's route."""


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A number's route (None: nobody has it), where it came from, and for a copy how old it is."""

    route: Route | None
    source: Literal["database", "copy", "disk"]
    age_s: float = 0.0


class RouteReader:
    """Reads routes through ``find_route`` and keeps a bounded copy of each, the least used one leaving first.
    ``find_on_disk`` knows all routes as they were some seconds ago (with the copy's age); it does not wait.
    """

    def __init__(
        self,
        find_route: Callable[[str], Route | None],
        *,
        find_on_disk: Callable[[str], tuple[Route, float] | None] = lambda e164: None,
        timeout_s: float = READ_TIMEOUT_S,
        most_copies: int = MOST_COPIES,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_route = find_route
        self._find_on_disk = find_on_disk
        self._timeout_s = timeout_s
        self._most_copies = most_copies
        self._monotonic_s = monotonic_s
        self._copies: OrderedDict[str, tuple[Route, float]] = OrderedDict()
        self._rest_until_s = float("-inf")

    def read(self, e164: str, find_route: Callable[[str], Route | None] | None = None) -> FoundRoute:
        """Within ``timeout_s``, and never an error that is only the database's. ``find_route``: this question's own way
        to read, which learns more than the route. Raises RouteNotKnown."""
        if self._monotonic_s() < self._rest_until_s:
            copy = self._newest_copy(e164)
            if copy is not None:
                return copy
        deadline = Timeout.start_new(self._timeout_s)
        try:
            route = (find_route or self._find_route)(e164)
        except Timeout as fault:
            if fault is not deadline:
                raise
            return self._copy(e164, fault)
        except DatabaseError as fault:
            return self._copy(e164, fault)
        finally:
            deadline.close()
        self._keep(e164, route)
        return FoundRoute(route, "database")

    def _keep(self, e164: str, route: Route | None) -> None:
        self._rest_until_s = float("-inf")
        self._copies.pop(e164, None)
        if route is not None:
            self._copies[e164] = (route, self._monotonic_s())
            if len(self._copies) > self._most_copies:
                self._copies.popitem(last=False)

    def _copy(self, e164: str, fault: BaseException) -> FoundRoute:
        self._rest_until_s = self._monotonic_s() + REST_S
        copy = self._newest_copy(e164)
        if copy is None:
            raise RouteNotKnown(f"{RouteNotKnown.__doc__} ({fault})") from fault
        return copy

    def _newest_copy(self, e164: str) -> FoundRoute | None:
        found = []
        if (kept := self._copies.get(e164)) is not None:
            self._copies.move_to_end(e164)
            found.append(FoundRoute(kept[0], "copy", self._monotonic_s() - kept[1]))
        if (on_disk := self._find_on_disk(e164)) is not None:
            found.append(FoundRoute(on_disk[0], "disk", on_disk[1]))
        return min(found, key=lambda copy: copy.age_s, default=None)

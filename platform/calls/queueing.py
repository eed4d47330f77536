"""Brings a caller into a queue that all nodes share, and out of it again, by rows in the database.

Who pairs callers with targets and moves them stands elsewhere (the node's monitor); a worker only says that a caller is
there, each time it makes a plan that holds one, and learns his place. Must not know sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..db.engine import Database
from .compiled import CompiledQueue, read_compiled
from .model import QueuePlace, Route
from .ringing import ATTEMPT_MARGIN_S, WHISPER_S
from .waits import TIMEOUT, is_target

_JOIN = (
    'SELECT "position", waited_s, is_full FROM dialtrace_queue_join(%s::uuid, %s::uuid, %s::uuid, %s::uuid, %s::text,'
    " %s::text, %s::uuid[], %s::integer, %s::integer)"
)
_LEAVE = "SELECT dialtrace_queue_leave(%s::uuid, %s::uuid)"


@dataclass(frozen=True, slots=True)
class QueuePoint:
    """A queue's step at which a plan begins; ``stays``: the caller is to wait there (on), else he leaves."""

    name: str
    step: CompiledQueue
    stays: bool


def queue_at(route: Route | None, point: str) -> QueuePoint | None:
    """The queue whose caller this is; None: it is no queue's point, or the caller is with his target now. Raises
    RouteUnreadable."""
    name, _, result = point.partition("=")
    if is_target(result) or route is None or route.compiled is None or route.status != "active":
        return None
    steps = route.compiled.get("steps")
    if not isinstance(steps, Mapping) or steps.get(name, {}).get("type") != "queue":
        return None  # as for most calls, without reading the whole flow
    step = read_compiled(route.compiled).steps[name]
    return QueuePoint(name, step, result != TIMEOUT) if isinstance(step, CompiledQueue) else None


class QueueDoor:
    """Raises the errors of `db.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pass_through(self, route: Route, at: QueuePoint, *, call_id: str, node: str) -> QueuePlace | None:
        """The caller's place, which is kept however often he comes back to it; None: he has left."""
        if not at.stays:
            self._leave(route, call_id)
            return None
        longest_s = max(target.ring_timeout_s for target in at.step.targets)
        values = (
            str(route.agency_id), str(route.client_id), call_id, str(route.flow_id), at.name, node,
            [str(target.id) for target in at.step.targets], longest_s + WHISPER_S + ATTEMPT_MARGIN_S,
            at.step.max_length,
        )  # fmt: skip
        ((position, waited_s, is_full),) = self._database.ask(_JOIN, values)
        if waited_s >= at.step.max_wait_s:
            self._leave(route, call_id)
        return QueuePlace(position=position, waited_s=waited_s, full=is_full)

    def _leave(self, route: Route, call_id: str) -> None:
        self._database.ask(_LEAVE, (str(route.agency_id), call_id))

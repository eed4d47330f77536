"""All that follows a node's calls while they live, put together: what is heard, what is asked, what is written, and the
waking of calls that wait. The monitor tells it what it hears and how the link is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..calls.live import LiveCalls
from ..calls.live_rows import LiveRows, QueueRows
from ..db.engine import Database
from ..esl.events import Event
from .live_asker import LiveAsker, Switch
from .live_facts import LIVE_EVENTS, heard_of
from .live_writer import LiveWriter
from .switch_facts import Live
from .wake_keeper import WakeKeeper
from .waker import Waker

_HEARD = frozenset(LIVE_EVENTS)
FINISH_S = 1.0


class LiveWatch:
    """The live calls of one node."""

    def __init__(self, *, node: str, database: Database, switch: Switch, is_up: Callable[[], bool]) -> None:
        self._node = node
        self._live = LiveCalls()
        rows = LiveRows(database)
        self._asker = LiveAsker(node=node, live=self._live, switch=switch, is_up=is_up)
        self._writer = LiveWriter(node=node, live=self._live, put=rows.put, seen=rows.seen, is_up=is_up)
        self._wakes = WakeKeeper(node=node, rows=QueueRows(database), waker=Waker(switch), is_up=is_up)

    def greenlets(self) -> Iterable[tuple[str, Callable[[], None]]]:
        """What is to run, by name."""
        return (
            (f"live-ask-{self._node}", self._asker.run),
            (f"live-write-{self._node}", self._writer.run),
            (f"queue-{self._node}", self._wakes.run_queue),
            (f"decisions-{self._node}", self._wakes.run_decisions),
        )

    def hear(self, event: Event) -> None:
        """An event of a caller's leg. Never waits."""
        heard = heard_of(event) if event.name in _HEARD else None
        if heard is not None:
            self._live.hear(heard)

    def resync(self, listed: Sequence[Live]) -> None:
        """The switch's own list after a gap. Raises EslError."""
        self._asker.resync(listed)

    def broken(self) -> None:
        """The link is no more: what happens now is not heard, and nothing ends by that."""
        self._live.unlisted()

    def down(self) -> None:
        """The switch's process is proven to be gone, and its calls with it."""
        for call_id in self._live.calls():
            self._live.end(call_id)
        self._live.listed()

    def flush(self) -> None:
        """At the end: calls that are being moved are moved, and what is left is written, once."""
        self._wakes.finish(FINISH_S)
        self._writer.write()

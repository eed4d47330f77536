"""Order within a call, no waiting between calls: handlers run in a greenlet per call that has something to handle."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
from gevent.event import Event

_Event = TypeVar("_Event")


class Mailboxes(Generic[_Event]):
    """Runs handlers in order for each call, and side by side for different calls, a bounded number waiting."""

    def __init__(self, handle: Callable[[_Event], None], most: int) -> None:
        self._handle = handle
        self._most = most
        self._boxes: dict[str, deque[_Event]] = {}
        self._waiting = 0
        self._changed = Event()

    def put(self, key: str, event: _Event) -> None:
        """Queue an event; waits while too many are queued."""
        while self._waiting >= self._most:
            self._changed.clear()
            self._changed.wait()
        self._waiting += 1
        box = self._boxes.get(key)
        if box is not None:
            box.append(event)
            return
        self._boxes[key] = deque((event,))
        greenlet: gevent.Greenlet[..., Any] = gevent.Greenlet(self._empty, key)
        greenlet.name = "esl-handlers"
        greenlet.start()

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until every handler has run; says whether they have."""
        ends = time.monotonic() + timeout_s
        while self._boxes and (left_s := ends - time.monotonic()) > 0:
            self._changed.clear()
            self._changed.wait(left_s)
        return not self._boxes

    def _empty(self, key: str) -> None:
        box = self._boxes[key]
        try:
            while box:
                event = box.popleft()
                try:
                    self._handle(event)
                finally:
                    self._waiting -= 1
                    self._changed.set()
        finally:
            self._waiting -= len(box)
            del self._boxes[key]
            self._changed.set()

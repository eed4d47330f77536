"""What several do at the same moment, done once for all of them: while one transaction is under way, those that come
wait and go together in the next. Nobody waits for company: who comes alone goes alone, at once. Knows no SQL.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Entry(Generic[Item, Result]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_done = False
        self.result: Result | None = None
        self.error: Exception | None = None


class Together(Generic[Item, Result]):
    """``work`` does all of them and returns a result each, in order. What it raises everybody of the turn gets."""

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result | None]], *, most: int = 32) -> None:
        self._work = work
        self._most = most
        self._waiting: list[_Entry[Item, Result]] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def do(self, item: Item) -> Result | None:
        """Returns when it is done, by whomever."""
        entry: _Entry[Item, Result] = _Entry(item)
        with self._guard:
            self._waiting.append(entry)
        while not entry.is_done:
            with self._turn:
                if not entry.is_done:
                    self._go()
        if entry.error is not None:
            raise entry.error
        return entry.result

    def _go(self) -> None:
        with self._guard:
            turn, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        error: BaseException | None = None
        try:
            results = self._work([entry.item for entry in turn])
        except BaseException as raised:  # noqa: BLE001 (everybody of the turn is told; what ends the process is raised again)
            error = raised
        for place, entry in enumerate(turn):
            if error is None:
                entry.result = results[place]
            else:
                # Where the process was told to end in the middle, the others are told that it failed.
                entry.error = error if isinstance(error, Exception) else InterruptedError("cut off")
            entry.is_done = True
        if error is not None and not isinstance(error, Exception):
            raise error

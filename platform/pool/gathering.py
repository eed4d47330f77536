"""Who asks for the same thing while an answer to it is on its way stands in line, and all who stand there are answered
at once by the next one: under load one statement and one wait for the disk serve many.

Whoever finds nobody on the way goes at once and alone, so that a lone request waits for nobody and for no clock. The
first in line carries out the question of all; no thread of its own stands between. Must not know what is asked.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from ..db.errors import DatabaseUnavailable, StatementTooSlow

#: Longer than any statement may take.
WAIT_S = 30.0

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")
A = TypeVar("A")


class Gathering(Generic[K, Q, A]):
    """``carry_out`` answers questions of one key, in their order; what it raises is raised to all of them.
    ``on_the_way``: so many answers to one key are waited for at a time; ``most``: questions of one answer."""

    def __init__(
        self, carry_out: Callable[[K, Sequence[Q]], Sequence[A]], *, on_the_way: int, most: int, wait_s: float = WAIT_S
    ) -> None:
        self._carry_out = carry_out
        self._on_the_way = on_the_way
        self._most = most
        self._wait_s = wait_s
        self._lines: dict[K, _Line[Q, A]] = {}
        self._lock = threading.Lock()

    def ask(self, key: K, question: Q) -> A:
        """Waits for the answer. Raises what `carry_out` raises; StatementTooSlow."""
        mine: _Asked[Q, A] = _Asked(question)
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = _Line()
            if line.on_the_way < self._on_the_way:
                line.on_the_way += 1
                mine.leads = [mine]
            else:
                line.waiting.append(mine)
        if not mine.leads and not mine.called.acquire(timeout=self._wait_s):
            self._give_up(line, mine)
        if mine.leads:
            self._lead(key, line, mine.leads)
        return mine.result()

    def waiting(self, key: K) -> int:
        """How many stand in line."""
        with self._lock:
            line = self._lines.get(key)
            return 0 if line is None else len(line.waiting)

    def _lead(self, key: K, line: _Line[Q, A], together: list[_Asked[Q, A]]) -> None:
        """Carries out what is asked, tells the others, and sends the next one."""
        try:
            answers = self._carry_out(key, [one.question for one in together])
            for one, answer in zip(together, answers, strict=True):
                one.answer = answer
                one.is_answered = True
        except BaseException as fault:
            for one in together:
                one.fault = fault
            if not isinstance(fault, Exception):
                raise
        finally:
            self._go_on(key, line)
            for one in together[1:]:
                one.called.release()

    def _go_on(self, key: K, line: _Line[Q, A]) -> None:
        with self._lock:
            if not line.waiting:
                line.on_the_way -= 1
                if not line.on_the_way:
                    del self._lines[key]
                return
            following = [line.waiting.popleft() for _ in range(min(self._most, len(line.waiting)))]
            following[0].leads = following
        following[0].called.release()

    def _give_up(self, line: _Line[Q, A], mine: _Asked[Q, A]) -> None:
        with self._lock:
            if mine in line.waiting:
                line.waiting.remove(mine)
        if not mine.leads:
            raise StatementTooSlow


class _Asked(Generic[Q, A]):
    """One question in line. It is called once: with its answer, or to lead."""

    __slots__ = ("answer", "called", "fault", "is_answered", "leads", "question")

    def __init__(self, question: Q) -> None:
        self.question = question
        self.called = threading.Lock()
        self.called.acquire()
        #: Those for whom it asks, itself first.
        self.leads: list[_Asked[Q, A]] = []
        self.answer: A | None = None
        self.is_answered = False
        self.fault: BaseException | None = None

    def result(self) -> A:
        if self.fault is not None:
            raise self.fault if isinstance(self.fault, Exception) else DatabaseUnavailable
        assert self.is_answered
        return self.answer  # type: ignore[return-value]


class _Line(Generic[Q, A]):
    """Who waits for answers of one key."""

    __slots__ = ("on_the_way", "waiting")

    def __init__(self) -> None:
        self.on_the_way = 0
        self.waiting: deque[_Asked[Q, A]] = deque()

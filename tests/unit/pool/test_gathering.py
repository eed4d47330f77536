"""Who is answered with whom, when several ask for the same at one moment."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dialtrace.db.errors import DatabaseUnavailable, StatementTooSlow
from dialtrace.pool.gathering import Gathering

PATIENCE_S = 20.0


class Counter:
    """Answers each question with itself and its place; the first answer of a key waits until it is let go."""

    def __init__(self, **bounds):
        self.asked = []
        self.fault = None
        self.let_go = threading.Event()
        self.begun = threading.Event()
        self.gathering = Gathering(self, **({"on_the_way": 1, "most": 4} | bounds))

    def __call__(self, key, questions):
        self.asked.append((key, list(questions)))
        if len(self.asked) == 1:
            self.begun.set()
            assert self.let_go.wait(PATIENCE_S)
        elif self.fault is not None:
            raise self.fault
        return [(one, place) for place, one in enumerate(questions)]

    def await_line(self, key, length):
        end_s = time.monotonic() + PATIENCE_S
        while self.gathering.waiting(key) < length:
            assert time.monotonic() < end_s
            time.sleep(0.001)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(12) as pool:
        yield pool


def in_line(counter, threads, questions):
    """One on the way, and these behind it in their order."""
    first = threads.submit(counter.gathering.ask, "a", 0)
    assert counter.begun.wait(PATIENCE_S)
    behind = []
    for place, question in enumerate(questions):
        behind.append(threads.submit(counter.gathering.ask, "a", question))
        counter.await_line("a", place + 1)
    return first, behind


def test_given_nobody_on_the_way_then_each_goes_at_once_and_alone():
    counter = Counter()
    counter.let_go.set()
    assert [counter.gathering.ask("a", one) for one in (1, 2)] == [(1, 0), (2, 0)]
    assert counter.asked == [("a", [1]), ("a", [2])]


def test_given_one_on_the_way_then_those_who_come_meanwhile_are_answered_together_in_their_order(threads):
    counter = Counter()
    first, behind = in_line(counter, threads, [1, 2, 3, 4, 5, 6])
    counter.let_go.set()
    assert first.result(PATIENCE_S) == (0, 0)
    assert [one.result(PATIENCE_S) for one in behind] == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 0), (6, 1)]
    assert counter.asked == [("a", [0]), ("a", [1, 2, 3, 4]), ("a", [5, 6])]
    assert counter.gathering.waiting("a") == 0


def test_given_another_key_or_room_for_two_on_the_way_then_nobody_stands_in_line(threads):
    counter = Counter(on_the_way=2)
    first, _ = in_line(counter, threads, [])
    assert counter.gathering.ask("b", 1) == (1, 0)
    assert counter.gathering.ask("a", 2) == (2, 0)
    counter.let_go.set()
    assert first.result(PATIENCE_S) == (0, 0)


def test_given_a_fault_then_all_who_asked_together_hear_of_it_and_the_next_go_on(threads):
    counter = Counter(most=2)
    counter.fault = KeyError("spoilt")
    first, behind = in_line(counter, threads, [1, 2, 3])
    counter.let_go.set()
    assert first.result(PATIENCE_S) == (0, 0)
    assert [type(one.exception(PATIENCE_S)) for one in behind] == [KeyError] * 3
    counter.fault = None
    assert counter.gathering.ask("a", 4) == (4, 0)


def test_given_a_thread_that_is_ended_as_it_asks_for_others_then_they_are_told_and_the_line_goes_on(threads):
    counter = Counter(most=2)
    counter.fault = SystemExit()
    first, behind = in_line(counter, threads, [1, 2])
    counter.let_go.set()
    assert first.result(PATIENCE_S) == (0, 0)
    assert [type(one.exception(PATIENCE_S)) for one in behind] == [SystemExit, DatabaseUnavailable]
    counter.fault = None
    assert counter.gathering.ask("a", 3) == (3, 0)


def test_given_an_answer_that_does_not_come_then_nobody_waits_for_ever(threads):
    counter = Counter(wait_s=0.01)
    first = threads.submit(counter.gathering.ask, "a", 0)
    assert counter.begun.wait(PATIENCE_S)
    with pytest.raises(StatementTooSlow):
        counter.gathering.ask("a", 1)
    counter.let_go.set()
    assert first.result(PATIENCE_S) == (0, 0)
    assert counter.asked == [("a", [0])]

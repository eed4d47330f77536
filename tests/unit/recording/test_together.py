"""What comes at the same moment goes together, and everybody gets his own."""

import threading

import pytest

from dialtrace.recording.together import Together


def test_given_one_alone_then_he_goes_at_once():
    turns = []
    together = Together(lambda items: turns.append(list(items)) or [item * 2 for item in items])
    assert together.do(4) == 8
    assert turns == [[4]]


class Gate:
    """The first turn stands until it is let go; those that come meanwhile are noted."""

    def __init__(self, fails=None):
        self.turns, self.open, self.begun, self.fails = [], threading.Event(), threading.Event(), fails

    def __call__(self, items):
        self.turns.append(sorted(items))
        if len(self.turns) == 1:
            self.begun.set()
            assert self.open.wait(10)
        elif self.fails:
            raise self.fails
        return [item * 2 for item in items]


def run_many(gate, *, most, count):
    together, results = Together(gate, most=most), {}

    def ask(item):
        try:
            results[item] = together.do(item)
        except Exception as error:
            results[item] = error

    threads = [threading.Thread(target=ask, args=(item,)) for item in range(count)]
    threads[0].start()
    assert gate.begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < count - 1:
        threading.Event().wait(0.001)
    gate.open.set()
    for thread in threads:
        thread.join(10)
    return results


def test_given_many_while_a_turn_is_under_way_then_they_share_the_next_and_each_has_his_own_result():
    gate = Gate()
    results = run_many(gate, most=32, count=9)
    assert gate.turns == [[0], list(range(1, 9))]
    assert results == {item: item * 2 for item in range(9)}


def test_given_more_than_fit_into_a_turn_then_nobody_is_left():
    gate = Gate()
    results = run_many(gate, most=3, count=12)
    assert max(map(len, gate.turns)) == 3
    assert results == {item: item * 2 for item in range(12)}


def test_given_a_turn_fails_then_everybody_in_it_is_told_and_nobody_else():
    failure = ValueError("no database")
    results = run_many(Gate(failure), most=32, count=4)
    assert results == {0: 0, 1: failure, 2: failure, 3: failure}


def test_given_the_process_is_told_to_end_then_that_is_not_swallowed():
    def work(_items):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Together(work).do(1)

"""Draining one node: what is told to its switch, what it waits for, and what survives."""

import pytest

from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.esl.errors import ConnectionLost
from dialtrace.workers.drain import NodeDrain


class Switch:
    """Answers as both switches do."""

    def __init__(self):
        self.paused, self.sessions, self.is_there, self.asked = False, 0, True, []

    def __call__(self, *words, timeout_s):
        self.asked.append(" ".join(words))
        if not self.is_there:
            raise ConnectionLost("gone")
        if words == ("status",):
            return f"UP 0 years\n9 session(s) since startup\n{self.sessions} session(s) - peak 7, last 5min 7\n"
        if words[1] == "pause_check":
            return "true" if self.paused else "false"
        self.paused = words[1] == "pause"
        return "+OK\n"


class Row:
    """The node's row."""

    def __init__(self):
        self.wanted, self.told, self.is_there = False, [], True

    def _check(self):
        if not self.is_there:
            raise DatabaseUnavailable

    def is_drain_wanted(self, name):
        self._check()
        return self.wanted

    def tell_waits(self, name, waits):
        self._check()
        self.told.append(dict(waits))

    def tell_serving(self, name):
        self._check()
        self.told.append("serving")


class Node:
    def __init__(self, spool):
        self.spool, self.switch, self.row = spool, Switch(), Row()
        self.state, self.journal, self.ledger = "up", 0, 0
        for name in ("cdr", "cdr-broken", "recordings-due", "recordings/20260102"):
            (spool / name).mkdir(parents=True)
        self.drain = self.restarted()

    def restarted(self):
        """The monitor's part after it was started anew."""
        return NodeDrain(
            node="node-1", spool=self.spool, api=self.switch, state=lambda: self.state, drains=self.row,
            journal=lambda: self.journal, ledger=lambda: self.ledger,
        )  # fmt: skip


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def test_given_a_node_that_serves_then_nothing_is_said_to_its_switch(node):
    node.drain.look()
    assert node.switch.asked == []
    assert node.row.told == []


def test_given_a_drain_then_the_switch_is_told_once_and_an_empty_node_is_drained(node):
    node.row.wanted = True
    node.drain.look()
    node.drain.look()
    assert node.switch.paused
    assert node.switch.asked.count("fsctl pause inbound") == 1
    assert node.row.told == [{}, {}]


@pytest.mark.parametrize(
    ("hold", "waits"),
    [
        (lambda node: setattr(node.switch, "sessions", 4), {"calls": 4}),
        (lambda node: setattr(node, "journal", 2), {"journal": 2}),
        (lambda node: setattr(node, "ledger", 3), {"ledger": 3}),
        (lambda node: (node.spool / "cdr" / "a_1.cdr.json").touch(), {"cdr_files": 1}),
        (lambda node: (node.spool / "cdr-broken" / "a_1.cdr.json").touch(), {"cdr_files_set_aside": 1}),
        (lambda node: (node.spool / "recordings-due" / "1_2_3.cdr.json").touch(), {"recordings_due": 1}),
        (lambda node: (node.spool / "recordings" / "20260102" / "1-1.wav").touch(), {"recordings": 1}),
        (lambda node: setattr(node.switch, "is_there", False), {"switch": 1}),
    ],
    ids=["calls", "journal", "ledger", "cdr", "set-aside", "due", "recordings", "silent-switch"],
)
def test_given_anything_that_would_be_missed_then_the_node_is_not_drained_and_says_what(node, hold, waits):
    node.row.wanted = True
    hold(node)
    node.drain.look()
    assert node.row.told == [waits]


def test_given_a_switch_that_is_proven_gone_then_only_what_it_left_counts(node):
    node.row.wanted, node.state, node.switch.is_there, node.journal = True, "down", False, 1
    node.drain.look()
    assert node.row.told == [{"journal": 1}]


def test_given_a_database_that_is_away_then_nobody_is_told_that_it_is_drained_and_the_switch_stays_as_it_is(node):
    node.row.wanted = True
    node.drain.look()
    node.row.told.clear()
    node.row.is_there = False
    node.drain.look()
    assert node.row.told == []
    assert node.switch.paused


def test_given_a_drained_node_whose_monitor_and_switch_start_anew_without_a_database_then_it_takes_no_call(node):
    node.row.wanted = True
    node.drain.look()
    node.row.is_there, node.switch.paused = False, False
    again = node.restarted()
    assert again.is_wanted
    again.on_linked()
    assert node.switch.paused


def test_given_a_switch_that_somebody_resumed_then_it_is_told_again(node):
    node.row.wanted = True
    node.drain.look()
    node.switch.paused = False
    node.drain.look()
    assert node.switch.paused


def test_given_an_undrain_then_the_switch_takes_calls_and_the_marker_is_gone(node):
    node.row.wanted = True
    node.drain.look()
    node.row.wanted = False
    node.drain.look()
    assert not node.switch.paused
    assert not node.drain.is_wanted
    assert node.row.told[-1] == "serving"


def test_given_an_undrain_that_the_switch_does_not_hear_then_it_is_told_once_it_does(node):
    node.row.wanted = True
    node.drain.look()
    node.row.wanted, node.switch.is_there = False, False
    node.drain.look()
    assert node.drain.is_wanted, "it is not serving before the switch knows"
    node.switch.is_there = True
    node.drain.look()
    assert not node.switch.paused
    assert node.row.told[-1] == "serving"


def test_given_a_switch_paused_by_hand_then_it_is_left_alone(node):
    node.switch.paused = True
    node.drain.look()
    node.drain.on_linked()
    assert node.switch.asked == []

"""What is done until a switch is idle again, with a switch that only says what it was told to."""

from types import SimpleNamespace

import pytest

from dialtrace.loadruns import idle

IDLE, BUSY = "0 session(s) - peak 3", "2 session(s) - peak 3"


class Switch:
    """Has calls until ``idle_after`` was asked of it; None: it never has any."""

    def __init__(self, idle_after):
        self.asked, self._idle_after = [], idle_after

    def ask(self, _node, question):
        self.asked.append(question)
        return IDLE if self._idle_after in (None, *self.asked) else BUSY

    def ask_to_stop(self):
        self.asked.append("stop")

    def await_end(self):
        self.asked.append("ended")

    def start(self):
        self.asked.append("start")

    def await_ready(self):
        self.asked.append("ready")


@pytest.fixture
def node(tmp_path):
    (tmp_path / "cdr").mkdir()
    return SimpleNamespace(spool=tmp_path)


@pytest.mark.parametrize(
    ("idle_after", "done"),
    [
        (None, []),
        ("hupall", ["hupall"]),
        ("start", ["hupall", "stop", "ended", "start", "ready"]),
    ],
    ids=["idle", "what stands is hung up", "it does not recover"],
)
def test_given_what_an_overload_left_when_settled_then_no_more_is_done_than_it_needs(
    node, monkeypatch, idle_after, done
):
    switch = Switch(idle_after)
    monkeypatch.setattr(idle, "ask_switch", switch.ask)
    monkeypatch.setattr(idle, "LOOK_EVERY_S", 0.001)
    idle.settle_node(node, switch, idle_s=0.004, hang_up_s=0.004)
    assert [one for one in switch.asked if one != "status"] == done


def test_given_a_record_that_nobody_has_read_then_a_switch_is_idle_only_for_whom_records_are_nothing(node, monkeypatch):
    (node.spool / "cdr" / "a.json").touch()
    monkeypatch.setattr(idle, "ask_switch", Switch(None).ask)
    monkeypatch.setattr(idle, "LOOK_EVERY_S", 0.001)
    assert not idle.becomes_idle(node, 0.004)
    assert idle.becomes_idle(node, 0.004, records=False)

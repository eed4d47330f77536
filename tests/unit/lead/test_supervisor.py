"""Children are started, restarted, counted and stopped; real processes, each a few lines of shell."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dialtrace.supervisor import ChildNotReady, ChildSpec, Supervisor


def until(true: Callable[[], bool], supervisor: Supervisor, timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        supervisor.tend()
        if true():
            return True
        time.sleep(0.02)
    return False


def sleeper(name: str = "sleeper") -> ChildSpec:
    return ChildSpec(name, ["sleep", "60"])


def test_given_a_child_killed_with_9_when_tended_then_it_runs_again_and_is_counted() -> None:
    with Supervisor() as supervisor:
        supervisor.start([sleeper()])
        first = supervisor.children["sleeper"].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert until(lambda: supervisor.restarts()["sleeper"] == 1, supervisor)
        assert supervisor.children["sleeper"].pid != first
        assert supervisor.children["sleeper"].alive


def test_given_a_child_that_dies_at_once_again_and_again_when_tended_then_the_pauses_grow() -> None:
    with Supervisor() as supervisor:
        supervisor.start([ChildSpec("weak", ["false"])])
        began_s = time.monotonic()
        assert until(lambda: supervisor.restarts()["weak"] >= 3, supervisor)
        assert time.monotonic() - began_s > 0.3, "0.2 s, then 0.4 s, …: no storm of starts"


def test_given_a_child_that_never_becomes_ready_when_started_then_it_is_said_where_to_look(tmp_path: Path) -> None:
    spec = ChildSpec("slow", ["sleep", "60"], ready=lambda: False, ready_timeout_s=0.2)
    with Supervisor(log_folder=tmp_path) as supervisor, pytest.raises(ChildNotReady, match=r"slow.*slow\.log"):
        supervisor.start([spec])


def test_given_a_child_that_ends_while_awaited_when_started_then_it_is_not_waited_for(tmp_path: Path) -> None:
    spec = ChildSpec("gone", ["false"], ready=lambda: False, ready_timeout_s=30)
    with Supervisor(log_folder=tmp_path) as supervisor, pytest.raises(ChildNotReady, match="ended at once"):
        supervisor.start([spec])


def test_given_a_child_that_ignores_sigterm_when_stopped_then_it_is_killed_in_time() -> None:
    spec = ChildSpec("deaf", ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], stop_timeout_s=0.3)
    supervisor = Supervisor()
    supervisor.start([spec])
    time.sleep(0.1)
    process_id = supervisor.children["deaf"].pid
    supervisor.stop()
    assert process_id is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_given_two_groups_when_stopped_then_the_later_one_goes_first(tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = "trap 'echo {0} >> {1}; exit' TERM; while :; do sleep 0.02; done"
    supervisor = Supervisor()
    for name in ("first", "second"):
        supervisor.start([ChildSpec(name, ["bash", "-c", script.format(name, order)])])
    time.sleep(0.2)
    supervisor.stop()
    assert order.read_text().split() == ["second", "first"]

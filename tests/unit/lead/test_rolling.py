"""A rolling restart: one after another, each ready before the next; switches stay; a failure stops it."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from dialtrace.rolling import NotRunning, RestartFailed, ask_for_restart, restart_all, rolling_order
from dialtrace.supervisor import ChildNotReady, ChildSpec, Supervisor

SAYS_READY = """
import os, socket, time
time.sleep({wait_s})
line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
line.sendto(b"READY=1", chr(0) + os.environ["NOTIFY_SOCKET"][1:])
open({note!r}, "a").write("{name} ")
time.sleep(60)
"""


def notifying(name: str, note: Path, wait_s: float = 0.0, **more: object) -> ChildSpec:
    script = SAYS_READY.format(name=name, note=str(note), wait_s=wait_s)
    return ChildSpec(name, [sys.executable, "-S", "-c", script], notifies=True, **more)  # type: ignore[arg-type]


def pids(supervisor: Supervisor) -> dict[str, int | None]:
    return {name: child.pid for name, child in supervisor.children.items()}


def test_given_workers_and_a_switch_when_ordered_then_workers_come_first_and_the_switch_not_at_all() -> None:
    specs = [
        ChildSpec("api", ["x"], kind="api"), ChildSpec("worker-1", ["x"], kind="worker"),
        ChildSpec("worker-2", ["x"], kind="worker"), ChildSpec("node-1", ["x"], kind="node", holds_calls=True),
        ChildSpec("monitor", ["x"], kind="monitor"),
    ]  # fmt: skip
    assert rolling_order(specs) == ["worker-1", "worker-2", "api", "monitor"]


def test_given_a_child_that_says_when_it_is_ready_then_the_start_waits_for_its_word(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        began_s = time.monotonic()
        supervisor.start([notifying("one", tmp_path / "note", wait_s=0.2)])
        assert time.monotonic() - began_s >= 0.2


def test_given_a_child_that_never_says_it_then_it_is_not_ready() -> None:
    with Supervisor() as supervisor, pytest.raises(ChildNotReady):
        supervisor.start([ChildSpec("mute", ["sleep", "60"], notifies=True, ready_timeout_s=0.2)])


def test_given_running_children_when_restarted_then_each_is_new_but_the_switch_and_none_counts_as_died(
    tmp_path: Path,
) -> None:
    note = tmp_path / "note"
    with Supervisor() as supervisor:
        supervisor.start([notifying("api", note), notifying("worker-1", note, kind="worker")])
        supervisor.start([ChildSpec("node-1", ["sleep", "60"], holds_calls=True)])
        note.write_text("")
        before = pids(supervisor)
        progress = restart_all(supervisor, tmp_path / "progress")
        after = pids(supervisor)
        assert (progress.state, progress.done) == ("done", ("worker-1", "api"))
        time.sleep(0.1)
        assert note.read_text().split() == ["worker-1", "api"]
        assert {name for name in before if before[name] == after[name]} == {"node-1"}
        assert set(supervisor.restarts().values()) == {0}


def test_given_one_that_does_not_come_back_then_what_comes_after_it_is_not_touched(tmp_path: Path) -> None:
    started, ready = tmp_path / "started-once", tmp_path / "ready"
    # Its first run is ready until it is asked to stop; there is no second one.
    script = (
        f"[ -e {started} ] && exit 1; touch {started} {ready}; trap 'rm {ready}; exit 0' TERM; "
        "while :; do sleep 0.05; done"
    )
    with Supervisor() as supervisor:
        supervisor.start([
            ChildSpec("worker-1", ["sh", "-c", script], kind="worker", ready=ready.exists),
            ChildSpec("api", ["sleep", "60"]),
        ])  # fmt: skip
        before = pids(supervisor)
        progress = restart_all(supervisor, tmp_path / "progress")
        assert (progress.state, progress.done) == ("failed", ())
        assert "worker-1" in progress.why
        assert pids(supervisor)["api"] == before["api"]
        assert json.loads((tmp_path / "progress").read_text())["state"] == "failed"


def test_given_no_up_or_one_that_has_ended_then_nobody_is_signalled(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        ask_for_restart(tmp_path / "up.lock", tmp_path / "progress", timeout_s=1, tell=print)
    (tmp_path / "up.lock").write_text(str(os.getpid()))
    with pytest.raises(NotRunning):
        ask_for_restart(tmp_path / "up.lock", tmp_path / "progress", timeout_s=1, tell=print)


UP = """
import fcntl, json, os, signal, sys, time
lock = open(sys.argv[1], "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write(str(os.getpid())); lock.flush()
def restart(*_):
    for state, why in (("running", ""), (sys.argv[3], "why not")):
        with open(sys.argv[2] + ".new", "w") as file:
            json.dump({"mark": "m", "wanted": ["a"], "done": ["a"], "state": state, "why": why}, file)
        os.replace(sys.argv[2] + ".new", sys.argv[2])
        time.sleep(0.3)
signal.signal(signal.SIGHUP, restart)
while True:
    time.sleep(1)
"""


@pytest.mark.parametrize("end", ["done", "failed"])
def test_given_an_up_that_runs_when_asked_then_it_is_followed_to_its_end(tmp_path: Path, end: str) -> None:
    lock, path = tmp_path / "up.lock", tmp_path / "progress"
    with Supervisor() as supervisor:
        argv = [sys.executable, "-S", "-c", UP, str(lock), str(path), end]
        supervisor.start([ChildSpec("up", argv, ready=lambda: lock.exists() and bool(lock.read_text()))])
        time.sleep(0.1)
        told: list[str] = []
        if end == "done":
            ask_for_restart(lock, path, timeout_s=5, tell=lambda progress: told.append(progress.state))
            assert told == ["running", "done"]
        else:
            with pytest.raises(RestartFailed, match="why not"):
                ask_for_restart(lock, path, timeout_s=5, tell=lambda progress: told.append(progress.state))

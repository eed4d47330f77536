"""The processors are kept awake by programs that give way to all others and end with whoever started them."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from dialtrace import awake as module
from dialtrace.awake import awake, is_virtual, main

IDLE_CLASS = 5  # SCHED_IDLE, linux/sched.h


@pytest.fixture
def virtual(monkeypatch):
    monkeypatch.setattr(module, "is_virtual", lambda: True)


def _until(look, timeout_s=20.0):
    deadline_s = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_given_a_guest_then_each_processor_has_one_of_the_lowest_class_and_none_afterwards(virtual):
    with awake() as pids:
        assert len(pids) == len(os.sched_getaffinity(0))
        _until(lambda: all(os.sched_getscheduler(pid) == IDLE_CLASS for pid in pids))
        cores = {next(iter(os.sched_getaffinity(pid))) for pid in pids}
        assert cores == os.sched_getaffinity(0)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_given_a_real_machine_then_nothing_is_started(monkeypatch):
    monkeypatch.setattr(module, "is_virtual", lambda: False)
    with awake() as pids:
        assert pids == []


def test_given_whoever_started_them_is_killed_then_they_end(virtual):
    script = (
        "import time, dialtrace.awake as a\na.is_virtual = lambda: True\n"
        "with a.awake() as pids:\n    print(*pids, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        starter.send_signal(signal.SIGKILL)
    assert pids
    _until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_given_a_command_then_its_exit_status_is_ours_and_without_one_it_says_how(capfd):
    assert main([sys.executable, "-c", "raise SystemExit(7)"]) == 7
    assert main([]) == 2
    assert "usage" in capfd.readouterr().err


def test_given_this_machine_then_it_knows_whether_it_is_a_guest():
    assert is_virtual() in {True, False}

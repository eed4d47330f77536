"""Stepping back for calls, in a process of its own: niceness cannot be taken back."""

import os
import subprocess
import sys


def test_given_an_ordinary_process_when_it_steps_back_then_its_niceness_is_that_once() -> None:
    code = "import os; from dialtrace.priority import step_back; step_back(7); step_back(7); print(os.nice(0))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert int(told.stdout) == max(7, os.nice(0))

"""Who goes first when processors are short: a caller waits for the call worker, nobody waits for the agent.

A call worker needs two or three milliseconds a call, and the switch spends time on a call as long as it has no answer.
An agent that works off records costs every caller who dials meanwhile, and records lie safe on disk. Measured with
loadtest/bench_setup.py. Knows no room.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Nine times the weight of an ordinary process, and a ninth of it (sched-nice-design in the kernel's documentation).
FIRST, LAST = -10, 10
AUTOGROUP = Path("/proc/self/autogroup")


def go_first() -> None:
    """For a process that callers wait for, or hear. Only root, or systemd (``Nice=``), may do so; without the right it
    stays as it is."""
    _set(FIRST)


def step_back() -> None:
    """For a process whose work can wait."""
    _set(LAST)


def _set(niceness: int) -> None:
    """Where Linux groups tasks by session (sched_autogroup), niceness counts only within the group, so the group's is
    set too; where a control group of systemd holds the process, its CPUWeight rules."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    # Not there, or not ours to write: the process is as quick as the others then, and nothing else changes.
    with suppress(OSError):
        AUTOGROUP.write_text(str(niceness))

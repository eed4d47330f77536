"""A process that steps back for calls: the record plane takes what the call plane leaves of the processors.

On a machine of few processors an agent that works off records costs every caller who dials meanwhile; records lie safe
on disk and can wait a second. Measured with loadtest/bench_setup.py. Knows no room.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: A ninth of the weight of a process that does not step back (sched-nice-design in the kernel's documentation).
STEPS = 10
AUTOGROUP = Path("/proc/self/autogroup")


def step_back(steps: int = STEPS) -> None:
    """Lower this process's priority. Where Linux groups tasks by session (sched_autogroup), niceness counts only within
    the group, so the group is lowered too; where a control group of systemd holds the process, its CPUWeight rules."""
    with suppress(OSError):
        os.nice(max(0, steps - os.nice(0)))
    # Not there, or not ours to write: the process is as quick as the others then, and nothing else changes.
    with suppress(OSError):
        AUTOGROUP.write_text(str(steps))

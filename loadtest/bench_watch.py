"""Tells whether the machine itself stood still while something was measured.

On a virtual machine somebody else's work takes processor time away, for milliseconds or for minutes, and neither the
load nor `steal` says so. A program at real-time priority on each core counts to a fixed number fifty times a second:
whatever runs here gives way to it, so that it is slow only when the machine is. Costs 1 % of a core. Without the right
to that priority (root, or CAP_SYS_NICE) nothing is known, and nothing is called disturbed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

#: A count that takes so many times as long as the quickest, or one that begins so late, is a disturbed one.
SLOW_FACTOR, LATE_S = 3.0, 0.02
#: A measurement in which more than this share was disturbed says more of the machine than of us.
MOST_DISTURBED = 0.05
_QUICKEST = 0.05
_COUNT = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
except PermissionError:
    sys.exit(0)
due = time.monotonic()
while True:
    due = max(due + 0.02, time.monotonic())
    time.sleep(max(0.0, due - time.monotonic()))
    began = time.monotonic()
    for _ in range(6000):
        pass
    print(began, began - due, time.monotonic() - began, flush=True)
"""

Sample = tuple[float, float, float]


def disturbed_share(samples: Sequence[Sample], quickest_s: float) -> float:
    """The share of counts (when, how late, how long; seconds) that the machine disturbed; 0 of none."""
    slow = sum(late > LATE_S or took > SLOW_FACTOR * quickest_s for _, late, took in samples)
    return slow / len(samples) if samples else 0.0


class Watch:
    """What was seen of the machine so far."""

    def __init__(self) -> None:
        self._samples: list[list[Sample]] = []

    def read(self, lines: IO[str]) -> None:
        """Takes in what one core's program counts, until it ends."""
        samples: list[Sample] = []
        self._samples.append(samples)
        with lines:
            for line in lines:
                when, late, took = map(float, line.split())
                samples.append((when, late, took))

    def disturbed(self, since_s: float) -> float:
        """The share of time since then, on the monotonic clock, in which the worst core was disturbed."""
        took = sorted(sample[2] for samples in self._samples for sample in samples)
        if not took:
            return 0.0
        quickest_s = took[int(len(took) * _QUICKEST)]
        return max(
            disturbed_share(samples[bisect_left(samples, (since_s,)) :], quickest_s) for samples in self._samples
        )


@contextmanager
def watching() -> Iterator[Watch]:
    """Watches every core of this process."""
    watch = Watch()
    programs = [
        subprocess.Popen([sys.executable, "-c", _COUNT, str(core)], stdout=subprocess.PIPE, text=True)
        for core in sorted(os.sched_getaffinity(0))
    ]
    readers = [threading.Thread(target=watch.read, args=(program.stdout,), daemon=True) for program in programs]
    for reader in readers:
        reader.start()
    time.sleep(0.5)  # enough to know how quick it is
    try:
        yield watch
    finally:
        for program in programs:
            program.kill()
            program.wait()
        for reader in readers:
            reader.join()

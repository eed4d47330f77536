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
#: The machine stood still for as long as this in one go: what happened meanwhile was stamped late.
STALL_S = 0.01
_COUNT = """
import os, sys, time
if sys.argv[1] != "ordinary":
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
        self._ordinary: list[Sample] = []

    def read(self, lines: IO[str], samples: list[Sample] | None = None) -> None:
        """Takes in what one core's program counts, until it ends."""
        if samples is None:
            samples = []
            self._samples.append(samples)
        with lines:
            for line in lines:
                when, late, took = map(float, line.split())
                samples.append((when, late, took))

    def read_ordinary(self, lines: IO[str]) -> None:
        """Takes in what a program like any other counts: it waits for the processors as everybody does."""
        self.read(lines, self._ordinary)

    def stalls(self) -> list[tuple[float, float]]:
        """From when to when a core stood still for longer than :data:`STALL_S`, on the monotonic clock, in order and
        apart from one another. What waited for processes of this machine is none."""
        found = []
        for samples in self._samples:
            quickest_s = min((took for _, _, took in samples), default=0.0)
            found += [(when - late, when + took) for when, late, took in samples if late + took - quickest_s > STALL_S]
        return _joined(found)

    def woken_late(self, since_s: float, by_s: float) -> float:
        """How often an ordinary program that had slept was run later than that, as a share; 0 where none was asked."""
        samples = self._ordinary[bisect_left(self._ordinary, (since_s,)) :]
        return sum(late > by_s for _, late, _ in samples) / len(samples) if samples else 0.0

    def disturbed(self, since_s: float) -> float:
        """The share of time since then, on the monotonic clock, in which the worst core was disturbed."""
        took = sorted(sample[2] for samples in self._samples for sample in samples)
        if not took:
            return 0.0
        quickest_s = took[int(len(took) * _QUICKEST)]
        return max(
            disturbed_share(samples[bisect_left(samples, (since_s,)) :], quickest_s) for samples in self._samples
        )


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for begun, ended in sorted(spans):
        if joined and begun <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(ended, joined[-1][1])
        else:
            joined.append((begun, ended))
    return joined


@contextmanager
def watching(*, ordinary: bool = False) -> Iterator[Watch]:
    """Watches every core of this process; ``ordinary``: and how long a program without any priority waits for one."""
    watch = Watch()
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    programs = [
        subprocess.Popen([sys.executable, "-c", _COUNT, where], stdout=subprocess.PIPE, text=True)
        for where in [*cores, *(["ordinary"] if ordinary else [])]
    ]
    takers = [*[watch.read] * len(cores), watch.read_ordinary]
    readers = [
        threading.Thread(target=take, args=(program.stdout,), daemon=True)
        for take, program in zip(takers, programs, strict=False)
    ]
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

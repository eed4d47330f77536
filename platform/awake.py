"""Keeps a virtual machine's processors awake while something runs: `python -m dialtrace.awake COMMAND …`.

A virtual processor that halts hands itself back to its host, and on a busy host returns late and for short turns.
Calls are thousands of short naps a second. Measured on two virtual cores: a loop of 0.25 ms, at real-time priority,
took 3 to 5 ms in the median beside a hundred threads that each slept a millisecond at a time, and 0.35 to 0.5 ms with a
program of the lowest class turning on each processor, so that none halts. That class (SCHED_IDLE) runs only when
nothing else wants the processor. For tests and measurements; a host for production sets `guest_halt_poll_ns`, or pins
its processors (docs/decisions/0014-processors-kept-awake.md). Knows no room.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Turns until whoever started it is gone. Nice too, so that its time is told apart in /proc/stat.
_TURN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.nice(19)
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == int(sys.argv[2]):
    for _ in range(1_000_000):
        pass
"""


def is_virtual() -> bool:
    """Whether this machine is a guest: the processor says so (CPUID, leaf 1, ECX bit 31)."""
    flags = (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    return "hypervisor" in next(flags, "").split()


@contextmanager
def awake() -> Iterator[list[int]]:
    """Keeps every processor of this process awake; the process ids of those that do. Nothing on a real machine, which
    needs no such thing."""
    cores = sorted(os.sched_getaffinity(0)) if is_virtual() else []
    turning = [subprocess.Popen([sys.executable, "-c", _TURN, str(core), str(os.getpid())]) for core in cores]
    try:
        yield [process.pid for process in turning]
    finally:
        for process in turning:
            process.kill()
            process.wait()


def main(command: Sequence[str]) -> int:
    """Runs the command awake; its exit status."""
    if not command:
        sys.stderr.write("usage: python -m dialtrace.awake COMMAND [ARGUMENT …]\n")
        return 2
    with awake():
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

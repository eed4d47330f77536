"""Writes down what processes use, second by second: processor time, memory, open files, threads; and how busy the
machine is.

A program of its own that imports nothing but the standard library, as media.py: it is copied to every machine that is
watched. Which processes: children of the named ones (``roots``: kind → process ids; read anew each time, for processes
are restarted), and those whose command line matches a pattern (``patterns``: kind → regular expression).

    python3 sampler.py CONFIG.json

Linux only: everything comes from /proc.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def stat_of(pid: int) -> tuple[int, float, int, int] | None:
    """(parent, processor seconds, bytes of its own, threads) of a process; None if it is gone. Of its own is what it
    shares with nobody: PostgreSQL's processes would each count all shared buffers."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            pages = file.read().split()
    except OSError:
        return None
    used_s = (int(fields[11]) + int(fields[12])) / TICKS
    return int(fields[1]), used_s, (int(pages[1]) - int(pages[2])) * PAGE_BYTES, int(fields[17])


def files_of(pid: int) -> int:
    """How many files it has open; -1 where we may not look."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return -1


def command_of(pid: int) -> str:
    """Its command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def machine() -> list[int]:
    """Of all processors since the start: ticks (busy, waited for by others, all)."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(value) for value in file.readline().split()[1:]]
    # Low priority gives way and is no load: what keeps a virtual machine's processors awake has it.
    busy = ticks[0] + ticks[2] + ticks[5] + ticks[6]
    return [busy, ticks[7], sum(ticks[:8])]


def free_bytes() -> int:
    """What the machine could still give (MemAvailable)."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))


def kinds_of(roots: dict[str, list[int]], patterns: dict[str, str]) -> dict[int, str]:
    """Every watched process and its kind: its own if it is named, else by its command line, else its nearest named
    parent's."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := stat_of(int(name))) is not None:
            parents[int(name)] = found[0]
    named = {pid: kind for kind, pids in roots.items() for pid in pids}
    expressions = [(kind, re.compile(pattern)) for kind, pattern in patterns.items()]
    kinds: dict[int, str] = {}
    for pid in parents:
        kind, above = named.get(pid), pid
        if kind is None and expressions:
            command = command_of(pid)
            kind = next((kind for kind, expression in expressions if expression.search(command)), None)
        while kind is None and above in parents and above > 1:
            above = parents[above]
            kind = named.get(above)
        if kind is not None and pid != os.getpid():
            kinds[pid] = kind
    return kinds


def sample(config: dict[str, Any]) -> dict[str, Any]:
    """One moment."""
    rows = []
    for pid, kind in kinds_of(config.get("roots", {}), config.get("patterns", {})).items():
        found = stat_of(pid)
        if found is not None:
            rows.append([kind, pid, round(found[1], 3), found[2], files_of(pid), found[3]])
    return {"at_s": round(time.time(), 3), "machine": machine(), "free_bytes": free_bytes(), "processes": rows}


def main() -> None:
    """From the command line."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    ends_s, due_s = time.monotonic() + config["limit_s"], time.monotonic()
    with open(config["output"], "w", encoding="ascii") as output:
        while not ended and due_s < ends_s:
            try:
                with open(sys.argv[1], encoding="utf-8") as file:
                    config = json.load(file)
            except ValueError:
                pass  # it is being written: the next turn reads it
            output.write(json.dumps(sample(config)) + "\n")
            output.flush()
            due_s = max(due_s + config["every_s"], time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    main()

"""Processes that outlived the supervisor which had started them: it was killed, they were not.

A file names every child with the moment of its start, so that the next supervisor knows its own from a stranger that
has the same id by now. It takes over a switch, which holds calls, and ends the rest, which hold none. Linux only, like
the numbers in /proc that it reads; elsewhere nothing is found. Must not know what the processes do.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

#: What `poll` says of an adopted process that has ended: only a parent learns the true code.
UNKNOWN_CODE = 255
_GRACE_S = 2.0


@dataclass(frozen=True)
class Entry:
    """One child in the file. ``start_ticks`` are clock ticks since boot: a stepped clock does not move them.
    ``fingerprint`` is the same only for the same command, environment and release."""

    name: str
    pid: int
    boot: str
    start_ticks: int
    fingerprint: str


class Adopted:
    """A running process that is not our child, with those methods of `subprocess.Popen` that a supervisor uses."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._descriptor = descriptor

    def poll(self) -> int | None:
        """None while it runs, as with Popen."""
        return self._ended(0)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float) -> int:
        """Raises subprocess.TimeoutExpired, as Popen does."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def _ended(self, timeout_s: float) -> int | None:
        if self.returncode is None:
            poller = select.poll()
            # Readable once the process has ended, whether or not anybody has reaped it (pidfd_open(2)).
            poller.register(self._descriptor, select.POLLIN)
            if poller.poll(timeout_s * 1000):
                self.returncode = UNKNOWN_CODE
                os.close(self._descriptor)
        return self.returncode


def fingerprint(argv: Sequence[str], environment: Mapping[str, str], release: str) -> str:
    """The same for the same process; holds no secret."""
    return hashlib.sha256(json.dumps([list(argv), sorted(environment.items()), release]).encode()).hexdigest()


def describe(name: str, pid: int, mark: str) -> Entry | None:
    """The entry of a process that runs now."""
    ticks = _start_ticks(pid)
    return None if ticks is None else Entry(name, pid, _boot(), ticks, mark)


def write_record(path: Path, entries: Iterable[Entry]) -> None:
    """Replaces the file as a whole. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps([asdict(entry) for entry in entries], indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def read_record(path: Path) -> list[Entry]:
    """What the file names; a missing or unreadable one names nothing."""
    try:
        return [Entry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def adopt(entry: Entry) -> Adopted | None:
    """The entry's process if it still runs; None if it has ended, whoever may have its id now."""
    if entry.boot != _boot():
        return None
    try:
        descriptor = os.pidfd_open(entry.pid)
    except (OSError, AttributeError):
        return None
    # The descriptor holds the process from here on, so what is compared now is what is signalled later.
    if _start_ticks(entry.pid) != entry.start_ticks:
        os.close(descriptor)
        return None
    return Adopted(entry.pid, descriptor)


def end(found: Sequence[tuple[Entry, Adopted | None]], timeout_s: float) -> None:
    """Ask all to stop, wait, insist; with each goes what it had started in its session."""
    for _, process in found:
        if process is not None:
            process.send_signal(signal.SIGTERM)
    until_s = time.monotonic() + timeout_s
    for entry, process in found:
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until_s - time.monotonic()))
        end_session(entry.pid, entry.start_ticks)
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)


def end_session(leader: int, start_ticks: int = 0) -> None:
    """Kill whatever is left of the session that a child led: a server's own workers survive its death by -9, and would
    go on sharing its port. ``start_ticks``: nothing older than this belongs to it."""
    for pid, ticks in _members(leader):
        if ticks >= start_ticks:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _members(session: int) -> list[tuple[int, int]]:
    found = []
    with suppress(OSError):
        for name in os.listdir("/proc"):
            fields = _stat(int(name)) if name.isdigit() else None
            # proc(5): after the name come state, ppid, pgrp, session, …; the start time is field 22.
            if fields and fields[0] not in "ZX" and int(fields[3]) == session:
                found.append((int(name), int(fields[19])))
    return found


def _start_ticks(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""

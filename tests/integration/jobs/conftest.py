"""Job processes for tests, and what they did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dialtrace.db.engine import Database
from dialtrace.jobs.service import JobQueue

PROGRAM = Path(__file__).with_name("program.py")


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database)


def wait_for(condition: Callable[[], object], *, within_s: float = 60.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, "it did not come to that"
        time.sleep(0.03)


@dataclass
class Works:
    """Starts job processes and reads their notes."""

    notes: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        with self.notes.with_name(f"process-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(self.notes)],
                env={**os.environ, **self.environment, **environment},
                stderr=log,
            )
        self.processes.append(process)
        wait_for(lambda: "ready to run jobs" in self.said(len(self.processes) - 1))
        return process

    def said(self, index: int = 0) -> str:
        return self.notes.with_name(f"process-{index}.log").read_text(encoding="utf-8")

    def lines(self) -> list[tuple[int, str, int, int, str]]:
        """Process id, job's name, its id, attempt, what."""
        if not self.notes.exists():
            return []
        found = [line.split() for line in self.notes.read_text().splitlines()]
        return [(int(pid), name, int(job), int(attempt), what) for pid, name, job, attempt, what in found]

    def of(self, job: int | None) -> list[tuple[int, str]]:
        """Attempt and what, for one job."""
        return [(attempt, what) for _, _, found, attempt, what in self.lines() if found == job]


@pytest.fixture
def works(tmp_path: Path, database_url: str, database: Database) -> Iterator[Works]:
    found = Works(tmp_path / "notes", {"DIALTRACE_DATABASE_URL": database_url})
    yield found
    for process in found.processes:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait(5)

"""Keeps a set of child processes running: starts them in order, restarts and counts the ones that die, stops all in
reverse order. Knows nothing of calls, nodes or databases.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from .errors import DialtraceError
from .metrics import CHILD_RESTARTS

log = structlog.get_logger("supervisor")

#: A child that lives this long has recovered: its next death is answered at once again.
STEADY_AFTER_S = 30.0
LONGEST_PAUSE_S = 10.0


class ChildNotReady(DialtraceError):
    """A process did not become ready in time."""


@dataclass(frozen=True)
class ChildSpec:
    """One process: how it is started and how one knows that it is ready. ``kind`` is its name in metrics."""

    name: str
    argv: Sequence[str]
    kind: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    ready_timeout_s: float = 20.0
    stop_timeout_s: float = 10.0


class Child:
    """A running child and its history."""

    def __init__(self, spec: ChildSpec, log_folder: Path | None) -> None:
        self.spec = spec
        self.restarts = 0
        self._log_folder = log_folder
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._failures = 0
        self._start_again_s = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process in a group of its own, so that Ctrl-C reaches only the supervisor."""
        output = None
        if self._log_folder is not None:
            output = (self._log_folder / f"{self.spec.name}.log").open("ab")
        try:
            self._process = subprocess.Popen(
                list(self.spec.argv),
                env={**os.environ, **self.spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()
        self._started_s = time.monotonic()

    def await_ready(self) -> None:
        """Wait until the child says it is ready; raises ChildNotReady."""
        if self.spec.ready is None:
            return
        deadline = time.monotonic() + self.spec.ready_timeout_s
        while time.monotonic() < deadline:
            if not self.alive:
                break
            if self.spec.ready():
                return
            time.sleep(0.05)
        where = f"; its output is in {self._log_folder / (self.spec.name + '.log')}" if self._log_folder else ""
        state = "did not become ready" if self.alive else "ended at once"
        raise ChildNotReady(f"{self.spec.name} {state}{where}")

    def tend(self) -> None:
        """Restart the child if it has died, after a pause that grows with each quick death."""
        if self.alive:
            return
        now = time.monotonic()
        if self._process is not None:
            code = self._process.returncode
            self._failures = 0 if now - self._started_s > STEADY_AFTER_S else self._failures + 1
            pause_s = min(LONGEST_PAUSE_S, 0.1 * 2 ** min(self._failures, 10)) if self._failures > 1 else 0.0
            log.warning("process died", name=self.spec.name, code=code, pause_s=round(pause_s, 1))
            self._process = None
            self._start_again_s = now + pause_s
        if now >= self._start_again_s:
            self.restarts += 1
            CHILD_RESTARTS.labels(self.spec.kind or self.spec.name).inc()
            self.start()

    def ask_to_stop(self) -> None:
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGTERM)

    def await_end(self) -> None:
        """Wait for the end, then insist."""
        if self._process is None:
            return
        try:
            self._process.wait(self.spec.stop_timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("process did not stop in time", name=self.spec.name, timeout_s=self.spec.stop_timeout_s)
            self._process.kill()
            self._process.wait(5)


class Supervisor:
    """All children. Use as a context manager: leaving it stops everything that was started."""

    def __init__(self, *, log_folder: Path | None = None) -> None:
        self.children: dict[str, Child] = {}
        self._groups: list[list[Child]] = []
        self._log_folder = log_folder
        if log_folder is not None:
            log_folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start the given children side by side as one group, then wait until each is ready."""
        started: list[Child] = []
        self._groups.append(started)
        for spec in specs:
            child = self.children[spec.name] = Child(spec, self._log_folder)
            child.start()
            started.append(child)
        for child in started:
            child.await_ready()

    def tend(self) -> None:
        """One round of care; call it a few times a second."""
        for child in self.children.values():
            child.tend()

    def restarts(self) -> dict[str, int]:
        """How often each child was started again."""
        return {name: child.restarts for name, child in self.children.items()}

    def stop(self) -> None:
        """Stop all: the group that was started last goes first, its children together."""
        for group in reversed(self._groups):
            for child in group:
                child.ask_to_stop()
            for child in group:
                child.await_end()
        self._groups.clear()
        self.children.clear()

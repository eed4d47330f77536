"""Keeps a set of child processes running: starts them in order, restarts and counts the ones that die, stops all in
reverse order. What a killed predecessor left running it takes over or ends. Knows nothing of calls, nodes or databases.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import structlog

from .errors import DialtraceError
from .leftovers import Adopted, Entry, adopt, describe, end, end_session, fingerprint, read_record, write_record
from .metrics import CHILD_RESTARTS
from .readiness import READY, VARIABLE

log = structlog.get_logger("supervisor")

#: A child that lives this long has recovered: its next death is answered at once again.
STEADY_AFTER_S = 30.0
LONGEST_PAUSE_S = 10.0
#: What a killed supervisor left behind gets so long to stop by itself.
LEFTOVERS_STOP_S = 20.0


class ChildNotReady(DialtraceError):
    """A process did not become ready in time."""


class Interrupted(DialtraceError):
    """Told to stop before everything had started."""


@dataclass(frozen=True)
class ChildSpec:
    """One process: how it is started and how one knows that it is ready. ``kind`` is its name in metrics."""

    name: str
    argv: Sequence[str]
    kind: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    #: On a machine where the tests of two others ran it took 25 s.
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 10.0
    #: It says itself when it is ready (`readiness`), beside what ``ready`` sees from outside.
    notifies: bool = False
    #: Its end would cost calls: a new supervisor goes on with the one that a killed supervisor left.
    holds_calls: bool = False

    def fingerprint(self) -> str:
        """The same for a process of the same command, environment and release."""
        return fingerprint(self.argv, self.environment, version("dialtrace"))


class Child:
    """A running child and its history."""

    def __init__(self, spec: ChildSpec, log_folder: Path | None) -> None:
        self.spec = spec
        self.restarts = 0
        # From nothing: a counter that begins with its first restart shows no rise.
        CHILD_RESTARTS.labels(self.spec.kind or self.spec.name)
        self._log_folder = log_folder
        self._process: subprocess.Popen[bytes] | Adopted | None = None
        self.entry: Entry | None = None
        self._started_s = 0.0
        self._failures = 0
        self._start_again_s = 0.0
        self._hears: socket.socket | None = None

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
                env={**os.environ, **self.spec.environment, VARIABLE: self._ear()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()
        self._started_s = time.monotonic()
        self.entry = describe(self.spec.name, self._process.pid, self.spec.fingerprint())

    def _ear(self) -> str:
        """The address where the process that is started now says that it is ready; empty: nobody listens."""
        if not self.spec.notifies:
            return ""
        self._close_ear()
        name = f"dialtrace-ready-{secrets.token_hex(8)}"
        self._hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._hears.bind("\0" + name)
        return "@" + name

    def _close_ear(self) -> None:
        if self._hears is not None:
            self._hears.close()
            self._hears = None

    def _is_ready(self) -> bool:
        if self._hears is not None:
            with suppress(BlockingIOError):
                if READY in self._hears.recv(4096).splitlines():
                    self._close_ear()
        return self._hears is None and (self.spec.ready is None or self.spec.ready())

    def take_over(self, entry: Entry, process: Adopted) -> None:
        """Go on with a process that a former supervisor started."""
        self._process = process
        self.entry = entry
        self._started_s = time.monotonic()

    def await_ready(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Wait until the child says it is ready; raises ChildNotReady, or Interrupted."""
        if self.spec.ready is None and not self.spec.notifies:
            return
        deadline = time.monotonic() + self.spec.ready_timeout_s
        while time.monotonic() < deadline:
            if interrupted():
                raise Interrupted
            # In this order: the port of one that has just ended may be somebody else's, who answers there.
            is_ready = self._is_ready()
            if not self.alive:
                break
            if is_ready:
                return
            time.sleep(0.05)
        state = "did not become ready" if self.alive else "ended at once"
        raise ChildNotReady(f"{self.spec.name} {state}{self._where()}")

    def _where(self) -> str:
        return f"; its output is in {self._log_folder / (self.spec.name + '.log')}" if self._log_folder else ""

    def tend(self) -> None:
        """Restart the child if it has died, after a pause that grows with each quick death."""
        if self.alive:
            return
        now = time.monotonic()
        if self._process is not None:
            code = self._process.returncode
            self._failures = 0 if now - self._started_s > STEADY_AFTER_S else self._failures + 1
            pause_s = min(LONGEST_PAUSE_S, 0.1 * 2 ** min(self._failures, 10)) if self._failures > 1 else 0.0
            log.warning(f"process died{self._where()}", name=self.spec.name, code=code, again_in_s=round(pause_s, 1))
            self._end_rest()
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
        self._end_rest()

        self._close_ear()

    def _end_rest(self) -> None:
        if self.entry is not None:
            end_session(self.entry.pid, self.entry.start_ticks)


class Supervisor:
    """All children. Use as a context manager: leaving it stops everything that was started. A switch that was to be
    taken over stays as it was when that could not be done for an error: its calls are not to pay for it.

    ``record`` is the file that names the running children, for the supervisor that comes after one that was killed.
    ``interrupted`` ends the wait for children that start, with Interrupted.
    """

    def __init__(
        self,
        *,
        log_folder: Path | None = None,
        record: Path | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.children: dict[str, Child] = {}
        self._groups: list[list[Child]] = []
        self._log_folder = log_folder
        self._record = record
        self._interrupted = interrupted
        self._adopted: dict[str, tuple[Entry, Adopted]] = {}
        if log_folder is not None:
            log_folder.mkdir(parents=True, exist_ok=True)
            log_folder.chmod(0o700)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            end(list(self._adopted.values()), LEFTOVERS_STOP_S)
            self._adopted.clear()
        self.stop()

    def settle_leftovers(self, specs: Sequence[ChildSpec]) -> tuple[list[str], list[str]]:
        """End what a killed supervisor left running, except processes that hold calls and are just as ``specs`` would
        start them: those are taken over when their turn comes. Call it before the first :meth:`start`. Returns the
        names of what goes on and of what was ended."""
        wanted = {spec.name: spec.fingerprint() for spec in specs if spec.holds_calls}
        ending: list[tuple[Entry, Adopted | None]] = []
        for entry in read_record(self._record) if self._record is not None else []:
            process = adopt(entry)
            if process is not None and wanted.get(entry.name) == entry.fingerprint:
                self._adopted[entry.name] = (entry, process)
            else:
                ending.append((entry, process))
        end(ending, LEFTOVERS_STOP_S)
        return sorted(self._adopted), sorted(entry.name for entry, process in ending if process is not None)

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start the given children side by side as one group, then wait until each is ready."""
        started: list[Child] = []
        self._groups.append(started)
        for spec in specs:
            child = self.children[spec.name] = Child(spec, self._log_folder)
            started.append(child)
            adopted = self._adopted.pop(spec.name, None)
            if adopted is None:
                child.start()
            else:
                child.take_over(*adopted)
        self._write_record()
        for child in started:
            child.await_ready(self._interrupted)

    def tend(self) -> None:
        """One round of care; call it a few times a second."""
        before = self.restarts()
        for child in self.children.values():
            child.tend()
        if self.restarts() != before:
            self._write_record()

    def restarts(self) -> dict[str, int]:
        """How often each child was started again."""
        return {name: child.restarts for name, child in self.children.items()}

    def restart(self, name: str) -> None:
        """Stop one child politely, start it anew and wait until it is ready. Raises ChildNotReady, Interrupted; the
        child is then tended like any other."""
        child = self.children[name]
        child.ask_to_stop()
        child.await_end()
        child.start()
        self._write_record()
        child.await_ready(self._interrupted)

    def stop(self) -> None:
        """Stop all: the group that was started last goes first, its children together."""
        for group in reversed(self._groups):
            for child in group:
                child.ask_to_stop()
            for child in group:
                child.await_end()
        self._groups.clear()
        self.children.clear()
        self._write_record()

    def _write_record(self) -> None:
        """A full disk must not end the children: without the file they are only harder to find."""
        if self._record is None:
            return
        entries = [child.entry for child in self.children.values() if child.entry is not None]
        entries += [entry for entry, _ in self._adopted.values()]
        try:
            write_record(self._record, entries)
        except OSError as error:
            log.warning("the record of processes is not written", file=str(self._record), why=str(error))

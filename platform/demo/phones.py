"""Runs the telephones of the node's own SIP stack (`dialtrace phones`), for where there is no SIPp; same face."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DialtraceError
from ..launch import PROGRAM
from ..node.phones_plan import PhonesPlan
from .sipp import Counts

READY_TIMEOUT_S = 20.0
#: The last line of the counts is shorter than this.
_TAIL_BYTES = 4096


class PhonesFailed(DialtraceError):
    """The telephones did not start."""


@dataclass
class Phones:
    """One process of telephones with its plan, counts and log in ``folder``."""

    name: str
    folder: Path
    plan: PhonesPlan
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, once, and wait until it can be called; raises PhonesFailed."""
        if self.process is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        plan_path = self.folder / f"{self.name}.plan.json"
        plan_path.write_text(self.plan.to_json(), encoding="utf-8")
        with self.log_path.open("wb") as output:
            self.process = subprocess.Popen(
                [*PROGRAM, "phones", "--plan", str(plan_path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_ready()

    def _await_ready(self) -> None:
        """The first line of counts comes when its socket is open."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._last_line():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                log = self.log_path.read_text(encoding="utf-8", errors="replace").strip()
                raise PhonesFailed(f"{self.name}: {log[-600:] or 'it said nothing'}")
            time.sleep(0.05)

    @property
    def log_path(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def counts(self, kind: str) -> Counts:
        """What came of the calls of one kind so far."""
        line = self._last_line()
        return Counts(**line["counts"].get(kind, {})) if line else Counts()

    def _last_line(self) -> dict[str, Any] | None:
        """The newest complete line, None before the first."""
        try:
            with Path(self.plan.counts).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _TAIL_BYTES))
                tail = file.read()
        except FileNotFoundError:
            return None
        lines = tail[: tail.rfind(b"\n") + 1].splitlines()
        found: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
        return found

    def stop(self) -> None:
        if self.process is not None and self.running:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(3)


@dataclass
class PhonesOfKind:
    """The calls of one kind of a process that places several kinds: what :class:`Sipp` is for SIPp."""

    phones: Phones
    kind: str

    def start(self) -> None:
        self.phones.start()

    @property
    def running(self) -> bool:
        return self.phones.running

    def counts(self) -> Counts:
        return self.phones.counts(self.kind)

    def stop(self) -> None:
        self.phones.stop()

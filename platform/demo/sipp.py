"""Runs Debian's SIPp: the targets that answer, and the callers. Real SIP, real RTP, on loopback."""

from __future__ import annotations

import csv
import secrets
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from ..errors import DialtraceError
from .mix import PlannedCall

#: Media ports of SIPp, above Linux' ephemeral ports (node.md 5.9).
MEDIA_PORTS = range(61_000, 65_200, 4)
#: SIPp's exit statuses from here on tell that it could not even begin (a port taken, a scenario it cannot read).
FATAL_STATUS = 200


class SippFailed(DialtraceError):
    """SIPp did not run as it should."""


@dataclass(frozen=True)
class Counts:
    """What one SIPp process has seen so far."""

    created: int = 0
    successful: int = 0
    failed: int = 0


def last_row(statistics: Iterable[str]) -> dict[str, str]:
    """SIPp's statistics (``-trace_stat``), by column: the last line that is whole; empty if there is none."""
    rows = [row for row in csv.DictReader(statistics, delimiter=";") if row.get("FailedCall(C)")]
    return rows[-1] if rows else {}


@dataclass
class Sipp:
    """One SIPp process with its own folder for scenario, calls, statistics and errors."""

    name: str
    folder: Path
    scenario: str
    audio: Path
    sip_port: int
    media_port: int
    arguments: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    #: What else stands between two @ in the scenario.
    words: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Write the scenario beside its audio and start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        template = files("dialtrace.loadtest").joinpath("scenarios", self.scenario).read_text(encoding="utf-8")
        scenario = self.folder / f"{self.name}.xml"
        for word, value in {"AUDIO": str(self.audio), **self.words}.items():
            template = template.replace(f"@{word}@", value)
        scenario.write_text(template, encoding="utf-8")
        command = [
            "sipp",
            "-sf",
            str(scenario),
            "-i",
            "127.0.0.1",
            "-p",
            str(self.sip_port),
            "-mi",
            "127.0.0.1",
            "-mp",
            str(self.media_port),
            # All streams in one thread: SIPp 3.6 was seen to lose some on a busy machine once it needs a second one.
            "-rtp_threadtasks",
            "2000",
            "-nostdin",
            "-trace_err",
            "-error_file",
            str(self.errors_path),
            "-trace_stat",
            "-stf",
            str(self.statistics_path),
            "-fd",
            "1",
            *self.arguments,
        ]
        with (self.folder / f"{self.name}.log").open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def errors_path(self) -> Path:
        return self.folder / f"{self.name}.err"

    @property
    def statistics_path(self) -> Path:
        return self.folder / f"{self.name}.csv"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def check(self) -> None:
        """Raises SippFailed where it could not even begin."""
        status = self.process.poll() if self.process is not None else None
        if status is not None and (status >= FATAL_STATUS or status < 0):
            told = self.errors_path if self.errors_path.exists() else self.folder / f"{self.name}.log"
            text = told.read_text(encoding="utf-8", errors="replace").strip()
            raise SippFailed(f"{self.name} ended with status {status}: {text[-300:]}")

    def counts(self) -> Counts:
        """The last complete line of its statistics."""
        try:
            with self.statistics_path.open(encoding="utf-8", newline="") as file:
                last = last_row(file)
        except FileNotFoundError:
            return Counts()
        if not last:
            return Counts()
        return Counts(int(last["TotalCallCreated"]), int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]))

    def stop(self) -> None:
        if self.process is not None and self.running:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(3)


def free_media_port(avoid: Iterable[int] = ()) -> int:
    """A media port for one SIPp. All its calls share it, and it ends at once if it cannot have this and the next even
    one (sipp.cpp, setup_media_sockets)."""
    taken = set(avoid)
    for port in sorted(set(MEDIA_PORTS) - taken, key=lambda _: secrets.randbelow(2**30)):
        if all(_is_free(each) for each in (port, port + 2)):
            return port
    raise SippFailed(f"no free UDP port for media between {MEDIA_PORTS.start} and {MEDIA_PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def target(
    name: str, scenario: str, folder: Path, audio: Path, *, sip_port: int, media_port: int, ring_ms: int
) -> Sipp:
    """A SIPp that is called."""
    return Sipp(name, folder, scenario, audio, sip_port, media_port, ["-d", str(ring_ms)])


def caller(
    name: str,
    kind: str,
    folder: Path,
    audio: Path,
    calls: list[tuple[int, PlannedCall]],
    *,
    node: tuple[str, int],
    ports: tuple[int, int],
    hold_ms: int,
    timeout_s: int,
) -> Sipp:
    """A SIPp that makes these calls to one node, each at its moment (ms after the start).

    SIPp's own rate would make the only call of a rare kind at the very end; so it opens all calls at once, and each
    waits for its moment in the scenario.
    """
    folder.mkdir(parents=True, exist_ok=True)
    injected = folder / f"{name}.calls.csv"
    lines = ["SEQUENTIAL", *(f"{call.number};{call.caller};{moment_ms}" for moment_ms, call in calls)]
    injected.write_text("\n".join(lines) + "\n", encoding="utf-8")
    count = str(len(calls))
    return Sipp(
        name,
        folder,
        f"caller_{kind}.xml",
        audio,
        ports[0],
        ports[1],
        [
            f"{node[0]}:{node[1]}",
            *("-inf", str(injected), "-m", count, "-r", count, "-rp", "1", "-l", str(len(calls) + 1)),
            *("-d", str(hold_ms), "-timeout", f"{timeout_s}s"),
        ],
    )

"""Machines that place, answer or watch: this one, or others over SSH. Files go there and come back, programs run there.

Another machine needs `sipp` and `python3`, and a key that ssh may use without a question. A program is told a time
limit of its own by whoever starts it, so that it ends even if this machine dies.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .errors import HostFailed

COMMAND_TIMEOUT_S = 30.0
STOP_WITHIN_S = 3.0
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15")


class Running(ABC):
    """A program that was started."""

    name: str

    @property
    @abstractmethod
    def status(self) -> int | None:
        """Its exit status; None while it runs."""

    @abstractmethod
    def signal(self, kind: str) -> None:
        """By its name without SIG; nothing if it has ended."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it: asked first, made to after some seconds."""


class Machine(ABC):
    """Where programs run. Paths are relative to a folder of the run's own."""

    name: str
    address: str
    folder: str

    @abstractmethod
    def put(self, path: str, content: bytes) -> None:
        """A file."""

    @abstractmethod
    def get(self, path: str, *, after: int = 0) -> bytes:
        """A file's content from that byte on; empty if there is none."""

    @abstractmethod
    def start(self, name: str, argv: Sequence[str]) -> Running:
        """Starts a program in the folder; what it prints goes to NAME.out there."""

    @abstractmethod
    def ask(self, argv: Sequence[str]) -> str:
        """What a short program prints. Raises HostFailed."""

    @abstractmethod
    def close(self) -> None:
        """Removes the folder."""

    def path(self, name: str) -> str:
        """A file of the folder, as programs there name it."""
        return f"{self.folder}/{name}"


class _LocalProgram(Running):
    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name, self._process = name, process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        return self._process.poll()

    def signal(self, kind: str) -> None:
        if self.status is None:
            self._process.send_signal(signal.Signals[f"SIG{kind}"])

    def stop(self) -> None:
        self.signal("TERM")
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_WITHIN_S)


class LocalMachine(Machine):
    """This one."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self._held = tempfile.TemporaryDirectory(prefix=f"dialtrace-load-{name}-")
        self.folder = self._held.name

    def put(self, path: str, content: bytes) -> None:
        Path(self.path(path)).write_bytes(content)

    def get(self, path: str, *, after: int = 0) -> bytes:
        try:
            with Path(self.path(path)).open("rb") as file:
                file.seek(after)
                return file.read()
        except FileNotFoundError:
            return b""

    def start(self, name: str, argv: Sequence[str]) -> Running:
        with Path(self.path(f"{name}.out")).open("wb") as output:
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise HostFailed(f"{self.name}: {argv[0]} does not start: {error.strerror}") from error
        return _LocalProgram(name, process)

    def ask(self, argv: Sequence[str]) -> str:
        return _asked(self.name, argv, b"")

    def close(self) -> None:
        self._held.cleanup()


class _RemoteProgram(Running):
    """Its ssh runs here as long as the program does there, and has its exit status."""

    def __init__(self, name: str, machine: RemoteMachine, process: subprocess.Popen[bytes]) -> None:
        self.name, self._machine, self._process = name, machine, process

    @property
    def status(self) -> int | None:
        return self._process.poll()

    def signal(self, kind: str) -> None:
        if self.status is None:
            with suppress(HostFailed):
                self._machine.signal(self.name, kind)

    def stop(self) -> None:
        self.signal("TERM")
        try:
            self._process.wait(STOP_WITHIN_S + 2)
        except subprocess.TimeoutExpired:
            self.signal("KILL")
            self._process.kill()
            self._process.wait(STOP_WITHIN_S)


class RemoteMachine(Machine):
    """Another one. One connection carries everything (ControlMaster), since a run asks often."""

    def __init__(self, name: str, address: str, destination: str, *, options: Sequence[str] = ()) -> None:
        self.name, self.address = name, address
        self._held = tempfile.TemporaryDirectory(prefix="dialtrace-ssh-")
        shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={self._held.name}/%C", "-o", "ControlPersist=60")
        self._ssh = (*SSH, *shared, *options, destination, "--")
        try:
            self.folder = self.ask(["mktemp", "-d", "-t", "dialtrace-load-XXXXXX"]).strip()
        except HostFailed:
            self._held.cleanup()
            raise

    def put(self, path: str, content: bytes) -> None:
        _asked(self.name, [*self._ssh, f"cat > {shlex.quote(self.path(path))}"], content)

    def get(self, path: str, *, after: int = 0) -> bytes:
        target = shlex.quote(self.path(path))
        return _answered(self.name, [*self._ssh, f"test ! -e {target} || tail -c +{after + 1} {target}"], b"")

    def start(self, name: str, argv: Sequence[str]) -> Running:
        line = (
            f"cd {shlex.quote(self.folder)} && echo $$ > {shlex.quote(name)}.pid && "
            f"exec {shlex.join(argv)} > {shlex.quote(name)}.out 2>&1 < /dev/null"
        )
        process = subprocess.Popen(
            [*self._ssh, line], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return _RemoteProgram(name, self, process)

    def ask(self, argv: Sequence[str]) -> str:
        return _asked(self.name, [*self._ssh, shlex.join(argv)], b"")

    def signal(self, name: str, kind: str) -> None:
        """To a program that was started under this name."""
        pid_file = shlex.quote(self.path(f"{name}.pid"))
        _asked(self.name, [*self._ssh, f"kill -{kind} $(cat {pid_file}) 2> /dev/null || true"], b"")

    def close(self) -> None:
        with suppress(HostFailed):
            self.ask(["rm", "-rf", self.folder])
        ending = [*self._ssh[:-2], "-O", "exit", self._ssh[-2]]
        subprocess.run(ending, check=False, capture_output=True, timeout=COMMAND_TIMEOUT_S)
        self._held.cleanup()


def _answered(host: str, argv: Sequence[str], given: bytes) -> bytes:
    try:
        done = subprocess.run(argv, input=given, capture_output=True, check=False, timeout=COMMAND_TIMEOUT_S)
    except OSError as error:
        raise HostFailed(f"{host}: {argv[0]} does not start: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HostFailed(f"{host}: no answer within {COMMAND_TIMEOUT_S:.0f} s to {argv[-1]!r}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise HostFailed(f"{host}: {argv[-1]!r}: {said[-300:]}")
    return done.stdout


def _asked(host: str, argv: Sequence[str], given: bytes) -> str:
    return _answered(host, argv, given).decode("utf-8", "replace")


def await_end(programs: Sequence[Running], until_s: float, *, every_s: float = 0.2) -> bool:
    """Whether all ended before that moment of the monotonic clock."""
    while any(program.status is None for program in programs):
        if time.monotonic() > until_s:
            return False
        time.sleep(every_s)
    return True

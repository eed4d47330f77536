"""A rolling restart of what `dialtrace up` runs: one process after another, each ready before the next is stopped, and
never a switch, which holds calls. `up` does it on SIGHUP; `dialtrace restart` asks for it and follows it.

The two meet in a small file beside the record of processes. Must not know what the processes do.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from .errors import DialtraceError
from .supervisor import ChildNotReady, ChildSpec, Interrupted, Supervisor

log = structlog.get_logger("up")

LOOK_EVERY_S = 0.2


class NotRunning(DialtraceError):
    """No `dialtrace up` runs on this data folder."""


class RestartFailed(DialtraceError):
    """A rolling restart did not come to its end."""


@dataclass(frozen=True)
class Progress:
    """How far a restart is. ``state``: running, done or failed (then ``why``); ``mark`` differs for each restart."""

    mark: str
    wanted: tuple[str, ...]
    done: tuple[str, ...] = ()
    state: str = "running"
    why: str = ""


def rolling_order(specs: Sequence[ChildSpec]) -> list[str]:
    """Who is restarted: workers first, since callers meet them; processes that hold calls never."""
    restarted = [spec for spec in specs if not spec.holds_calls]
    return [spec.name for spec in sorted(restarted, key=lambda spec: spec.kind != "worker")]


def restart_all(supervisor: Supervisor, path: Path) -> Progress:
    """One after another; stops at the first that does not become ready: what comes after it still runs as it did.
    ``path`` tells how far it is. Raises Interrupted."""
    names = rolling_order([child.spec for child in supervisor.children.values()])
    progress = Progress(secrets.token_hex(8), tuple(names))
    _write(path, progress)
    for name in names:
        began_s = time.monotonic()
        try:
            supervisor.restart(name)
        except ChildNotReady as fault:
            log.error("the rolling restart stops here", process=name, fault=str(fault))
            progress = replace(progress, state="failed", why=str(fault))
            break
        except Interrupted:
            _write(path, replace(progress, state="failed", why="`dialtrace up` was told to stop"))
            raise
        log.info("restarted", process=name, seconds=round(time.monotonic() - began_s, 1))
        progress = replace(progress, done=(*progress.done, name))
        _write(path, progress)
        # Others may have died meanwhile.
        supervisor.tend()
    else:
        progress = replace(progress, state="done")
    _write(path, progress)
    return progress


def ask_for_restart(lock: Path, path: Path, *, timeout_s: float, tell: Callable[[Progress], None]) -> Progress:
    """Ask the `up` that holds ``lock``, and follow it to the end; ``tell`` hears of every step. Raises NotRunning,
    RestartFailed."""
    before = _read(path)
    os.kill(_holder(lock), signal.SIGHUP)
    until_s, told = time.monotonic() + timeout_s, before
    while time.monotonic() < until_s:
        found = _read(path)
        if found is not None and found != told and (before is None or found.mark != before.mark):
            told = found
            tell(found)
            if found.state == "failed":
                raise RestartFailed(f"{RestartFailed.__doc__} {found.why}")
            if found.state == "done":
                return found
        time.sleep(LOOK_EVERY_S)
    raise RestartFailed(
        f"{RestartFailed.__doc__} It is not done after {timeout_s:g} s; `dialtrace up` may go on with it"
    )


def _holder(lock: Path) -> int:
    """The process that holds the lock; a pid that is only written there may be anybody's by now."""
    try:
        with lock.open("r", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read().strip())
    except (FileNotFoundError, ValueError):
        pass
    raise NotRunning(f"{NotRunning.__doc__} ({lock.parent}; DIALTRACE_DATA_DIR names it)")


def _write(path: Path, progress: Progress) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as fault:
        # A full disk must not end a restart half-way.
        log.warning("how far the restart is cannot be told", file=str(path), why=str(fault))


def _read(path: Path) -> Progress | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Progress(**{**found, "wanted": tuple(found["wanted"]), "done": tuple(found["done"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None

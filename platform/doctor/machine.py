"""What an installation needs of its machine: room, clock, open files, processors that do not sleep in, programs."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..awake import is_virtual
from .model import Check, Finding, at_most

#: Of a disk. The agent keeps a reserve, and alarms go off earlier (monitoring/): this is for whoever looks himself.
DISK_NOTE, DISK_FAULT = 0.80, 0.95
#: A switch has some ten files and sockets open for each call, a database connection one.
FEWEST_FILES = 4096
#: adjtimex(2): the kernel's clock is not being kept.
_TIME_ERROR, _STA_UNSYNC = 5, 0x40
HALTPOLL = Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns")
#: Files that only their owner may read.
PRIVATE = ("master-keys", "secret-key", "operator-key", "test-token", "nodes.json")


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read; ``_rest`` is room for what the kernel writes behind."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("_rest", ctypes.c_long * 32),
    )


def machine_checks(data_dir: Path, spools: Sequence[Path], programs: Sequence[str]) -> list[tuple[str, Check]]:
    """``programs``: those that the settings ask for, such as a voice."""
    return [
        ("disk", lambda: disks([data_dir, *spools])),
        ("clock", clock),
        ("open files", open_files),
        ("processors", processors),
        ("programs", lambda: found_programs(programs)),
        ("private files", lambda: private_files(data_dir)),
    ]


def disks(folders: Sequence[Path]) -> Iterator[Finding]:
    """The fullest disk counts, by bytes or by files."""
    seen: set[int] = set()
    for folder in folders:
        if not folder.exists():
            mend = f"make it: mkdir -p {folder}, owned by the user of our processes"
            yield Finding("machine", "disk", "fault", f"{folder} is not there", mend)
            continue
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        room = os.statvfs(folder)
        used = 1 - room.f_bavail / max(1, room.f_blocks)
        files = 1 - room.f_favail / room.f_files if room.f_files else 0.0
        yield at_most(
            "machine", "disk", f"{folder}: {used:.0%} of the bytes and {files:.0%} of the files are taken",
            max(used, files), note=DISK_NOTE, fault=DISK_FAULT, mend="make room (docs/runbooks.md)",
        )  # fmt: skip


def clock() -> Iterator[Finding]:
    """Whether something keeps it: calls are joined to visits, and billed, by times of several machines."""
    told = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))
    if state < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not say whether its clock is kept")
    if state == _TIME_ERROR or told.status & _STA_UNSYNC:
        yield Finding(
            "machine", "clock", "note", "nothing keeps it in step",
            "install chrony, or turn on systemd-timesyncd; a container has its host's clock",
        )  # fmt: skip
    else:
        yield Finding("machine", "clock", "well", f"kept, off by at most {told.maxerror / 1000:.0f} ms")


def open_files() -> Iterator[Finding]:
    """Of this login; a unit of systemd has its own (LimitNOFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FEWEST_FILES:
        yield Finding("machine", "open files", "well", f"{soft} a process")
        return
    mend = f"ulimit -n {FEWEST_FILES}, or LimitNOFILE= of the unit (up to {hard} without more rights)"
    yield Finding("machine", "open files", "note", f"{soft} a process: some hundred calls need more", mend)


def processors() -> Iterator[Finding]:
    """A guest whose processors halt comes back late to every packet (docs/decisions/0014-processors-kept-awake.md)."""
    cores = os.cpu_count() or 1
    if not is_virtual():
        yield Finding("machine", "processors", "well", f"{cores}, of a real machine")
        return
    polls_ns = int(HALTPOLL.read_text()) if HALTPOLL.exists() else 0
    if polls_ns:
        found = f"{cores} virtual ones that wait {polls_ns} ns before they halt"
        yield Finding("machine", "processors", "well", found)
        return
    yield Finding(
        "machine", "processors", "note", f"{cores} virtual ones that halt at once",
        f"where the host is busy, let them wait: echo 2000000 > {HALTPOLL}, or pin them on the host "
        "(docs/decisions/0014-processors-kept-awake.md)",
    )  # fmt: skip


def found_programs(programs: Sequence[str]) -> Iterator[Finding]:
    """Whether each is on the path."""
    for program in programs:
        where = shutil.which(program)
        if where:
            yield Finding("machine", "programs", "well", where)
        else:
            mend = f"apt-get install {program}, or turn off what needs it (docs/settings.md)"
            yield Finding("machine", "programs", "fault", f"{program} is not there, and the settings ask for it", mend)


def private_files(data_dir: Path) -> Iterator[Finding]:
    """Keys and passwords are their owner's alone."""
    for name in PRIVATE:
        file = data_dir / name
        if not file.exists():
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            yield Finding("machine", "private files", "fault", f"{file} has mode {mode:o}", f"chmod 600 {file}")
        else:
            yield Finding("machine", "private files", "well", f"{file} is its owner's alone")

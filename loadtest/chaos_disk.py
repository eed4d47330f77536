"""Nodes' spools on small disks of their own, which a drill may fill to the last byte. Needs the right to mount."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dialtrace.errors import DialtraceError
from dialtrace.launch import make_spool
from dialtrace.nodesfile import NodeSettings

#: Enough for what a minute of calls leaves behind, little enough to be filled at once.
DISK_BYTES = 128 * 1024 * 1024
_MOUNT_TIMEOUT_S = 10
#: Ever smaller pieces, so that not one byte is left.
_PIECES = (1024 * 1024, 4096, 64, 1)


class DiskMissing(DialtraceError):
    """A drill with a full disk mounts one of its own: run it as root, or leave it out."""


class SmallDisk:
    """The disk of one spool."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self._hog = spool / "hog"

    def fill(self) -> None:
        """To the last byte, by a file that is none of ours; as often as something became free."""
        with open(self._hog, "ab", buffering=0) as file:
            for size in _PIECES:
                _write_until_full(file, b"x" * size)

    def relieve(self) -> None:
        """Somebody has found out, and removed what filled it."""
        self._hog.unlink(missing_ok=True)


def _write_until_full(file: Any, piece: bytes) -> None:
    try:
        while True:
            file.write(piece)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def small_disks(nodes: Sequence[NodeSettings]) -> Iterator[None]:
    """Under the spools of nodes that do not run yet. Raises DiskMissing."""
    with ExitStack() as stack:
        for node in nodes:
            _mount(node.spool)
            stack.callback(_unmount, node.spool)
            make_spool(node.spool)
        yield


def _mount(spool: Path) -> None:
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(spool)]
    try:
        subprocess.run(words, check=True, capture_output=True, timeout=_MOUNT_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise DiskMissing(DiskMissing.__doc__) from error


def _unmount(spool: Path) -> None:
    # Lazily: a process that was killed may still hold a file of it.
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["umount", "--lazy", str(spool)], check=True, capture_output=True, timeout=_MOUNT_TIMEOUT_S)

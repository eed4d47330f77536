"""Processes that serve metrics say so in a folder of their machine: one small file each, which goes when the process
ends politely and stays when it is killed, so that Prometheus misses it. The monitor carries the list to the database,
and the API hands it to Prometheus.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import socket
from contextlib import suppress
from pathlib import Path

FOLDER = ("prometheus", "processes")
_EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (compared, not bound)
#: More processes on one machine are no list of ours.
MOST = 500


def machine_name() -> str:
    """What this machine is called among those that Prometheus reads."""
    return socket.gethostname()[:100] or "machine"


def announce(data_dir: Path, *, process: str, kind: str, listen: tuple[str, int]) -> Path | None:
    """Say that this process serves metrics there; None where the folder cannot be written, which must not keep a
    process from its work."""
    host, port = listen
    shown = machine_name() if host in _EVERYWHERE else host
    address = f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
    folder = data_dir.joinpath(*FOLDER)
    path = folder / (re.sub(r"[^A-Za-z0-9.-]", "_", address) + ".json")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps({"process": process, "kind": kind, "address": address, "pid": os.getpid()}))
        fresh.replace(path)
    except OSError:
        return None
    atexit.register(_withdraw, path, os.getpid())
    return path


def _withdraw(path: Path, pid: int) -> None:
    """Not by a fork, and not what another process has announced since."""
    with suppress(OSError, ValueError, KeyError):
        if os.getpid() == pid and json.loads(path.read_text(encoding="utf-8"))["pid"] == pid:
            path.unlink()


def announced(data_dir: Path) -> list[dict[str, str]]:
    """Process, kind and address of everybody who is there, by address; a file that cannot be read is none."""
    found = []
    with suppress(OSError):
        for path in sorted(data_dir.joinpath(*FOLDER).glob("*.json"))[:MOST]:
            with suppress(OSError, ValueError, KeyError, TypeError):
                one = json.loads(path.read_text(encoding="utf-8"))
                found.append({name: str(one[name])[:200] for name in ("process", "kind", "address")})
    return found

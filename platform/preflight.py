"""What `up` looks at before it starts anything: the data folder and the ports. Every fault is told at once, with what
has the port and how to mend it. Starts nothing, changes nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from .config import Settings
from .errors import DialtraceError
from .nodesfile import NodeSettings


class DataFolderUnusable(DialtraceError):
    """The data folder cannot be used."""

    def __init__(self, folder: Path, error: OSError) -> None:
        where = f" ({error.filename})" if error.filename and Path(error.filename) != folder else ""
        super().__init__(
            f"the data folder {folder} cannot be used: {error.strerror}{where}. Mend it, or name another one with "
            "DIALTRACE_DATA_DIR"
        )


class PortsTaken(DialtraceError):
    """Ports that the platform needs are taken; every one is listed."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("ports are taken:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = list(faults)


@dataclass(frozen=True)
class Port:
    """An address that a process of ours is going to bind, and how to choose another."""

    what: str
    address: tuple[str, int]
    mend: str
    kind: socket.SocketKind = socket.SOCK_STREAM


def check_folder(folder: Path) -> None:
    """Makes the folder and writes to it, as everything else will. Raises DataFolderUnusable."""
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        raise DataFolderUnusable(folder, error) from error


def wanted_ports(settings: Settings, nodes: Sequence[NodeSettings], *, going_on: Collection[str] = ()) -> list[Port]:
    """The addresses that the platform listens on; not those of nodes that run already."""
    ports = [
        Port("API", settings.api_listen, "set DIALTRACE_API_LISTEN"),
        Port("stream of live calls", settings.live_listen, "set DIALTRACE_LIVE_LISTEN"),
        Port("call workers", settings.worker_listen, "set DIALTRACE_WORKER_LISTEN"),
    ]
    for node in nodes:
        if node.name not in going_on:
            ports.append(Port(f"{node.name}, SIP", node.sip_address, "give --sip-port", socket.SOCK_DGRAM))
            mend = f"remove {settings.nodes_file} and another port is taken"
            ports.append(Port(f"{node.name}, event socket", node.event_socket_address, mend))
    return ports


def check_ports(ports: Sequence[Port]) -> None:
    """Raises PortsTaken. A worker's port must be looked at, not only tried by the worker: it is shared on purpose, so a
    stranger's workers would get half of the calls."""
    faults = [
        f"{port.what}: {port.address[0]}:{port.address[1]}{_holder(port)} ({error}); stop that, or {port.mend}"
        for port in ports
        if (error := _bind_fault(port))
    ]
    if faults:
        raise PortsTaken(faults)


def _bind_fault(port: Port) -> str | None:
    family = socket.AF_INET6 if ":" in port.address[0] else socket.AF_INET
    with socket.socket(family, port.kind) as probe:
        if port.kind is socket.SOCK_STREAM:
            # A listener is refused all the same; connections that have ended are not (socket(7), SO_REUSEADDR).
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(port.address)
        except OSError as error:
            return error.strerror or str(error)
    return None


def _holder(port: Port) -> str:
    """Who has it, as far as this user may know."""
    try:
        found = psutil.net_connections("tcp" if port.kind is socket.SOCK_STREAM else "udp")
        pids = sorted(
            {
                connection.pid
                for connection in found
                if connection.pid
                and connection.laddr
                and connection.laddr.port == port.address[1]
                and connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
            }
        )
        return "".join(f", held by pid {pid} ({psutil.Process(pid).name()})" for pid in pids)
    except (psutil.Error, OSError):
        return ""

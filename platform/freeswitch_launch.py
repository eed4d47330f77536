"""How a real FreeSWITCH is started as a node: its run folder, its command, its environment and when it is ready.

The configuration is the one in ``freeswitch/``; all that differs between nodes reaches it through the environment
(``freeswitch/vars.xml``). Starts nothing itself: the supervisor does. Must not know calls or the database.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from importlib.resources import files
from ipaddress import ip_address, ip_network
from itertools import islice
from pathlib import Path
from typing import Protocol

from .errors import DialtraceError
from .nodesfile import NodeSettings
from .supervisor import ChildSpec

#: The demonstration's carriers are on this machine.
LOOPBACK_ONLY = ("127.0.0.1/32",)
#: Shorter than the dialplan takes (16 characters), so that nothing is marked.
NO_TEST_TOKEN = "none"  # noqa: S105
#: What the switch's access list takes in one entry (switch_utils.c, switch_network_list_add_cidr_port_token).
MOST_CARRIERS = 32
#: Two legs with two ports each for every call, if each rings one target at a time.
PORTS_PER_CALL = 4
#: It starts in under 2 s on an idle machine; a loaded one took 13 s.
READY_TIMEOUT_S = 60.0
#: After SIGTERM an idle switch needs 6 s, and it does not hear one that comes while it starts.
STOP_TIMEOUT_S = 20.0
PROBE_TIMEOUT_S = 0.5

#: Folders that the switch wants to write to or insists on; all below the node's run folder.
_OWN_FOLDERS = {
    "-log": "log", "-db": "db", "-run": "run", "-temp": "tmp", "-cache": "tmp", "-storage": "tmp", "-certs": "certs",
    "-htdocs": "tmp", "-grammar": "tmp", "-sounds": "tmp",
}  # fmt: skip


class NodeNotLaunchable(DialtraceError):
    """FreeSWITCH cannot be started so."""


def freeswitch_spec(
    node: NodeSettings,
    *,
    binary: Path,
    run_folder: Path,
    worker: str,
    rtp: tuple[int, int],
    max_calls: int,
    carriers: Sequence[str] = LOOPBACK_ONLY,
    edges: Sequence[str] = (),
    test_token: str = "",
) -> ChildSpec:
    """The process of one FreeSWITCH. Makes ``run_folder`` (readable by its owner only) and the spool's folders.

    ``rtp`` is the first and the last RTP port, ``worker`` the HOST:PORT of the call workers, ``carriers`` the networks
    that may send calls, ``edges`` the addresses whose word on a caller's signature counts, ``test_token`` the secret of
    test calls. Raises NodeNotLaunchable with what to mend.
    """
    _check(node, binary, rtp, max_calls, carriers, edges)
    prepare_folders(run_folder, node.spool)
    return ChildSpec(
        name=node.name,
        kind="node",
        argv=command(binary, run_folder, node.spool),
        environment=environment(node, worker=worker, rtp=rtp, max_calls=max_calls, carriers=carriers)
        | {"DIALTRACE_NODE_TEST_TOKEN": test_token or NO_TEST_TOKEN, "DIALTRACE_NODE_EDGES": "|".join(edges) or "none"},
        ready=lambda: (
            logs_in(node.event_socket_address, node.event_socket_password) and options_status(node.sip_address) == 200
        ),
        ready_timeout_s=READY_TIMEOUT_S,
        stop_timeout_s=STOP_TIMEOUT_S,
    )


def configuration_folder() -> Path:
    """``freeswitch/`` as installed. Nothing is ever written there, and no secret stands in it."""
    return Path(str(files("dialtrace.freeswitch")))


def prepare_folders(run_folder: Path, spool: Path) -> None:
    """The switch writes its expanded configuration, password included, into its log folder: closed to others."""
    run_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    run_folder.chmod(0o700)
    for name in set(_OWN_FOLDERS.values()):
        (run_folder / name).mkdir(exist_ok=True)
    for name in ("cdr", "recordings", "plans", "prompts", "gateways", "rules"):
        (spool / name).mkdir(parents=True, exist_ok=True)


def command(binary: Path, run_folder: Path, spool: Path) -> list[str]:
    """In the foreground without a console, at normal priority, and every folder our own: nothing of the package's."""
    configuration = configuration_folder()
    folders = {
        "-conf": configuration,
        "-scripts": configuration / "scripts",
        "-recordings": spool / "recordings",
        **{option: run_folder / name for option, name in _OWN_FOLDERS.items()},
    }
    paths = [text for option, path in folders.items() for text in (option, str(path))]
    return [str(binary), "-nf", "-nc", "-np", "-nonat", *paths]


def environment(
    node: NodeSettings, *, worker: str, rtp: tuple[int, int], max_calls: int, carriers: Sequence[str]
) -> dict[str, str]:
    """What ``freeswitch/vars.xml`` and ``event_socket.conf.xml`` read."""
    host, port = node.sip_address
    return {
        "DIALTRACE_NODE_NAME": node.name,
        "DIALTRACE_NODE_SPOOL": str(node.spool),
        "DIALTRACE_NODE_WORKER": worker,
        "DIALTRACE_NODE_SIP_IP": host,
        "DIALTRACE_NODE_SIP_PORT": str(port),
        "DIALTRACE_NODE_RTP_FIRST": str(rtp[0]),
        "DIALTRACE_NODE_RTP_LAST": str(rtp[1]),
        "DIALTRACE_NODE_EVENT_SOCKET_PORT": str(node.event_socket_address[1]),
        "DIALTRACE_NODE_PASSWORD": node.event_socket_password,
        "DIALTRACE_NODE_MAX_CALLS": str(max_calls),
        "DIALTRACE_NODE_CARRIERS": ",".join(carriers),
    }


def _check(
    node: NodeSettings,
    binary: Path,
    rtp: tuple[int, int],
    max_calls: int,
    carriers: Sequence[str],
    edges: Sequence[str],
) -> None:
    if not (binary.is_file() and os.access(binary, os.X_OK)):
        raise NodeNotLaunchable(f"{binary} is no program; name the freeswitch binary")
    if node.event_socket_address[0] not in ("127.0.0.1", "localhost"):
        raise NodeNotLaunchable(f"{node.name}: the event socket is bound to 127.0.0.1, not to {node.event_socket}")
    first, last = rtp
    if not 1024 <= first < last <= 65_535:
        raise NodeNotLaunchable(f"{node.name}: RTP ports {first}-{last} are no range within 1024-65535")
    if last - first + 1 < max_calls * PORTS_PER_CALL:
        raise NodeNotLaunchable(
            f"{node.name}: {max_calls} calls need {max_calls * PORTS_PER_CALL} RTP ports, {first}-{last} are fewer"
        )
    if not 1 <= len(carriers) <= MOST_CARRIERS:
        raise NodeNotLaunchable(f"{node.name}: name 1 to {MOST_CARRIERS} carrier networks, not {len(carriers)}")
    for network in carriers:
        try:
            ip_network(network)
        except ValueError as fault:
            raise NodeNotLaunchable(f"{node.name}: carrier {network!r}: {fault}") from fault
    for edge in edges:
        try:
            ip_address(edge)
        except ValueError as fault:
            raise NodeNotLaunchable(f"{node.name}: edge {edge!r}: {fault}") from fault


def logs_in(address: tuple[str, int], password: str) -> bool:
    """Whether the event socket there takes the password."""
    try:
        with socket.create_connection(address, timeout=PROBE_TIMEOUT_S) as line, line.makefile("rwb") as stream:
            if not _hears(stream, b"auth/request"):
                return False
            stream.write(f"auth {password}\n\n".encode())
            stream.flush()
            return _hears(stream, b"+OK accepted")
    except OSError:
        return False


class _Lines(Protocol):
    def readline(self, size: int, /) -> bytes: ...


def _hears(stream: _Lines, wanted: bytes) -> bool:
    """Whether the next block of headers, which an empty line or the stream's end closes, has that value."""
    block = iter(lambda: stream.readline(1024).strip(), b"")
    return wanted in [line.partition(b": ")[2] for line in islice(block, 20)]


def options_status(address: tuple[str, int]) -> int | None:
    """The status that a SIP OPTIONS is answered with; None: no answer. A full or draining node says 503."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(PROBE_TIMEOUT_S)
        try:
            probe.connect(address)
            probe.send(_options(address, probe.getsockname()))
            answer = probe.recv(2048)
        except OSError:
            return None
    version, _, rest = answer.partition(b" ")
    return int(rest[:3]) if version == b"SIP/2.0" and rest[:3].isdigit() else None


def _options(to: tuple[str, int], own: tuple[str, int]) -> bytes:
    tag = secrets.token_hex(8)
    return (
        f"OPTIONS sip:{to[0]}:{to[1]} SIP/2.0\r\nVia: SIP/2.0/UDP {own[0]}:{own[1]};branch=z9hG4bK{tag};rport\r\n"
        f"Max-Forwards: 5\r\nFrom: <sip:probe@{own[0]}:{own[1]}>;tag={tag}\r\nTo: <sip:{to[0]}:{to[1]}>\r\n"
        f"Call-ID: {tag}\r\nCSeq: 1 OPTIONS\r\nContact: <sip:probe@{own[0]}:{own[1]}>\r\nContent-Length: 0\r\n\r\n"
    ).encode()

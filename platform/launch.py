"""What `up` and `demo` have in common: from settings to a running platform on embedded defaults.

Makes the folders, starts the embedded database unless another is named, migrates, writes the nodes file and the
operator's key, and says which processes make up the platform. Starts no process but the database itself.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .config import Settings, host_port
from .db.embedded import kept_alive
from .db.migrate import upgrade
from .errors import DialtraceError
from .freeswitch_launch import freeswitch_spec, options_status
from .nodesfile import NodeSettings, write_nodes
from .services.tenants import operator_key
from .supervisor import ChildSpec

PROGRAM = [sys.executable, "-m", "dialtrace"]

#: RTP ports for one node: two per leg, two legs per call.
RTP_PORTS_PER_NODE = 2000
#: Where blocks begin: above what `free_port` gives, below Linux' ephemeral ports.
RTP_BLOCKS = range(20_000, 32_000, RTP_PORTS_PER_NODE)


class NoRtpPorts(DialtraceError):
    """All RTP ports of this machine are claimed."""


#: FreeSWITCH's own choice.
FIRST_EVENT_SOCKET_PORT = 8021


@dataclass(frozen=True)
class Plan:
    """A platform that is about to run: its addresses, its environment and its processes in start order."""

    nodes: list[NodeSettings]
    environment: dict[str, str]
    groups: list[list[ChildSpec]]
    api_url: str
    operator_token: str
    database_url: str
    #: Held open as long as the platform runs: its RTP ports belong to nobody else.
    claims: list[socket.socket]

    def give_back(self) -> None:
        """Let others have the RTP ports."""
        for claim in self.claims:
            claim.close()


def free_port(kind: int = socket.SOCK_STREAM, *, avoid: Iterable[int] = ()) -> int:
    """A port of 127.0.0.1 below the ephemeral range that nobody has at this moment."""
    taken = set(avoid)
    for _ in range(200):
        port = 10_000 + secrets.randbelow(9_000)
        if port in taken:
            continue
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port found on 127.0.0.1")


def reserve_rtp_block(first: int) -> socket.socket | None:
    """Claim the block of RTP ports from ``first`` on for as long as the returned socket stays open; None: another
    platform of this machine has it. A node binds its ports call by call, so that looking at them proves nothing. The
    claim is a name in Linux' abstract namespace: it needs no file and goes with its process, however that ends."""
    return _claim(f"dialtrace-rtp-{first}")


def _claim(name: str) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0{name}")
    except OSError:
        claim.close()
        return None
    return claim


def rtp_blocks(count: int, first: int | None) -> list[tuple[int, socket.socket | None]]:
    """The first RTP ports of ``count`` nodes with their claims: one block after the other from ``first`` on, claimed
    where that is possible, or whichever nobody else has. Raises NoRtpPorts."""
    if first is not None:
        wanted = [first + RTP_PORTS_PER_NODE * index for index in range(count)]
        return [(port, reserve_rtp_block(port)) for port in wanted]
    found: list[tuple[int, socket.socket | None]] = []
    for port in RTP_BLOCKS:
        if len(found) < count and (claim := reserve_rtp_block(port)) is not None:
            found.append((port, claim))
    if len(found) < count:
        for _, claim in found:
            if claim is not None:
                claim.close()
        raise NoRtpPorts(
            f"{count} node(s) need {RTP_PORTS_PER_NODE} RTP ports each; other platforms run here: stop one, or wait"
        )
    return found


def is_listening(address: tuple[str, int]) -> bool:
    """Whether something accepts TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(address) == 0


def answers_http(url: str) -> bool:
    """Whether a GET is answered with 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 (our own loopback address)
            return bool(200 <= answer.status < 300)
    except OSError:
        return False


def make_spool(spool: Path) -> Path:
    """The folders of a node (docs/architecture.md, "A node's spool"), closed to the machine's other users: they hold
    callers' numbers and voices."""
    spool.mkdir(parents=True, exist_ok=True)
    spool.chmod(0o700)
    for name in ("cdr", "cdr-broken", "recordings", "recordings-due", "plans", "prompts", "gateways", "rules"):
        (spool / name).mkdir(parents=True, exist_ok=True)
    return spool


#: Names of usual ports that this process has claimed, for as long as it lives: between choosing a port and the node's
#: binding it lie seconds, in which another platform that starts would choose it too.
_USUAL: list[socket.socket] = []


def _event_socket_port(index: int, *, usual: bool, avoid: Iterable[int]) -> int:
    """The usual one where it is wanted and nobody has it; the nodes file tells everyone which it is."""
    port = FIRST_EVENT_SOCKET_PORT + index
    if usual and not is_listening(("127.0.0.1", port)) and (claim := _claim(f"dialtrace-event-socket-{port}")):
        _USUAL.append(claim)
        return port
    return free_port(avoid=avoid)


def plan_nodes(
    settings: Settings, count: int, *, kind: str = "embedded", first_sip_port: int | None = None
) -> list[NodeSettings]:
    """Addresses and secrets for ``count`` nodes of a kind; ``first_sip_port`` None takes free ports."""
    nodes = []
    taken: set[int] = set()
    for index in range(count):
        name = f"node-{index + 1}"
        sip_port = first_sip_port + 20 * index if first_sip_port else free_port(socket.SOCK_DGRAM, avoid=taken)
        socket_port = _event_socket_port(index, usual=first_sip_port is not None, avoid=taken)
        taken |= {sip_port, socket_port}
        nodes.append(
            NodeSettings(
                name=name,
                kind=kind,
                sip=f"127.0.0.1:{sip_port}",
                event_socket=f"127.0.0.1:{socket_port}",
                event_socket_password=secrets.token_urlsafe(24),
                spool=make_spool(settings.data_dir / "nodes" / name),
            )
        )
    return nodes


def node_spec(
    node: NodeSettings, settings: Settings, first: int, *, max_calls: int, freeswitch: Path | None
) -> ChildSpec:
    """The process of one node: a real FreeSWITCH if its binary is given, the embedded one otherwise. ``first`` is its
    first RTP port. Its password travels in the environment, never on the command line."""
    if freeswitch is not None:
        spec = freeswitch_spec(
            node,
            binary=freeswitch,
            run_folder=settings.data_dir / "freeswitch" / node.name,
            worker=settings["DIALTRACE_WORKER_LISTEN"],
            rtp=(first, first + RTP_PORTS_PER_NODE - 1),
            max_calls=max_calls,
            test_token=test_token(settings),
        )
        return replace(spec, holds_calls=True)
    address = host_port(node.event_socket)
    return ChildSpec(
        name=node.name,
        kind="node",
        argv=[
            *PROGRAM,
            "node",
            "--name",
            node.name,
            "--sip",
            node.sip,
            "--event-socket",
            node.event_socket,
            "--worker",
            settings["DIALTRACE_WORKER_LISTEN"],
            "--spool",
            str(node.spool),
            "--rtp",
            f"{first}-{first + RTP_PORTS_PER_NODE - 1}",
            "--max-calls",
            str(max_calls),
        ],
        environment={
            "DIALTRACE_NODE_PASSWORD": node.event_socket_password,
            "DIALTRACE_NODE_TEST_TOKEN": test_token(settings),
            "DIALTRACE_METRICS_LISTEN": "",
        },
        ready=lambda: is_listening(address) and options_status(node.sip_address) is not None,
        holds_calls=True,
    )


def control_specs(settings: Settings, environment: dict[str, str]) -> list[ChildSpec]:
    """API, agent, workers, monitor, the asker of web hooks, the sender to webhooks, the stream of live calls and the
    jobs."""
    api_host, api_port = settings.api_listen
    workers = [
        ChildSpec(
            name=f"worker-{index + 1}",
            kind="worker",
            argv=[*PROGRAM, "work", "calls"],
            environment={
                **environment,
                **metrics_of(settings, 3 + index),
                "DIALTRACE_PROCESS_NAME": f"worker-{index + 1}",
            },
            ready=lambda: is_listening(settings.worker_listen),
            notifies=True,
        )
        for index in range(settings["DIALTRACE_WORKER_PROCESSES"])
    ]
    return [
        ChildSpec(
            name="api",
            kind="api",
            argv=[*PROGRAM, "api"],
            environment=environment,
            ready=lambda: answers_http(f"http://{api_host}:{api_port}/readyz"),
            # Granian starts one interpreter after another, which takes a minute where the machine is shared by many.
            ready_timeout_s=120,
        ),
        ChildSpec(
            name="agent",
            kind="agent",
            argv=[*PROGRAM, "agent"],
            environment={**environment, **metrics_of(settings, 1)},
            stop_timeout_s=20,
            notifies=True,
        ),
        *workers,
        ChildSpec(
            name="monitor",
            kind="monitor",
            argv=[*PROGRAM, "work", "nodes"],
            environment={**environment, **metrics_of(settings, 2)},
            notifies=True,
        ),
        beside_spec("hooks", settings, environment, 3 + len(workers)),
        beside_spec("webhooks", settings, environment, 7 + len(workers), stop_timeout_s=12),
        beside_spec("integrations", settings, environment, 9 + len(workers), stop_timeout_s=15),
        beside_spec("pools", settings, environment, 8 + len(workers)),
        ChildSpec(
            name="live",
            kind="live",
            argv=[*PROGRAM, "live"],
            environment={**environment, **metrics_of(settings, 5 + len(workers))},
            notifies=True,
        ),
        beside_spec("jobs", settings, environment, 6 + len(workers), stop_timeout_s=30),
        *([proofs_spec(settings, environment)] if settings["DIALTRACE_PROOFS_PER_DAY"] else []),
    ]


def beside_spec(
    name: str, settings: Settings, environment: dict[str, str], offset: int, *, stop_timeout_s: float = 10.0
) -> ChildSpec:
    """A process of `dialtrace work` that no caller waits for."""
    own = {**environment, **metrics_of(settings, offset)}
    argv = [*PROGRAM, "work", name]
    return ChildSpec(name=name, kind=name, argv=argv, environment=own, stop_timeout_s=stop_timeout_s, notifies=True)


def proofs_spec(settings: Settings, environment: dict[str, str]) -> ChildSpec:
    """What proves numbers; opt-in, since it places calls."""
    return ChildSpec(
        name="proofs",
        kind="proofs",
        argv=[*PROGRAM, "work", "proofs"],
        environment={**environment, **metrics_of(settings, 4 + settings["DIALTRACE_WORKER_PROCESSES"])},
        stop_timeout_s=60,
    )


def metrics_of(settings: Settings, offset: int) -> dict[str, str]:
    """Where a child serves its metrics: so many ports above the supervisor's own; nowhere if that serves none."""
    if settings.metrics_listen is None:
        return {}
    host, port = settings.metrics_listen
    return {"DIALTRACE_METRICS_LISTEN": f"{host}:{port + offset}"}


@contextmanager
def running_database(settings: Settings) -> Iterator[str]:
    """The database's address: the one that is set, or an embedded server that is kept alive and stops with this
    process."""
    if settings.database_url:
        yield settings.database_url
        return
    with kept_alive(settings.data_dir / "postgres") as url:
        yield url


def plan_platform(
    settings: Settings,
    database_url: str,
    nodes: list[NodeSettings],
    *,
    freeswitch: Path | None = None,
    max_calls: int = 500,
    first_rtp_port: int | None = None,
) -> Plan:
    """Migrates, writes the nodes file and the operator's key, and lists the processes. ``first_rtp_port`` None takes
    ports that are free at this moment."""
    upgrade(database_url)
    write_nodes(settings.nodes_file, nodes)
    environment = {name: str(value) for name, value in settings.values.items() if value is not None}
    # Ours alone: one port cannot serve several processes.
    environment["DIALTRACE_METRICS_LISTEN"] = ""
    environment["DIALTRACE_DATABASE_URL"] = database_url
    environment["DIALTRACE_NODES_FILE"] = str(settings.nodes_file)
    environment["DIALTRACE_RECORDINGS_URL"] = settings.recordings_url
    environment["DIALTRACE_TEST_TOKEN"] = test_token(settings)
    environment["DIALTRACE_SECRET_KEY"] = settings["DIALTRACE_SECRET_KEY"] or kept_secret(settings.data_dir)
    environment["DIALTRACE_MASTER_KEYS"] = master_keys(settings)
    host, port = settings.api_listen
    blocks = rtp_blocks(len(nodes), first_rtp_port)
    return Plan(
        nodes=nodes,
        environment=environment,
        groups=[
            control_specs(settings, environment),
            [
                node_spec(node, settings, first, max_calls=max_calls, freeswitch=freeswitch)
                for node, (first, _) in zip(nodes, blocks, strict=True)
            ],
        ],
        api_url=f"http://{host}:{port}",
        operator_token=operator_key(database_url, settings.data_dir),
        database_url=database_url,
        claims=[claim for _, claim in blocks if claim is not None],
    )


def test_token(settings: Settings) -> str:
    """What marks this installation's test calls."""
    return settings["DIALTRACE_TEST_TOKEN"] or kept_secret(settings.data_dir, "test-token")


def master_keys(settings: Settings) -> str:
    """What seals secrets in this installation's database; the file may hold several, the newest first."""
    return settings["DIALTRACE_MASTER_KEYS"] or kept_secret(settings.data_dir, "master-keys")


def kept_secret(data_dir: Path, name: str = "secret-key") -> str:
    """The key that signs cursors, or another: made once, whole or not at all, readable by its owner only. Of processes
    that make it at the same time all have the first one's."""
    path = data_dir / name
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        fresh = data_dir / f".{name}.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_text(encoding="utf-8").strip()

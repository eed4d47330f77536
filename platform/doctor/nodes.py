"""What an installation needs of its nodes: an event socket that lets us in, SIP that answers, our dialplan, a monitor
that looks, workers that listen, an agent that keeps up.
"""

from __future__ import annotations

import re
import socket
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib.resources import files

from ..calls.nodes import Node, NodeDirectory, say_waits
from ..esl.errors import AccessDenied, EslError
from ..esl.inbound import InboundClient
from ..freeswitch_launch import options_status
from ..nodesfile import NodeSettings
from .model import Check, Finding, at_most

#: The monitor looks every second.
SEEN_NOTE_S, SEEN_FAULT_S = 10.0, 60.0
#: The agent brings a call's records home within seconds.
BACKLOG_NOTE_S, BACKLOG_FAULT_S = 60.0, 900.0
#: Oldest files are looked for among so many: a spool of millions is a fault already.
MOST_FILES = 50_000
FIT_VERSIONS = ("1.10.12", "1.11")

Action = tuple[str, str]


def node_checks(
    nodes: Sequence[NodeSettings],
    directory: NodeDirectory,
    worker_listen: tuple[str, int],
    now: Callable[[], datetime],
) -> list[tuple[str, Check]]:
    """``nodes``: of this machine; the directory knows those of all machines."""
    checks: list[tuple[str, Check]] = [
        ("monitors", lambda: monitors(directory, now())),
        ("workers", lambda: workers(worker_listen)),
    ]
    for node in nodes:
        checks += [
            (f"{node.name}: event socket", lambda node=node: event_socket(node)),  # type: ignore[misc]
            (f"{node.name}: SIP", lambda node=node: sip(node)),  # type: ignore[misc]
            (f"{node.name}: spool", lambda node=node: spool(node)),  # type: ignore[misc]
        ]
    return checks


def event_socket(node: NodeSettings) -> Iterator[Finding]:
    """Logs in, and asks a FreeSWITCH for its release and its dialplan."""
    what = f"{node.name}: event socket"
    host, port = node.event_socket_address
    client = InboundClient(
        host, port, node.event_socket_password, on_event=lambda _: None, on_disconnect=lambda _: None
    )
    try:
        client.connect()
        version = client.api("version").strip()
        yield Finding("nodes", what, "well", version or "answers")
        if node.kind == "freeswitch":
            yield release(node, version)
            yield dialplan(node, client.api("xml_locate", "dialplan context name inbound"))
    except AccessDenied:
        mend = f"the password in the nodes file and the switch's DIALTRACE_NODE_PASSWORD must be the same ({node.name})"
        yield Finding("nodes", what, "fault", "refuses the password", mend)
    except EslError as error:
        mend = f"start the switch: systemctl start freeswitch, or `dialtrace up`; look into its log ({node.name})"
        yield Finding("nodes", what, "fault", str(error), mend)
    finally:
        client.close()


def release(node: NodeSettings, version: str) -> Finding:
    """Whether it is one that the contract suite was run on, or is written for."""
    found = re.search(r"\d+\.\d+(\.\d+)?", version)
    number = found[0] if found else "unknown"
    if number.startswith(FIT_VERSIONS):
        return Finding("nodes", f"{node.name}: release", "well", number)
    mend = "run the contract suite on it first (docs/contract.md), or install " + " or ".join(FIT_VERSIONS)
    return Finding("nodes", f"{node.name}: release", "note", number, mend)


def dialplan(node: NodeSettings, loaded: str) -> Finding:
    """Whether the context that carriers' calls come into is this release's."""
    what = f"{node.name}: dialplan"
    packaged = files("dialtrace.freeswitch").joinpath("dialplan", "inbound.xml").read_text(encoding="utf-8")
    mend = "copy this release's freeswitch/ to the switch and say `reloadxml` (freeswitch/README.md)"
    try:
        differing = differences(packaged, loaded)
    except ElementTree.ParseError:
        return Finding("nodes", what, "fault", "the switch has no context `inbound`", mend)
    if differing:
        return Finding("nodes", what, "fault", f"not this release's: {', '.join(differing[:5])}", mend)
    return Finding("nodes", what, "well", "this release's")


def differences(packaged: str, loaded: str) -> list[str]:
    """The extensions of the context `inbound` that are not the same, by name. What stands as `$${…}` in the file is
    whatever the switch was started with."""
    ours, theirs = _extensions(packaged), _extensions(loaded)
    names = sorted(ours.keys() ^ theirs.keys())
    return names + [name for name in ours if name in theirs and not _same(ours[name], theirs[name])]


def _extensions(document: str) -> dict[str, list[Action]]:
    root = ElementTree.fromstring(document)  # noqa: S314 (our own file, and what our own switch made of it)
    context = next((one for one in root.iter("context") if one.get("name") == "inbound"), root)
    return {
        extension.get("name", ""): [
            (f"{part.tag} {part.get('field') or part.get('application')}", _words(part))
            for part in extension.iter()
            if part.tag in ("condition", "action", "anti-action")
        ]
        for extension in context.iter("extension")
    }


def _words(part: ElementTree.Element) -> str:
    return part.get("expression") or part.get("data") or ""


def _same(ours: Sequence[Action], theirs: Sequence[Action]) -> bool:
    return len(ours) == len(theirs) and all(
        our[0] == their[0]
        and re.fullmatch(re.sub(r"\\\$\\\$\\\{\w+\\\}", ".*", re.escape(our[1])), their[1], re.DOTALL)
        for our, their in zip(ours, theirs, strict=True)
    )


def sip(node: NodeSettings) -> Iterator[Finding]:
    """OPTIONS, as the edge asks."""
    status, what = options_status(node.sip_address), f"{node.name}: SIP"
    if status == 200:
        yield Finding("nodes", what, "well", f"{node.sip} takes calls")
    elif status == 503:
        mend = f"dialtrace node undrain {node.name} if nobody wants it drained; dialtrace node list says who asked"
        yield Finding("nodes", what, "note", f"{node.sip} takes no new calls: full, or draining", mend)
    else:
        found = f"{node.sip} does not answer OPTIONS" if status is None else f"{node.sip} answers OPTIONS with {status}"
        mend = "let this machine's addresses into the switch's ACL `carriers`, and look whether its profile is up"
        yield Finding("nodes", what, "fault", found, mend)


def spool(node: NodeSettings) -> Iterator[Finding]:
    """How long the oldest record has been lying there."""
    what = f"{node.name}: spool"
    folder = node.spool / "cdr"
    if not folder.is_dir():
        yield Finding(
            "nodes", what, "fault", f"{folder} is not there", f"mkdir -p {folder}, owned by the switch's user"
        )
        return
    times = [entry.stat().st_mtime for entry, _ in zip(folder.iterdir(), range(MOST_FILES), strict=False)]
    if not times:
        yield Finding("nodes", what, "well", "no record waits")
        return
    oldest_s = time.time() - min(times)
    yield at_most(
        "nodes", what, f"{len(times)} records wait, the oldest for {oldest_s:.0f} s", oldest_s,
        note=BACKLOG_NOTE_S, fault=BACKLOG_FAULT_S, mend="is `dialtrace agent` running, and the database there?",
    )  # fmt: skip


def monitors(directory: NodeDirectory, now: datetime) -> Iterator[Finding]:
    """Whether somebody looks at every node, of whatever machine."""
    nodes = directory.list_nodes(limit=200).items
    if not nodes:
        yield Finding(
            "nodes", "monitors", "fault", "no node was ever seen", "start `dialtrace work nodes` beside each node"
        )
    for node in nodes:
        yield monitor(node, now)


def monitor(node: Node, now: datetime) -> Finding:
    """Whether its row is fresh; and what it still holds if it drains."""
    what = f"{node.name}: monitor"
    if node.last_seen_at is None:
        mend = "start `dialtrace work nodes` beside it"
        return Finding("nodes", what, "fault", "has never reported", mend)
    silent_s = (now - node.last_seen_at).total_seconds()
    found = f"{node.state}, reported {max(0.0, silent_s):.0f} s ago"
    if node.drain_asked_at is not None:
        found += f"; a drain was asked for: {say_waits(node.waits)}"
    return at_most(
        "nodes", what, found, silent_s, note=SEEN_NOTE_S, fault=SEEN_FAULT_S,
        mend="is `dialtrace work nodes` running beside it? A node that is gone for good: dialtrace node drain",
    )  # fmt: skip


def workers(listen: tuple[str, int]) -> Iterator[Finding]:
    """Whether somebody takes the switch's questions."""
    where = f"{listen[0]}:{listen[1]}"
    try:
        with socket.create_connection(listen, timeout=1.0):
            yield Finding("nodes", "workers", "well", f"{where} listens")
    except OSError as error:
        mend = "start `dialtrace work calls`: until then each node follows its own ready-made plans"
        yield Finding("nodes", "workers", "fault", f"{where}: {error.strerror or error}", mend)

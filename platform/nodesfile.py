"""The nodes file: which switches stand on this machine (docs/architecture.md, "The nodes file").

Read by monitor, agent and supervisor, each fault reported with its place. It holds the event sockets' passwords, so it
is readable by its owner only. Opens nothing but that file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import DialtraceError

KINDS = ("embedded", "freeswitch")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
# What every path that reaches the switch must look like (esl.safe.server_path): no space, no quote, no dollar.
_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,255}")
_SHORTEST_PASSWORD = 8


class NodesFileFaulty(DialtraceError):
    """The nodes file is not usable; every fault is listed."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        super().__init__(f"nodes file {path} is not usable:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = list(faults)


@dataclass(frozen=True)
class NodeSettings:
    """One node. ``sip`` and ``event_socket`` are HOST:PORT; ``spool`` is the node's folder on this machine."""

    name: str
    kind: str
    sip: str
    event_socket: str
    event_socket_password: str
    spool: Path

    @property
    def event_socket_address(self) -> tuple[str, int]:
        return _address(self.event_socket)

    @property
    def sip_address(self) -> tuple[str, int]:
        return _address(self.sip)

    @property
    def journal_path(self) -> Path:
        return self.spool / "journal.db"

    def __repr__(self) -> str:
        return f"NodeSettings({self.name!r}, {self.kind!r}, sip={self.sip!r}, spool={str(self.spool)!r})"


def read_nodes(path: Path) -> list[NodeSettings]:
    """The nodes that the file lists, in its order. Raises NodesFileFaulty with every fault at once."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NodesFileFaulty(path, [f"cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise NodesFileFaulty(path, [f"is not JSON: {error}"]) from error
    if not isinstance(document, list) or not document:
        raise NodesFileFaulty(path, ["must be a list of one node or more"])
    faults = [fault for index, entry in enumerate(document) for fault in _faults(index, entry)]
    if not faults:
        faults = [f"{key} {value!r} is used twice" for key in _UNIQUE for value in _repeated(document, key)]
    if faults:
        raise NodesFileFaulty(path, faults)
    return [NodeSettings(**{**entry, "spool": Path(entry["spool"])}) for entry in document]


def write_nodes(path: Path, nodes: Sequence[NodeSettings]) -> None:
    """Replaces the file as a whole; a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([{**asdict(node), "spool": str(node.spool)} for node in nodes], indent=2) + "\n"
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with open(fresh, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _address_fault(text: str) -> str | None:
    host, colon, port = text.rpartition(":")
    if not colon or not _HOST.fullmatch(host) or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        return "must look like 127.0.0.1:5060"
    return None


def _event_socket_fault(text: str) -> str | None:
    host = text.rpartition(":")[0]
    if not (host.startswith("127.") or host == "localhost"):
        return "must be on loopback: whoever reaches a switch's event socket owns the switch"
    return _address_fault(text)


def _password_fault(text: str) -> str | None:
    if len(text) < _SHORTEST_PASSWORD or text == "ClueCon":
        return f"must have at least {_SHORTEST_PASSWORD} characters and not be the switch's default"
    return None if text.isascii() and text.isprintable() and " " not in text else "must be printable ASCII, no spaces"


def _one_of_kinds(text: str) -> str | None:
    return None if text in KINDS else "must be one of " + ", ".join(KINDS)


def _name_fault(text: str) -> str | None:
    return None if _NAME.fullmatch(text) else "must be a-z, 0-9, - and _, at most 63 characters"


def _spool_fault(text: str) -> str | None:
    if not _PATH.fullmatch(text) or ".." in text.split("/"):
        return "must be an absolute path of A-Z, a-z, 0-9, ., _ and -: it is part of what the switch is told to run"
    return None


_CHECKS = {
    "name": _name_fault,
    "kind": _one_of_kinds,
    "sip": _address_fault,
    "event_socket": _event_socket_fault,
    "event_socket_password": _password_fault,
    "spool": _spool_fault,
}
_UNIQUE = ("name", "sip", "event_socket", "spool")


def _faults(index: int, entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [f"[{index}]: must be an object"]
    found = [f"[{index}].{key}: unknown" for key in entry if key not in _CHECKS]
    for key, check in _CHECKS.items():
        value = entry.get(key)
        if not isinstance(value, str):
            found.append(f"[{index}].{key}: {'is missing' if key not in entry else 'must be text'}")
        elif fault := check(value):
            found.append(f"[{index}].{key}: {fault}")
    return found


def _repeated(document: list[dict[str, str]], key: str) -> list[str]:
    values = [entry[key] for entry in document]
    return sorted({value for value in values if values.count(value) > 1})

"""Which hosts targets may have: the operator's word on where this platform sends INVITEs. Pure.

Whoever may write a target's address decides whom the nodes call; without a rule they could be made to knock at machines
of the operator's own network. An address that is not public is refused unless the operator allows it, and so is a name
that only means something inside of a network. What a public name resolves to is the resolver's matter at each call: the
nodes' own firewall is the wall behind this one (docs/howto/limits-and-trunks.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from ..outgoing.model import is_public

_NAME = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
#: What a resolver may read as an address in a form of its own: 127.1, 0x7f000001.
_NUMBERLIKE = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: Ends of names that no public resolver knows (RFC 6761, 6762, 8375, and what networks use in fact).
_INNER = frozenset(
    {"localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "arpa"}
)

REFUSED = "is not a host that targets may have here: the operator allows public hosts and those that he lists"


@dataclass(frozen=True, slots=True)
class HostList:
    """Networks and names; ``*.example.com`` stands for every name below it."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: tuple[str, ...] = ()

    def has(self, host: str) -> bool:
        address = _address(host)
        if address is not None:
            return any(address in network for network in self.networks)
        return any(host.endswith(name[1:]) if name.startswith("*.") else host == name for name in self.names)


@dataclass(frozen=True, slots=True)
class TargetHosts:
    """The rule: what is denied is refused, what is allowed is not, and of all others the public ones are."""

    allowed: HostList = HostList()
    denied: HostList = HostList()

    def fault(self, host: str) -> str | None:
        """Why a target must not have this host; None if it may."""
        host = host.lower().rstrip(".")
        if self.denied.has(host):
            return REFUSED
        return None if self.allowed.has(host) or _is_open(host) else REFUSED


def parse_hosts(text: str) -> HostList:
    """`10.1.0.0/16, pbx.lan, *.example.com` as a list. Raises ValueError."""
    networks, names = [], []
    for word in _words(text):
        if _NAME.fullmatch(word) and not _NUMBERLIKE.fullmatch(word.rsplit(".", 1)[-1]):
            names.append(word)
        else:
            networks.append(ip_network(word))
    return HostList(tuple(networks), tuple(names))


def _words(text: str) -> Iterable[str]:
    return filter(None, (word.strip().lower() for word in text.split(",")))


def _address(host: str) -> IPv4Address | None:
    try:
        return IPv4Address(host)
    except ValueError:
        return None


def _is_open(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return is_public(address)
    labels = host.split(".")
    return len(labels) > 1 and labels[-1] not in _INNER and not _NUMBERLIKE.fullmatch(labels[-1])

"""Where requests may go: addresses, ports, networks. Values and rules; no socket and no look-up happens here.

The ranges are IANA's special-purpose registries (RFC 6890 and its updates, read 2026-11), not `ipaddress.is_private`,
which has changed its mind between Python releases. Unknown means refused: of IPv6 only global unicast is open at all.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from .errors import AddressRefused, UrlRefused

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

LONGEST_URL = 2048
#: Bytes of an answer's body that are read at most.
MOST_READ_BYTES = 64 * 1024
#: Bytes of a request's body at most.
MOST_SENT_BYTES = 256 * 1024
DEFAULT_PORTS = frozenset({443})

_CLOSED_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            # A public address on which one cloud answers its machines' questions about themselves.
            "168.63.129.16/32",
        ),
    )
)  # fmt: skip
_OPEN_V6 = IPv6Network("2000::/3")
#: Inside of it: protocol assignments with Teredo, documentation twice, and 6to4, which carries an IPv4 address.
_CLOSED_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

_VISIBLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# What a resolver may take for an address in a form of its own: 127.1, 0x7f000001, 017700000001.
_NUMBERLIKE = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL, taken apart. ``host`` is a name in lower case, or an address without brackets."""

    scheme: str
    host: str
    port: int
    #: Path and query, as the request line has them.
    path: str

    @property
    def host_header(self) -> str:
        """As the other side expects it: the port only where it is not the usual one."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return shown if self.port == usual else f"{shown}:{self.port}"

    @property
    def literal(self) -> IpAddress | None:
        """The address, where the URL names one instead of a machine."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator allows. In ``private_networks`` every port and plain HTTP are allowed too; everywhere else
    ``ports`` and HTTPS only."""

    private_networks: Sequence[IpNetwork] = ()
    ports: frozenset[int] = DEFAULT_PORTS

    def check(self, destination: Destination, addresses: Sequence[IpAddress]) -> None:
        """Every address that a name leads to must be allowed: a name with one good and one bad address is a trap, or
        becomes one. Raises AddressRefused, UrlRefused."""
        if all(self._is_named(address) for address in addresses):
            return
        for address in addresses:
            if not self._is_named(address) and not is_public(address):
                raise AddressRefused(
                    f"{destination.host} leads to {address}, which is not a public address; "
                    "the operator may name its network in DIALTRACE_OUTGOING_PRIVATE_NETWORKS"
                )
        if destination.scheme != "https":
            raise UrlRefused("the address must begin with https://")
        if destination.port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise UrlRefused(f"port {destination.port} is not allowed: the operator allows {allowed}")

    def _is_named(self, address: IpAddress) -> bool:
        if isinstance(address, IPv6Address) and (address.scope_id or address.ipv4_mapped):
            return False
        return any(address.version == network.version and address in network for network in self.private_networks)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. ``timeout_s`` bounds all of it, from the look-up of the name to the last byte of the answer.
    ``most_read_bytes`` 0: the answer's body is not wanted."""

    method: str
    url: str
    timeout_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    most_read_bytes: int = MOST_READ_BYTES


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``headers`` have names in lower case; of one that came twice, the values with a comma between.
    ``is_whole`` False: the body goes on beyond what was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


def is_public(address: IpAddress) -> bool:
    """Whether it belongs to a machine of the open internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return not address.scope_id and address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def parse_url(url: str) -> Destination:
    """Takes a URL apart, and refuses what two programs might read in two ways. Raises UrlRefused."""
    if len(url) > LONGEST_URL or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise UrlRefused(f"the address must have 1 to {LONGEST_URL} visible ASCII characters and no backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise UrlRefused(f"the address cannot be read: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise UrlRefused("the address must begin with https://")
    if "@" in parts.netloc:
        raise UrlRefused("the address must not hold a user name or password")
    if "#" in url:
        raise UrlRefused("the address must not hold a fragment (#)")
    if port == 0 or not _is_host(host):
        raise UrlRefused("the address has no usable host or port")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, host.rstrip("."), port or {"http": 80, "https": 443}[parts.scheme], path)


def _is_host(host: str) -> bool:
    if ":" in host:
        return _is_address(host) and "%" not in host
    labels = host.removesuffix(".").split(".")
    if _NUMBERLIKE.fullmatch(labels[-1]):
        return _is_address(host)
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def parse_networks(text: str) -> tuple[IpNetwork, ...]:
    """`10.1.0.0/16, fd00::/8` as networks. Raises ValueError."""
    return tuple(ip_network(word.strip()) for word in text.split(",") if word.strip())


def parse_ports(text: str) -> frozenset[int]:
    """`443, 8443` as ports. Raises ValueError."""
    ports = frozenset(int(word) for word in text.split(",") if word.strip())
    if not ports or not all(0 < port < 65_536 for port in ports):
        raise ValueError("must list ports between 1 and 65535, with commas between")
    return ports


def read_retry_after(text: str | None, now: datetime, *, most_s: float) -> float | None:
    """Seconds that an answer's `Retry-After` asks for (RFC 9110, 10.2.3: a number or a date), at most ``most_s``; None:
    nothing that can be read."""
    text = (text or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), most_s)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), most_s)

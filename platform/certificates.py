"""Until when a server's certificate is good, asked of the server as a browser would."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

TIMEOUT_S = 5.0


def secured_hosts(addresses: Iterable[str]) -> list[tuple[str, int]]:
    """Host and port of every address that is reached over TLS, each once."""
    split = [urlsplit(address) for address in addresses]
    return list(dict.fromkeys((one.hostname or "", one.port or 443) for one in split if one.scheme == "https"))


def good_until(host: str, port: int) -> datetime:
    """Raises ssl.SSLError for one that cannot be trusted (expired, of another host, without its chain), OSError where
    nobody answers."""
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=TIMEOUT_S) as line,
        context.wrap_socket(line, server_hostname=host) as secured,
    ):
        told = dict(secured.getpeercert() or {})
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told["notAfter"])), UTC)

"""Keeps an agency's store from being a way into our own network: its address is judged when it is set, and again each
time before anything is sent to it.

The rules are those for web hooks (`outgoing`): HTTPS and public addresses, but for networks that the operator named.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from ..objectstore.errors import StoreRefuses
from ..outgoing.errors import OutgoingError
from ..outgoing.model import Rules, parse_url
from .errors import StoreSettingsFaulty

Resolve = Callable[[str], Sequence[str]]


def ask_the_system(host: str) -> list[str]:
    """Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class EndpointGuard:
    """Judges addresses of stores."""

    def __init__(self, rules: Rules, resolve: Resolve = ask_the_system) -> None:
        self._rules = rules
        self._resolve = resolve

    def check_setting(self, url: str) -> None:
        """Raises StoreSettingsFaulty."""
        try:
            destination = parse_url(url)
            if destination.path != "/":
                raise StoreSettingsFaulty("endpoint_url", "must be a host without a path")
            self._judge(url)
        except OutgoingError as error:
            raise StoreSettingsFaulty("endpoint_url", f"cannot be used: {error}") from error
        except OSError as error:
            raise StoreSettingsFaulty("endpoint_url", f"cannot be looked up: {error.strerror or error}") from error

    def check_request(self, url: str) -> None:
        """Before each request, redirects included. Raises StoreRefuses."""
        try:
            self._judge(url)
        except OutgoingError as error:
            raise StoreRefuses(f"the store's address: {error}") from error
        except OSError as error:
            raise StoreRefuses(f"the store's address cannot be looked up: {error.strerror or error}") from error

    def check_connection(self, scheme: str, host: str, port: int, address: str) -> None:
        """Of a connection that stands, before anything goes over it: the name may lead elsewhere by now. Raises
        StoreRefuses."""
        shown = f"[{host}]" if ":" in host else host
        try:
            destination = parse_url(f"{scheme}://{shown}:{port}/")
            self._rules.check(destination, [ip_address(address.partition("%")[0])])
        except OutgoingError as error:
            raise StoreRefuses(f"the store's address: {error}") from error

    def _judge(self, url: str) -> None:
        destination = parse_url(url.partition("?")[0])
        literal = destination.literal
        addresses = [literal] if literal else [ip_address(one) for one in self._resolve(destination.host)]
        self._rules.check(destination, addresses)

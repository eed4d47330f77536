"""Who stands behind a request, as the audit log names it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from flask import g, request

from ..audit.service import Actor
from .auth import Asked
from .rooms import Network


def actor_of(asked: Asked) -> Actor:
    """The key that asks, and where it asks from."""
    return Actor(
        kind="key",
        id=asked.principal.key_id,
        address=asking_address(asked.services.proxies),
        request_id=g.request_id,
    )


def asking_address(proxies: Sequence[Network]) -> str | None:
    """Where the current request came from."""
    return believed_address(request.remote_addr, request.headers.getlist("X-Forwarded-For"), proxies)


def believed_address(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> str | None:
    """The last address on the way that is not a proxy of ours; what was said before it is anybody's invention.

    ``peer``: who holds the connection. ``forwarded``: the values of X-Forwarded-For, the nearest proxy's entry last.
    """
    way = [word.strip() for line in forwarded for word in line.split(",") if word.strip()]
    while peer is not None and way and _is_ours(peer, proxies):
        peer = way.pop()
    try:
        return str(ip_address(peer)) if peer is not None else None
    except ValueError:
        return None


def _is_ours(address: str, proxies: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in proxies)

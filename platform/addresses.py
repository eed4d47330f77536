"""Where a request came from, as far as it can be believed. Pure; knows no HTTP library."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
#: Reads one; whoever asks once asks again within the same request.
read_ip = lru_cache(maxsize=1024)(ip_address)


def believed_address(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> str | None:
    """The last address on the way that is not a proxy of ours; what was said before it is anybody's invention.

    ``peer``: who holds the connection. ``forwarded``: the values of X-Forwarded-For, the nearest proxy's entry last.
    """
    way = [word.strip() for line in forwarded for word in line.split(",") if word.strip()]
    while peer is not None and way and _is_ours(peer, proxies):
        peer = way.pop()
    try:
        # Without a zone (`fe80::1%eth0`): it means something on the machine that said it only.
        return str(read_ip(peer.partition("%")[0])) if peer is not None else None
    except ValueError:
        return None


def _is_ours(address: str, proxies: Sequence[Network]) -> bool:
    try:
        found = read_ip(address)
    except ValueError:
        return False
    return any(found in network for network in proxies)

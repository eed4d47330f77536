"""To which addresses a load run may send anything. Pure.

Only this machine, unless whoever starts the run names more: the profile cannot widen it, for a profile is copied from
one place to another. Every address is held against it: nodes, generators, targets; and again by the program that sends
RTP, for there it is the other side that says where to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .errors import NotAllowed

LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")


@dataclass(frozen=True)
class AllowList:
    """Networks that may be loaded."""

    networks: tuple[ipaddress.IPv4Network, ...] = (LOOPBACK,)

    @classmethod
    def of(cls, named: Sequence[str]) -> AllowList:
        """This machine, and what is named: addresses or networks. Raises NotAllowed for what is neither."""
        found = [LOOPBACK]
        for one in named:
            try:
                found.append(ipaddress.IPv4Network(one))
            except ValueError as error:
                raise NotAllowed(
                    f"--allow {one}: {error}; give an IPv4 address or network such as 10.1.2.0/24"
                ) from error
        return cls(tuple(found))

    def holds(self, address: str) -> bool:
        """Whether it may be loaded; what is no IPv4 address may not."""
        try:
            one = ipaddress.IPv4Address(address)
        except ValueError:
            return False
        return any(one in network for network in self.networks)

    def check(self, addresses: Iterable[tuple[str, str]]) -> None:
        """``addresses``: what it is, and the address. Raises NotAllowed with all that are not."""
        outside = [f"{what} {address}" for what, address in addresses if not self.holds(address)]
        if outside:
            raise NotAllowed(
                f"not on the list of what may be loaded: {', '.join(outside)}; "
                f"allowed: {', '.join(map(str, self.networks))}. If it is yours to load, name it with --allow"
            )

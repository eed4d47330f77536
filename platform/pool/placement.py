"""Which nodes serve a number, in order: weighted rendezvous hashing, a pure function.

Every process computes the same list from the same nodes, without asking anybody. A node that joins takes about its
share of the numbers, one that leaves gives up its own, and no other number moves. Placement is a preference, never a
condition of correctness: any node can serve any number. Must not know which nodes live.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

_SCALE = 2.0**-53


def order_nodes(number: str, nodes: Sequence[tuple[str, int]]) -> list[str]:
    """Names of ``nodes`` (name, weight), the one that should serve ``number`` first.

    A node is first for a share of all numbers that is its weight over the sum of weights. Weight 0 is the last resort:
    such nodes stand behind all others. Raises ValueError for a negative weight or a name that comes twice.
    """
    if len({name for name, _ in nodes}) != len(nodes):
        raise ValueError("a node is named twice")
    return [name for *_, name in sorted(_rank(number, name, weight) for name, weight in nodes)]


def _rank(number: str, name: str, weight: int) -> tuple[bool, float, str]:
    """Sorts before another node's rank if it comes first. The smallest of several exponential draws, each with its
    node's weight as rate, belongs to a node with the probability of its share; the name settles a tie."""
    if weight < 0:
        raise ValueError(f"the weight of node {name} is negative")
    draw = -math.log(_uniform(number, name))
    return weight == 0, draw / (weight or 1), name


def _uniform(number: str, name: str) -> float:
    """A number inside (0, 1] that depends on nothing but its arguments; 53 bits, as many as a float holds."""
    digest = hashlib.blake2b(f"{number}\0{name}".encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 11) + 1) * _SCALE

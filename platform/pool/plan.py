"""What would move if the nodes were others: counted before anything moves. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .placement import order_nodes

#: Nodes in a number's list: the first, and who stands in for it. More would be asked by nobody.
LONGEST_LIST = 4


@dataclass(frozen=True)
class NodeWeight:
    """A node as placement sees it; weight 0: it stands behind all others."""

    name: str
    weight: int


@dataclass
class Moves:
    """How many numbers each node serves first, before and after, and how many get another first node."""

    numbers: int = 0
    moved: int = 0
    relisted: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)


def nodes_of(number: str, nodes: Sequence[NodeWeight]) -> list[str]:
    """The number's list."""
    return order_nodes(number, [(node.name, node.weight) for node in nodes])[:LONGEST_LIST]


def effective(weight: int, *, drains: bool, gone: bool) -> int:
    """A node that is to take no new call, or is away for long, comes last."""
    return 0 if drains or gone else weight


def moves(placed: Iterable[tuple[str, Sequence[str] | None]], nodes: Sequence[NodeWeight], into: Moves) -> list[str]:
    """Counts numbers (number, its list as it stands; None: none yet) into ``into``; returns those whose list changes,
    each as ``number list`` with blanks between the nodes."""
    changed = []
    for number, stands in placed:
        wanted = nodes_of(number, nodes)
        into.numbers += 1
        into.before[stands[0] if stands else ""] += 1
        into.after[wanted[0] if wanted else ""] += 1
        if list(stands or ()) != wanted:
            into.relisted += 1
            into.moved += (stands[0] if stands else "") != (wanted[0] if wanted else "")
            changed.append(f"{number} {' '.join(wanted)}")
    return changed


def with_changes(
    nodes: Sequence[NodeWeight], *, weights: Mapping[str, int], without: Iterable[str]
) -> list[NodeWeight]:
    """The nodes after the change that somebody thinks of: others' weights, new ones, some gone."""
    known = {node.name: node.weight for node in nodes} | dict(weights)
    return [NodeWeight(name, weight) for name, weight in sorted(known.items()) if name not in set(without)]

"""Which headers and variables the embedded node lacks, and which it adds, compared with a real switch. Pure.

The same cases give both sides; what is compared is the union over all of them, for each kind of event by the leg's
direction, for the reply to `connect` and for the records' variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Names = dict[str, list[str]]

#: A limit's variables bear what it counts: a case's number, which depends on how many cases come before it.
_OF_A_CASE = re.compile(r"(?<=[_-])[0-9]{4,15}$")


def union(results: Iterable[Mapping[str, Names]]) -> Names:
    """Every name that was seen, by where it was seen; ``results`` are what each case has to tell."""
    found: dict[str, set[str]] = {}
    for one in results:
        for kind, names in one.items():
            found.setdefault(kind, set()).update(_OF_A_CASE.sub("N", name) for name in names)
    return {kind: sorted(names) for kind, names in sorted(found.items())}


def difference(switch: Names, node: Names) -> dict[str, dict[str, list[str]]]:
    """By kind what the node ``lacks`` and what it ``adds``; kinds without either are left out."""
    found = {}
    for kind in sorted({*switch, *node}):
        real, ours = set(switch.get(kind, [])), set(node.get(kind, []))
        if real != ours:
            found[kind] = {"lacks": sorted(real - ours), "adds": sorted(ours - real)}
    return found

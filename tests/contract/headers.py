"""Which headers and variables the embedded node lacks, and which it adds, compared with a real switch. Pure.

The same cases give both sides; what is compared is the union over all of them, for each kind of event by the leg's
direction, for the reply to `connect` and for the records' variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Names = dict[str, list[str]]


def union(results: Iterable[Mapping[str, Names]]) -> Names:
    """Every name that was seen, by where it was seen; ``results`` are what each case has to tell."""
    found: dict[str, set[str]] = {}
    for one in results:
        for kind, names in one.items():
            found.setdefault(kind, set()).update(names)
    return {kind: sorted(names) for kind, names in sorted(found.items())}


def difference(switch: Names, node: Names) -> dict[str, dict[str, list[str]]]:
    """By kind what the node ``lacks`` and what it ``adds``; kinds without either are left out."""
    found = {}
    for kind in sorted({*switch, *node}):
        real, ours = set(switch.get(kind, [])), set(node.get(kind, []))
        if real != ours:
            found[kind] = {"lacks": sorted(real - ours), "adds": sorted(ours - real)}
    return found

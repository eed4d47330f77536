"""What an edge (Kamailio, `freeswitch/edge/`) holds in memory, as the files that it reads. Pure.

A node is a set of the dispatcher, known by a number that it keeps for good; a telephone number has a list of such sets.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

from .errors import ValueRefused

_COLUMNS = "id(int) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n"
#: Kamailio's own version of the table's form, which it asks for.
VERSION = "table_name(string) table_version(int)\nhtable:2\n"
#: So many lists for numbers of nobody, each beginning with another node.
ANY_LISTS = 10
_ADDRESS = re.compile(r"[A-Za-z0-9.\-\[\]:]+", re.ASCII)


def with_ids(known: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Every node's set, those of ``known`` as they were; a node that is gone keeps its own."""
    ids = dict(known)
    for name in sorted(set(names) - set(known)):
        ids[name] = max(ids.values(), default=0) + 1
    return ids


def node_list(ids: Mapping[str, int], addresses: Mapping[str, str]) -> str:
    """The dispatcher's list. Raises ValueRefused for an address that would be read as something else."""
    for name, address in addresses.items():
        if not _ADDRESS.fullmatch(address):
            raise ValueRefused("sip_address", f"of the node {name} must be host:port, not {address!r}")
    return "".join(f"{ids[name]} sip:{address}\n" for name, address in sorted(addresses.items()))


def sets_of(nodes: Sequence[str], ids: Mapping[str, int]) -> str:
    """A number's value; nodes that nobody knows any more are left out."""
    return ",".join(str(ids[name]) for name in nodes if name in ids)


def any_lists(ids: Mapping[str, int], names: Sequence[str]) -> dict[str, str]:
    """For numbers of nobody: all nodes, turned by one in each list."""
    ordered = sorted(names)
    turned = (ordered[turn % len(ordered) :] + ordered[: turn % len(ordered)] for turn in range(ANY_LISTS))
    return {f"*{turn}": sets_of(nodes, ids) for turn, nodes in enumerate(turned)} if ordered else {}


def placement_table(lists: Mapping[str, str]) -> Iterable[str]:
    """Lines of the number map: key → value."""
    yield _COLUMNS
    for row, (key, value) in enumerate(sorted(lists.items()), start=1):
        yield f"{row}:{key}:0:0:{value}:0\n"


def limit_table(limits: Mapping[str, int]) -> str:
    """Calls a second by a carrier's address. Raises ValueRefused."""
    rows = []
    for row, (address, most) in enumerate(sorted(limits.items()), start=1):
        try:
            plain = str(ipaddress.IPv4Address(address))
        except ValueError as error:
            raise ValueRefused("limit", f"{address!r} must be an IPv4 address") from error
        rows.append(f"{row}:{plain}:0:1:{most}:0\n")
    return _COLUMNS + "".join(rows)


def digits_of(e164: str) -> str:
    """A number as the map has it."""
    return e164.removeprefix("+")

"""Block lists and limits as a node keeps them for the time without a database: one small text for each agency, each
client and the operator. Pure. Format: docs/architecture.md, "Rules of a node".

Two read them: a worker that answers from its copy of the routes, here, and, where no worker is in reach, the script
freeswitch/scripts/dialtrace_fallback.lua. Both find the same, and both count with the same counters of the switch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ..db.tables import OPERATOR_AGENCY
from .model import Fuse

HEADER = "dialtrace-rules 1"
#: More lines than a script should look through while a caller waits; the database refuses longer lists itself.
MOST_ENTRIES = 100_000
_ENTRY = re.compile(r"withheld|number \+[1-9][0-9]{4,14}|prefix \+[1-9][0-9]{0,13}")


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose calls are refused, and how many there may be at a time and begin within a second; None: any number.
    ``entries``: `number +7…`, `prefix +7…`, `withheld`."""

    scope_id: UUID
    max_calls: int | None
    max_calls_per_s: int | None
    entries: Sequence[str]


def rules_file(rules: Rules) -> str | None:
    """The file's text; None where there is nothing to say."""
    lines = [entry for entry in map(str.strip, rules.entries) if _ENTRY.fullmatch(entry)][:MOST_ENTRIES]
    # Limits first, so that they are found without reading a long list.
    for name, value in (("rate", rules.max_calls_per_s), ("calls", rules.max_calls)):
        if value is not None:
            lines.insert(0, f"{name} {value}")
    return "\n".join([HEADER, *lines]) + "\n" if lines else None


def blocked_by(texts: Iterable[str], caller: str | None) -> str | None:
    """Which kind of block list holds for a caller (E.164; None: withheld): `number`, `caller_id`, or None."""
    for text in texts:
        if caller is None:
            if "\nwithheld\n" in text:
                return "caller_id"
        elif f"\nnumber {caller}\n" in text or any(
            f"\nprefix {caller[:length]}\n" in text for length in range(2, len(caller) + 1)
        ):
            return "number"
    return None


def fuses_of(texts: Mapping[str, tuple[UUID, str]]) -> tuple[Fuse, ...]:
    """The counters that a call which enters is held against; ``texts`` by whose they are, `client` before `agency`."""
    found = []
    for whose, (scope_id, text) in texts.items():
        for kind, ending in (("calls", ""), ("rate", "/1")):
            limit = re.search(rf"\n{kind} ([0-9]+)\n", text)
            if limit is not None:
                counter = f"hash fallback_{kind} {scope_id} {limit[1]}{ending} !USER_BUSY"
                found.append(Fuse(f"{whose}_{kind}", counter, is_shut=limit[1] == "0"))
    return tuple(found)


def rules_name(scope_id: UUID) -> str:
    """The file's name below ``<spool>/rules``."""
    return f"{'operator' if str(scope_id) == OPERATOR_AGENCY else scope_id}.rules"

"""A client's document: keys instead of ids, references by key, and what differs between two documents. Pure.

A thing is named by a key made of its name (`main-office`; a second one of that name is `main-office-2`), a number by
itself. Wherever a thing is meant, also deep inside a flow or a site's rules, the document says `@targets/main-office`:
so a document means the same in another agency, on another installation, and for a copy.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from .errors import DocumentFaulty

FORMAT = "dialtrace-client/1"
#: Things with keys, in the order in which they are made; the others are one each.
KINDS = ("targets", "schedules", "flows", "sites", "pools", "numbers", "webhooks", "export_schedules")
SINGLES = (
    "client", "site_rules", "pool_numbers", "pool_reserves", "source_rules", "blocks", "limits", "retention",
    "recording", "export_columns", "billing",
)  # fmt: skip
MEMBERS = ("format", *KINDS, *SINGLES)

_REFERENCE = re.compile(r"@(?:" + "|".join(KINDS) + r")/.+")

Document = Mapping[str, Any]
Action = Literal["create", "change", "remove", "keep"]


@dataclass(frozen=True)
class Step:
    """What becomes of one thing. keep: it is not in the document, and stays. ``members``: those that change."""

    action: Action
    kind: str
    key: str
    members: Sequence[str] = ()


def canonical(document: Document) -> str:
    """The one text of a document: equal documents are equal byte for byte."""
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def digest_of(document: Document) -> str:
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def slug(name: str) -> str:
    """A name as a key: its letters and digits, whatever their alphabet, with dashes between."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-") or "x"


def keys_of(named: Sequence[tuple[UUID, str]]) -> dict[UUID, str]:
    """A key for each thing, by id and name. Of several with one name the oldest has the bare key; ids tell the age."""
    keys: dict[UUID, str] = {}
    taken: set[str] = set()
    late = []
    for id_, name in sorted(named, key=lambda one: (slug(one[1]), one[0])):
        if slug(name) in taken:
            late.append((id_, slug(name)))
        else:
            taken.add(slug(name))
            keys[id_] = slug(name)
    for id_, base in late:
        count = 2
        while f"{base}-{count}" in taken:
            count += 1
        taken.add(f"{base}-{count}")
        keys[id_] = f"{base}-{count}"
    return keys


def order_of(key: str) -> tuple[str, int]:
    """Things are made in this order, so that their ages give them the same keys again."""
    match = re.fullmatch(r"(.*)-([0-9]{1,9})", key)
    return (match[1], int(match[2])) if match else (key, 1)


def refer(value: Any, names: Mapping[str, str]) -> Any:
    """A value with references where ids stood. A text that looks like a reference gets one more `@`."""
    if isinstance(value, Mapping):
        return {refer(name, names): refer(one, names) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [refer(one, names) for one in value]
    if isinstance(value, UUID):
        return names.get(str(value), str(value))
    if isinstance(value, str):
        return names[value] if value in names else "@" + value if value.startswith("@") else value
    return value


def plain(value: Any) -> Any:
    """A value as JSON has it, with its ids."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, UUID) else value


def resolve(value: Any, ids: Mapping[str, str], pointer: str) -> Any:
    """The way back. Raises DocumentFaulty for a reference to nothing."""
    if isinstance(value, Mapping):
        return {
            resolve(name, ids, pointer): resolve(one, ids, f"{pointer}/{escaped(str(name))}")
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [resolve(one, ids, f"{pointer}/{place}") for place, one in enumerate(value)]
    if isinstance(value, str) and value.startswith("@"):
        if value.startswith("@@"):
            return value[1:]
        if value not in ids:
            raise DocumentFaulty(pointer, f"{value[:200]!r} names nothing that is in the document")
        return ids[value]
    return value


def references_in(value: Any) -> Iterator[str]:
    """Every reference in a value."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from references_in(name)
            yield from references_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from references_in(one)
    elif isinstance(value, str) and _REFERENCE.fullmatch(value):
        yield value


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def check_shape(document: Any) -> None:
    """Whether it is a document at all. Raises DocumentFaulty."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DocumentFaulty("/format", f"must be {FORMAT!r}")
    for name in document:
        if name not in MEMBERS:
            raise DocumentFaulty(f"/{escaped(str(name))}", "is no member of a document")
    for name in MEMBERS:
        if name not in document:
            raise DocumentFaulty(f"/{name}", "is missing: a document tells everything")
    for kind in KINDS:
        things = document[kind]
        if not isinstance(things, dict) or not all(isinstance(one, dict) for one in things.values()):
            raise DocumentFaulty(f"/{kind}", "must have an object for each key")


def plan(now: Document, wanted: Document, *, remove: bool, removable: Iterable[str]) -> list[Step]:
    """What applying a document comes to. Things that it does not name stay unless they are to be removed and can be."""
    steps = []
    for kind in KINDS:
        before, after = now[kind], wanted[kind]
        for key in sorted({*before, *after}, key=order_of):
            if key not in before:
                steps.append(Step("create", kind, key))
            elif key not in after:
                steps.append(Step("remove" if remove and kind in removable else "keep", kind, key))
            elif members := changed_members(before[key], after[key]):
                steps.append(Step("change", kind, key, members))
    for name in SINGLES:
        if now[name] != wanted[name]:
            steps.append(Step("change", name, "", changed_members(now[name], wanted[name])))
    return steps


def changed_members(before: Any, after: Any) -> list[str]:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return [] if before == after else [""]
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]

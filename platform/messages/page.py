"""docs/events.md, made from the bodies; a test keeps the file true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .model import BODIES, Envelope, schema_of

_HEAD = """# Events

What happened, as it is read (`GET /v1/events`) and sent. Every agency has one log, in the order in which things were
recorded, without gaps. The schema of each type is at `/v1/event-schemas/{type}`. Members are only ever added within a
`version`: ignore those that you do not know. Every member is always there; null means that it is not known, or not any
more. Personal values are read at that moment: what was erased is null from then on.

A call's events carry `rank` (the place of the type within a call) and `revision` (what is told again): together they
order what came of one call, also where a node was cut off for a while and told late. This page is made by
`dialtrace events schemas --markdown`.
"""


def events_page() -> str:
    """The page."""
    lines = [_HEAD, "## Every event", ""]
    lines += _table(Envelope.model_json_schema(mode="serialization"), leave_out={"data"})
    for type_, (version, _, told) in BODIES.items():
        schema = schema_of(type_)
        lines += ["", f"## {type_}", "", f"{told} Version {version}. Its `data`:", ""]
        lines += _table(schema["properties"]["data"] | {"$defs": schema.get("$defs", {})})
    return "\n".join(lines) + "\n"


def _table(schema: dict[str, Any], *, leave_out: frozenset[str] | set[str] = frozenset()) -> Iterator[str]:
    yield "| member | type | meaning |"
    yield "|---|---|---|"
    for name, kind, meaning in _members(schema, schema.get("$defs", {})):
        if name not in leave_out:
            yield f"| `{name}` | {kind} | {meaning or '–'} |"


def _members(schema: dict[str, Any], parts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for name, member in schema["properties"].items():
        part = _part(member, parts)
        yield prefix + name, _kind(member), member.get("description", part.get("description", "") if part else "")
        if part is not None:
            yield from _members(part, parts, f"{prefix}{name}.")


def _part(member: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of a member that has members."""
    for choice in (member, *member.get("anyOf", ())):
        if "$ref" in choice:
            found: dict[str, Any] = parts[choice["$ref"].rsplit("/", 1)[1]]
            return found
    return None


def _kind(member: dict[str, Any]) -> str:
    if "anyOf" in member:
        return " or ".join(_kind(choice) for choice in member["anyOf"])
    if "$ref" in member:
        return "object"
    if "enum" in member:
        return " or ".join(json.dumps(value) for value in member["enum"])
    if member.get("type") == "array":
        return "list of " + _kind(member["items"])
    return str(member.get("format") or member.get("type", "anything"))

"""Examples for the OpenAPI document and the reference page, made from schemas: one value that fits. Pure."""

from __future__ import annotations

from typing import Any

from .fields import EXAMPLE_ID

Schema = dict[str, Any]
_DEEPEST = 8


def resolve(schema: Schema, components: dict[str, Schema]) -> Schema:
    """The schema itself, behind references."""
    while "$ref" in schema:
        schema = components[schema["$ref"].rsplit("/", 1)[1]]
    return schema


def example_of(schema: Schema, components: dict[str, Schema], *, depth: int = 0) -> Any:
    """A value that fits the schema; its own example where it gives one."""
    schema = resolve(schema, components)
    if "example" in schema:
        return schema["example"]
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return example_of(schema[choice][0], components, depth=depth)
    return _of_type(schema, components, depth)


def _of_type(schema: Schema, components: dict[str, Schema], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        members = schema.get("properties", {}) if depth < _DEEPEST else {}
        return {name: example_of(member, components, depth=depth + 1) for name, member in members.items()}
    if kind == "array":
        return [example_of(schema["items"], components, depth=depth + 1)] if depth < _DEEPEST else []
    plain = {"integer": schema.get("minimum", 1), "number": 1, "boolean": True, "null": None}
    if kind in plain:
        return plain[kind]
    return EXAMPLE_ID if schema.get("format") == "uuid" else "text"

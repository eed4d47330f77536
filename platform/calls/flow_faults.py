"""What pydantic finds in a flow document, as faults with JSON pointers and in plain words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from .errors import Fault
from .flow_values import RULES

#: Nobody reads more.
MOST_FAULTS = 100
#: How pydantic marks that a fault is of a dict's key, not of its value.
_KEY = "[key]"


def faults_of(document: object, error: ValidationError) -> list[Fault]:
    """Every fault, in the document's order."""
    return [_fault(document, one) for one in error.errors(include_url=False, include_input=False)[:MOST_FAULTS]]


def _fault(document: object, error: Any) -> Fault:
    kind = error["type"]
    code = _CODES.get(kind, "invalid")
    words = _WORDS.get(kind)
    message = words(error.get("ctx", {})) if words else error["msg"][:1].lower() + error["msg"][1:]
    return Fault(pointer_of(document, error["loc"]), code, message)


#: pydantic's names for what we say in words of our own.
_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "union_tag_invalid": "unknown_kind",
    "union_tag_not_found": "required_kind",
    "literal_error": "not_allowed",
    "too_long": "too_many",
    "too_short": "too_few",
    "string_too_long": "too_long",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
}
_Context = Mapping[str, Any]


def _no_kind(context: _Context) -> str:
    field = str(context["discriminator"]).strip("'")
    return f"needs a {field} that says what it is"


def _unknown_kind(context: _Context) -> str:
    field = str(context["discriminator"]).strip("'")
    known = str(context["expected_tags"]).replace("'", "")
    return f"has the {field} {str(context['tag'])[:40]!r}, which is not known; known are {known}"


def _pattern(context: _Context) -> str:
    return RULES.get(context["pattern"], "is not written as it must be")


_WORDS: dict[str, Callable[[_Context], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not a field that is known here",
    "union_tag_not_found": _no_kind,
    "union_tag_invalid": _unknown_kind,
    "literal_error": lambda context: f"must be one of {str(context['expected']).replace(chr(39), '')}",
    "too_long": lambda context: (
        f"has {context['actual_length'] or 'more'} entries; it may have {context['max_length']}"
    ),
    "too_short": lambda context: f"needs {context['min_length']} or more",
    "string_too_long": lambda context: f"may have {context['max_length']} characters",
    "string_pattern_mismatch": _pattern,
    "string_unicode": lambda _: "holds characters that are none",
    "string_type": lambda _: "must be a text",
    "int_type": lambda _: "must be a whole number",
    "bool_type": lambda _: "must be true or false",
    "list_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be an object",
    "uuid_type": lambda _: "must be an id (a UUID)",
    "uuid_parsing": lambda _: "must be an id (a UUID)",
    "greater_than_equal": lambda context: f"must be {context['ge']} or more",
    "less_than_equal": lambda context: f"must be {context['le']} or less",
    "value_error": lambda context: str(context["error"]),
}


def escaped(part: object) -> str:
    """A part of a JSON pointer (RFC 6901, 3)."""
    return re.sub("/", "~1", re.sub("~", "~0", str(part)))


def pointer_of(document: object, location: tuple[int | str, ...]) -> str:
    """pydantic's location without the union tags it puts in between, which are no part of the document."""
    parts: list[str] = []
    here: Any = document
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if part == _KEY:
            break
        if isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif isinstance(here, dict) and (part in here or last):
            here = here.get(part)
        else:
            continue
        parts.append(escaped(part))
    return "".join("/" + part for part in parts)

"""What every request must keep to before any resource looks at it: media type, size, and a body that really is JSON.

A text that the database could not hold (NUL, half a surrogate pair) is refused here with its place.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from flask import Request

from .errors import Fault, Problem
from .problems import pointer, validation_problem

MAX_BODY_BYTES = 1024 * 1024
#: Levels of a body: nothing of ours has more than a dozen.
MOST_LEVELS = 64
#: Characters of an address with its query, and parameters in it.
MOST_ADDRESS, MOST_PARAMETERS = 8_192, 100
MEDIA_TYPES = ("application/json", "application/merge-patch+json")


def check_query(request: Request) -> None:
    """Refuses a parameter that is given twice (which one counts would be a guess), and more than anybody means."""
    if len(request.query_string) > MOST_ADDRESS or len(request.args) > MOST_PARAMETERS:
        raise Problem("address_too_long")
    faults = [
        Fault(code="repeated", detail="must be given once", parameter=name)
        for name, values in request.args.lists()
        if len(values) > 1
    ]
    faults += [
        Fault(code="invalid_character", detail=_BAD_TEXT, parameter=name)
        for name, value in request.args.items()
        if _is_bad(value) or _is_bad(name)
    ]
    if faults:
        raise validation_problem(faults)


def read_body(request: Request) -> Any:
    """The JSON document of a request. Raises Problem: 400 for no JSON, 413, 415, 422 for texts that cannot be kept."""
    if request.mimetype not in MEDIA_TYPES:
        given = request.mimetype or "nothing"
        raise Problem("unsupported_media_type", f"Send the body as application/json; Content-Type says {given}.")
    raw = request.get_data(cache=True)
    if request.content_length is None and len(raw) >= MAX_BODY_BYTES:
        # A chunked body is cut off at the limit without a word.
        raise Problem("body_too_large")
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_members, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Problem("malformed_request", f"The body is not JSON: {error.msg} at {place}.") from error
    except UnicodeDecodeError as error:
        raise Problem("malformed_request", f"The body is not UTF-8: byte {error.start}.") from error
    except (ValueError, RecursionError) as error:
        raise Problem("malformed_request", f"The body is not usable JSON: {_why_unusable(error)}.") from error
    if _levels(document) > MOST_LEVELS:
        raise Problem("malformed_request", f"The body is not usable JSON: it has more than {MOST_LEVELS} levels.")
    if faults := _text_faults(document):
        raise validation_problem(faults)
    return document


class _NotJson(ValueError):
    """Python's reader would take it, RFC 8259 does not."""


def _why_unusable(error: Exception) -> str:
    """Any other ValueError is Python's own limit: a number of thousands of digits costs quadratic time to read."""
    if isinstance(error, _NotJson):
        return str(error)
    return "it is nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _NotJson(f"the member {twice[:80]!r} is there twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise _NotJson(f"{name} is no JSON value")


_BAD_TEXT = "holds a character that cannot be kept (NUL or half of a surrogate pair)"
_MOST_FAULTS = 20


def _is_bad(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def _levels(document: Any) -> int:
    """How deeply a document is nested, counted without recursion, level by level."""
    level, count = [document], 0
    while level and count <= MOST_LEVELS:
        count += 1
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return count


def _text_faults(document: Any) -> list[Fault]:
    """Every text that cannot be kept, found without recursion."""
    faults: list[Fault] = []
    waiting: list[tuple[tuple[int | str, ...], Any]] = [((), document)]
    while waiting and len(faults) < _MOST_FAULTS:
        place, value = waiting.pop()
        if isinstance(value, str) and _is_bad(value):
            faults.append(Fault(code="invalid_character", detail=_BAD_TEXT, pointer=pointer(place)))
        elif isinstance(value, dict):
            if any(_is_bad(name) for name in value):
                faults.append(Fault(code="invalid_character", detail=_BAD_TEXT, pointer=pointer(place)))
                continue
            waiting.extend(((*place, name), inner) for name, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*place, index), inner) for index, inner in enumerate(value))
    return faults

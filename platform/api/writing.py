"""Writes: whole or not at all, of one address one at a time, and only to what the asker has seen (`If-Match`).

What a write is held against is what the GET of the same address answers at that moment, inside the write's own
transaction; ``read_at`` of a declaration names another address where it has none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request, Response
from pydantic import BaseModel

from .auth import Asked
from .errors import Problem
from .preconditions import check_tag, tag_of_content

_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Reader:
    """What answers the GET of an address; ``answer`` None: with a response that it makes itself. ``query``: what it is
    asked where nothing is asked; None: it takes none."""

    answer: type[BaseModel] | None
    handler: Callable[..., Any]
    query: Callable[[], Any] | None

    def tag(self, asked: Asked, path: str, values: Mapping[str, Any]) -> str | None:
        """The entity tag of what stands at the address. Raises what the GET would."""
        given = {name: values[name] for name in _ARGUMENT.findall(path)}
        if self.query is not None:
            given["query"] = self.query()
        return tag_in(self.handler(asked, **given))


#: By the address as it is declared. Filled where endpoints are registered.
READERS: dict[str, Reader] = {}


def tag_in(answered: Any) -> str | None:
    """The entity tag of a handler's value: the one that it gives, else one of its content."""
    if isinstance(answered, Response):
        return answered.headers.get("ETag")
    value = answered[0] if isinstance(answered, tuple) else answered
    headers = answered[2] if isinstance(answered, tuple) and len(answered) > 2 else {}
    if "ETag" in headers:
        return str(headers["ETag"])
    return tag_of_content(value.model_dump_json()) if isinstance(value, BaseModel) else None


def change(
    asked: Asked, request: Request, read_at: str, values: Mapping[str, Any], act: Callable[[], Response], *, whole: bool
) -> Response:
    """Acts, for PUT, PATCH and DELETE. Raises Problem (412) when `If-Match` names something else than what is there."""
    if not whole:
        _check(asked, request, read_at, values)
        return act()
    with asked.services.database.whole(turn=f"dialtrace.write {request.path}"):
        _check(asked, request, read_at, values)
        return act()


def _check(asked: Asked, request: Request, read_at: str, values: Mapping[str, Any]) -> None:
    if "If-Match" not in request.headers:
        return
    assert read_at in READERS, f"no GET tells what stands at {read_at}: name another with read_at"
    tag = READERS[read_at].tag(asked, read_at, values)
    if tag is None:
        raise Problem("not_found")
    check_tag(request.headers, tag)

"""Sparse answers: `fields=id,name` leaves of an answer, or of each item of a list, these members only."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Annotated, Any, get_args

from flask import Response
from pydantic import BaseModel, Field

from .errors import Fault
from .problems import validation_problem

Fields = Annotated[
    str | None,
    Field(
        default=None,
        max_length=2000,
        description="Answer only these members (of a list: of each item), with commas between. Left out: all.",
        examples=["id"],
    ),
]


def members_of(answer: type[BaseModel]) -> frozenset[str]:
    """What may be named: the members of one thing, or of a list's items."""
    return frozenset((item_of(answer) or answer).model_fields)


def item_of(answer: type[BaseModel]) -> type[BaseModel] | None:
    """The model of a list's items; None where the answer is no list."""
    data = answer.model_fields.get("data")
    found = next(iter(get_args(data.annotation)), None) if data is not None else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def wanted_in(fields: str, members: Collection[str]) -> list[str]:
    """The members that are asked for. Raises Problem (422) for one that the answer does not have."""
    names = [name.strip() for name in fields.split(",")]
    unknown = sorted(set(names) - set(members))
    if unknown:
        detail = f"{unknown[0][:80]!r} is none of " + ", ".join(sorted(members))
        raise validation_problem([Fault(code="not_a_choice", detail=detail, parameter="fields")])
    return names


def keep_only(response: Response, names: list[str], *, is_list: bool) -> None:
    """Cuts the answer down to these members."""
    document: Any = json.loads(response.get_data())
    if is_list:
        document["data"] = [_cut(item, names) for item in document["data"]]
    else:
        document = _cut(document, names)
    response.set_data(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _cut(item: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name in names}

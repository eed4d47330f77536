"""The kinds of values in bodies and queries: how they are read, written and described. Knows no resource.

Bodies are strict: an unknown member is a fault, and no type is guessed from another (``"5"`` is no integer).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from ..clock import moment_text

EXAMPLE_ID = "0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47"

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _rfc3339(value: object) -> object:
    """Refuses what pydantic would take besides: seconds since 1970, a day alone, a moment without its zone."""
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        return value
    raise ValueError("must be a moment in RFC 3339 with its zone, such as 2026-03-01T09:30:00Z")


def _in_utc(moment: datetime) -> datetime:
    """Offsets of more than 16 hours are none to PostgreSQL, and some moments of the years 1 and 9999 have no UTC."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999, read in UTC") from None


Moment = Annotated[
    datetime,
    PlainSerializer(moment_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-01T09:30:00.125Z"]}),
]
MomentIn = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-01T09:30:00Z"]}),
]


def _plus_of_query(value: object) -> object:
    """In an address a bare `+` means a blank; a telephone number that begins with one meant the `+`."""
    return "+" + value[1:] if isinstance(value, str) and value.startswith(" ") else value


PhoneFilter = Annotated[
    str,
    BeforeValidator(_plus_of_query),
    Field(max_length=40, description="E.164; write `+` as `%2B` in an address.", examples=["+442079460123"]),
]
Id = Annotated[UUID, Field(examples=[EXAMPLE_ID])]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["Main office"])]
AgencyId = Annotated[
    UUID | None,
    Field(
        default=None,
        description="Only the operator needs it: the agency to act for. Any other key may name its own agency only.",
        examples=[EXAMPLE_ID],
    ),
]
Version = Annotated[int, Field(description="Counts the changes; `ETag` and `If-Match` carry it.", examples=[1])]


class Body(BaseModel):
    """A request's body or query: nothing unknown, nothing guessed."""

    model_config = ConfigDict(extra="forbid", str_max_length=10_000, coerce_numbers_to_str=False)

    def changes(self) -> dict[str, Any]:
        """The members that were sent, by name: what a merge patch (RFC 7396) changes."""
        return {name: getattr(self, name) for name in self.model_fields_set if name not in {"agency_id", "client_id"}}


class Answer(BaseModel):
    """What is answered; made from the rooms' values by attribute name."""

    model_config = ConfigDict(from_attributes=True)


def absent() -> None:
    """Default of a patch's member: it may be left out, but not be null; `Body.changes` tells which were sent."""
    return

"""Money in bodies and answers: decimal strings, never JSON numbers, which have lost some of it already."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema


def _decimal(value: object) -> object:
    if isinstance(value, Decimal) or (isinstance(value, str) and len(value) <= 20):
        return value
    raise ValueError('must be a decimal string, such as "1.50"')


_TEXT = PlainSerializer(lambda value: format(value, "f"), return_type=str, when_used="json")

#: At least 0, six places at most.
Amount = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Field(ge=0, max_digits=14, decimal_places=6, allow_inf_nan=False),
    _TEXT,
    WithJsonSchema({"type": "string", "examples": ["1.50"]}),
]
#: Either way.
SignedAmount = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Field(max_digits=17, decimal_places=6, allow_inf_nan=False),
    _TEXT,
    WithJsonSchema({"type": "string", "examples": ["-12.50"]}),
]

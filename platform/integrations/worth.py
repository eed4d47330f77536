"""What a call is worth to an advertising system, as settings say it. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Worth = Annotated[float | None, Field(default=None, ge=0, le=1e9, description="What a call is worth.")]
WorthCurrency = Annotated[
    str | None,
    Field(default=None, pattern=r"^[A-Z]{3}$", description="Of the value, by ISO 4217.", examples=["EUR"]),
]


def check_worth(value: float | None, currency: str | None) -> None:
    """Raises ValueError for one without the other."""
    if (value is None) != (currency is None):
        raise ValueError("value and currency belong together: give both or neither")

"""What a client sets for its Yandex.Metrica counter."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Values


class MetricaSettings(Values):
    """Which calls are told, and as what."""

    counter_id: Annotated[int, Field(ge=1, le=10**12, description="Of the counter.", examples=[90000001])]
    upload: Annotated[
        Literal["calls", "conversions"],
        Field(
            default="calls",
            description="calls: into Metrica's report of calls, with waiting and talk. conversions: as a goal that is "
            "reached offline. For both make two integrations.",
        ),
    ]
    calls: Annotated[Literal["all", "answered", "missed"], Field(default="all", description="Which calls are told.")]
    goal: Annotated[
        str | None,
        Field(
            default=None, min_length=1, max_length=255,
            description="conversions: the identifier of a JavaScript-event goal whose condition is \"matches "
            "exactly\". calls: the name of the goal that Metrica makes of the first file, if it has none yet.",
            examples=["phone_call"],
        ),
    ]  # fmt: skip
    min_talk_s: Annotated[
        int, Field(default=0, ge=0, le=86_400, description="Only calls that talked so long at least are told.")
    ]
    value: Annotated[float | None, Field(default=None, ge=0, le=1e9, description="What a call is worth.")]
    currency: Annotated[
        str | None,
        Field(default=None, pattern=r"^[A-Z]{3}$", description="Of the value, by ISO 4217.", examples=["RUB"]),
    ]
    tell_caller: Annotated[
        bool,
        Field(default=False, description="Whether the report of calls shows the caller's number."),
    ]
    api_url: Annotated[
        str,
        Field(
            default="https://api-metrika.yandex.net", pattern=r"^https?://[^/?#@\s]+$", description="Of the API."
        ),
    ]  # fmt: skip

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.value is None) != (self.currency is None):
            raise ValueError("value and currency belong together: give both or neither")
        if self.upload == "conversions" and self.goal is None:
            raise ValueError("conversions need the goal that they reach: set goal")
        return self


class MetricaSecrets(Values):
    """What lets us in."""

    token: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.-]{20,200}$",
            description="An OAuth token with the right metrika:write, or metrika:offline_data.",
            examples=["y0_AgAAAAAExampleExampleExample"],
        ),
    ]

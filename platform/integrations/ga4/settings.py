"""What a client sets for its Google Analytics property."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Values
from ..worth import check_worth

#: Names that Google keeps for itself, by how they begin.
RESERVED = ("google_", "ga_", "firebase_", "gtag.", "_")


class Ga4Settings(Values):
    """Which calls are told, as which event."""

    measurement_id: Annotated[
        str,
        Field(
            pattern=r"^G-[A-Z0-9]{4,20}$",
            description="Of the web stream, under Admin, Data streams.",
            examples=["G-ABC123DEF4"],
        ),
    ]
    calls: Annotated[Literal["all", "answered", "missed"], Field(default="all", description="Which calls are told.")]
    event_name: Annotated[
        str,
        Field(
            default="phone_call",
            pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$",
            description="Mark it as a key event in the property.",
        ),
    ]
    lead_talk_s: Annotated[
        int | None,
        Field(
            default=None, ge=1, le=86_400,
            description="A call that talked so long is told as `generate_lead` too; null: none is.",
        ),
    ]  # fmt: skip
    value: Annotated[
        float | None, Field(default=None, ge=0, le=1e9, description="What a call is worth, told with each event.")
    ]
    currency: Annotated[
        str | None,
        Field(default=None, pattern=r"^[A-Z]{3}$", description="Of the value, by ISO 4217.", examples=["EUR"]),
    ]
    ad_personalization: Annotated[
        bool,
        Field(
            default=False,
            description="Whether Google may use the event for personal advertisements too. That its use for "
            "advertising is consented to stands on the record of each call that is told.",
        ),
    ]
    repeat_in_doubt: Annotated[
        bool,
        Field(
            default=False,
            description="Google has no way to look an event up and counts a repeated one twice. false: one whose "
            "answer was lost is given up as `in_doubt`; true: it is sent again.",
        ),
    ]
    api_url: Annotated[
        str,
        Field(
            default="https://region1.google-analytics.com",
            pattern=r"^https?://[^/?#@\s]+$",
            description="Google's host in the European Union; `https://www.google-analytics.com` is anywhere.",
        ),
    ]

    @model_validator(mode="after")
    def _worth(self) -> Self:
        check_worth(self.value, self.currency)
        if self.event_name.startswith(RESERVED):
            raise ValueError(
                f"event_name must not begin with {', '.join(RESERVED)}: Google keeps such names for itself"
            )
        return self


class Ga4Secrets(Values):
    """What lets us send."""

    api_secret: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]{8,100}$",
            description="Made under Admin, Data streams, Measurement Protocol API secrets.",
            examples=["hXy3kZ1qT0-ab_CdEfGh12"],
        ),
    ]

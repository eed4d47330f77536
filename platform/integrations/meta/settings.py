"""What a client sets for its data set at Meta."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Values
from ..worth import Worth, WorthCurrency, check_worth


class MetaSettings(Values):
    """Which calls are events, and of what name."""

    dataset_id: Annotated[
        str,
        Field(
            pattern=r"^\d{5,25}$",
            description="Of the data set (pixel), in the Events Manager.",
            examples=["123456789012345"],
        ),
    ]
    event_name: Annotated[
        str, Field(default="Contact", min_length=1, max_length=40, description="`Contact`, `Lead`, or one of your own.")
    ]
    calls: Annotated[Literal["all", "answered"], Field(default="answered", description="Which calls are told.")]
    min_talk_s: Annotated[
        int, Field(default=0, ge=0, le=86_400, description="Only calls that talked so long at least are told.")
    ]
    value: Worth
    currency: WorthCurrency
    tell_caller: Annotated[
        bool, Field(default=False, description="Whether the caller's number is told too, hashed (SHA-256).")
    ]
    test_event_code: Annotated[
        str | None,
        Field(
            default=None, max_length=40, description="Of the tab *Test events*: events show there and count nowhere.",
            examples=["TEST12345"],
        ),
    ]  # fmt: skip
    api_url: Annotated[
        str,
        Field(
            default="https://graph.facebook.com/v25.0", pattern=r"^https?://[^?#@\s]+[^/]$",
            description="Of the Graph API, with its version.",
        ),
    ]  # fmt: skip

    @model_validator(mode="after")
    def _worth(self) -> Self:
        check_worth(self.value, self.currency)
        return self


class MetaSecrets(Values):
    """What lets us send."""

    access_token: Annotated[
        str, Field(min_length=20, description="Made in the Events Manager, Settings, Conversions API.")
    ]

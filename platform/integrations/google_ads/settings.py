"""What a client sets for its Google Ads account."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Values
from ..worth import Worth, WorthCurrency, check_worth

CustomerId = Annotated[str, Field(pattern=r"^\d{10}$", examples=["1234567890"])]


class GoogleAdsSettings(Values):
    """Which calls are conversions, and of what."""

    customer_id: Annotated[CustomerId, Field(description="The account's ten digits, without hyphens.")]
    login_customer_id: Annotated[
        CustomerId | None, Field(default=None, description="The manager account that access goes through; null: none.")
    ]
    conversion_action_id: Annotated[
        str,
        Field(
            pattern=r"^\d{1,20}$",
            description="Of a conversion action that is imported from clicks (UPLOAD_CLICKS): `ctId` in its address.",
            examples=["111222333"],
        ),
    ]
    project: Annotated[
        str | None,
        Field(
            default=None, pattern=r"^[a-z0-9:.-]{4,64}$", description="The Google Cloud project that the quota is of.",
            examples=["shop-calls"],
        ),
    ]  # fmt: skip
    calls: Annotated[Literal["all", "answered"], Field(default="answered", description="Which calls are conversions.")]
    min_talk_s: Annotated[
        int, Field(default=0, ge=0, le=86_400, description="Only calls that talked so long at least are told.")
    ]
    value: Worth
    currency: WorthCurrency
    tell_caller: Annotated[
        bool,
        Field(
            default=False,
            description="Whether the caller's number is told too, hashed (SHA-256), for enhanced conversions for "
            "leads; their terms must be accepted in the account.",
        ),
    ]
    ad_personalization: Annotated[
        bool,
        Field(
            default=False,
            description="Whether Google may use the conversion for personal advertisements too. That its use for "
            "advertising is consented to stands on the record of each call that is told.",
        ),
    ]
    api_url: Annotated[
        str,
        Field(
            default="https://datamanager.googleapis.com", pattern=r"^https?://[^/?#@\s]+$",
            description="Of the Data Manager API.",
        ),
    ]  # fmt: skip
    token_url: Annotated[
        str,
        Field(
            default="https://oauth2.googleapis.com/token", pattern=r"^https?://[^?#@\s]+$",
            description="Where access tokens are renewed.",
        ),
    ]  # fmt: skip

    @model_validator(mode="after")
    def _worth(self) -> Self:
        check_worth(self.value, self.currency)
        return self


class GoogleAdsSecrets(Values):
    """What an OAuth client of the project was given, with the scope `https://www.googleapis.com/auth/datamanager`."""

    client_id: Annotated[str, Field(min_length=1, description="Of the OAuth client.")]
    client_secret: Annotated[str, Field(min_length=1, description="Of the OAuth client.")]
    refresh_token: Annotated[str, Field(min_length=1, description="Of somebody who may use the account.")]
    access_token: Annotated[str | None, Field(default=None, description="Left out: it is asked for when needed.")]

"""What a client sets for its Bitrix24 portal."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Values
from ..returning import SalesSettings

UserId = Annotated[int, Field(ge=1, description="A user of the portal.", examples=[1])]


class Bitrix24Settings(SalesSettings):
    """What the portal is told, who is responsible there, and what comes back."""

    mode: Annotated[
        Literal["auto", "crm"],
        Field(
            default="auto",
            description="auto: calls go to the portal's telephony, with a card while it rings, and where the portal "
            "refuses that to us, to its CRM alone. crm: to the CRM alone.",
        ),
    ]
    user_id: Annotated[UserId, Field(description="Who is responsible where nothing else says so.")]
    users_by_target: Annotated[
        dict[str, UserId],
        Field(default_factory=dict, max_length=500, description="By a target's id: who is responsible for its calls."),
    ]
    show_card: Annotated[bool, Field(default=True, description="Whether a card is shown while it rings.")]
    create: Annotated[
        Literal["lead", "deal", "none"],
        Field(default="lead", description="What is made of a caller whom the portal does not know."),
    ]
    source_id: Annotated[
        str, Field(default="CALL", max_length=50, description="The portal's own word for the source (SOURCE_ID).")
    ]
    comment: Annotated[
        bool, Field(default=True, description="Whether the lead's timeline tells of the call and of its visit.")
    ]
    missed_task: Annotated[
        bool, Field(default=True, description="Whether the responsible person gets a task for a call that was missed.")
    ]
    portal_url: Annotated[
        str,
        Field(
            default="",
            pattern=r"^(https?://[^/?#@\s]+)?$",
            description="Of the portal; needed for an application, a webhook's address has it.",
            examples=["https://example.bitrix24.com"],
        ),
    ]
    token_url: Annotated[
        str,
        Field(
            default="https://oauth.bitrix.info/oauth/token/",
            pattern=r"^https?://[^?#@\s]+$",
            description="Where an application's tokens are renewed.",
        ),
    ]


class Bitrix24Secrets(Values):
    """A webhook's address, which is the secret itself, or what an application was given."""

    webhook_url: Annotated[
        str | None,
        Field(
            default=None,
            pattern=r"^https?://[^/?#@\s]+/rest/\d+/[A-Za-z0-9]+/?$",
            description="As the portal shows it, with the rights crm, telephony and tasks.",
            examples=["https://example.bitrix24.com/rest/1/abcdefgh12345678/"],
        ),
    ]
    client_id: Annotated[str | None, Field(default=None, description="Of the application.")]
    client_secret: Annotated[str | None, Field(default=None, description="Of the application.")]
    access_token: Annotated[str | None, Field(default=None, description="The last one; an old one will do.")]
    refresh_token: Annotated[str | None, Field(default=None, description="Good for one use: each answer has the next.")]

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        application = (self.client_id, self.client_secret, self.refresh_token)
        if self.webhook_url is None and not all(application):
            raise ValueError("give webhook_url, or client_id, client_secret and refresh_token of an application")
        if self.webhook_url is not None and any(application):
            raise ValueError("give either webhook_url or what an application was given, not both")
        return self

"""What a client sets for its amoCRM or Kommo account."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Values
from ..returning import SalesSettings

Id = Annotated[int, Field(ge=1, examples=[11])]


class AmocrmSettings(SalesSettings):
    """What the account is told, who is responsible there, and what comes back."""

    account_url: Annotated[
        str,
        Field(
            pattern=r"^https?://[^/?#@\s]+$",
            description="Of the account itself, amoCRM's or Kommo's.",
            examples=["https://example.amocrm.ru"],
        ),
    ]
    unknown_caller: Annotated[
        Literal["lead", "unsorted", "none"],
        Field(
            default="lead",
            description="What is made of a caller whom the account does not know: a lead with a contact, an entry "
            "among the incoming leads that somebody accepts or declines, or nothing; then the account has no place for "
            "the call.",
        ),
    ]
    pipeline_id: Annotated[
        Id | None, Field(default=None, description="Where what is made goes; null: the account's main pipeline.")
    ]
    status_id: Annotated[Id | None, Field(default=None, description="Of a new lead; null: the pipeline's first.")]
    user_id: Annotated[Id | None, Field(default=None, description="Who is responsible where nothing else says so.")]
    users_by_target: Annotated[
        dict[str, Id],
        Field(
            default_factory=dict, max_length=500, description="By a target's id: who is responsible for its calls."
        ),
    ]  # fmt: skip
    tag: Annotated[
        str | None,
        Field(default=None, min_length=1, max_length=100, description="A tag of new leads.", examples=["call"]),
    ]
    source_name: Annotated[
        str,
        Field(default="Dialtrace", min_length=1, max_length=100, description="What the calls are said to come from."),
    ]


class AmocrmSecrets(Values):
    """A long-lived token of a private integration, or what an application was given."""

    token: Annotated[
        str | None,
        Field(default=None, min_length=20, description="Long-lived; of a private integration, shown there once."),
    ]
    client_id: Annotated[str | None, Field(default=None, description="Of the application (its integration id).")]
    client_secret: Annotated[str | None, Field(default=None, description="Of the application.")]
    redirect_uri: Annotated[str | None, Field(default=None, description="As the application has it.")]
    access_token: Annotated[str | None, Field(default=None, description="The last one; an old one will do.")]
    refresh_token: Annotated[str | None, Field(default=None, description="Good for one use: each answer has the next.")]

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        application = (self.client_id, self.client_secret, self.redirect_uri, self.refresh_token)
        if self.token is None and not all(application):
            raise ValueError(
                "give token, or client_id, client_secret, redirect_uri and refresh_token of an application"
            )
        if self.token is not None and any(application):
            raise ValueError("give either token or what an application was given, not both")
        return self

"""What a client sets for notices in Telegram."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field

from ..model import Values


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be a time zone such as Europe/London")
    return str(ZoneInfo(value))


class TelegramSettings(Values):
    """Which calls are told, to which chat, and how."""

    chat_id: Annotated[
        str,
        Field(
            pattern=r"^(-?\d{1,20}|@[A-Za-z0-9_]{4,32})$",
            description="The chat, group or channel: its number, or the @name of a public channel.",
            examples=["-1001234567890"],
        ),
    ]
    calls: Annotated[Literal["all", "missed", "answered"], Field(default="missed", description="Which calls are told.")]
    language: Annotated[Literal["en", "ru"], Field(default="en")]
    time_zone: Annotated[str, AfterValidator(_zone), Field(default="UTC", description="Of the moment that is told.")]
    show_caller: Annotated[
        bool, Field(default=True, description="Whether the caller's number is told; false: its last two digits.")
    ]
    api_url: Annotated[
        str,
        Field(
            default="https://api.telegram.org",
            pattern=r"^https?://[^/?#@\s]+$",
            description="Of the Bot API; another one where a server of one's own is used.",
        ),
    ]


class TelegramSecrets(Values):
    """What proves who sends."""

    bot_token: Annotated[
        str,
        Field(
            pattern=r"^\d{5,20}:[A-Za-z0-9_-]{20,64}$",
            description="As @BotFather tells it when the bot is made.",
            examples=["123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"],
        ),
    ]

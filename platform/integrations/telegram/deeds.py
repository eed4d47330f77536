"""Notices of calls in Telegram: what is done when a call has ended, and whether it could be.

The Bot API has no way to look up a message, so a notice whose answer was lost is sent again: told twice is the lesser
evil here, where nobody counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import NothingToDo, Outcome
from ..model import Check, Made, Rate, System
from ..work import Work
from .client import call_method
from .mapping import is_wanted, notice, pretend
from .settings import TelegramSecrets, TelegramSettings


def _account(settings: TelegramSettings, secrets: TelegramSecrets) -> str:
    """A bot is counted as a whole, at the server that it is asked through: everybody may know a bot's number, and a
    server of somebody's own must not make others rest."""
    return f"{settings.api_url.lower()} {secrets.bot_token.partition(':')[0]}"


def _event_types(_settings: TelegramSettings) -> Sequence[str]:
    return ("call.ended",)


def _deliver(work: Work) -> None:
    if not is_wanted(work.call, work.settings):
        raise NothingToDo("not_wanted", f"notices are of {work.settings.calls} calls")
    work.once("notice", lambda: _send(work))


def _send(work: Work) -> Made:
    body: dict[str, Any] = {"chat_id": work.settings.chat_id, "text": notice(work.call, work.settings)}
    body["link_preview_options"] = {"is_disabled": True}
    return Made(str(call_method(work, "sendMessage", body).get("message_id", "")))


def _test(work: Work) -> list[Check]:
    """Neither question shows anything in the chat."""
    try:
        bot = call_method(work, "getMe", {})
    except Outcome as outcome:
        return [Check("bot", False, outcome.detail or outcome.word)]
    checks = [Check("bot", True, f"@{bot.get('username', '')}")]
    try:
        chat = call_method(work, "getChat", {"chat_id": work.settings.chat_id})
    except Outcome as outcome:
        return [*checks, Check("chat", False, outcome.detail or outcome.word)]
    return [*checks, Check("chat", True, str(chat.get("title") or chat.get("username") or chat.get("id", "")))]


TELEGRAM = System(
    name="telegram",
    title="Telegram",
    summary="A notice of each call, or of those that were missed, in a chat.",
    settings=TelegramSettings,
    secrets=TelegramSecrets,
    # About 30 messages a second over all chats, 20 a minute in one group (core.telegram.org/bots/faq): the bot is
    # counted here, a group's own limit is answered by 429 with its seconds.
    rate=Rate(per_s=20.0, burst=20),
    account=_account,
    event_types=_event_types,
    deliver=_deliver,
    test=_test,
    pretend=pretend,
)

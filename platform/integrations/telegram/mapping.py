"""A call as a notice of a few lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from ..facts import CallFacts
from .settings import TelegramSettings

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "answered": "Call", "voicemail": "Voicemail", "missed": "Missed call", "blocked": "Blocked call",
        "withheld": "number withheld", "to": "To", "source": "Source", "talked": "Talked", "with": "with",
        "seconds": "s", "waited": "Waited", "page": "Page",
    },
    "ru": {
        "answered": "Звонок", "voicemail": "Голосовое сообщение", "missed": "Пропущенный звонок",
        "blocked": "Заблокированный звонок", "withheld": "номер скрыт", "to": "На номер", "source": "Источник",
        "talked": "Разговор", "with": "с", "seconds": "с", "waited": "Ждал", "page": "Страница",
    },
}  # fmt: skip


def is_wanted(call: CallFacts, settings: TelegramSettings) -> bool:
    """Whether the client wants to be told of this call."""
    return settings.calls == "all" or (settings.calls == "missed") == call.is_missed


def notice(call: CallFacts, settings: TelegramSettings) -> str:
    """The text; plain, so nothing of it is taken for markup."""
    words = _WORDS[settings.language]
    kind = "missed" if call.is_missed else call.outcome if call.outcome in words else "answered"
    at = call.started_at.astimezone(ZoneInfo(settings.time_zone))
    lines = [f"{words[str(kind)]}: {_caller(call, settings, words)}", f"{at:%Y-%m-%d %H:%M}"]
    lines.append(f"{words['to']}: {call.number}" + (f" ({call.number_label})" if call.number_label else ""))
    if call.talk_ms:
        whom = f", {words['with']} {call.target_name}" if call.target_name else ""
        lines.append(f"{words['talked']}: {call.talk_s} {words['seconds']}{whom}")
    elif call.is_missed:
        lines.append(f"{words['waited']}: {round(call.ring_ms / 1000)} {words['seconds']}")
    source = " / ".join(filter(None, (call.source.source, call.source.medium, call.source.campaign)))
    if source:
        lines.append(f"{words['source']}: {source}")
    if call.visit is not None and call.visit.landing_page:
        lines.append(f"{words['page']}: {call.visit.landing_page[:500]}")
    return "\n".join(lines)


def _caller(call: CallFacts, settings: TelegramSettings, words: Mapping[str, str]) -> str:
    if not call.caller:
        return words["withheld"]
    return call.caller if settings.show_caller else f"…{call.caller[-2:]}"


def pretend(_method: str, what: str, _body: Mapping[str, Any]) -> dict[str, Any]:
    """What the Bot API answers to a bot that is welcome everywhere."""
    told: dict[str, Any] = {"sendMessage": {"message_id": 1}, "getMe": {"username": "bot"}, "getChat": {"id": 1}}
    return {"ok": True, "result": told.get(what, {})}

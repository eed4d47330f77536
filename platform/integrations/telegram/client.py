"""The Bot API of Telegram: how it is asked, and what its answers mean.

Every answer is `{"ok": true, "result": …}` or `{"ok": false, "error_code": …, "description": …, "parameters": …}`, the
status repeating `error_code`; a 429 carries `parameters.retry_after` in seconds (core.telegram.org/bots/api, "Making
requests" and "ResponseParameters").
"""

from __future__ import annotations

from typing import Any

from ..errors import Broken, GiveUp, Later
from ..model import need_success
from ..work import Work


def call_method(work: Work, method: str, body: dict[str, Any]) -> dict[str, Any]:
    """The ``result``. Raises Outcome."""
    url = f"{work.settings.api_url}/bot{work.secrets.bot_token}/{method}"
    answer = work.ask("POST", url, what=method, body=body)
    said = answer.json()
    if not isinstance(said, dict):
        need_success(answer, work.now)
        raise GiveUp("not_json", "the address does not answer as Telegram's Bot API does: look at api_url")
    if said.get("ok") is True:
        result = said.get("result")
        return result if isinstance(result, dict) else {}
    detail = str(said.get("description", ""))
    parameters = said.get("parameters") or {}
    if answer.status == 429 or said.get("error_code") == 429:
        raise Later("rate_limited", detail, after_s=float(parameters.get("retry_after", 2)))
    if answer.status in {401, 404}:
        # A wrong token is answered with either.
        raise Broken("token_refused", f"Telegram does not know this bot token ({detail}): ask @BotFather for another")
    if answer.status == 403 or "chat not found" in detail.lower():
        raise Broken("chat_closed", f"the bot may not write to the chat ({detail}): add it there and let it post")
    if "migrate_to_chat_id" in parameters:
        raise Broken("chat_moved", f"the group has become another: set chat_id to {parameters['migrate_to_chat_id']}")
    need_success(answer, work.now, detail=detail)
    raise GiveUp("refused", detail)

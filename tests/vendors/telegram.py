"""Telegram's Bot API, as far as notices need it (core.telegram.org/bots/api)."""

from __future__ import annotations

from typing import Any

from .server import Asked, Said, VendorServer

TOKEN = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"


class TelegramServer(VendorServer):
    """One bot and its chats."""

    def __init__(self, chat: str = "-1001234567890") -> None:
        self.chats = {chat: "Sales"}
        self.messages: list[dict[str, Any]] = []
        super().__init__()

    def handle(self, asked: Asked) -> Said:
        _, bot, method = asked.path.split("/")
        if bot != f"bot{TOKEN}":
            return refused(401, "Unauthorized")
        body = asked.body or {}
        if method == "getMe":
            return Said(200, {"ok": True, "result": {"id": 123456789, "is_bot": True, "username": "calls_bot"}})
        if str(body.get("chat_id")) not in self.chats:
            return refused(400, "Bad Request: chat not found")
        if method == "getChat":
            return Said(200, {"ok": True, "result": {"id": body["chat_id"], "title": self.chats[body["chat_id"]]}})
        if method == "sendMessage":
            if not 1 <= len(body.get("text", "")) <= 4096:
                return refused(400, "Bad Request: message is too long")
            self.messages.append(body)
            return Said(200, {"ok": True, "result": {"message_id": len(self.messages)}})
        return refused(404, "Not Found")


def refused(status: int, description: str, **parameters: Any) -> Said:
    """As the Bot API says no."""
    body = {"ok": False, "error_code": status, "description": description}
    return Said(status, body | ({"parameters": parameters} if parameters else {}))

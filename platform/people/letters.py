"""What letters say, in each language. Pure."""

from __future__ import annotations

from datetime import datetime

_TEXTS = {
    ("invitation", "en"): (
        "Your access to {brand}",
        "Hello {name},\n\nyou have been given access to {brand}. Choose a password here:\n\n{link}\n\n"
        "The link opens once, until {until} UTC. If you do not know what this is about, do nothing.\n",
    ),
    ("reset", "en"): (
        "A new password for {brand}",
        "Hello {name},\n\nsomebody, probably you, asked for a new password for {brand}. Choose it here:\n\n{link}\n\n"
        "The link opens once, until {until} UTC. If it was not you, do nothing: your password stays as it is.\n",
    ),
    ("invitation", "ru"): (
        "Ваш доступ к {brand}",
        "Здравствуйте, {name}!\n\nВам открыт доступ к {brand}. Задайте пароль по ссылке:\n\n{link}\n\n"
        "Ссылка открывается один раз, до {until} UTC. Если вы не знаете, о чём речь, ничего не делайте.\n",
    ),
    ("reset", "ru"): (
        "Новый пароль для {brand}",
        "Здравствуйте, {name}!\n\nКто-то, вероятно вы, запросил новый пароль для {brand}. Задайте его по ссылке:\n\n"
        "{link}\n\nСсылка открывается один раз, до {until} UTC. Если это были не вы, ничего не делайте: пароль "
        "останется прежним.\n",
    ),
}


def letter_text(kind: str, language: str, *, brand: str, name: str, link: str, until: datetime) -> tuple[str, str]:
    """Subject and text."""
    subject, text = _TEXTS[kind, language]
    shown = until.strftime("%Y-%m-%d %H:%M")
    return subject.format(brand=brand), text.format(brand=brand, name=name, link=link, until=shown)

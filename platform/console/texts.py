"""Texts in the reader's language, by gettext, and numbers, money and moments as people there write them.

English is what the code and the templates say; `texts/ru.po` says it in Russian (`make texts` gathers).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from gettext import NullTranslations
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, get_day_names
from babel.numbers import format_currency, format_decimal, format_percent

from ..catalogues import read_catalogue

LANGUAGES = {"en": "English", "ru": "Русский"}
_MONTH_DAY = {"en": "d MMM", "ru": "d MMM"}


def N_(text: str) -> str:
    """Marks a text that is said later, where the reader is known."""
    return text


def catalogue(language: str) -> NullTranslations:
    """What is said in a language."""
    return read_catalogue("dialtrace.console", language)


@dataclass(frozen=True)
class Speech:
    """How one reader is spoken to: his language, and the time zone that a page's moments are told in."""

    language: str
    zone: str = "UTC"

    @property
    def locale(self) -> Locale:
        return Locale.parse("en_GB" if self.language == "en" else self.language)

    def say(self, text: str, **values: Any) -> str:
        """A text, with its values put in."""
        said = catalogue(self.language).gettext(text) if text else ""
        return said % values if values else said

    def count(self, one: str, many: str, number: int, **values: Any) -> str:
        """A text that depends on a number."""
        said = catalogue(self.language).ngettext(one, many, number)
        return said % {"num": self.number(number), **values}

    def number(self, value: Any) -> str:
        return "–" if value is None else format_decimal(Decimal(str(value)), locale=self.locale)

    def share(self, value: Any, places: int = 0) -> str:
        if value is None:
            return "–"
        return format_percent(float(value), format=f"#,##0{'.' + '0' * places if places else ''}\u00a0%"
                              if self.language == "ru" else f"#,##0{'.' + '0' * places if places else ''}%",
                              locale=self.locale)  # fmt: skip

    def money(self, amount: Any, currency: str) -> str:
        if amount is None:
            return "–"
        return format_currency(Decimal(str(amount)), currency, locale=self.locale)

    def moment(self, value: str | datetime | None) -> str:
        """A moment of the API (UTC), in the page's time zone."""
        if value is None:
            return "–"
        told = datetime.fromisoformat(value) if isinstance(value, str) else value
        return format_datetime(
            told.astimezone(ZoneInfo(self.zone)), "d MMM y, HH:mm:ss", tzinfo=ZoneInfo(self.zone), locale=self.locale
        )

    def day(self, value: str | date | None, *, short: bool = False) -> str:
        if value is None:
            return "–"
        told = date.fromisoformat(value[:10]) if isinstance(value, str) else value
        return format_date(told, _MONTH_DAY[self.language] if short else "medium", locale=self.locale)

    def month(self, value: str | date) -> str:
        told = date.fromisoformat(value[:10]) if isinstance(value, str) else value
        return format_date(told, "LLLL y", locale=self.locale)

    def weekday(self, number: int) -> str:
        """1: Monday, to 7: Sunday."""
        return str(get_day_names("wide", context="stand-alone", locale=self.locale)[number - 1])

    def span(self, ms: Any) -> str:
        """A length of time: 3:07, or 1:02:09."""
        if ms is None:
            return "–"
        seconds = round(float(ms) / 1000)
        minutes, rest = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

    def today(self) -> date:
        return datetime.now(UTC).astimezone(ZoneInfo(self.zone)).date()

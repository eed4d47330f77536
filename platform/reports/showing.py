"""A report as tables of texts, in the reader's language: what letters and files are made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, get_day_names
from babel.numbers import format_currency, format_decimal, format_percent

from .dictionary import DIMENSIONS, METRICS
from .model import Figure, Line
from .named import TITLES, NamedReport, Section
from .texts import Language, say

#: Of one section in a letter or a page; an attached sheet has all.
MOST_LINES = 25
_LOCALES = {"en": Locale.parse("en_GB"), "ru": Locale.parse("ru")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One section. ``words``: how many columns are words, the others are figures. ``raw``, ``raw_total``: values as a
    spreadsheet wants them. ``bars``: label and value of its first metric, where that makes a picture."""

    name: str
    title: str
    head: Sequence[str]
    words: int
    lines: Sequence[Sequence[str]]
    total: Sequence[str]
    raw: Sequence[Sequence[str | int | float | None]]
    raw_total: Sequence[str | int | float | None]
    bars: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A whole report."""

    title: str
    whose: str
    span: str
    compared: str
    sheets: Sequence[Sheet]
    missed: Sequence[tuple[str, str]]
    notes: Sequence[str]


def show(made: NamedReport, language: Language, whose: str, names: Mapping[str, str]) -> Shown:
    """``names``: of what lines name by ids."""
    compared = ""
    if made.compared is not None:
        compared = say("compared with %(span)s", language) % {"span": _span(*made.compared, language)}
    others = sum(one.report.other_currencies for one in made.sections if one.name == "total")
    note = say("In other currencies than %(currency)s, left out: %(count)s", language)
    return Shown(
        title=say(TITLES[made.kind], language),
        whose=whose,
        span=_span(made.first, made.last, language),
        compared=compared,
        sheets=[_sheet(section, made, language, names) for section in made.sections],
        missed=[(one.caller, _count(one.calls, language)) for one in made.missed[:MOST_LINES]],
        notes=[note % {"currency": made.currency, "count": others}] if others else [],
    )


def _span(first: date, last: date, language: Language) -> str:
    shown = [format_date(day, "d MMMM y", locale=_LOCALES[language]) for day in (first, last)]
    return shown[0] if first == last else f"{shown[0]} – {shown[1]}"


def _sheet(section: Section, made: NamedReport, language: Language, names: Mapping[str, str]) -> Sheet:
    report = section.report
    metrics, by = report.question.metrics, report.question.by
    head = [say(DIMENSIONS[name].title, language) for name in by] + [
        say(METRICS[name].title, language) for name in metrics
    ]
    keys = [_words(line, by, language, names) for line in report.lines]
    total = [say("Total", language), *[""] * (len(by) - 1)] if by else []
    first = metrics[0]
    return Sheet(
        name=section.name,
        title=say(section.title, language),
        head=head,
        words=len(by),
        lines=[
            [*key, *(_told(name, line, made.currency, language) for name in metrics)]
            for key, line in zip(keys, report.lines, strict=True)
        ],
        total=[*total, *(_told(name, report.total, made.currency, language) for name in metrics)],
        raw_total=[*total, *(_plain(report.total.figures[name]) for name in metrics)],
        raw=[
            [*key, *(_plain(line.figures[name]) for name in metrics)]
            for key, line in zip(keys, report.lines, strict=True)
        ],
        bars=[
            (key[0], float(line.figures[first] or 0))
            for key, line in zip(keys, report.lines, strict=True)
            if not line.is_rest
        ]
        if len(by) == 1
        else [],
    )


def _words(line: Line, by: Sequence[str], language: Language, names: Mapping[str, str]) -> list[str]:
    if line.is_rest:
        return [say("All others", language), *[""] * (len(by) - 1)]
    return [_word(name, value, language, names) for name, value in zip(by, line.key, strict=True)]


def _word(name: str, value: str | int | None, language: Language, names: Mapping[str, str]) -> str:
    if value is None:
        return say("not known", language)
    if name == "weekday":
        return str(get_day_names("abbreviated", locale=_LOCALES[language])[int(value) - 1])
    if name == "hour":
        return f"{int(value):02d}:00"
    if name in {"date", "week"}:
        return str(format_date(date.fromisoformat(str(value)), "d MMM", locale=_LOCALES[language]))
    if name == "month":
        return str(format_date(date.fromisoformat(str(value)), "LLL y", locale=_LOCALES[language]))
    return names.get(str(value), str(value))


def _told(name: str, line: Line, currency: str, language: Language) -> str:
    """A figure, and by how much it differs from the one before."""
    now, before = line.figures[name], line.before[name] if line.before is not None else None
    told = _figure(name, now, currency, language)
    if now is None or not before or METRICS[name].unit in {"share", "ratio"}:
        return told
    change = (Decimal(now) - Decimal(before)) / abs(Decimal(before))
    return f"{told} ({'+' if change >= 0 else '−'}{format_percent(abs(change), locale=_LOCALES[language])})"


def _figure(name: str, value: Figure, currency: str, language: Language) -> str:
    locale, unit = _LOCALES[language], METRICS[name].unit
    if value is None:
        return "–"
    if unit == "money":
        return str(format_currency(value, currency, locale=locale))
    if unit == "share":
        return str(format_percent(value, format="#,##0.0 %", locale=locale))
    if unit == "milliseconds":
        seconds = round(float(value) / 1000)
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return str(format_decimal(value, format="#,##0.##", locale=locale))


def _count(value: int, language: Language) -> str:
    return str(format_decimal(value, locale=_LOCALES[language]))


def _plain(value: Figure) -> int | float | None:
    if value is None or isinstance(value, int):
        return value
    return int(value) if value == int(value) else float(value)

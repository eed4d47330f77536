"""A report of the API as a table that people read: its cells, its picture, and the same as a file. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from markupsafe import Markup

from . import charts
from .texts import N_, Speech
from .words import WORDS, word

#: What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: How many days a chart has room for.
MOST_DRAWN = 400
#: Of a table of weekdays and hours: how deep a cell may be coloured.
DEEPEST = 5
_OF_WORDS = {"channel": "channel", "device": "device", "outcome": "outcome", "repeat": "repeat"}
_DATED = frozenset({"date", "week", "month"})
_PARTS = ("missed", "target_calls", "answered", "sales")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A figure: as people read it, what it was before, and how far it has moved."""

    text: str
    before: str = ""
    change: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """``calls``: what is asked for its calls one by one; None: they are nowhere. ``share``: of the calls of all."""

    labels: Sequence[str]
    cells: Sequence[Cell]
    calls: Mapping[str, str] | None
    share: float | None
    is_rest: bool = False


@dataclass(frozen=True, kw_only=True)
class Depth:
    """A cell of weekday and hour: how many, how deep it is coloured (0 to 5), and where its calls are."""

    text: str
    level: int
    calls: Mapping[str, str] | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """``heads``: dimensions first, then metrics. ``total``: of everything, as a row. ``chart``: empty, or the picture.
    ``depths``: where it is told by weekday and hour, one line of 24 for each day."""

    by: Sequence[str]
    heads: Sequence[str]
    rows: Sequence[Row]
    total: Row
    chart: Markup
    depths: Sequence[tuple[str, Sequence[Depth]]]
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a report's words mean: the metrics' units, names of ids by dimension, and to whom it is told."""

    speech: Speech
    units: Mapping[str, str]
    titles: Mapping[str, str]
    names: Mapping[str, Mapping[str, str]]

    def metric(self, name: str) -> str:
        """A metric's name; one that has no text here yet, as the API calls it."""
        known = WORDS["metric"].get(name)
        return self.speech.say(known) if known else self.titles.get(name, name)

    def dimension(self, name: str) -> str:
        return word("dimension", name, self.speech)

    def figure(self, metric: str, value: Any, currency: str) -> str:
        unit, speech = self.units.get(metric, "count"), self.speech
        if value is None:
            return "–"
        if unit == "money":
            return speech.money(value, currency)
        if unit == "milliseconds":
            return speech.span(value)
        if unit == "share" or metric == "roi":
            return speech.share(value, 1)
        if unit == "ratio":
            return speech.number(round(float(value), 4))
        # Calls that a model has shared out have parts.
        return speech.number(value if isinstance(value, int) else round(float(value), 2))

    def value(self, dimension: str, value: Any) -> str:
        """What a line is of."""
        speech = self.speech
        if value is None:
            return speech.say("not known")
        if dimension in _OF_WORDS:
            return word(_OF_WORDS[dimension], value, speech)
        if dimension in {"date", "week"}:
            return speech.day(str(value))
        if dimension == "month":
            return speech.month(str(value))
        if dimension == "weekday":
            return speech.weekday(int(value))
        if dimension == "hour":
            return f"{int(value):02d}:00"
        return self.names.get(dimension, {}).get(str(value), str(value))


def table_of(report: Mapping[str, Any], metrics: Sequence[str], reading: Reading) -> Table:
    """``metrics``: in the order in which they were asked for."""
    by, currency, dated = list(report["by"]), str(report["currency"]), is_dated(report)
    whole = report["total"]["figures"].get("calls") or 0

    def row(line: Mapping[str, Any], labels: Sequence[str]) -> Row:
        figures, before = line["figures"], {} if dated and line is not report["total"] else line["before"] or {}
        cells = [_cell(name, figures.get(name), before.get(name), currency, reading) for name in metrics]
        share = (figures.get("calls") or 0) / whole if whole and "calls" in metrics else None
        return Row(labels=labels, cells=cells, calls=query_of(line["calls"]), share=share, is_rest=line["is_rest"])

    def labels(line: Mapping[str, Any]) -> list[str]:
        if line["is_rest"]:
            return [reading.speech.say("All others"), *[""] * (len(by) - 1)]
        return [reading.value(name, line["group"].get(name)) for name in by]

    lines = _in_order(report, by)
    chart = _chart(report, metrics, reading)
    return Table(
        by=by, heads=[*map(reading.dimension, by), *map(reading.metric, metrics)],
        rows=[row(line, labels(line)) for line in lines] if by else [],
        total=row(report["total"], [reading.speech.say("All"), *[""] * (len(by) - 1)] if by else []),
        chart=chart, depths=_depths(lines, reading) if by == ["weekday", "hour"] else [],
        notes=list(_notes(report, reading)),
    )  # fmt: skip


def _cell(metric: str, now: Any, before: Any, currency: str, reading: Reading) -> Cell:
    text = reading.figure(metric, now, currency)
    if before is None:
        return Cell(text=text)
    was, change = float(before), ""
    if now is not None and was:
        share = (float(now) - was) / abs(was)
        change = ("+" if share > 0 else "−") + reading.speech.share(abs(share)) if share else ""
    return Cell(text=text, before=reading.figure(metric, before, currency), change=change)


def query_of(link: str | None) -> dict[str, str] | None:
    """What the API's link to a line's calls asks: the console's page asks the same."""
    return None if link is None else dict(parse_qsl(urlsplit(link).query))


def is_dated(report: Mapping[str, Any]) -> bool:
    """Whether the lines are of days, weeks or months: those that it is compared with have lines of their own then, and
    no line has anything beside it."""
    return bool(set(report["by"]) & _DATED)


def _lines_of(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Without those of the days that it is compared with."""
    if not is_dated(report) or report["compared_from"] is None:
        return list(report["lines"])
    name = next(name for name in report["by"] if name in _DATED)
    return [line for line in report["lines"]
            if line["is_rest"] or not _is_before(name, line["group"][name], report["from"])]  # fmt: skip


def _is_before(dimension: str, value: Any, first: str) -> bool:
    """A week or month that the first day lies in counts."""
    if dimension == "month":
        return str(value)[:7] < first[:7]
    days = 6 if dimension == "week" else 0
    return date.fromisoformat(str(value)) + timedelta(days=days) < date.fromisoformat(first)


def _in_order(report: Mapping[str, Any], by: Sequence[str]) -> list[Mapping[str, Any]]:
    """Time goes forward; everything else stands as the API gives it, the most first."""
    lines = _lines_of(report)
    times = [name for name in by if name in {"date", "week", "month", "weekday", "hour"}]
    if not times or times != list(by):
        return lines
    return sorted(lines, key=lambda line: (line["is_rest"], [_rank(line["group"].get(name)) for name in times]))


def _rank(value: Any) -> tuple[bool, Any]:
    return value is None, (value if isinstance(value, int) else str(value))


def _chart(report: Mapping[str, Any], metrics: Sequence[str], reading: Reading) -> Markup:
    """Columns of calls, and of a part of them, over days, weeks, months, weekdays or hours."""
    by = list(report["by"])
    first = next((name for name in metrics if reading.units.get(name) == "count"), None)
    if len(by) != 1 or by[0] not in {"date", "week", "month", "weekday", "hour"} or first is None:
        return Markup("")
    places = _places(by[0], report)
    part = next((name for name in _PARTS if name in metrics and first == "calls"), None)
    shown = [first, *([part] if part else [])]
    found = {line["group"][by[0]]: line["figures"] for line in _lines_of(report) if not line["is_rest"]}
    series = [(reading.metric(name), [int(found.get(place, {}).get(name) or 0) for place in places]) for name in shown]
    labels = [reading.speech.day(place, short=True) if by[0] in {"date", "week"} else reading.value(by[0], place)
              for place in places]  # fmt: skip
    about = reading.speech.say("%(what)s, told by: %(by)s", what=", ".join(name for name, _ in series),
                               by=reading.dimension(by[0]))  # fmt: skip
    return charts.columns(labels, series, about=about)


def _places(dimension: str, report: Mapping[str, Any]) -> list[Any]:
    """Every place on the axis: a day without calls stands there too."""
    if dimension == "hour":
        return list(range(24))
    if dimension == "weekday":
        return list(range(1, 8))
    if dimension != "date":
        return sorted(line["group"][dimension] for line in _lines_of(report) if not line["is_rest"])
    first, last = date.fromisoformat(report["from"]), date.fromisoformat(report["to"])
    return [str(first + timedelta(days=day)) for day in range(min((last - first).days + 1, MOST_DRAWN))]


def _depths(lines: Sequence[Mapping[str, Any]], reading: Reading) -> list[tuple[str, list[Depth]]]:
    found = {(line["group"]["weekday"], line["group"]["hour"]): line for line in lines if not line["is_rest"]}
    most = max((line["figures"].get("calls") or 0 for line in found.values()), default=0) or 1

    def depth(day: int, hour: int) -> Depth:
        line = found.get((day, hour))
        calls = (line["figures"].get("calls") or 0) if line else 0
        return Depth(text=reading.figure("calls", calls, ""), level=-(-DEEPEST * calls // most),
                     calls=query_of(line["calls"]) if line else None)  # fmt: skip

    return [(reading.speech.weekday(day), [depth(day, hour) for hour in range(24)]) for day in range(1, 8)]


def _notes(report: Mapping[str, Any], reading: Reading) -> Iterable[str]:
    """What a reader has to know of the figures."""
    speech = reading.speech
    if report["unknown"]:
        yield speech.say(N_("Cannot be told like this: %(metrics)s."),
                         metrics=", ".join(map(reading.metric, report["unknown"])))  # fmt: skip
    if report["other_currencies"]:
        yield speech.count("%(num)s sale or row of spend is in another currency and not counted.",
                           "%(num)s sales or rows of spend are in another currency and not counted.",
                           report["other_currencies"])  # fmt: skip
    if report["archived_until"]:
        yield speech.say("Calls before %(day)s are in the archive and not counted.",
                         day=speech.day(report["archived_until"]))  # fmt: skip


def file_of(report: Mapping[str, Any], metrics: Sequence[str], reading: Reading) -> str:
    """The table for a spreadsheet: words as people read them, figures as the API says them, with what was before."""
    by, compared = list(report["by"]), report["compared_from"] is not None and not is_dated(report)
    before = [f"{reading.metric(name)} ({reading.speech.say('before')})" for name in metrics] if compared else []
    rows: list[list[Any]] = [[*map(reading.dimension, by), *map(reading.metric, metrics), *before]]
    for line in [*(_in_order(report, by) if by else []), report["total"]]:
        if line is report["total"]:
            labels = [reading.speech.say("All"), *[""] * (len(by) - 1)] if by else []
        elif line["is_rest"]:
            labels = [reading.speech.say("All others"), *[""] * (len(by) - 1)]
        else:
            labels = [reading.value(name, line["group"].get(name)) for name in by]
        was = line["before"] or {}
        rows.append([*labels, *(line["figures"].get(name) for name in metrics),
                     *((was.get(name) for name in metrics) if compared else ())])  # fmt: skip
    return written(rows)


def written(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV that a spreadsheet opens as UTF-8. No text of a visitor's becomes a formula there."""
    made = io.StringIO()
    made.write("\ufeff")
    csv.writer(made).writerows([["" if one is None else _harmless(one) for one in row] for row in rows])
    return made.getvalue()


def _harmless(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    return value if value.lstrip("+-").replace(".", "", 1).isdigit() else f"'{value}"

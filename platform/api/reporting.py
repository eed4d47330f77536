"""What the endpoints of reports share: days, filters and models that are asked by, and a report as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from flask import request
from pydantic import ConfigDict, Field

from ..attribution.models import ModelName
from ..reports.dictionary import DIMENSIONS
from ..reports.model import Figure, Line, Question, Report, unit_of
from ..reports.named import days_of
from ..reports.texts import LANGUAGES, Language
from .archived import ArchivedUntil
from .endpoint import TenantQuery
from .fields import EXAMPLE_ID, Answer, Body

#: In a filter: what is not known.
UNKNOWN = "-"
#: Dimensions that are no filter: the days are asked for by `from` and `to`, the client by `client_id`.
NO_FILTER = frozenset({"client", "date", "week", "month"})

#: With room on both sides for the spans that a day is compared with.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(9000, 1, 1)
Day = Annotated[
    date | None,
    Field(default=None, ge=FIRST_DAY, le=LAST_DAY, description="Where each client is; that day is in it."),
]
Filter = Annotated[
    str | None, Field(default=None, max_length=500, description="Only this one; `-`: only what is not known.")
]


class ClientQuery(TenantQuery):
    """Whose."""

    client_id: Annotated[UUID | None, Field(default=None, description="Only this client's.", examples=[EXAMPLE_ID])]


class DimensionFilters(Body):
    """Which calls, visits and spend are let through."""

    channel: Filter
    source: Filter
    medium: Filter
    campaign: Filter
    content: Filter
    keyword: Filter
    site: Filter
    landing_page: Filter
    visit_region: Filter
    device: Filter
    number: Filter
    flow: Filter
    target: Filter
    outcome: Filter
    repeat: Filter
    node: Filter
    weekday: Filter
    hour: Filter


#: Of titles.
AskedLanguage = Annotated[
    Language | None,
    Field(default=None, description="Of titles; left out: what Accept-Language prefers, or English."),
]
Model = Annotated[
    ModelName | None,
    Field(
        default=None,
        description="By which calls are shared out over the sources that led to them: counts have parts then, callers "
        "cannot be told, and lines lead to no calls. Without it a call is wholly of the source that its record has.",
        examples=["position"],
    ),
]


Figures = Annotated[
    dict[str, int | float | str | None],
    Field(
        description="By metric; null: it cannot be told. Money is a decimal string.",
        examples=[{"calls": 128, "answered": 117, "cost": "340.5000", "cost_per_call": "2.66015625"}],
    ),
]


class ReportLineAnswer(Answer):
    """One group."""

    group: Annotated[
        dict[str, str | int | None],
        Field(description="By dimension; null: not known.", examples=[{"channel": "paid_search", "source": "google"}]),
    ]
    figures: Figures
    before: Annotated[Figures | None, Field(description="The same of the days that these are compared with.")]
    is_rest: Annotated[bool, Field(description="All groups beyond `limit`, added up; `group` is empty then.")]
    calls: Annotated[
        str | None,
        Field(
            description="Where these calls are listed one by one (`GET /v1/reports/calls`); null: nowhere.",
            examples=["/v1/reports/calls?from=2026-03-01&to=2026-03-31&channel=paid_search"],
        ),
    ]


class ReportAnswer(Answer):
    """A report."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[date, Field(alias="from", examples=["2026-03-01"])]
    to: Annotated[date, Field(examples=["2026-03-31"])]
    compared_from: Annotated[date | None, Field(examples=[None])]
    compared_to: Annotated[date | None, Field(examples=[None])]
    currency: Annotated[str, Field(examples=["EUR"])]
    by: list[str]
    model: Annotated[str | None, Field(description="By which calls are shared out over sources.", examples=[None])]
    total: Annotated[ReportLineAnswer, Field(description="Of everything, whatever `limit` is.")]
    lines: list[ReportLineAnswer]
    archived_until: ArchivedUntil
    unknown: Annotated[
        list[str], Field(description="Metrics that cannot be told by these dimensions and filters.", examples=[[]])
    ]
    other_currencies: Annotated[
        int, Field(description="Sales and rows of spend that were left out: theirs is another currency.", examples=[0])
    ]


def language_of(asked: Language | None) -> Language:
    """What is asked for, or what the request prefers."""
    preferred: Any = asked or request.accept_languages.best_match(LANGUAGES) or "en"
    return preferred  # type: ignore[no-any-return]


def filters_of(query: DimensionFilters) -> dict[str, tuple[str | None, ...]]:
    asked = {name: getattr(query, name) for name in DIMENSIONS if name not in NO_FILTER}
    return {name: (None if value == UNKNOWN else value,) for name, value in asked.items() if value is not None}


def bounds_of(days: tuple[date, date]) -> tuple[datetime, datetime]:
    """The moments between which these days lie in any time zone."""
    first, last = (datetime.combine(day, time(), UTC) for day in days)
    return first - timedelta(days=1), last + timedelta(days=2)


def whose(query: ClientQuery) -> dict[str, str]:
    """What a query says of whose calls are meant: links have to say it again."""
    named = {"agency_id": query.agency_id, "client_id": query.client_id}
    return {name: str(value) for name, value in named.items() if value is not None}


def show_report(report: Report, gone: datetime | None, named: Mapping[str, str]) -> ReportAnswer:
    """``named``: whose (:func:`whose`)."""
    question = report.question
    compared = question.compared()
    return ReportAnswer(
        from_=question.first,
        to=question.last,
        compared_from=compared[0] if compared else None,
        compared_to=compared[1] if compared else None,
        currency=question.currency,
        by=list(question.by),
        model=question.model,
        total=_show_line(question, report.total, named),
        lines=[_show_line(question, line, named) for line in report.lines],
        archived_until=gone,
        unknown=list(report.unknown),
        other_currencies=report.other_currencies,
    )


def _show_line(question: Question, line: Line, named: Mapping[str, str]) -> ReportLineAnswer:
    group = dict(zip(question.by, line.key, strict=False))
    return ReportLineAnswer(
        group=group,
        figures=_show_figures(line.figures),
        before=_show_figures(line.before) if line.before is not None else None,
        is_rest=line.is_rest,
        calls=None if line.is_rest else _link(question, group, named),
    )


def _link(question: Question, group: Mapping[str, str | int | None], named: Mapping[str, str]) -> str | None:
    """The list of the calls of one group."""
    if (
        question.is_shared_out
        or not question.is_known_to("calls")
        or any(len(values) != 1 for values in question.filters.values())
    ):
        return None
    first, last = question.first, question.last
    for name, span in (("date", "daily"), ("week", "weekly"), ("month", "monthly")):
        if name in group:
            begin, end = days_of(span, date.fromisoformat(str(group[name])))  # type: ignore[arg-type]
            first, last = max(first, begin), min(last, end)
    words = {name: values[0] for name, values in question.filters.items()} | {
        name: value for name, value in group.items() if name not in NO_FILTER
    }
    client = {"client_id": group["client"]} if "client" in group else {}
    shown = {name: UNKNOWN if value is None else value for name, value in words.items()}
    return "/v1/reports/calls?" + urlencode({"from": first, "to": last, **named, **client, **shown})


def _show_figures(figures: Mapping[str, Figure]) -> dict[str, int | float | str | None]:
    return {name: _show_figure(name, figure) for name, figure in figures.items()}


def _show_figure(name: str, figure: Figure) -> int | float | str | None:
    if figure is None:
        return None
    unit = unit_of(name)
    if unit == "money":
        return format(Decimal(figure), "f")
    if unit == "count" and figure == int(figure):
        return int(figure)
    return int(figure) if isinstance(figure, int) else round(float(figure), 8)

"""`/v1/reports`: figures by dimensions, and whom nobody called back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..reports.dictionary import DIMENSIONS, METRICS
from ..reports.model import MOST_ROWS, Figure, Line, Question, Report, ReportSettings, unit_of
from ..reports.named import days_of
from .archived import ArchivedUntil, archived_until
from .auth import EVERYBODY, Asked
from .endpoint import TenantQuery, endpoint
from .fields import EXAMPLE_ID, Answer, Body, Id, Moment

blueprint = APIBlueprint("reports", __name__, tag="Reports")

#: Of a report that names no days.
DEFAULT_DAYS = 30
#: In a filter: what is not known.
UNKNOWN = "-"
#: Dimensions that are no filter: the days are asked for by `from` and `to`, the client by `client_id`.
NO_FILTER = frozenset({"client", "date", "week", "month"})
_EXAMPLE_METRICS = "calls,answered,missed,target_calls,cost,cost_per_target_call"

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


class ReportQuery(ClientQuery, DimensionFilters):
    """What is asked of the metric dictionary."""

    from_: Annotated[Day, Field(default=None, alias="from", examples=["2026-03-01"])]
    to: Annotated[Day, Field(default=None, examples=["2026-03-31"])]
    metrics: Annotated[
        str,
        Field(
            default=_EXAMPLE_METRICS,
            max_length=1000,
            description="Comma between them; `GET /v1/reports/dictionary` tells them. Lines stand by the first.",
            examples=[_EXAMPLE_METRICS],
        ),
    ]
    by: Annotated[
        str,
        Field(default="", max_length=200, description="Dimensions, comma between them.", examples=["channel,source"]),
    ]
    compare: Annotated[
        Literal["none", "previous", "last_year"],
        Field(default="none", description="previous: as many days before; last_year: the same days a year before."),
    ]
    currency: Annotated[
        str | None,
        Field(default=None, pattern="^[A-Z]{3}$", description="ISO 4217; else the client's own.", examples=["EUR"]),
    ]
    limit: Annotated[
        int,
        Field(default=500, ge=1, le=MOST_ROWS, description="Lines at most; the others are added up in one."),
    ]


class MetricAnswer(Answer):
    """One metric."""

    name: Annotated[str, Field(examples=["cost_per_call"])]
    title: Annotated[str, Field(examples=["Cost per call (CPL)"])]
    unit: Annotated[
        Literal["count", "milliseconds", "share", "ratio", "money"],
        Field(description="share: from 0 to 1. money: a decimal as a string, in the report's currency."),
    ]
    definition: Annotated[str, Field(examples=["cost / calls."])]
    adds_up: Annotated[bool, Field(description="Whether the figures of lines may be added up.")]


class DimensionAnswer(Answer):
    """What figures are told by."""

    name: Annotated[str, Field(examples=["channel"])]
    title: Annotated[str, Field(examples=["Channel"])]
    definition: Annotated[str, Field(examples=["What kind of source."])]
    families: Annotated[
        list[str],
        Field(description="Metrics of calls, of visits, of advertising spend that can be told by it."),
    ]


class DictionaryAnswer(Answer):
    """Every metric and dimension."""

    metrics: list[MetricAnswer]
    dimensions: list[DimensionAnswer]


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
    total: Annotated[ReportLineAnswer, Field(description="Of everything, whatever `limit` is.")]
    lines: list[ReportLineAnswer]
    archived_until: ArchivedUntil
    unknown: Annotated[
        list[str], Field(description="Metrics that cannot be told by these dimensions and filters.", examples=[[]])
    ]
    other_currencies: Annotated[
        int, Field(description="Sales and rows of spend that were left out: theirs is another currency.", examples=[0])
    ]


class MissedQuery(ClientQuery):
    """Which days."""

    from_: Annotated[Day, Field(default=None, alias="from", examples=["2026-03-01"])]
    to: Annotated[Day, Field(default=None, examples=["2026-03-31"])]
    limit: Annotated[int, Field(default=100, ge=1, le=1000, description="Callers at most.")]


class MissedAnswer(Answer):
    """Somebody whom nobody has called back."""

    client_id: Id
    caller: Annotated[str, Field(examples=["+442079460123"])]
    calls: Annotated[int, Field(description="How often, since somebody spoke with them last.", examples=[2])]
    first_at: Moment
    last_at: Moment
    last_call_id: Id
    number: Annotated[str, Field(description="That the last one dialled.", examples=["+441632960100"])]


class MissedListAnswer(Answer):
    """The latest first."""

    data: list[MissedAnswer]


@endpoint(blueprint, "GET", "/v1/reports/dictionary", roles=EVERYBODY, answer=DictionaryAnswer, query=ClientQuery)
def get_dictionary(asked: Asked, query: ClientQuery) -> DictionaryAnswer:
    """Read the metric dictionary

    Every metric and dimension that a report may be made of, with its one definition.
    """
    del asked, query  # it is the same for everybody
    return DictionaryAnswer(
        metrics=[
            MetricAnswer(
                name=name,
                title=metric.title,
                unit=metric.unit,
                definition=metric.definition,
                adds_up=metric.adds_up,
            )
            for name, metric in METRICS.items()
        ],
        dimensions=[
            DimensionAnswer(name=name, title=one.title, definition=one.definition, families=sorted(one.families))
            for name, one in DIMENSIONS.items()
        ],
    )


@endpoint(blueprint, "GET", "/v1/reports/figures", roles=EVERYBODY, query=ReportQuery, answer=ReportAnswer)
def get_report(asked: Asked, query: ReportQuery) -> ReportAnswer:
    """Make a report

    Any metrics by any dimensions, as the records say, right to the last call. A metric that a dimension cannot tell
    (what an operator's calls cost) is null and named in `unknown`. Without `client_id` all clients of the agency are
    in it, each by its own time zone and its own rule of target calls.
    """
    currency = query.currency
    if currency is None:
        currency = (
            asked.services.reports.get_settings(asked.agency_id, asked.client_id).currency
            if asked.client_id is not None
            else ReportSettings().currency
        )
    first, last = days_asked(asked, query.from_, query.to)
    question = Question(
        first=first,
        last=last,
        metrics=_words(query.metrics),
        by=_words(query.by),
        filters=filters_of(query),
        currency=currency,
        compare=query.compare,
        most=query.limit,
    )
    begins, _ = bounds_of(question.compared() or (first, last))
    _, ends = bounds_of((first, last))
    gone = archived_until(asked, begins, ends)
    return show_report(asked.services.reports.answer(asked.agency_id, asked.client_id, question), gone, whose(query))


@endpoint(blueprint, "GET", "/v1/reports/missed", roles=EVERYBODY, query=MissedQuery, answer=MissedListAnswer)
def list_missed(asked: Asked, query: MissedQuery) -> MissedListAnswer:
    """List who was not called back

    Callers who were missed on these days and have not been spoken with since: no later call of theirs was answered, and
    nobody tagged their call `called back`. Who withheld the number cannot be called back and is not in it.
    """
    first, last = days_asked(asked, query.from_, query.to)
    found = asked.services.reports.find_missed(asked.agency_id, asked.client_id, first, last, query.limit)
    return MissedListAnswer(data=[MissedAnswer.model_validate(one) for one in found])


def days_asked(asked: Asked, first: date | None, last: date | None) -> tuple[date, date]:
    last = last or asked.services.clock.now().date()
    return first or last - timedelta(days=DEFAULT_DAYS - 1), last


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


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
    if not question.is_known_to("calls") or any(len(values) != 1 for values in question.filters.values()):
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
    if unit == "count":
        return int(figure)
    return int(figure) if isinstance(figure, int) else round(float(figure), 8)

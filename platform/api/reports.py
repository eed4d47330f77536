"""`/v1/reports`: figures by dimensions, and whom nobody called back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

from apiflask import APIBlueprint
from pydantic import Field

from ..reports.dictionary import DIMENSIONS, METRICS
from ..reports.model import MOST_ROWS, Question, ReportSettings
from ..reports.texts import say
from .archived import archived_until
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Fault
from .fields import Answer, Id, Moment
from .problems import validation_problem
from .reporting import (
    AskedLanguage,
    ClientQuery,
    Day,
    DimensionFilters,
    Model,
    ReportAnswer,
    bounds_of,
    filters_of,
    language_of,
    show_report,
    whose,
)

blueprint = APIBlueprint("reports", __name__, tag="Reports")

#: Of a report that names no days.
DEFAULT_DAYS = 30
_EXAMPLE_METRICS = "calls,answered,missed,target_calls,cost,cost_per_target_call"


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
    compare_from: Annotated[
        Day,
        Field(default=None, description="With `compare_to`: days to compare with, whatever `compare` says."),
    ]
    compare_to: Day
    model: Model
    currency: Annotated[
        str | None,
        Field(default=None, pattern="^[A-Z]{3}$", description="ISO 4217; else the client's own.", examples=["EUR"]),
    ]
    limit: Annotated[
        int,
        Field(default=500, ge=1, le=MOST_ROWS, description="Lines at most; the others are added up in one."),
    ]


class DictionaryQuery(ClientQuery):
    """In which language."""

    language: AskedLanguage


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


@endpoint(blueprint, "GET", "/v1/reports/dictionary", roles=EVERYBODY, answer=DictionaryAnswer, query=DictionaryQuery)
def get_dictionary(asked: Asked, query: DictionaryQuery) -> DictionaryAnswer:
    """Read the metric dictionary

    Every metric and dimension that a report may be made of, with its one definition. Titles come in the reader's
    language, definitions in English.
    """
    del asked  # it is the same for everybody
    language = language_of(query.language)
    return DictionaryAnswer(
        metrics=[
            MetricAnswer(
                name=name,
                title=say(metric.title, language),
                unit=metric.unit,
                definition=metric.definition,
                adds_up=metric.adds_up,
            )
            for name, metric in METRICS.items()
        ],
        dimensions=[
            DimensionAnswer(
                name=name, title=say(one.title, language), definition=one.definition, families=sorted(one.families)
            )
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
        against=_against(query),
        model=query.model,
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


def _against(query: ReportQuery) -> tuple[date, date] | None:
    """Raises Problem (422) where only one of the two is told."""
    if query.compare_from is None and query.compare_to is None:
        return None
    for name in ("compare_from", "compare_to"):
        if getattr(query, name) is None:
            raise validation_problem([Fault(code="required", detail="goes with the other one", parameter=name)])
    assert query.compare_from is not None
    assert query.compare_to is not None
    return query.compare_from, query.compare_to


def days_asked(asked: Asked, first: date | None, last: date | None) -> tuple[date, date]:
    last = last or asked.services.clock.now().date()
    return first or last - timedelta(days=DEFAULT_DAYS - 1), last


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())

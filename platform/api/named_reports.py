"""`/v1/reports/daily`, `/weekly`, `/monthly`: reports by the trade's names, and the calls behind a figure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..paging import Page
from ..reports.model import Question, ReportCall
from ..reports.named import TITLES, Kind, NamedReport
from ..reports.texts import Language, say
from .archived import archived_until
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, Answer, Id, Moment
from .paging import Listed, ListQuery, each, list_page
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
from .reports import MissedAnswer, days_asked

blueprint = APIBlueprint("named_reports", __name__, tag="Reports")


class NamedReportQuery(ClientQuery, DimensionFilters):
    """Of when, compared with what, and which calls, visits and spend are let through."""

    day: Annotated[
        Day,
        Field(
            default=None,
            description="A day of the week or month that is meant; else yesterday's.",
            examples=["2026-03-31"],
        ),
    ]
    compare: Annotated[
        Literal["none", "previous", "last_year"],
        Field(
            default="previous",
            description="previous: the one before; last_year: the same month a year ago, or the "
            "day or week of 52 weeks ago.",
        ),
    ]
    compare_day: Annotated[
        Day,
        Field(
            default=None,
            description="A day of the week or month that it is compared with, whatever `compare` says.",
            examples=["2025-12-31"],
        ),
    ]
    model: Model
    language: AskedLanguage
    currency: Annotated[
        str | None,
        Field(default=None, pattern="^[A-Z]{3}$", description="ISO 4217; else the client's own.", examples=["EUR"]),
    ]


class ReportSectionAnswer(Answer):
    """One section: an answer of the metric dictionary."""

    name: Annotated[str, Field(examples=["channels"])]
    title: Annotated[str, Field(examples=["Channels"])]
    report: ReportAnswer


class NamedReportAnswer(Answer):
    """A report as a document of sections."""

    model_config = ConfigDict(populate_by_name=True)

    kind: Annotated[Literal["daily", "weekly", "monthly"], Field(examples=["daily"])]
    title: Annotated[str, Field(examples=["Daily report"])]
    language: Annotated[Language, Field(description="Of titles.")]
    from_: Annotated[date, Field(alias="from", examples=["2026-03-31"])]
    to: Annotated[date, Field(examples=["2026-03-31"])]
    compared_from: Annotated[date | None, Field(examples=["2026-03-30"])]
    compared_to: Annotated[date | None, Field(examples=["2026-03-30"])]
    currency: Annotated[str, Field(examples=["EUR"])]
    model: Annotated[str | None, Field(description="By which calls are shared out over sources.", examples=[None])]
    answer_norm_s: Annotated[
        int | None, Field(description="The client's norm: later answers are `slow_answers`. null: of an agency.")
    ]
    sections: list[ReportSectionAnswer]
    not_called_back: Annotated[
        list[MissedAnswer],
        Field(description="Of a daily report: the first hundred who were missed and not spoken with since."),
    ]


class ReportCallsQuery(ListQuery, DimensionFilters):
    """Which calls."""

    client_id: Annotated[UUID | None, Field(default=None, description="Only this client's.", examples=[EXAMPLE_ID])]
    from_: Annotated[Day, Field(default=None, alias="from", examples=["2026-03-01"])]
    to: Annotated[Day, Field(default=None, examples=["2026-03-31"])]


class ReportCallAnswer(Answer):
    """A call that figures count. `GET /v1/calls/{id}` tells the rest."""

    id: Annotated[UUID, Field(examples=[EXAMPLE_ID])]
    client_id: Id
    started_at: Moment
    number: Annotated[str, Field(description="That was called.", examples=["+441632960100"])]
    outcome: Annotated[str, Field(examples=["answered"])]
    talk_ms: Annotated[int | None, Field(examples=[61_000])]
    channel: Annotated[str | None, Field(examples=["paid_search"])]
    source: Annotated[str | None, Field(examples=["google"])]
    campaign: Annotated[str | None, Field(examples=["spring"])]
    keyword: Annotated[str | None, Field(examples=["plumber"])]
    target_id: Annotated[UUID | None, Field(description="The target that answered.")]


class ReportCallList(Listed[ReportCallAnswer]):
    """The latest first."""


@endpoint(blueprint, "GET", "/v1/reports/daily", roles=EVERYBODY, query=NamedReportQuery, answer=NamedReportAnswer)
def get_daily_report(asked: Asked, query: NamedReportQuery) -> NamedReportAnswer:
    """Make the daily report

    Calls and how they were handled, by channel, hour and target, against the norm for the time to answer and the day
    before; and who was missed and has not been called back. Each line links to its calls.
    """
    return _make(asked, query, "daily")


@endpoint(blueprint, "GET", "/v1/reports/weekly", roles=EVERYBODY, query=NamedReportQuery, answer=NamedReportAnswer)
def get_weekly_report(asked: Asked, query: NamedReportQuery) -> NamedReportAnswer:
    """Make the weekly report

    Of an ISO week: its days, weekdays and hours, the quality of channels and of handling, and the way from
    the impression to the sale.
    """
    return _make(asked, query, "weekly")


@endpoint(blueprint, "GET", "/v1/reports/monthly", roles=EVERYBODY, query=NamedReportQuery, answer=NamedReportAnswer)
def get_monthly_report(asked: Asked, query: NamedReportQuery) -> NamedReportAnswer:
    """Make the monthly report

    What each channel and campaign cost and brought (ROI, cost of a lead and of a sale), the days, and thirteen months
    for trend and season.
    """
    return _make(asked, query, "monthly")


@endpoint(blueprint, "GET", "/v1/reports/calls", roles=EVERYBODY, query=ReportCallsQuery, answer=ReportCallList)
def list_report_calls(asked: Asked, query: ReportCallsQuery) -> Any:
    """List the calls behind a figure

    The calls that `calls` of the same days and filters counts, one by one, the latest first. Lines of reports
    link here.
    """
    first, last = days_asked(asked, query.from_, query.to)
    question = Question(first=first, last=last, metrics=("calls",), filters=filters_of(query))

    def page(limit: int, after: tuple[Any, ...] | None) -> Page[ReportCall]:
        began = (after[0], after[1]) if after is not None else None
        return asked.services.reports.list_calls(asked.agency_id, asked.client_id, question, limit, began)

    return list_page(asked, query, page, each(ReportCallAnswer.model_validate))


def _make(asked: Asked, query: NamedReportQuery, kind: Kind) -> NamedReportAnswer:
    day = query.day or asked.services.clock.now().date() - timedelta(days=1)
    made = asked.services.reports.make_named(
        asked.agency_id,
        asked.client_id,
        kind,
        day,
        compare=query.compare,
        compare_day=query.compare_day,
        currency=query.currency,
        filters=filters_of(query),
        model=query.model,
    )
    return _show_named(made, archived_until(asked, *_all_days(made)), whose(query), language_of(query.language))


def _all_days(made: NamedReport) -> tuple[datetime, datetime]:
    spans = [(one.report.question.first, one.report.question.last) for one in made.sections]
    spans += [made.compared] if made.compared else []
    return bounds_of((min(first for first, _ in spans), max(last for _, last in spans)))


def _show_named(
    made: NamedReport, gone: datetime | None, named: Mapping[str, str], language: Language
) -> NamedReportAnswer:
    return NamedReportAnswer(
        kind=made.kind,
        title=say(TITLES[made.kind], language),
        language=language,
        from_=made.first,
        to=made.last,
        compared_from=made.compared[0] if made.compared else None,
        compared_to=made.compared[1] if made.compared else None,
        currency=made.currency,
        model=made.model,
        answer_norm_s=made.answer_norm_s,
        sections=[
            ReportSectionAnswer(
                name=one.name, title=say(one.title, language), report=show_report(one.report, gone, named)
            )
            for one in made.sections
        ],
        not_called_back=[MissedAnswer.model_validate(one) for one in made.missed],
    )

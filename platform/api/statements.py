"""Usage by day and monthly statements, of a client and of an agency as the operator's customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from ..billing.service import Usage
from ..billing.statement_files import MEDIA_TYPES, make_file
from .auth import AGENCY, EVERYBODY, Asked
from .billing import LineAnswer, own_client
from .endpoint import TenantQuery, endpoint
from .errors import Fault
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment
from .money import Amount, SignedAmount
from .paging import Listed, ListQuery, list_page
from .price_books import CurrencyOf
from .problems import validation_problem

_CLIENT = "/v1/clients/<uuid:client_id>/billing"
_AGENCY = "/v1/agencies/<uuid:agency_id>/billing"
blueprint = APIBlueprint("statements", __name__, tag="Billing")


def _iso_day(value: object) -> object:
    """Refuses what pydantic would take besides: seconds since 1970, a moment."""
    if isinstance(value, date) or (isinstance(value, str) and len(value) == 10):
        return value
    raise ValueError("must be a day such as 2026-11-30")


DayIn = Annotated[
    date, BeforeValidator(_iso_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-30"]})
]


class UsageItem(Body):
    """Something that was used."""

    client_id: Id
    day: DayIn
    meter: Annotated[str, Field(max_length=64, examples=["transcription_minute"])]
    quantity: Annotated[Amount, Field(examples=["12.5"])]
    reference: Annotated[str, Field(max_length=100, description="The same one again is the same usage.")]
    note: Annotated[str, Field(default="", max_length=500)]


class UsageBody(Body):
    """What the platform does not count itself: all of it is taken, or nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "usage": [
                    {"client_id": EXAMPLE_ID, "day": "2026-11-30", "meter": "transcription_minute", "quantity": "12.5",
                     "reference": "job 4711"}
                ]
            }
        }
    )  # fmt: skip

    agency_id: AgencyId
    usage: Annotated[list[UsageItem], Field(min_length=1, max_length=1000)]


class CountedAnswer(Answer):
    """How much of it was new."""

    added: Annotated[int, Field(examples=[1])]


class UsageQuery(TenantQuery):
    """Which days."""

    from_: Annotated[DayIn, Field(alias="from", description="The first day.", examples=["2026-11-01"])]
    until: Annotated[DayIn, Field(description="The day after the last.", examples=["2026-12-01"])]


class UsedAnswer(Answer):
    """A quantity of one meter."""

    meter: str
    quantity: str


class DayAnswer(Answer):
    """What was used on one day."""

    day: date
    calls: list[LineAnswer]
    amount: Annotated[str, Field(description="Of the calls.", examples=["2.42"])]
    used: Annotated[list[UsedAnswer], Field(description="Everything else; charged with the month.")]


class DaysAnswer(Answer):
    """Usage by day; days without any are left out."""

    days: list[DayAnswer]


class StatementShort(Answer):
    """A month that is closed."""

    month: Annotated[str, Field(examples=["2026-11"])]
    currency: CurrencyOf
    total: SignedAmount
    closing_balance: SignedAmount
    made_at: Moment
    due_at: Moment


class StatementList(Listed[StatementShort]):
    """A page of statements."""


class PartyAnswer(Answer):
    """Who."""

    id: Id
    name: str


class LateAnswer(Answer):
    """Of a month that was told already: what came late, and what was rated anew."""

    month: str
    lines: list[LineAnswer]


class PaymentAnswer(Answer):
    """What came in, or was corrected."""

    day: date
    kind: str
    amount: str
    reference: str
    note: str


class StatementAnswer(Answer):
    """A month: closing_balance = opening_balance + paid - total."""

    month: Annotated[str, Field(examples=["2026-11"])]
    is_open: Annotated[bool, Field(description="The month goes on: this is how it stands.")]
    currency: CurrencyOf
    time_zone: str
    agency: PartyAnswer
    client: PartyAnswer | None
    opening_balance: str
    lines: list[LineAnswer]
    late: list[LateAnswer]
    payments: list[PaymentAnswer]
    unpriced: Annotated[int, Field(description="Parts for which the book has no price.")]
    total: Annotated[str, Field(description="Charges.")]
    paid: str
    closing_balance: str


class FileQuery(TenantQuery):
    """Which form."""

    format: Annotated[Literal["csv", "pdf"], Field(default="pdf")]
    language: Annotated[Literal["en", "ru"], Field(default="en")]


def _usage(asked: Asked, client_id: UUID | None, query: UsageQuery) -> DaysAnswer:
    days = asked.services.billing.usage(asked.agency_id, client_id, query.from_, query.until)
    return DaysAnswer.model_validate({"days": days})


def _list_statements(asked: Asked, client_id: UUID | None, query: ListQuery) -> Any:
    billing = asked.services.billing

    def show(rows: Sequence[Any]) -> list[StatementShort]:
        return [StatementShort(**{**row, "month": f"{row['month']:%Y-%m}"}) for row in rows]

    return list_page(
        asked,
        query,
        lambda limit, after: billing.list_statements(asked.agency_id, client_id, limit=limit, after=after),
        show,
    )


def _month(text: str) -> date:
    """Raises Problem (422)."""
    try:
        if len(text) != 7:
            raise ValueError
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        fault = Fault(code="wrong_form", detail="must be a month such as 2026-11", parameter="month")
        raise validation_problem([fault]) from None


def _statement(asked: Asked, client_id: UUID | None, month: str) -> StatementAnswer:
    found = asked.services.billing.statement(asked.agency_id, client_id, _month(month))
    return StatementAnswer.model_validate(dict(found))


def _statement_file(asked: Asked, client_id: UUID | None, month: str, query: FileQuery) -> Response:
    found = asked.services.billing.statement(asked.agency_id, client_id, _month(month))
    response = Response(make_file(query.format, found, query.language), content_type=MEDIA_TYPES[query.format])
    response.headers["Content-Disposition"] = f'attachment; filename="statement-{found["month"]}.{query.format}"'
    return response


@endpoint(blueprint, "GET", _CLIENT + "/usage", roles=EVERYBODY, query=UsageQuery, answer=DaysAnswer)
def get_client_usage(asked: Asked, client_id: UUID, query: UsageQuery) -> DaysAnswer:
    """Read a client's usage by day"""
    return _usage(asked, own_client(asked, client_id), query)


@endpoint(blueprint, "GET", _CLIENT + "/statements", roles=EVERYBODY, query=ListQuery, answer=StatementList)
def list_client_statements(asked: Asked, client_id: UUID, query: ListQuery) -> Any:
    """List a client's statements

    Months that are closed, the latest first.
    """
    return _list_statements(asked, own_client(asked, client_id), query)


@endpoint(blueprint, "GET", _CLIENT + "/statements/<month>", roles=EVERYBODY, answer=StatementAnswer)
def get_client_statement(asked: Asked, client_id: UUID, month: str) -> StatementAnswer:
    """Read a client's statement

    Of a month such as `2026-11`; of the one that goes on as it stands by now.
    """
    return _statement(asked, own_client(asked, client_id), month)


@endpoint(
    blueprint, "GET", _CLIENT + "/statements/<month>/file", roles=EVERYBODY, query=FileQuery,
    media_types=("application/pdf", "text/csv"),
)  # fmt: skip
def get_client_statement_file(asked: Asked, client_id: UUID, month: str, query: FileQuery) -> Response:
    """Fetch a client's statement as CSV or PDF"""
    return _statement_file(asked, own_client(asked, client_id), month, query)


@endpoint(blueprint, "GET", _AGENCY + "/usage", roles=AGENCY, query=UsageQuery, answer=DaysAnswer)
def get_agency_usage(asked: Asked, agency_id: UUID, query: UsageQuery) -> DaysAnswer:
    """Read an agency's usage by day

    As it pays for it: that of all its clients.
    """
    return _usage(asked, None, query)


@endpoint(blueprint, "GET", _AGENCY + "/statements", roles=AGENCY, query=ListQuery, answer=StatementList)
def list_agency_statements(asked: Asked, agency_id: UUID, query: ListQuery) -> Any:
    """List an agency's statements"""
    return _list_statements(asked, None, query)


@endpoint(blueprint, "GET", _AGENCY + "/statements/<month>", roles=AGENCY, answer=StatementAnswer)
def get_agency_statement(asked: Asked, agency_id: UUID, month: str) -> StatementAnswer:
    """Read an agency's statement"""
    return _statement(asked, None, month)


@endpoint(
    blueprint, "GET", _AGENCY + "/statements/<month>/file", roles=AGENCY, query=FileQuery,
    media_types=("application/pdf", "text/csv"),
)  # fmt: skip
def get_agency_statement_file(asked: Asked, agency_id: UUID, month: str, query: FileQuery) -> Response:
    """Fetch an agency's statement as CSV or PDF"""
    return _statement_file(asked, None, month, query)


@endpoint(
    blueprint, "POST", "/v1/billing/usage", roles=AGENCY, body=UsageBody, answer=CountedAnswer,
    problems=("reference_taken",),
)  # fmt: skip
def report_usage(asked: Asked, body: UsageBody) -> CountedAnswer:
    """Report usage

    Of what the platform does not count itself, and of extra items of your own. Charged with the month of its day, or
    with the one that goes on where that is closed.
    """
    reported = [Usage(**one.model_dump()) for one in body.usage]
    return CountedAnswer(added=asked.services.billing.report_usage(asked.agency_id, reported))

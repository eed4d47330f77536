"""`/v1/clients/{id}/payback`: what tracking costs against what calls cost less than before."""

from __future__ import annotations

from calendar import monthrange
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..advice.model import Payback, Span
from ..billing.errors import AccountUnknown, StatementUnknown
from .advice import CENT, MoneyTold, money_text
from .auth import EVERYBODY, Asked
from .billing import own_client
from .endpoint import TenantQuery, endpoint
from .errors import Fault
from .fields import Answer
from .money import Amount
from .problems import validation_problem
from .reporting import Day
from .reports import days_asked

blueprint = APIBlueprint("payback", __name__, tag="Reports")


class PaybackQuery(TenantQuery):
    """Which days are compared."""

    from_: Annotated[Day, Field(default=None, alias="from", examples=["2026-10-01"])]
    to: Annotated[Day, Field(default=None, examples=["2026-10-31"])]
    before_from: Annotated[Day, Field(default=None, description="Else as many days before.", examples=["2026-05-01"])]
    before_to: Annotated[Day, Field(default=None, examples=["2026-05-31"])]
    tracking_cost: Annotated[
        Amount | None, Field(default=None, description="Of these days; else as the client's statements say.")
    ]
    currency: Annotated[
        str | None,
        Field(
            default=None,
            pattern="^[A-Z]{3}$",
            description="ISO 4217; else the account's, and of a `tracking_cost` that is given the client's own.",
            examples=["EUR"],
        ),
    ]


class PaybackSpanAnswer(Answer):
    """What advertising cost and brought."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[date, Field(alias="from", examples=["2026-10-01"])]
    to: Annotated[date, Field(examples=["2026-10-31"])]
    cost: MoneyTold
    target_calls: Annotated[int, Field(examples=[118])]
    cost_per_target_call: Annotated[str | None, Field(examples=["31.40"])]


class PaybackAnswer(Answer):
    """What tracking cost, and what the same target calls cost less than before. That tracking is the cause nobody can
    tell from these figures."""

    currency: Annotated[str, Field(examples=["EUR"])]
    before: PaybackSpanAnswer
    now: PaybackSpanAnswer
    tracking_cost: MoneyTold
    saved: Annotated[
        str | None,
        Field(description="Negative: calls became dearer. null: one of the spans cannot be told.", examples=["640.00"]),
    ]
    net: Annotated[str | None, Field(description="saved - tracking_cost.", examples=["590.00"])]
    ratio: Annotated[float | None, Field(description="saved / tracking_cost.", examples=[12.8])]


@endpoint(
    blueprint, "GET", "/v1/clients/<uuid:client_id>/payback", roles=EVERYBODY, query=PaybackQuery, answer=PaybackAnswer,
    permission=("calls.read", "billing.read"),
)  # fmt: skip
def get_payback(asked: Asked, client_id: UUID, query: PaybackQuery) -> PaybackAnswer:
    """Reckon whether tracking pays

    What a target call cost in advertising on the days before and costs now, times the target calls of now, against what
    tracking costs.
    """
    client = own_client(asked, client_id)
    first, last = days_asked(asked, query.from_, query.to)
    before_last = query.before_to or first - timedelta(days=1)
    before_first = query.before_from or before_last - (last - first)
    cost, currency = query.tracking_cost, query.currency
    if cost is None:
        cost, currency = _charged(asked, client, first, last, currency)
    found = asked.services.advice.pay_back(
        asked.agency_id,
        client,
        before=(before_first, before_last),
        now=(first, last),
        tracking_cost=Decimal(cost),
        currency=currency,
    )
    return _show_payback(found)


def _charged(asked: Asked, client_id: UUID, first: date, last: date, currency: str | None) -> tuple[Decimal, str]:
    """What the client's statements charge for these days: of a month, its share of them; and in which currency. Raises
    Problem (422)."""
    billing = asked.services.billing
    try:
        account = billing.get_account(asked.agency_id, client_id)
    except AccountUnknown:
        raise _say_the_cost("must be given: the client has no account") from None
    if currency not in {None, account.currency}:
        raise _say_the_cost(f"must be given: the client's account is in {account.currency}, not in {currency}")
    total, month = Decimal(0), first.replace(day=1)
    while month <= last:
        ends = month.replace(day=monthrange(month.year, month.month)[1])
        share = Decimal((min(last, ends) - max(first, month)).days + 1) / ends.day
        with suppress(StatementUnknown):
            total += share * Decimal(billing.statement(asked.agency_id, client_id, month)["total"])
        month = ends + timedelta(days=1)
    return total, account.currency


def _say_the_cost(detail: str) -> Exception:
    return validation_problem([Fault(code="missing", detail=detail, parameter="tracking_cost")])


def _show_payback(found: Payback) -> PaybackAnswer:
    saved = None if found.saved is None else found.saved.quantize(CENT)
    cost = found.tracking_cost.quantize(CENT)
    return PaybackAnswer(
        currency=found.currency,
        before=_show_span(found.before),
        now=_show_span(found.now),
        tracking_cost=money_text(cost),
        saved=None if saved is None else money_text(saved),
        net=None if saved is None else money_text(saved - cost),
        ratio=None if found.ratio is None else round(float(found.ratio), 4),
    )


def _show_span(span: Span) -> PaybackSpanAnswer:
    each = span.cost_per_target_call
    return PaybackSpanAnswer(
        from_=span.first,
        to=span.last,
        cost=money_text(span.cost),
        target_calls=span.target_calls,
        cost_per_target_call=None if each is None else money_text(each),
    )

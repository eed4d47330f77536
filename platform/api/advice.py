"""`/v1/clients/{id}/advice` and `/negative-keywords`: where a budget brings more, and what brings the wrong calls."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field

from ..advice.files import keyword_file
from ..advice.model import (
    LEAST_CALLS,
    LEAST_WEEKS,
    MOST_WEEKS,
    Advice,
    Goal,
    NegativeKeywords,
    Reason,
    Verdict,
    Wish,
)
from ..advice.moving import CONFIDENCE, Expected, Move
from .auth import EVERYBODY, Asked
from .billing import own_client
from .endpoint import TenantQuery, endpoint
from .fields import Answer
from .reporting import Day

_CLIENT = "/v1/clients/<uuid:client_id>"
blueprint = APIBlueprint("advice", __name__, tag="Reports")

CENT = Decimal("0.01")
#: Of negative keywords that name no days: calls of a keyword are few.
_KEYWORD_DAYS = 182

CurrencyAsked = Annotated[
    str | None,
    Field(default=None, pattern="^[A-Z]{3}$", description="ISO 4217; else the client's own.", examples=["EUR"]),
]
MoneyTold = Annotated[str, Field(description="A decimal, in the answer's currency.", examples=["420.00"])]


class AdviceQuery(TenantQuery):
    """What shall become more, and how far back is looked."""

    until: Annotated[
        Day, Field(default=None, description="Whole weeks before its end are looked at; else yesterday's.")
    ]
    weeks: Annotated[int, Field(default=26, ge=LEAST_WEEKS, le=MOST_WEEKS, description="How many weeks, at most.")]
    by: Annotated[
        Literal["channel", "source", "medium", "campaign", "content", "keyword"],
        Field(default="channel", description="Between what the budget may be moved."),
    ]
    goal: Annotated[Goal, Field(default="target_calls", description="What shall become more.")]
    most_change: Annotated[
        float, Field(default=0.3, ge=0.05, le=0.5, description="By which share of its spend each may change.")
    ]
    least_calls: Annotated[
        int,
        Field(default=LEAST_CALLS, ge=LEAST_CALLS, le=10_000, description="A month; with fewer nothing is said."),
    ]
    currency: CurrencyAsked


class ExpectedCallsAnswer(Answer):
    """Calls a week that are not known, but expected."""

    mean: Annotated[float, Field(examples=[31.4])]
    low: Annotated[float, Field(description=f"{CONFIDENCE:.0%} lie between low and high.", examples=[26.0])]
    high: Annotated[float, Field(examples=[37.5])]


class BudgetMoveAnswer(Answer):
    """One part of the budget; money and calls of a week."""

    name: Annotated[str, Field(examples=["paid_search"])]
    now: MoneyTold
    then: MoneyTold
    change: MoneyTold
    expected_now: ExpectedCallsAnswer
    expected_then: ExpectedCallsAnswer
    next_call_cost: Annotated[str | None, Field(description="What one more would cost at present.", examples=["38.20"])]


class NotJudgedAnswer(Answer):
    """A part of which nothing can be said."""

    name: Annotated[str | None, Field(description="null: what is not known.", examples=["paid_social"])]
    reason: Annotated[
        Reason,
        Field(
            description="too_few_calls: fewer a month than `least_calls`; too_few_weeks: with spend;"
            " spend_never_varied: nobody can tell what more or less of it would do;"
            " not_spent_on_now: nothing in the last four weeks."
        ),
    ]
    calls_a_month: Annotated[float, Field(examples=[12.5])]
    weekly_spend: MoneyTold


class AdviceAnswer(Answer):
    """Where the budget would bring more, what is expected of moving it, and how sure that is."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[date, Field(alias="from", examples=["2026-05-04"])]
    to: Annotated[date, Field(examples=["2026-11-01"])]
    by: Annotated[str, Field(examples=["channel"])]
    goal: Goal
    currency: Annotated[str, Field(examples=["EUR"])]
    verdict: Annotated[
        Verdict,
        Field(
            description="move: the moves are advised; stay: they would bring too little, or too unsurely;"
            " nothing_to_judge: fewer than two parts can be judged."
        ),
    ]
    moves: Annotated[
        list[BudgetMoveAnswer], Field(description="The best plan, advised or not; the sum stays the same.")
    ]
    gain: Annotated[ExpectedCallsAnswer | None, Field(description="More calls a week by the plan.")]
    probability: Annotated[float | None, Field(description="That the plan gains anything.", examples=[0.94])]
    not_judged: list[NotJudgedAnswer]


class KeywordsQuery(TenantQuery):
    """Of which days."""

    from_: Annotated[Day, Field(default=None, alias="from", examples=["2026-05-01"])]
    to: Annotated[Day, Field(default=None, examples=["2026-10-31"])]
    currency: CurrencyAsked


class NegativeKeywordAnswer(Answer):
    """A keyword whose calls are seldom wanted."""

    campaign: Annotated[str | None, Field(examples=["spring"])]
    keyword: Annotated[str, Field(examples=["free plumber training"])]
    calls: Annotated[int, Field(examples=[14])]
    target_calls: Annotated[int, Field(examples=[0])]
    clicks: int | None
    cost: Annotated[str | None, Field(examples=["61.20"])]
    probability: Annotated[
        float, Field(description="That less of its calls are wanted than `below` says.", examples=[0.97])
    ]


class NegativeKeywordsAnswer(Answer):
    """Keywords to exclude, the surest first."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[date, Field(alias="from", examples=["2026-05-01"])]
    to: Annotated[date, Field(examples=["2026-10-31"])]
    currency: Annotated[str, Field(examples=["EUR"])]
    usual_share: Annotated[float | None, Field(description="Of target calls, over all keywords.", examples=[0.61])]
    below: Annotated[float | None, Field(description="Half of that.", examples=[0.305])]
    looked_at: Annotated[int, Field(description="Keywords with calls.", examples=[212])]
    expected_wrong: Annotated[float, Field(description="How many of these are not below after all.", examples=[0.4])]
    cost: Annotated[str, Field(description="Of these keywords.", examples=["312.80"])]
    keywords: list[NegativeKeywordAnswer]


@endpoint(blueprint, "GET", _CLIENT + "/advice", roles=EVERYBODY, query=AdviceQuery, answer=AdviceAnswer)
def get_advice(asked: Asked, client_id: UUID, query: AdviceQuery) -> AdviceAnswer:
    """Advise on the budget

    From how calls answered to what was spent, week by week: which part of the same budget would bring more elsewhere,
    what is expected of moving it, between what that lies, and how probable any gain is. Channels with too few calls to
    judge are named instead. docs/howto/advice.md says what is assumed.
    """
    wish = Wish(
        last=query.until or asked.services.clock.now().date() - timedelta(days=1),
        weeks=query.weeks,
        by=query.by,
        goal=query.goal,
        most_change=query.most_change,
        least_calls=query.least_calls,
        currency=query.currency,
    )
    return _show_advice(asked.services.advice.advise(asked.agency_id, own_client(asked, client_id), wish))


@endpoint(
    blueprint, "GET", _CLIENT + "/negative-keywords", roles=EVERYBODY, query=KeywordsQuery,
    answer=NegativeKeywordsAnswer,
)  # fmt: skip
def get_negative_keywords(asked: Asked, client_id: UUID, query: KeywordsQuery) -> NegativeKeywordsAnswer:
    """List keywords that bring unsuitable calls

    Those whose share of target calls is below half the usual one, with a probability of 0.9 at least: what to enter as
    negative keywords. A keyword with few calls is held to be like the others.
    """
    return _show_keywords(_keywords(asked, client_id, query))


@endpoint(
    blueprint, "GET", _CLIENT + "/negative-keywords/file", roles=EVERYBODY, query=KeywordsQuery,
    media_types=("text/csv",),
)  # fmt: skip
def get_negative_keywords_file(asked: Asked, client_id: UUID, query: KeywordsQuery) -> Response:
    """Fetch keywords that bring unsuitable calls as CSV"""
    found = _keywords(asked, client_id, query)
    response = Response(keyword_file(found), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="negative-keywords-{found.last}.csv"'
    return response


def _keywords(asked: Asked, client_id: UUID, query: KeywordsQuery) -> NegativeKeywords:
    last = query.to or asked.services.clock.now().date() - timedelta(days=1)
    first = query.from_ or last - timedelta(days=_KEYWORD_DAYS - 1)
    return asked.services.advice.find_negative_keywords(
        asked.agency_id, own_client(asked, client_id), first, last, query.currency
    )


def money_text(value: Decimal | float) -> str:
    """To the cent, as answers tell it."""
    return format(Decimal(value).quantize(CENT), "f")


def _show_expected(found: Expected) -> ExpectedCallsAnswer:
    return ExpectedCallsAnswer(mean=round(found.mean, 2), low=round(found.low, 2), high=round(found.high, 2))


def _show_move(name: str, move: Move) -> BudgetMoveAnswer:
    now, then = money_text(move.now), money_text(move.then)
    return BudgetMoveAnswer(
        name=name,
        now=now,
        then=then,
        change=format(Decimal(then) - Decimal(now), "f"),
        expected_now=_show_expected(move.expected_now),
        expected_then=_show_expected(move.expected_then),
        next_call_cost=None if move.next_call_cost is None else money_text(move.next_call_cost),
    )


def _show_advice(found: Advice) -> AdviceAnswer:
    plan, (first, last) = found.plan, found.wish.days
    return AdviceAnswer(
        from_=first,
        to=last,
        by=found.wish.by,
        goal=found.wish.goal,
        currency=found.currency,
        verdict=found.verdict,
        moves=[_show_move(name, move) for name, move in plan.moves.items()] if plan else [],
        gain=_show_expected(plan.gain) if plan else None,
        probability=round(plan.probability, 4) if plan else None,
        not_judged=[
            NotJudgedAnswer(
                name=one.name,
                reason=one.reason,
                calls_a_month=round(one.calls_a_month, 1),
                weekly_spend=money_text(one.weekly_spend),
            )
            for one in found.not_judged
        ],
    )


def _show_keywords(found: NegativeKeywords) -> NegativeKeywordsAnswer:
    return NegativeKeywordsAnswer(
        from_=found.first,
        to=found.last,
        currency=found.currency,
        usual_share=None if found.usual_share is None else round(found.usual_share, 4),
        below=None if found.below is None else round(found.below, 4),
        looked_at=found.looked_at,
        expected_wrong=round(found.expected_wrong, 2),
        cost=money_text(found.cost),
        keywords=[
            NegativeKeywordAnswer(
                campaign=one.keyword.campaign,
                keyword=one.keyword.keyword,
                calls=one.keyword.calls,
                target_calls=one.keyword.target_calls,
                clicks=one.keyword.clicks,
                cost=None if one.keyword.cost is None else money_text(one.keyword.cost),
                probability=round(one.probability, 4),
            )
            for one in found.keywords
        ],
    )

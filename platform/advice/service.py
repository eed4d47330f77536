"""Use cases of advice: where the budget brings more, keywords to exclude, whether tracking pays. All of it is reckoned
from figures of the reports, by the client's own rule of what a target call is.

Must not know HTTP.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np

from ..reports.errors import QuestionRefused
from ..reports.model import MOST_ROWS, Figure, Key, Question, ReportSettings
from ..reports.service import ReportService
from .curves import learn
from .errors import AdviceRefused
from .model import Advice, KeywordCalls, NegativeKeywords, NotJudged, Past, Payback, Span, Wish, verdict_of, why_not
from .moving import Channel, best_plan
from .unsuitable import BELOW, unsuitable, usual_share

#: The same figures give the same advice to the last digit.
_SEED = 20_140_501


class AdviceService:
    """Advice by the reports of one database. ``client_id`` is one client: budgets are not moved between clients."""

    def __init__(self, reports: ReportService) -> None:
        self._reports = reports

    def advise(self, agency_id: UUID, client_id: UUID, wish: Wish) -> Advice:
        """Raises AdviceRefused."""
        currency = self._currency(agency_id, client_id, wish.currency)
        pasts = self._pasts(agency_id, client_id, wish, currency)
        reasons = {name: why_not(past, wish.least_calls) for name, past in pasts.items()}
        judged = {name: past for name, past in pasts.items() if reasons[name] is None and name is not None}
        plan = None
        if len(judged) > 1:
            rng = np.random.default_rng(_SEED)
            channels = {
                name: Channel(curve=learn(past.weeks, rng), now=past.now, most_spent=max(past.spend))
                for name, past in sorted(judged.items())
            }
            plan = best_plan(channels, wish.most_change)
        not_judged = [
            NotJudged(name=name, reason=reason, calls_a_month=past.calls_a_month, weekly_spend=past.now)
            for name, past in pasts.items()
            # A channel that costs nothing has no budget to be moved: nobody asks why it is not judged.
            if (reason := reasons[name]) is not None and reason != "no_spend"
        ]
        not_judged.sort(key=lambda one: (-one.weekly_spend, one.name or ""))
        return Advice(wish=wish, currency=currency, verdict=verdict_of(plan), plan=plan, not_judged=not_judged)

    def find_negative_keywords(
        self, agency_id: UUID, client_id: UUID, first: date, last: date, currency: str | None = None
    ) -> NegativeKeywords:
        """Raises AdviceRefused."""
        money = self._currency(agency_id, client_id, currency)
        metrics, by = ("calls", "target_calls", "clicks", "cost"), ("campaign", "keyword")
        found = self._figures(agency_id, client_id, first, last, metrics, by, money)
        keywords = [_keyword(key, figures) for key, figures in found.items() if key[1] is not None]
        usual = usual_share(keywords)
        return NegativeKeywords(
            first=first,
            last=last,
            currency=money,
            usual_share=usual,
            below=None if usual is None else BELOW * usual,
            looked_at=sum(one.calls > 0 for one in keywords),
            keywords=unsuitable(keywords),
        )

    def pay_back(
        self,
        agency_id: UUID,
        client_id: UUID,
        *,
        before: tuple[date, date],
        now: tuple[date, date],
        tracking_cost: Decimal,
        currency: str | None = None,
    ) -> Payback:
        """``tracking_cost``: of the days of ``now``, in that currency. Raises AdviceRefused."""
        if before[1] >= now[0]:
            raise AdviceRefused("before_to", f"lies before the days that it is compared with ({now[0]})")
        money = self._currency(agency_id, client_id, currency)
        spans = []
        for first, last in (before, now):
            [figures] = self._figures(agency_id, client_id, first, last, ("target_calls", "cost"), (), money).values()
            spans.append(
                Span(
                    first=first,
                    last=last,
                    cost=Decimal(figures["cost"] or 0),
                    target_calls=int(figures["target_calls"] or 0),
                )
            )
        return Payback(before=spans[0], now=spans[1], currency=money, tracking_cost=tracking_cost)

    def _currency(self, agency_id: UUID, client_id: UUID, asked: str | None) -> str:
        settings: ReportSettings = self._reports.get_settings(agency_id, client_id)
        return asked or settings.currency

    def _pasts(self, agency_id: UUID, client_id: UUID, wish: Wish, currency: str) -> dict[str | None, Past]:
        first, last = wish.days
        wanted = ("calls", wish.goal, "cost") if wish.goal != "calls" else ("calls", "cost")
        found = self._figures(agency_id, client_id, first, last, wanted, ("week", wish.by), currency)
        by_name: dict[str | None, dict[str, dict[str, Figure]]] = defaultdict(dict)
        for (week, name), figures in found.items():
            by_name[None if name is None else str(name)][str(week)] = figures
        weeks = [monday.isoformat() for monday in wish.mondays]
        return {
            name: Past(
                spend=[float(told.get(week, {}).get("cost") or 0) for week in weeks],
                calls=[int(told.get(week, {}).get("calls") or 0) for week in weeks],
                wanted=[int(told.get(week, {}).get(wish.goal) or 0) for week in weeks],
            )
            for name, told in by_name.items()
        }

    def _figures(
        self,
        agency_id: UUID,
        client_id: UUID,
        first: date,
        last: date,
        metrics: tuple[str, ...],
        by: tuple[str, ...],
        currency: str,
    ) -> dict[Key, dict[str, Figure]]:
        """Every group; by no dimension the total, under the empty key. Raises AdviceRefused."""
        try:
            question = Question(first=first, last=last, metrics=metrics, by=by, currency=currency, most=MOST_ROWS)
        except QuestionRefused as refused:
            raise AdviceRefused(refused.field, refused.reason) from refused
        report = self._reports.answer(agency_id, client_id, question)
        if not by:
            return {(): dict(report.total.figures)}
        if any(line.is_rest for line in report.lines):
            raise AdviceRefused("by", f"has more than {MOST_ROWS} values in these weeks: ask for fewer weeks")
        return {line.key: dict(line.figures) for line in report.lines}


def _keyword(key: Key, figures: Mapping[str, Figure]) -> KeywordCalls:
    campaign, keyword = key
    clicks, cost = figures["clicks"], figures["cost"]
    return KeywordCalls(
        campaign=None if campaign is None else str(campaign),
        keyword=str(keyword),
        calls=int(figures["calls"] or 0),
        target_calls=int(figures["target_calls"] or 0),
        clicks=None if clicks is None else int(clicks),
        cost=None if cost is None else Decimal(cost),
    )

"""The metric dictionary: what every figure of a report means, once. Docs, API, SQL and tests are made from it. Pure.

A metric is a sum of measures or a quotient of two. A measure belongs to a family: calls, visits, or spend (what
advertising systems told of a day). A dimension is known to some families only: what a call cost cannot be told by the
operator who took it. A figure that cannot be told is null, never nought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Family = Literal["calls", "visits", "spend"]
#: share: from 0 to 1. ratio: any number. money: a decimal in the report's currency.
Unit = Literal["count", "milliseconds", "share", "ratio", "money"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is added up. ``needs``: tables beside the family's own (store.py joins what is needed only)."""

    family: Family
    needs: frozenset[str] = frozenset()
    #: A sum over parts is not the sum of the parts: callers of two days are not those of one and those of the other.
    adds_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """``over`` empty: the sum of ``of``. Else their quotient; by nothing it is null. ``less``: taken from ``of``
    first."""

    title: str
    definition: str
    unit: Unit
    of: str
    over: str = ""
    less: str = ""

    @property
    def measures(self) -> tuple[str, ...]:
        """All that it is made of."""
        return tuple(name for name in (self.of, self.less, self.over) if name)

    @property
    def adds_up(self) -> bool:
        """Whether the figures of parts may be added up."""
        return not self.over and MEASURES[self.of].adds_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """What figures are told by."""

    title: str
    definition: str
    families: frozenset[Family]


def _calls(*needs: str, adds_up: bool = True) -> Measure:
    return Measure(family="calls", needs=frozenset(needs), adds_up=adds_up)


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "calls": _calls(),
        "callers": _calls(adds_up=False),
        "first_calls": _calls("earlier"),
        "repeat_calls": _calls("earlier"),
        "answered": _calls(),
        "missed": _calls(),
        "blocked": _calls(),
        "answer_ms": _calls(),
        "slow_answers": _calls("settings"),
        "talk_ms": _calls(),
        "target_calls": _calls("settings", "assessment"),
        "leads": _calls("settings", "assessment", "earlier"),
        "sales": _calls("assessment"),
        "revenue": _calls("assessment"),
        #: Those that revenue is the sum of.
        "revenue_sales": _calls("assessment"),
        "spam_calls": _calls("settings"),
        "confident_calls": _calls("settings", "attribution"),
        "visits": Measure(family="visits"),
        "impressions": Measure(family="spend"),
        "clicks": Measure(family="spend"),
        "cost": Measure(family="spend"),
    }
)

_EVERYTHING: frozenset[Family] = frozenset({"calls", "visits", "spend"})
_SEEN: frozenset[Family] = frozenset({"calls", "visits"})
_CALLS: frozenset[Family] = frozenset({"calls"})

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "calls": Metric(
            title="Calls", unit="count", of="calls",
            definition="Calls to the client's numbers. Test calls are in no metric.",
        ),
        "unique_callers": Metric(
            title="Unique callers", unit="count", of="callers",
            definition="Different callers' numbers, withheld ones not among them. Does not add up over parts.",
        ),
        "first_time_calls": Metric(
            title="First-time calls", unit="count", of="first_calls",
            definition="Calls from a number that had never called this client before. Withheld numbers: neither "
            "first-time nor repeat.",
        ),
        "repeat_calls": Metric(
            title="Repeat calls", unit="count", of="repeat_calls",
            definition="Calls from a number that had called this client before.",
        ),
        "answered": Metric(
            title="Answered", unit="count", of="answered",
            definition="Calls that a target took and was connected with (outcome `answered`). Voicemail is missed.",
        ),
        "missed": Metric(
            title="Missed", unit="count", of="missed",
            definition="Calls that nobody took, whatever the reason, those that a caller gave up included; without "
            "`blocked` ones.",
        ),
        "blocked": Metric(
            title="Blocked", unit="count", of="blocked",
            definition="Calls that a block list, a limit or the spam score refused (outcome `blocked`).",
        ),
        "answer_share": Metric(
            title="Answered, share", unit="share", of="answered", over="calls", definition="answered / calls.",
        ),
        "time_to_answer": Metric(
            title="Time to answer", unit="milliseconds", of="answer_ms", over="answered",
            definition="From the call's start to the connection with a target, on average of the answered calls: what "
            "announcements and menus took is in it.",
        ),
        "slow_answers": Metric(
            title="Slow answers", unit="count", of="slow_answers",
            definition="Answered calls that waited longer than the client's norm (report settings, `answer_norm_s`).",
        ),
        "talk_time": Metric(
            title="Talk time", unit="milliseconds", of="talk_ms", definition="Sum of the connected time.",
        ),
        "mean_talk_time": Metric(
            title="Talk time of a call", unit="milliseconds", of="talk_ms", over="answered",
            definition="talk_time / answered.",
        ),
        "target_calls": Metric(
            title="Target calls", unit="count", of="target_calls",
            definition="Calls that meet the client's own rule (report settings, `target`): talk time, tags, score.",
        ),
        "target_share": Metric(
            title="Target calls, share", unit="share", of="target_calls", over="calls",
            definition="target_calls / calls.",
        ),
        "leads": Metric(
            title="Leads", unit="count", of="leads", definition="Target calls that are first-time calls.",
        ),
        "sales": Metric(
            title="Sales", unit="count", of="sales", definition="Calls whose assessment has a sale.",
        ),
        "revenue": Metric(
            title="Revenue", unit="money", of="revenue",
            definition="Sum of these sales that are in the report's currency; the others are counted in "
            "`other_currencies`.",
        ),
        "average_order": Metric(
            title="Average order", unit="money", of="revenue", over="revenue_sales",
            definition="revenue / the sales that are in the report's currency.",
        ),
        "spam_calls": Metric(
            title="Spam calls", unit="count", of="spam_calls",
            definition="Calls with a spam score of at least `spam_from` (report settings).",
        ),
        "spam_share": Metric(
            title="Spam, share", unit="share", of="spam_calls", over="calls", definition="spam_calls / calls.",
        ),
        "confident_calls": Metric(
            title="Calls of a certain source", unit="count", of="confident_calls",
            definition="Calls whose source is known with at least the probability `confidence` (report settings).",
        ),
        "confident_share": Metric(
            title="Calls of a certain source, share", unit="share", of="confident_calls", over="calls",
            definition="confident_calls / calls.",
        ),
        "visits": Metric(
            title="Visits", unit="count", of="visits",
            definition="Visits of the client's sites; bots and previews are not in it.",
        ),
        "call_conversion": Metric(
            title="Visits that called", unit="ratio", of="calls", over="visits",
            definition="calls / visits, of the same days: a caller may have visited earlier.",
        ),
        "sale_conversion": Metric(
            title="Calls that sold", unit="share", of="sales", over="calls", definition="sales / calls.",
        ),
        "impressions": Metric(
            title="Impressions", unit="count", of="impressions", definition="As advertising systems told them (spend).",
        ),
        "clicks": Metric(
            title="Clicks", unit="count", of="clicks", definition="As advertising systems told them (spend).",
        ),
        "click_rate": Metric(
            title="Click rate (CTR)", unit="ratio", of="clicks", over="impressions", definition="clicks / impressions.",
        ),
        "cost": Metric(
            title="Cost", unit="money", of="cost",
            definition="Advertising spend in the report's currency; rows in another are counted in `other_currencies`.",
        ),
        "cost_per_click": Metric(
            title="Cost per click (CPC)", unit="money", of="cost", over="clicks", definition="cost / clicks.",
        ),
        "cost_per_call": Metric(
            title="Cost per call (CPL)", unit="money", of="cost", over="calls", definition="cost / calls.",
        ),
        "cost_per_target_call": Metric(
            title="Cost per target call", unit="money", of="cost", over="target_calls",
            definition="cost / target_calls.",
        ),
        "cost_per_lead": Metric(
            title="Cost per lead", unit="money", of="cost", over="leads", definition="cost / leads.",
        ),
        "cost_per_sale": Metric(
            title="Cost per sale (CPA)", unit="money", of="cost", over="sales", definition="cost / sales.",
        ),
        "roi": Metric(
            title="ROI", unit="ratio", of="revenue", less="cost", over="cost",
            definition="(revenue - cost) / cost: 0.5 is half again what was spent.",
        ),
        "roas": Metric(
            title="ROAS", unit="ratio", of="revenue", over="cost", definition="revenue / cost.",
        ),
    }
)  # fmt: skip

DIMENSIONS: Mapping[str, Dimension] = MappingProxyType(
    {
        "client": Dimension(title="Client", definition="The client's id.", families=_EVERYTHING),
        "date": Dimension(title="Day", definition="The day where the client is (its time zone).", families=_EVERYTHING),
        "week": Dimension(title="Week", definition="The Monday of the ISO week.", families=_EVERYTHING),
        "month": Dimension(title="Month", definition="The first day of the month.", families=_EVERYTHING),
        "weekday": Dimension(title="Weekday", definition="1: Monday, to 7: Sunday.", families=_EVERYTHING),
        "hour": Dimension(title="Hour", definition="0 to 23, where the client is.", families=_SEEN),
        "channel": Dimension(title="Channel", definition="What kind of source.", families=_EVERYTHING),
        "source": Dimension(title="Source", definition="Where the caller came from.", families=_EVERYTHING),
        "medium": Dimension(title="Medium", definition="As `utm_medium` told it.", families=_EVERYTHING),
        "campaign": Dimension(title="Campaign", definition="As `utm_campaign` told it.", families=_EVERYTHING),
        "content": Dimension(title="Content", definition="Which advertisement (`utm_content`).", families=_EVERYTHING),
        "keyword": Dimension(title="Keyword", definition="What was looked for (`utm_term`).", families=_EVERYTHING),
        "site": Dimension(title="Site", definition="The id of the visit's site.", families=_SEEN),
        "landing_page": Dimension(title="Landing page", definition="The visit's first page.", families=_SEEN),
        "visit_region": Dimension(title="Visitor's region", definition="Where the visit came from.", families=_SEEN),
        "device": Dimension(title="Device", definition="The visit's kind of device.", families=_SEEN),
        "number": Dimension(title="Number", definition="The number that was called.", families=_CALLS),
        "flow": Dimension(title="Flow", definition="The id of the call's flow.", families=_CALLS),
        "target": Dimension(title="Target", definition="The id of the target that took it.", families=_CALLS),
        "outcome": Dimension(title="Outcome", definition="The call's outcome.", families=_CALLS),
        "repeat": Dimension(
            title="New or repeat",
            definition="`first_time`, `repeat`, or null where the number was withheld.",
            families=_CALLS,
        ),
        "node": Dimension(title="Node", definition="The media node that carried it.", families=_CALLS),
    }
)  # fmt: skip
#: What an attribution model shares out; by the rest a call is whole.
SOURCE_DIMENSIONS = ("channel", "source", "medium", "campaign", "content", "keyword")

"""Where a visit came from: a pure function from landing page and referrer to a source.

In this order: the client's own rules; a click id, which proves who was paid; what the UTM parameters say; who referred;
a click id that proves no payment; nothing, which is `direct`. Nothing is guessed from a part of a word.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .addresses import Address, cleaned, is_below, read_address, without_www
from .source_rules import SourceRule
from .sources import CHANNEL_OF_KIND, MEDIUM_OF_KIND, ClickId, Referrer, SourceBook

UNKNOWN = "unknown"
#: Channels that utm_medium may say of a paid click, whose click id tells only the system.
_SAID_OF_PAID = frozenset({"display", "video", "paid_social", "marketplace"})
_PAID_BY_KIND = {"search": "paid_search", "social": "paid_social"}


@dataclass(frozen=True)
class Source:
    """Where somebody came from. ``classified_by``: the rule that told it, such as `click_id:gclid`."""

    channel: str
    source: str
    medium: str | None = None
    campaign: str | None = None
    content: str | None = None
    keyword: str | None = None
    click_ids: Mapping[str, str] = field(default_factory=dict)
    classified_by: str = ""


@dataclass(frozen=True)
class _Utm:
    source: str | None
    medium: str | None
    campaign: str | None
    content: str | None
    keyword: str | None


def classify(
    landing_page: str,
    referrer: str | None,
    *,
    book: SourceBook,
    own_rules: Sequence[SourceRule] = (),
    own_hosts: Collection[str] = (),
) -> Source:
    """The source of a visit that begins at ``landing_page``; see :func:`classify_addresses`."""
    return classify_addresses(
        read_address(landing_page), read_address(referrer), book=book, own_rules=own_rules, own_hosts=own_hosts
    )


def classify_addresses(
    landing: Address,
    came_from: Address,
    *,
    book: SourceBook,
    own_rules: Sequence[SourceRule] = (),
    own_hosts: Collection[str] = (),
) -> Source:
    """``own_hosts``: domains of the site, and those that are to count as such (a payment page): they refer nobody."""
    click_ids = _click_ids(landing, book)
    utm = _utm(landing)
    for place, rule in enumerate(own_rules):
        if rule.fits(landing, came_from):
            return _by_own_rule(rule, place, landing, utm, click_ids)
    if any(is_below(came_from.host, host) for host in own_hosts):
        came_from = read_address(None)
    who = book.referrer(came_from.host) if came_from.host else None
    strong = _first(book, click_ids, weak=False)
    weak = _first(book, click_ids, weak=True)
    if strong is not None:
        return _by_click_id(strong, utm, click_ids, book)
    if utm.source or utm.medium or utm.campaign:
        return _by_utm(utm, weak, who, click_ids, book)
    if who is not None:
        return _by_referrer(who, came_from, click_ids, book)
    if weak is not None:
        return _by_click_id(weak, utm, click_ids, book)
    if came_from.host:
        host = without_www(came_from.host)
        return Source("referral", host, "referral", click_ids=click_ids, classified_by="referrer")
    return Source("direct", "direct", click_ids=click_ids, classified_by="direct")


def _click_ids(landing: Address, book: SourceBook) -> dict[str, str]:
    said = landing.parameters
    values = {one.parameter: cleaned(said[one.parameter]) for one in book.click_ids if one.parameter in said}
    return {name: value for name, value in values.items() if value is not None}


def _first(book: SourceBook, click_ids: Mapping[str, str], *, weak: bool) -> ClickId | None:
    return next((one for one in book.click_ids if one.weak is weak and one.parameter in click_ids), None)


def _utm(landing: Address) -> _Utm:
    read = {name: cleaned(landing.parameters.get(f"utm_{name}")) for name in _UTM_NAMES}
    return _Utm(
        source=read["source"].lower() if read["source"] else None,
        medium=read["medium"].lower() if read["medium"] else None,
        campaign=read["campaign"] or read["id"],
        content=read["content"],
        keyword=read["term"],
    )


_UTM_NAMES = ("source", "medium", "campaign", "content", "term", "id")


def _by_own_rule(rule: SourceRule, place: int, landing: Address, utm: _Utm, click_ids: Mapping[str, str]) -> Source:
    said = rule.source_fields(landing)
    return Source(
        channel=said["channel"] or "other",
        source=said["source"] or UNKNOWN,
        medium=said["medium"] or utm.medium,
        campaign=said["campaign"] or utm.campaign,
        content=said["content"] or utm.content,
        keyword=said["keyword"] or utm.keyword,
        click_ids=click_ids,
        classified_by=f"own:{rule.name or place + 1}",
    )


def _by_click_id(one: ClickId, utm: _Utm, click_ids: Mapping[str, str], book: SourceBook) -> Source:
    """The id proves the system; utm_source beside it is only a label."""
    said = book.media.get(utm.medium or "", "")
    return Source(
        channel=said if said in _SAID_OF_PAID and not one.weak else one.channel,
        source=one.source,
        medium=utm.medium or one.medium,
        campaign=utm.campaign,
        content=utm.content,
        keyword=utm.keyword,
        click_ids=click_ids,
        classified_by=f"click_id:{one.parameter}",
    )


def _by_utm(
    utm: _Utm, weak: ClickId | None, who: Referrer | None, click_ids: Mapping[str, str], book: SourceBook
) -> Source:
    named = book.aliases.get(utm.source, utm.source) if utm.source else None
    source = named or (weak.source if weak else None) or (who.source if who else None) or UNKNOWN
    return Source(
        channel=_channel_of_utm(utm.medium, source, weak, book),
        source=source,
        medium=utm.medium,
        campaign=utm.campaign,
        content=utm.content,
        keyword=utm.keyword,
        click_ids=click_ids,
        classified_by="utm",
    )


def _channel_of_utm(medium: str | None, source: str, weak: ClickId | None, book: SourceBook) -> str:
    kind = book.kinds.get(source)
    if medium is None:
        if weak is not None and weak.source == source:
            return weak.channel
        # A search engine named without a medium may have been paid or not.
        return "other" if kind is None or kind == "search" else CHANNEL_OF_KIND[kind]
    said = book.media.get(medium, "other")
    return _PAID_BY_KIND.get(kind or "", "paid") if said == "paid" else said


def _by_referrer(who: Referrer, came_from: Address, click_ids: Mapping[str, str], book: SourceBook) -> Source:
    searched = None
    if who.kind == "search":
        values = (cleaned(came_from.parameters.get(name)) for name in book.keyword_parameters)
        searched = next((value for value in values if value), None)
    return Source(
        channel=CHANNEL_OF_KIND[who.kind],
        source=who.source,
        medium=MEDIUM_OF_KIND[who.kind],
        keyword=searched,
        click_ids=click_ids,
        classified_by=f"referrer:{who.source}",
    )

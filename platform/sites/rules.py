"""What a site's pages show to whom: the rules document, and which rule counts for a visit. Pure.

Where several rules fit, the order is: one that keeps the real number; a source's own number, by the landing page, then
by the referring host, then by the kind of source, then always; and only then a pool, in the same order. So a number of
a source always goes before a pool, and nobody is shown another number where a rule says no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ..phone import parse_e164
from .addresses import Address, is_below, path_pattern
from .classify import Source
from .errors import Fault, SiteFaulty
from .source_rules import Channel, Host, Line, Parameters, PathPattern, Strict, faults_of, parameter_fits, path_fits

MOST_PLACES, MOST_RULES = 50, 200
Device = Literal["desktop", "mobile", "tablet", "other"]


def _number(text: str) -> str:
    if parse_e164(text) != text:
        raise ValueError("must be a telephone number in E.164, such as +442079460001")
    return text


def _selector(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a CSS selector in one line")
    return text.strip()


def _format(text: str) -> str:
    if text in {"as_found", "national", "international"}:
        return text
    if not text.isprintable() or not 4 <= text.count("#") <= 15:
        raise ValueError(
            "must be as_found, national, international, or a pattern in which each # is a digit, such as (###) ###-####"
        )
    return text


RealNumber = Annotated[str, Field(strict=True), AfterValidator(_number)]
Selector = Annotated[str, Field(strict=True, max_length=300), AfterValidator(_selector)]
Format = Annotated[str, Field(strict=True, max_length=40), AfterValidator(_format)]
PlaceName = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class Place(Strict):
    """Where a page shows a number of the client's own: it is found in any spelling, everywhere or below selectors."""

    name: PlaceName
    numbers: Annotated[list[RealNumber], Field(min_length=1, max_length=20)]
    selectors: Annotated[list[Selector], Field(default_factory=list, max_length=50)]
    format: Format = "as_found"


class When(Strict):
    """What the visit came with. Nothing named: always."""

    landing_parameters: Annotated[Parameters, Field(default_factory=dict)]
    landing_paths: Annotated[list[PathPattern], Field(default_factory=list, max_length=200)]
    referrers: Annotated[list[Host], Field(default_factory=list, max_length=200)]
    channels: Annotated[list[Channel], Field(default_factory=list, max_length=20)]
    sources: Annotated[list[Line], Field(default_factory=list, max_length=200)]
    campaigns: Annotated[list[Line], Field(default_factory=list, max_length=200)]

    @property
    def tier(self) -> int:
        """The lowest counts first."""
        if self.landing_parameters or self.landing_paths:
            return 1
        if self.referrers:
            return 2
        return 3 if self.channels or self.sources or self.campaigns else 4


class On(Strict):
    """Where the rule holds. Nothing named: everywhere."""

    pages: Annotated[list[PathPattern], Field(default_factory=list, max_length=200)]
    devices: Annotated[list[Device], Field(default_factory=list)]
    #: A country (GB), or a country and a part of it (GB-LND).
    regions: Annotated[
        list[Annotated[str, Field(strict=True, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]],
        Field(default_factory=list, max_length=300),
    ]


class Show(Strict):
    """What is shown: exactly one of a number, a pool, and the real number."""

    number_id: UUID | None = None
    pool_id: UUID | None = None
    real: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Show:
        if [self.number_id, self.pool_id, self.real].count(None) != 2:
            raise ValueError("must name exactly one of number_id, pool_id and real")
        return self


class Rule(Strict):
    """One rule. ``places``: the names of those for which it holds; none: all."""

    name: Annotated[str, Field(strict=True, max_length=100)] = ""
    places: Annotated[list[PlaceName], Field(default_factory=list, max_length=MOST_PLACES)]
    when: Annotated[When, Field(default_factory=When)]
    on: Annotated[On, Field(default_factory=On)]
    show: Show

    @property
    def order(self) -> tuple[int, int]:
        kind = 0 if self.show.real else 1 if self.show.number_id is not None else 2
        return kind, self.when.tier


class SiteRules(Strict):
    """The whole document."""

    places: Annotated[list[Place], Field(default_factory=list, max_length=MOST_PLACES)]
    rules: Annotated[list[Rule], Field(default_factory=list, max_length=MOST_RULES)]

    @model_validator(mode="after")
    def _names(self) -> SiteRules:
        names = [place.name for place in self.places]
        if len(set(names)) < len(names):
            raise ValueError("has two places of one name")
        for at, rule in enumerate(self.rules):
            if unknown := set(rule.places) - set(names):
                raise ValueError(f"has no place called {', '.join(sorted(unknown))}, which rule {at + 1} names")
        return self

    def number_ids(self) -> Iterator[tuple[str, UUID]]:
        """Where each static number is named (JSON pointer)."""
        for at, rule in enumerate(self.rules):
            if rule.show.number_id is not None:
                yield f"/rules/{at}/show/number_id", rule.show.number_id

    def pool_ids(self) -> Iterator[tuple[str, UUID]]:
        """Where each pool is named (JSON pointer)."""
        for at, rule in enumerate(self.rules):
            if rule.show.pool_id is not None:
                yield f"/rules/{at}/show/pool_id", rule.show.pool_id


def read_site_rules(document: Any) -> SiteRules:
    """Raises SiteFaulty with every fault and its place."""
    if not isinstance(document, dict):
        raise SiteFaulty([Fault("", "invalid", "must be an object with places and rules")])
    try:
        return SiteRules.model_validate(document)
    except ValidationError as error:
        raise SiteFaulty(faults_of(error)) from error


@dataclass(frozen=True)
class VisitFacts:
    """What rules may ask of a visit."""

    landing: Address
    referrer: Address
    source: Source
    device: str
    region: str | None


@dataclass(frozen=True)
class Choice:
    """What a place shows on pages whose path fits ``pages`` (a regular expression; None: all), and by which rule."""

    pages: str | None
    show: Show
    rule: str
    patterns: tuple[str, ...] = ()


def choices(rules: SiteRules, place: Place, facts: VisitFacts) -> list[Choice]:
    """In their order; the first whose pages fit counts. Where none does, the real number stays."""
    found = []
    fitting = [(rule.order, at) for at, rule in enumerate(rules.rules) if _fits(rule, place, facts)]
    for _, at in sorted(fitting):
        rule = rules.rules[at]
        pages = "|".join(path_pattern(pattern) for pattern in rule.on.pages) or None
        found.append(Choice(pages, rule.show, rule.name or f"rule {at + 1}", tuple(rule.on.pages)))
        if pages is None:
            break
    return found


def _fits(rule: Rule, place: Place, facts: VisitFacts) -> bool:
    when, on = rule.when, rule.on
    return (
        (not rule.places or place.name in rule.places)
        and (not on.devices or facts.device in on.devices)
        and (not on.regions or _in_region(facts.region, on.regions))
        and all(parameter_fits(facts.landing, name, values) for name, values in when.landing_parameters.items())
        and (not when.landing_paths or path_fits(facts.landing.path, when.landing_paths))
        and (not when.referrers or any(is_below(facts.referrer.host, host) for host in when.referrers))
        and (not when.channels or facts.source.channel in when.channels)
        and _is_one_of(facts.source.source, when.sources)
        and _is_one_of(facts.source.campaign, when.campaigns)
    )


def _is_one_of(value: str | None, wanted: Sequence[str]) -> bool:
    return not wanted or (value is not None and value.casefold() in {one.casefold() for one in wanted})


def _in_region(region: str | None, wanted: Sequence[str]) -> bool:
    return region is not None and any(region == one or region.startswith(one + "-") for one in wanted)

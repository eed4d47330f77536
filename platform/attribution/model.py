"""What is known of a call and of the visits that may have caused it, as values. No I/O, no SQL, no telephone number.

An :class:`Exposure` is one showing of the called number to one visit. A :class:`Candidate` is a visit that may be the
caller's, with the probability that it is. Every moment is aware and in UTC. Must not know where any of it is kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

#: How an attribution came to be, the strongest first: somebody said so; the caller named the code of a visit; the
#: exposures of a number; what the number itself is bound to; what the caller said; nothing is known.
Method = Literal["manual", "promo_code", "visit", "number", "self_reported", "unknown"]
METHODS: tuple[Method, ...] = Method.__args__  # type: ignore[attr-defined]

CorrectionKind = Literal["manual", "withdrawn", "promo_code", "self_reported"]

#: Probabilities are told and kept to this many places.
PLACES = 4
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a visitor came from."""

    channel: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    content: str | None = None
    keyword: str | None = None

    @property
    def is_known(self) -> bool:
        return self.channel is not None or self.source is not None

    @property
    def is_direct(self) -> bool:
        """Typed in, or nobody knows: what never replaces a source that is known."""
        return self.channel in {None, "direct"}

    def as_dict(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in SOURCE_FIELDS}


SOURCE_FIELDS = tuple(one.name for one in fields(Source))
NO_SOURCE = Source()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit as far as attribution knows it."""

    id: uuid.UUID
    started_at: datetime
    visitor_id: str | None = None
    source: Source = NO_SOURCE
    site_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The called number as one visit saw it. ``seen_until``: its last sign of life. ``callers_own``: the probability
    that this visitor is the caller, as earlier calls tell it. ``called_by_other``: the probability that this visitor
    has called already, from another telephone."""

    visit: Visit
    rung: str
    shown_at: datetime
    seen_until: datetime
    clicked_at: datetime | None = None
    device: str | None = None
    region: str | None = None
    callers_own: float = 0.0
    called_by_other: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Earlier calls of the same caller to the same number: when the last one was, and whose the first one was."""

    last_at: datetime
    holders: tuple[tuple[Visit, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSeen:
    """What of a call speaks for a visit. ``is_known_caller``: the caller has called this client before."""

    started_at: datetime
    region: str | None = None
    is_known_caller: bool = False
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A visit that may be the caller's. ``why``: what spoke for and against it, in words and factors."""

    visit: Visit
    probability: float
    rung: str | None = None
    why: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Candidates, the likeliest first, and the probability that it is none of them; together 1."""

    candidates: tuple[Candidate, ...]
    nobody: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One more fact about a call, said by somebody or pressed by the caller. It is added to and never changed; of two
    of one kind the later counts. ``visit`` None with ``source`` None and the kind manual: it belongs to no visit."""

    kind: CorrectionKind
    said_at: datetime
    visit: Visit | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """To which visit and to which source a call belongs, as one revision tells it.

    ``probability`` is that of ``visit``; ``source_probability`` that of ``source``, which several candidates may share.
    None: no probability can be stated. A number that is bound to a source says that source for certain and nothing of
    a visit.
    """

    method: Method
    visit: Visit | None = None
    probability: float | None = None
    source: Source = NO_SOURCE
    source_probability: float | None = None
    rung: str | None = None
    nobody: float | None = None
    candidates: tuple[Candidate, ...] = ()


def source_of(values: Mapping[str, Any]) -> Source:
    """The six words of a source out of a row or a document; whatever else stands there is passed by."""
    return Source(**{name: values.get(name) for name in SOURCE_FIELDS})


def most_likely_source(candidates: Sequence[Candidate]) -> tuple[Source, float]:
    """The source that has most of the probability, and how much; of equals the one of the likelier visit."""
    shares: dict[Source, float] = {}
    for one in candidates:
        if one.visit.source.is_known:
            shares[one.visit.source] = shares.get(one.visit.source, 0.0) + one.probability
    if not shares:
        return NO_SOURCE, 0.0
    best = max(shares, key=lambda source: shares[source])
    return best, shares[best]

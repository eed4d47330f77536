"""Attribution models: how the credit for a call is shared out over the touches that came before it.

A touch never changes; a model is a view over touches, so any number of them stand side by side for the same calls, and
the same touches give the same credits for ever. Credits are whole millionths of a call, so that sums are exact and no
order of adding matters. Pure.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from .errors import ModelRefused
from .model import NO_SOURCE, Source

ModelName = Literal["first", "last", "last_non_direct", "linear", "time_decay", "position", "w_shaped", "data_driven"]
MODELS: tuple[ModelName, ...] = ModelName.__args__  # type: ignore[attr-defined]

#: One call, in the smallest unit of credit.
WHOLE = 1_000_000
LEAST_WINDOW_DAYS, MOST_WINDOW_DAYS = 1, 90
_NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One meeting with the visitor before the call: a visit, or an advertisement that was shown (an impression).
    ``is_lead``: the visit of the caller's first call to the client."""

    at: datetime
    source: Source = NO_SOURCE
    kind: Literal["visit", "impression"] = "visit"
    is_lead: bool = False
    visit_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The touches of one possible caller, in their order, and how probable it is that he is the one."""

    touches: Sequence[Touch]
    probability: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a comparison is asked with. ``window_days``: older touches count for nothing. ``view_through_days``: for so
    long before the call an impression counts too; 0: never. ``half_life_days``: of time decay. ``channel_weights``: of
    the data-driven model, as it was fitted (`journeys`)."""

    window_days: int = 30
    view_through_days: int = 0
    half_life_days: float = 7.0
    channel_weights: Mapping[str, float] = field(default_factory=lambda: _NO_WEIGHTS)

    def __post_init__(self) -> None:
        if not LEAST_WINDOW_DAYS <= self.window_days <= MOST_WINDOW_DAYS:
            raise ModelRefused(f"window_days is from {LEAST_WINDOW_DAYS} to {MOST_WINDOW_DAYS}, not {self.window_days}")
        if not 0 <= self.view_through_days <= MOST_WINDOW_DAYS:
            raise ModelRefused(f"view_through_days is from 0 to {MOST_WINDOW_DAYS}, not {self.view_through_days}")
        if not 0.01 <= self.half_life_days <= MOST_WINDOW_DAYS:
            raise ModelRefused(f"half_life_days is from 0.01 to {MOST_WINDOW_DAYS}, not {self.half_life_days}")


def counted(touches: Sequence[Touch], called_at: datetime, rules: Rules) -> list[Touch]:
    """The touches that count for a call, in their order."""
    oldest = called_at - timedelta(days=rules.window_days)
    oldest_of = {"visit": oldest, "impression": max(oldest, called_at - timedelta(days=rules.view_through_days))}
    found = [
        one
        for one in touches
        if oldest_of[one.kind] <= one.at <= called_at and (one.kind == "visit" or rules.view_through_days > 0)
    ]
    return sorted(found, key=lambda one: (one.at, one.kind, str(one.visit_id), _order(one.source)))


def weights(model: ModelName, touches: Sequence[Touch], called_at: datetime, rules: Rules) -> list[float]:
    """One weight for each touch, which sum to 1; none for none."""
    if not touches:
        return []
    return _scaled(_WEIGHTS[model](touches, called_at, rules))


def _scaled(raw: Sequence[float]) -> list[float]:
    total = sum(raw)
    return [one / total for one in raw] if total > 0 else [1.0 / len(raw)] * len(raw)


def _only(count: int, index: int) -> list[float]:
    return [1.0 if place == index else 0.0 for place in range(count)]


def _first(touches: Sequence[Touch], _: datetime, __: Rules) -> list[float]:
    return _only(len(touches), 0)


def _last(touches: Sequence[Touch], _: datetime, __: Rules) -> list[float]:
    return _only(len(touches), len(touches) - 1)


def _last_non_direct(touches: Sequence[Touch], _: datetime, __: Rules) -> list[float]:
    """Direct never replaces a source that is known; where there is nothing else, it is the last."""
    known = [index for index, one in enumerate(touches) if not one.source.is_direct]
    return _only(len(touches), known[-1] if known else len(touches) - 1)


def _linear(touches: Sequence[Touch], _: datetime, __: Rules) -> list[float]:
    return [1.0] * len(touches)


def _time_decay(touches: Sequence[Touch], called_at: datetime, rules: Rules) -> list[float]:
    days = [(called_at - one.at).total_seconds() / 86_400 for one in touches]
    # From the youngest, so that no path of old touches alone sinks below what a float can tell.
    return [0.5 ** ((one - min(days)) / rules.half_life_days) for one in days]


def _position(touches: Sequence[Touch], _: datetime, __: Rules) -> list[float]:
    """40 % to the first, 40 % to the last, the rest to those between; halves where there is nothing between."""
    count = len(touches)
    if count <= 2:
        return [1.0] * count
    return [0.4, *[0.2 / (count - 2)] * (count - 2), 0.4]


def _w_shaped(touches: Sequence[Touch], _: datetime, __: Rules) -> list[float]:
    """30 % each to the first, the lead and the last touch, 10 % to the others; a touch that is two of these has both
    shares. The lead is the visit of the caller's first call; on a first call, this one's: the last touch."""
    count = len(touches)
    lead = next((index for index, one in enumerate(touches) if one.is_lead), count - 1)
    found = [0.0] * count
    for index in (0, lead, count - 1):
        found[index] += 0.3
    others = [index for index in range(count) if index not in {0, lead, count - 1}]
    for index in others:
        found[index] += 0.1 / len(others)
    return found


def _data_driven(touches: Sequence[Touch], _: datetime, rules: Rules) -> list[float]:
    """By what each channel is worth (`journeys`); a channel that nobody has measured counts as the mean of those that
    were, and without any measure all are equal."""
    known = rules.channel_weights
    mean = sum(known.values()) / len(known) if known else 1.0
    return [known.get(one.source.channel or "direct", mean) for one in touches]


_WEIGHTS = {
    "first": _first,
    "last": _last,
    "last_non_direct": _last_non_direct,
    "linear": _linear,
    "time_decay": _time_decay,
    "position": _position,
    "w_shaped": _w_shaped,
    "data_driven": _data_driven,
}


def credits_of(model: ModelName, paths: Sequence[Path], called_at: datetime, rules: Rules) -> dict[Source | None, int]:
    """Source → millionths of this call. None: what belongs to no source that is known: callers of whom nothing is
    known, and paths whose touches are all outside the window. The sum is WHOLE.

    A caller who may be one of several visitors gives each of them the credit of his probability, so that over many
    calls the sums are right even where no single call is certain.
    """
    shares: dict[Source | None, float] = {}
    for path in paths:
        touches = counted(path.touches, called_at, rules)
        for touch, weight in zip(touches, weights(model, touches, called_at, rules), strict=True):
            key = touch.source if touch.source.is_known else None
            shares[key] = shares.get(key, 0.0) + path.probability * weight
    named = sum(share for key, share in shares.items() if key is not None)
    shares[None] = max(0.0, 1.0 - named)
    return _whole(shares)


def _whole(shares: Mapping[Source | None, float]) -> dict[Source | None, int]:
    """In whole units that sum to WHOLE: rounded down, and what is left goes to the largest remainders."""
    total = sum(shares.values())
    exact = {key: share / total * WHOLE for key, share in shares.items()}
    # Equal up to the last digits is equal: which of them is the larger may differ from one processor to the next.
    exact = {key: round(value, 3) for key, value in exact.items()}
    found = {key: int(value) for key, value in exact.items()}
    left = WHOLE - sum(found.values())
    order = sorted(exact, key=lambda key: (found[key] - exact[key], _order(key)))
    for place in range(abs(left)):
        found[order[place % len(order)]] += 1 if left > 0 else -1
    return {key: found[key] for key in sorted(found, key=_order) if found[key]}


def _order(key: Source | None) -> tuple[str, ...]:
    return ("\uffff",) if key is None else tuple(value or "" for value in key.as_dict().values())

"""What each channel is worth, out of the journeys of visitors who called and of those who did not: the data-driven
model (a Markov chain of first order, and what is lost when a channel is taken out of it).

Journeys are counted sequences of channels. The chain leads from the start through the channels to a call or to
nothing; a channel's removal effect is the share of calls that would be lost if every way through it led to nothing
(Anderl, Becker, von Wangenheim, Schumann: Mapping the customer journey, 2016). Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_START, _CALL, _NOTHING = "(start)", "(call)", "(nothing)"
#: The chain's probabilities are found by repeating; so many rounds reach the last digits on chains of journeys.
_ROUNDS = 10_000
_SETTLED = 1e-12
#: Of one journey; what came before tells little.
MOST_TOUCHES = 50


@dataclass(frozen=True, slots=True)
class Journey:
    """The channels of one or more visitors, in their order, and what came of it; ``calls`` may be a fraction where it
    is only probable whose a call was."""

    channels: Sequence[str]
    calls: float
    visitors: float


def removal_effects(journeys: Iterable[Journey]) -> dict[str, float]:
    """Channel → the share of all calls that is lost without it, from 0 to 1; none without calls."""
    chain = _chain(journeys)
    whole = _reaching_call(chain, None)
    if whole <= 0.0:
        return {}
    channels = sorted(set(chain) - {_START})
    return {name: round(max(0.0, 1.0 - _reaching_call(chain, name) / whole), 6) for name in channels}


def _chain(journeys: Iterable[Journey]) -> dict[str, dict[str, float]]:
    """State → next state → probability."""
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in journeys:
        channels = list(one.channels)[-MOST_TOUCHES:]
        if not channels or one.visitors <= 0:
            continue
        called = min(one.calls, one.visitors)
        for here, there in zip([_START, *channels], channels, strict=False):
            counts[here][there] += one.visitors
        counts[channels[-1]][_CALL] += called
        counts[channels[-1]][_NOTHING] += one.visitors - called
    chain = {}
    for state, following in counts.items():
        total = sum(following.values())
        chain[state] = {name: count / total for name, count in sorted(following.items()) if count > 0}
    return chain


def _reaching_call(chain: Mapping[str, Mapping[str, float]], without: str | None) -> float:
    """The probability to reach a call from the start; every way through ``without`` leads to nothing."""
    reach = dict.fromkeys(chain, 0.0)
    order = sorted(chain)
    for _ in range(_ROUNDS):
        moved = 0.0
        for state in order:
            if state == without:
                continue
            value = sum(
                share * (1.0 if name == _CALL else 0.0 if name in {_NOTHING, without} else reach[name])
                for name, share in chain[state].items()
            )
            moved = max(moved, abs(value - reach[state]))
            reach[state] = value
        if moved < _SETTLED:
            break
    return reach.get(_START, 0.0)

"""What a crowd of visitors does, and what loss is to be expected of its pool. Pure."""

from __future__ import annotations

import heapq
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from dialtrace.pool.sizing import erlang_b

#: Steps of the integral by which the load is followed, in seconds.
STEP_S = 0.25


@dataclass(frozen=True, kw_only=True)
class CrowdPlan:
    """Visitors by a rate curve: ``rate`` a second at its height. Each comes to one of the sites (``tokens``) by chance,
    each site with a pool of its own. ``stay_s``: on average, exponential; ``late_s``: by how much, about, who calls
    late does."""

    api_url: str
    tokens: tuple[str, ...]
    host: str
    edge: tuple[str, int]
    sip_port: int
    seed: int
    first_visitor: int
    seconds: float
    rate: float
    stay_s: float = 4.0
    call_share: float = 0.12
    again_share: float = 0.15
    late_s: float = 6.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> CrowdPlan:
        document = json.loads(text)
        return cls(**{**document, "edge": tuple(document["edge"]), "tokens": tuple(document["tokens"])})


def rate_at(plan: CrowdPlan, at_s: float) -> float:
    """Visitors a second: half at the beginning and the end, all in the middle."""
    return plan.rate * (0.5 + 0.5 * math.sin(math.pi * at_s / plan.seconds) ** 2)


def load_at(plan: CrowdPlan, tail_s: float) -> list[tuple[float, float]]:
    """Rate and load (erlang) of one pool in each step: a visit holds its number while it stays and for the tail after.
    The load follows the rate by as long (M(t)/G/∞)."""
    found, staying, tails = [], 0.0, []
    steps = int(plan.seconds / STEP_S)
    kept = max(1, round(tail_s / STEP_S))
    for step in range(steps):
        rate = rate_at(plan, (step + 0.5) * STEP_S) / len(plan.tokens)
        gone = 1.0 - math.exp(-STEP_S / plan.stay_s)
        # Of those who come within the step some leave within it.
        stayed = rate * plan.stay_s * gone
        left = staying * gone + rate * STEP_S - stayed
        staying += rate * STEP_S - left
        tails.append(left)
        found.append((rate, staying + sum(tails[-kept:])))
    return found


def forecast(plan: CrowdPlan, tail_s: float, numbers: int) -> float:
    """The share of visits that will find no number of their own, with so many in each pool."""
    steps = load_at(plan, tail_s)
    return sum(rate * erlang_b(load, numbers) for rate, load in steps) / sum(rate for rate, _ in steps)


@dataclass(frozen=True, slots=True)
class Stay:
    """One visitor: seconds from the beginning, how long he looks at the page, and which of the sites it is of."""

    at_s: float
    stay_s: float
    site: int = 0


def lost_in_ideal(stays: Sequence[Stay], tail_s: float, numbers: int) -> float:
    """The share of just these visitors who find no number in pools that give, keep and take back at once."""
    pools: dict[int, list[float]] = {}
    lost = 0
    for one in sorted(stays, key=lambda each: each.at_s):
        held = pools.setdefault(one.site, [])
        while held and held[0] <= one.at_s:
            heapq.heappop(held)
        if len(held) < numbers:
            heapq.heappush(held, one.at_s + one.stay_s + tail_s)
        else:
            lost += 1
    return lost / max(len(stays), 1)


def drawn(plan: CrowdPlan, chance: random.Random) -> list[Stay]:
    """Visitors as the plan sends them."""
    sites = len(plan.tokens)
    return [Stay(at, chance.expovariate(1 / plan.stay_s), chance.randrange(sites)) for at in arrivals(plan, chance)]


def arrivals(plan: CrowdPlan, chance: random.Random) -> Iterator[float]:
    """Seconds from the beginning, by the plan's rate curve."""
    at = 0.0
    while True:
        at += chance.expovariate(plan.rate)
        if at >= plan.seconds:
            return
        if chance.random() < rate_at(plan, at) / plan.rate:
            yield at


def numbers_for(plan: CrowdPlan, tail_s: float, loss: float) -> int:
    """The smallest size of each pool with which they lose no more."""
    numbers = 1
    while forecast(plan, tail_s, numbers) > loss:
        numbers += 1
    return numbers

"""Which calls a demonstration makes: a pure plan from a count and a seed."""

import random
from collections import Counter
from dataclasses import dataclass

#: What callers meet. The first is connected and recorded; the rest end without a conversation.
KINDS = ("answered", "busy", "unanswered", "cancelled", "unknown")

#: Share of each kind among the calls.
SHARES = {"answered": 0.70, "busy": 0.10, "unanswered": 0.05, "cancelled": 0.10, "unknown": 0.05}

#: Numbers of the range that the United Kingdom keeps for drama (+44 1632 960xxx): they reach nobody.
FIRST_NUMBER = 441632960000
FIRST_CALLER = 447700900000


@dataclass(frozen=True)
class PlannedCall:
    """One call to come: its kind, who calls and what is dialled (E.164)."""

    kind: str
    caller: str
    number: str


@dataclass(frozen=True)
class Provisioned:
    """Numbers that exist, by the kind of target behind them."""

    by_kind: dict[str, list[str]]


def count_kinds(calls: int) -> dict[str, int]:
    """How many calls of each kind: shares rounded so that the sum is exact and each kind comes once when it can."""
    counts = {kind: int(calls * SHARES[kind]) for kind in KINDS}
    for kind in KINDS[1:]:
        if calls >= len(KINDS) and counts[kind] == 0:
            counts[kind] = 1
    counts["answered"] = calls - sum(counts[kind] for kind in KINDS[1:])
    return counts


def number_at(index: int) -> str:
    """The index-th demonstration number."""
    return f"+{FIRST_NUMBER + index}"


def plan_calls(calls: int, seed: int, provisioned: Provisioned) -> list[PlannedCall]:
    """The calls in the order in which they are made; the same seed gives the same calls."""
    chance = random.Random(seed)  # noqa: S311 (a plan that can be repeated, not a secret)
    kinds = [kind for kind, count in count_kinds(calls).items() for _ in range(count)]
    chance.shuffle(kinds)
    return [
        PlannedCall(
            kind=kind,
            caller=f"+{FIRST_CALLER + chance.randrange(1000)}",
            number=chance.choice(provisioned.by_kind[kind]),
        )
        for kind in kinds
    ]


def count_by_kind(calls: list[PlannedCall]) -> Counter[str]:
    """How many calls of each kind the plan holds."""
    return Counter(call.kind for call in calls)

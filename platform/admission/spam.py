"""What a caller's habits say of him: a score from 0 (nothing) to 100, and the rules that it is made of. Pure.

The habits are those of the last hour, over all tenants (`dialtrace_note_callers` counts them under keyed hashes). A
score never ends a call by itself: a flow may act on it, and everybody may see what it was made of.
"""

from __future__ import annotations

from dataclasses import dataclass

#: A call that ended so soon after it was connected, or was never connected at all, is a short one.
SHORT_TALK_MS = 6_000
#: Whoever withholds the number has no habits that anybody knows; the same stands in dialtrace_fact_spam.
WITHHELD = 20
MOST = 100


@dataclass(frozen=True, slots=True)
class Habits:
    """A caller's last hour: calls, those of them that were short, and how many clients they went to. Not whole numbers:
    the hour before counts as far as it still lies within sixty minutes."""

    calls: float
    short_calls: float
    clients: float


@dataclass(frozen=True, slots=True)
class Rule:
    """Points that grow from none at ``least`` to ``points`` at ``most``."""

    name: str
    points: int
    least: float
    most: float

    def weigh(self, value: float) -> int:
        share = (value - self.least) / (self.most - self.least)
        return round(self.points * min(1.0, max(0.0, share)))


#: A person who calls back ten times in an hour stays below half of anything.
CALL_RATE = Rule("call_rate", 35, least=5, most=40)
MANY_CLIENTS = Rule("many_clients", 40, least=2, most=10)
SHORT_CALLS = Rule("short_calls", 25, least=0.5, most=1.0)
#: Of fewer calls nobody can say how many are usually short.
FEWEST_CALLS = 4


@dataclass(frozen=True, slots=True)
class Score:
    """The sum, and each rule that added to it with its points."""

    total: int
    rules: tuple[tuple[str, int], ...]

    @property
    def text(self) -> str:
        """``name:points`` with ``,`` between, as facts and records carry it."""
        return ",".join(f"{name}:{points}" for name, points in self.rules)


def score(habits: Habits) -> Score:
    """What the habits are worth."""
    found = [
        (CALL_RATE.name, CALL_RATE.weigh(habits.calls)),
        (MANY_CLIENTS.name, MANY_CLIENTS.weigh(habits.clients)),
    ]
    if habits.calls >= FEWEST_CALLS:
        found.append((SHORT_CALLS.name, SHORT_CALLS.weigh(habits.short_calls / habits.calls)))
    rules = tuple((name, points) for name, points in found if points)
    return Score(min(MOST, sum(points for _, points in rules)), rules)


def is_short(talk_ms: int | None) -> bool:
    """Whether a call was short; None: it was never connected."""
    return talk_ms is None or talk_ms < SHORT_TALK_MS

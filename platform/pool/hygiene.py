"""When a number is clean, dirty, rested or leaked: rules over counts of calls. Pure.

A number that nobody was shown should get no calls. Marchex counted under 0.025 calls a day on clean numbers, about one
in seven dirty, and waiting did not clean a dirty one ("The behavior of clean and dirty call tracking numbers", 2012):
so calls are counted before a number is used and while it rests, and one called too often for chance is set aside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

#: Calls a day that a clean number may get from people who misdial.
CLEAN_PER_DAY = 0.025
#: A count so unlikely for a clean number is none of chance.
SURE = 0.01
#: What is neither clean nor dirty after so many days will not become clean.
LONGEST_DAYS = 180.0
#: A leak costs an agency a number that works: it must be all but certain, and several people must have dialled.
LEAK_SURE = 1e-4
LEAK_CALLERS = 3
#: Calls without a holder that are counted in any pool, however quiet it was: those who noted a number down.
LATE_PER_DAY = 0.02

Verdict = Literal["clean", "dirty", "wait"]

#: Which state may follow which by hand or by rule; `in_pool` and `released` are reached by pools and by releasing.
NEXT: Mapping[str, frozenset[str]] = {
    "free": frozenset({"soaking", "in_pool", "quarantined", "static", "released"}),
    "soaking": frozenset({"free", "quarantined", "released"}),
    "in_pool": frozenset({"resting", "quarantined", "released"}),
    "static": frozenset({"resting", "quarantined", "free", "released"}),
    "resting": frozenset({"free", "soaking", "quarantined", "released"}),
    "quarantined": frozenset({"soaking", "static", "released"}),
    "released": frozenset(),
}


def chance_of_more(calls: int, mean: float) -> float:
    """The probability of so many calls or more where ``mean`` are to be expected (Poisson)."""
    if calls <= 0:
        return 1.0
    term = math.exp(-mean)
    below = term
    for count in range(1, calls):
        term *= mean / count
        below += term
    return max(0.0, 1.0 - below)


def judge_quiet(calls: int, days: float, *, least_days: float) -> Verdict:
    """Of a number that nobody is shown: ``calls`` in the last ``days``. Dirty as soon as they cannot be chance; clean
    after the least time, with no more than a clean number gets; else wait, but not for ever."""
    if chance_of_more(calls, CLEAN_PER_DAY * max(days, 1.0)) < SURE:
        return "dirty"
    if days >= least_days and calls <= CLEAN_PER_DAY * days:
        return "clean"
    return "dirty" if days >= LONGEST_DAYS else "wait"


def is_leaked(orphans: int, callers: int, *, pool_orphans: int, pool_number_days: float) -> bool:
    """Whether a pool's number is dialled by people who have never been shown it: ``orphans`` calls of the last day that
    came while no visit held it, by so many ``callers``. ``pool_orphans`` is what the pool's other numbers got in
    ``pool_number_days``: those who note a number down call late on every number alike."""
    if orphans < LEAK_CALLERS or callers < LEAK_CALLERS:
        return False
    usual = max(LATE_PER_DAY, pool_orphans / pool_number_days if pool_number_days else 0.0)
    return chance_of_more(orphans, usual) < LEAK_SURE

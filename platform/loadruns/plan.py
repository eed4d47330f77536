"""Which calls come when: from a profile's curve and mix to moments, kinds, callers and lengths. Pure; the same seed
gives the same plan.

Every call has the moment at which it is to begin before anything runs. What a caller waits is counted from there, so
that a system that stalls cannot hide calls that should have come meanwhile (coordinated omission).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .profile import Profile
from .tables import Calls, Curve, Step

#: From the answer of a menu until its key was pressed, heard and acted upon, with room for a slow machine.
KEYED_S = 4.0


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call that is to come. ``at_s`` counts from the first second of the run; ``warm_up``: it is not judged."""

    kind: str
    at_s: float
    caller: str
    hold_ms: int
    warm_up: bool = False


def steps_of(curve: Curve) -> list[Step]:
    """The curve with its warm-up, which goes at the first rate."""
    first = curve.steps[0].from_cps
    warm = [Step(for_s=curve.warm_up_s, from_cps=first)] if curve.warm_up_s else []
    return [*warm, *curve.steps]


def moments_of(steps: Sequence[Step], *, arrivals: str, seed: int) -> Iterator[float]:
    """When each call comes, in seconds, rising. Even: where the area under the curve reaches the next whole number;
    random: where it has grown by an exponentially distributed amount, which is a Poisson process of that rate."""
    chance = random.Random(seed)  # noqa: S311 (a plan that can be repeated, not a secret)
    grown = (1.0 if arrivals == "even" else chance.expovariate(1.0) for _ in itertools.count())
    due, began_s, area = (0.5 if arrivals == "even" else next(grown)), 0.0, 0.0
    for step in steps:
        own = step.for_s * (step.from_cps + step.to) / 2
        while due < area + own:
            yield began_s + _second_of(step, due - area)
            due += next(grown)
        began_s, area = began_s + step.for_s, area + own


def _second_of(step: Step, calls: float) -> float:
    """After how many seconds of the step so many calls have come: the root of from·t + slope·t²/2 = calls."""
    slope = (step.to - step.from_cps) / step.for_s
    if abs(slope) < 1e-9:
        return calls / step.from_cps
    root = math.sqrt(max(0.0, step.from_cps**2 + 2 * slope * calls))
    return min(step.for_s, (root - step.from_cps) / slope)


def mixed(kinds: Sequence[Calls], count: int, chance: random.Random) -> list[Calls]:
    """So many kinds in the asked shares, rounded so that the sum is exact, and shuffled."""
    whole = sum(kind.share for kind in kinds)
    exact = [kind.share / whole * count for kind in kinds]
    counts = [math.floor(value) for value in exact]
    by_rest = sorted(range(len(kinds)), key=lambda place: exact[place] - counts[place], reverse=True)
    for place in by_rest[: count - sum(counts)]:
        counts[place] += 1
    found = [kind for kind, times in zip(kinds, counts, strict=True) for _ in range(times)]
    chance.shuffle(found)
    return found


def plan_calls(profile: Profile, steps: Sequence[Step] | None = None) -> list[PlannedCall]:
    """The whole plan, in the order of its moments. ``steps``: another curve than the profile's, without a warm-up."""
    curve = profile.rate
    warm_up_s = curve.warm_up_s if steps is None else 0.0
    moments = list(moments_of(steps or steps_of(curve), arrivals=curve.arrivals, seed=curve.seed))
    chance = random.Random(curve.seed)  # noqa: S311
    kinds = mixed(profile.calls, len(moments), chance)
    return [
        PlannedCall(
            kind=kind.name,
            at_s=at_s,
            caller=f"+{int(kind.from_number[1:]) + chance.randrange(kind.callers)}",
            hold_ms=_hold_ms(profile, kind, chance),
            warm_up=at_s < warm_up_s,
        )
        for kind, at_s in zip(kinds, moments, strict=True)
    ]


def _hold_ms(profile: Profile, kind: Calls, chance: random.Random) -> int:
    """How long the caller stays; a caller who gives up does so after a time of the kind's own."""
    if kind.caller == "gives_up":
        return round(kind.after_s * 1000)
    talk = profile.talk
    # Ten times the mean is the end: one call in 22,000 would be longer, and a run must end.
    held_s = talk.hold_s if talk.hold == "fixed" else min(chance.expovariate(1 / talk.hold_s), 10 * talk.hold_s)
    return max(200, round((held_s + _until_connected_s(profile, kind)) * 1000))


def _until_connected_s(profile: Profile, kind: Calls) -> float:
    """A menu answers at once and SIPp counts from there: the key, the switch's turn and the ringing come on top."""
    ringing_s = sum(profile.target(name).ring_s for name in kind.targets)
    return KEYED_S + ringing_s if kind.dtmf else 0.0


def shared_out(
    calls: Sequence[PlannedCall], kinds: Sequence[str], hosts: int
) -> list[tuple[str, int, list[PlannedCall]]]:
    """Who places what: (kind, place of the host, its calls in order), those without calls left out. Calls go round the
    hosts, so that each host has the whole curve."""
    found = []
    for kind in kinds:
        own = [call for call in calls if call.kind == kind]
        for host in range(hosts):
            if part := own[host::hosts]:
                found.append((kind, host, part))
    return found


def most_open(calls: Sequence[PlannedCall], *, ahead_s: float, linger_s: float) -> int:
    """How many calls a generator has open at most, if each is opened so long before its moment and lingers so long
    after its conversation: the bound that it is given."""
    changes = sorted(
        itertools.chain(
            ((call.at_s - ahead_s, 1) for call in calls),
            ((call.at_s + call.hold_ms / 1000 + linger_s, -1) for call in calls),
        )
    )
    return max(itertools.accumulate(change for _, change in changes), default=0)

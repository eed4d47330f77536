"""Whether calls stated at p are right in p of all cases: a world whose truth is known, matched as the platform would.

    python -m dialtrace.loadtest.calibration [--visits 400000] [--seed 1]

Persons visit a site, see numbers of a pool (exclusive, shared when it is short), click, call while they look, minutes
or weeks later, from another telephone, again and again, or return under a new cookie; numbers are dialled by mistake.
None of this is drawn from the curve that the platform learns: delays are log-normal and exponential, its rates are
steps. The second third teaches the curve, without the truth; the last is judged. Pure: no database and no clock.
"""

from __future__ import annotations

import heapq
import json
import math
import random
import sys
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import click

from dialtrace.attribution.curve import MOST_HOLDERS, PRIOR, Curve
from dialtrace.attribution.learning import AtRisk, Lesson, learn, watched_until
from dialtrace.attribution.matching import match_call
from dialtrace.attribution.model import CallSeen, Earlier, Exposure, Match, Source, Visit

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
REGIONS = ("RU-MOW", "RU-SPE", "RU-NVS", "RU-SVE", "RU-TA", "RU-KDA", "RU-ROS", "RU-SAM")
SOURCES = tuple(
    Source(channel=channel, source=source, campaign=campaign)
    for channel, source, campaign in (
        ("paid", "yandex", "brand"), ("paid", "yandex", "generic"), ("paid", "google", "brand"),
        ("organic", "yandex", None), ("organic", "google", None), ("social", "vk", None), ("direct", None, None),
    )
)  # fmt: skip
DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class World:
    """What people do. ``load``: visits that the pool is made for, over those that come."""

    visits: int = 40_000
    days: float = 60.0
    numbers: int = 60
    tail_s: float = 600.0
    call_share: float = 0.06
    stray_every_days: float = 25.0
    again_share: float = 0.3
    other_telephone: float = 0.05
    returning: float = 0.2
    new_cookie: float = 0.3
    same_region: float = 0.75


@dataclass(slots=True)
class _Person:
    telephone: int
    cookie: str
    region: str
    is_mobile: bool


@dataclass(frozen=True, slots=True)
class TrueCall:
    """A call and the truth about it: the visit that it belongs to; None: a mistake."""

    at: float
    number: int
    caller: int
    region: str
    visit_id: uuid.UUID | None


@dataclass(slots=True)
class Story:
    """What happened: exposures by number in the order of their beginning, and calls in order."""

    exposures: dict[int, list[Exposure]] = field(default_factory=lambda: defaultdict(list))
    calls: list[TrueCall] = field(default_factory=list)
    shared: int = 0
    visits: int = 0


def moment(seconds: float) -> datetime:
    """Seconds of the world as a moment."""
    return BEGIN + timedelta(seconds=seconds)


class _Telling:
    """Draws one story."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.story = Story()
        self.people: list[_Person] = []
        #: Number → when its tail ends, the longest free first; and who holds it.
        self.free: OrderedDict[int, None] = OrderedDict((number, None) for number in range(world.numbers))
        self.held: list[tuple[float, int]] = []

    def tell(self) -> Story:
        world, chance = self.world, self.chance
        rate = world.visits / (world.days * DAY_S)
        at = 0.0
        while True:
            at += chance.expovariate(rate * 1.6)
            if at >= world.days * DAY_S:
                break
            # A day has its hours.
            if chance.random() < (1.0 - 0.9 * math.cos(2 * math.pi * at / DAY_S)) / 1.9:
                self._visit(at)
        self._mistakes()
        self.story.calls.sort(key=lambda one: one.at)
        return self.story

    def _visit(self, at: float) -> None:
        person = self._person()
        number, rung = self._lease(at)
        stay = chance_stay(self.chance)
        clicks, calls = self._calls_of(person, at, stay)
        visit = Visit(
            id=uuid.UUID(int=self.chance.getrandbits(128), version=4),
            started_at=moment(at),
            visitor_id=person.cookie,
            source=self.chance.choice(SOURCES),
        )
        self.story.exposures[number].append(
            Exposure(
                visit=visit,
                rung=rung,
                shown_at=moment(at),
                seen_until=moment(at + stay),
                clicked_at=moment(clicks) if clicks is not None else None,
                device="mobile" if person.is_mobile else "desktop",
                region=person.region,
            )
        )
        self.story.visits += 1
        if rung == "exclusive":
            heapq.heappush(self.held, (at + stay + self.world.tail_s, number))
        for when in calls:
            self._call(person, number, when, visit.id)

    def _person(self) -> _Person:
        chance = self.chance
        if self.people and chance.random() < self.world.returning:
            person = self.people[-1 - int(chance.random() ** 2 * min(len(self.people), 4000))]
            if chance.random() < self.world.new_cookie:
                person.cookie = f"v{chance.getrandbits(48):x}"
            return person
        person = _Person(
            chance.getrandbits(40), f"v{chance.getrandbits(48):x}", some_region(chance), chance.random() < 0.6
        )
        self.people.append(person)
        return person

    def _lease(self, at: float) -> tuple[int, str]:
        while self.held and self.held[0][0] <= at:
            self.free[heapq.heappop(self.held)[1]] = None
        if self.free:
            return self.free.popitem(last=False)[0], "exclusive"
        self.story.shared += 1
        return self.held[0][1], "shared"

    def _calls_of(self, person: _Person, at: float, stay: float) -> tuple[float | None, list[float]]:
        """When the person clicks and calls."""
        chance = self.chance
        share = self.world.call_share * (1.3 if person.is_mobile else 0.55)
        if chance.random() >= share:
            # Some click by mistake, or hang up before it rings.
            idle = person.is_mobile and chance.random() < 0.01
            return (at + chance.uniform(1, stay) if idle else None), []
        how = chance.random()
        if how < 0.5:
            when = at + min(chance.expovariate(1 / 100.0) + 4.0, max(stay, 5.0))
            if person.is_mobile and chance.random() < 0.7:
                return when, [when + chance.uniform(1.5, 9.0)]
            return None, [when + 1.0]
        if how < 0.85:
            return None, [at + stay + chance.lognormvariate(math.log(1200.0), 1.6)]
        return None, [at + stay + chance.expovariate(1 / (6 * DAY_S))]

    def _call(self, person: _Person, number: int, at: float, visit_id: uuid.UUID) -> None:
        chance, world = self.chance, self.world
        other = chance.random() < world.other_telephone
        telephone = chance.getrandbits(40) if other else person.telephone
        region = person.region if chance.random() < world.same_region else chance.choice(REGIONS)
        while at < world.days * DAY_S:
            self.story.calls.append(TrueCall(at, number, telephone, region, visit_id))
            if chance.random() >= world.again_share:
                return
            at += chance.lognormvariate(math.log(0.7 * DAY_S), 2.0)

    def _mistakes(self) -> None:
        chance, world = self.chance, self.world
        for number in range(world.numbers):
            at = chance.expovariate(1 / (world.stray_every_days * DAY_S))
            while at < world.days * DAY_S:
                self.story.calls.append(TrueCall(at, number, chance.getrandbits(40), some_region(chance), None))
                at += chance.expovariate(1 / (world.stray_every_days * DAY_S))


def some_region(chance: random.Random) -> str:
    """Some regions have more people than others."""
    return REGIONS[min(int(chance.expovariate(0.45)), len(REGIONS) - 1)]


def chance_stay(chance: random.Random) -> float:
    """How long somebody stays, in seconds."""
    return min(chance.lognormvariate(math.log(90.0), 1.0), 3600.0)


def tell(world: World, seed: int) -> Story:
    """A story drawn at random; the same seed is the same story."""
    return _Telling(world, seed).tell()


@dataclass(slots=True)
class Known:
    """What earlier calls have told, as the platform keeps it: nothing of the truth."""

    by_caller: dict[int, list[tuple[int, float, Match]]] = field(default_factory=lambda: defaultdict(list))
    by_visit: dict[uuid.UUID, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))

    def seen(self, call: TrueCall) -> CallSeen:
        """The call as the platform sees it."""
        before = self.by_caller.get(call.caller, ())
        here = [(at, match) for number, at, match in before if number == call.number]
        earlier = None
        if here:
            holders = tuple((one.visit, one.probability) for one in here[0][1].candidates)
            earlier = Earlier(last_at=moment(here[-1][0]), holders=holders)
        return CallSeen(started_at=moment(call.at), region=call.region, is_known_caller=bool(before), earlier=earlier)

    def exposures(self, call: TrueCall, found: Sequence[Exposure]) -> list[Exposure]:
        """The exposures with what earlier calls say of their visitors."""
        own: dict[str, float] = {}
        for _, _, match in self.by_caller.get(call.caller, ()):
            for one in match.candidates:
                if one.visit.visitor_id:
                    own[one.visit.visitor_id] = max(own.get(one.visit.visitor_id, 0.0), one.probability)
        told = []
        for one in found:
            others = [share for caller, share in self.by_visit.get(one.visit.id, ()) if caller != call.caller]
            told.append(
                replace(
                    one, callers_own=own.get(one.visit.visitor_id or "", 0.0), called_by_other=max(others, default=0)
                )
            )
        return told

    def note(self, call: TrueCall, match: Match) -> None:
        self.by_caller[call.caller].append((call.number, call.at, match))
        for one in match.candidates:
            self.by_visit[one.visit.id].append((call.caller, one.probability))


def walk(story: Story, curve: Curve) -> Iterator[tuple[TrueCall, Lesson, Match]]:
    """Every call in order, matched by what was known at that moment."""
    known, reached = Known(), dict.fromkeys(story.exposures, 0)
    for call in story.calls:
        all_of = story.exposures.get(call.number, [])
        end = reached.get(call.number, 0)
        while end < len(all_of) and all_of[end].shown_at <= moment(call.at):
            end += 1
        reached[call.number] = end
        exposures = known.exposures(call, all_of[max(0, end - MOST_HOLDERS) : end])
        seen = known.seen(call)
        match = match_call(seen, exposures, curve)
        yield call, Lesson(seen, exposures), match
        known.note(call, match)


def teach(story: Story, since: datetime, until: datetime, *, passes: int = 2) -> Curve:
    """The curve that the story teaches within a span. Each pass learns from what the one before has stated of earlier
    calls."""
    curve = PRIOR
    for _ in range(passes):
        walked = [(call, lesson, match) for call, lesson, match in walk(story, curve) if moment(call.at) < until]
        at_risk = AtRisk(since, until)
        for found in story.exposures.values():
            for one, end in zip(found, watched_until(found, until), strict=True):
                if one.shown_at < until:
                    at_risk.add_exposure(one, end)
            at_risk.add_number(since, until)
        _add_callers(at_risk, walked, until)
        lessons = [lesson for call, lesson, _ in walked if moment(call.at) >= since]
        curve = learn(lessons, at_risk, curve, known_callers=len({call.caller for call, _, _ in walked}))
    return curve


def _add_callers(at_risk: AtRisk, walked: Sequence[tuple[TrueCall, Lesson, Match]], until: datetime) -> None:
    last: dict[tuple[int, int], tuple[datetime, float]] = {}
    for call, _, match in walked:
        key = (call.caller, call.number)
        if key in last:
            at_risk.add_caller(last[key][0], moment(call.at), last[key][1])
        last[key] = (moment(call.at), last[key][1] if key in last else 1.0 - match.nobody)
    for began_at, named in last.values():
        at_risk.add_caller(began_at, until, named)


@dataclass(frozen=True)
class Bin:
    """Calls stated at about the same probability: how many, the mean of what was stated, the share that was right."""

    calls: int
    stated: float
    right: float

    @property
    def off(self) -> float:
        return abs(self.stated - self.right)

    @property
    def chance(self) -> float:
        """The standard error of the share that was right."""
        return math.sqrt(max(self.stated * (1 - self.stated), 0.25 / self.calls) / self.calls)


@dataclass(frozen=True)
class Calibration:
    """``visits``: of the most likely visit of each call; ``sources``: of its most likely source; ``all_candidates``:
    of every candidate that was told."""

    visits: tuple[Bin, ...]
    all_candidates: tuple[Bin, ...]
    right_share: float
    calls: int
    unmatched: int


EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0001)


def binned(pairs: Sequence[tuple[float, bool]]) -> tuple[Bin, ...]:
    """Pairs of what was stated and whether it was right."""
    found = []
    for low, high in pairwise(EDGES):
        inside = [(stated, right) for stated, right in pairs if low <= stated < high]
        if inside:
            count = len(inside)
            mean = sum(stated for stated, _ in inside) / count
            found.append(Bin(count, mean, sum(right for _, right in inside) / count))
    return tuple(found)


def judge(story: Story, curve: Curve, since: datetime) -> Calibration:
    """What was stated of the calls from a moment on, against the truth."""
    best: list[tuple[float, bool]] = []
    every: list[tuple[float, bool]] = []
    right = calls = unmatched = 0
    for call, _, match in walk(story, curve):
        if moment(call.at) < since:
            continue
        calls += 1
        every += [(one.probability, one.visit.id == call.visit_id) for one in match.candidates]
        first = match.candidates[0] if match.candidates else None
        if first is None or match.nobody > first.probability:
            unmatched += 1
            right += all(one.visit.id != call.visit_id for one in match.candidates)
            continue
        best.append((first.probability, first.visit.id == call.visit_id))
        right += first.visit.id == call.visit_id
    return Calibration(binned(best), binned(every), right / max(calls, 1), calls, unmatched)


def table(bins: Sequence[Bin]) -> str:
    """As text."""
    lines = ["   calls  stated   right     off"]
    lines += [f"{one.calls:8d}  {one.stated:6.3f}  {one.right:6.3f}  {one.right - one.stated:+6.3f}" for one in bins]
    return "\n".join(lines)


def calibrate(story: Story, world: World) -> tuple[Calibration, Calibration]:
    """The last third of a story, judged by what the second has taught; and by what nobody has taught. In the first,
    numbers have not yet the late callers that they will have."""
    third = world.days / 3 * DAY_S
    curve = teach(story, moment(third), moment(2 * third))
    return judge(story, curve, moment(2 * third)), judge(story, PRIOR, moment(2 * third))


@click.command()
@click.option("--visits", default=400_000, show_default=True, help="Visits in 60 days.")
@click.option("--numbers", default=0, help="Numbers of the pool; 0: as many as 1 visit in 20 finds none free.")
@click.option("--seed", default=1, show_default=True)
def main(visits: int, numbers: int, seed: int) -> None:
    """Print how well calibrated the probabilities are."""
    world = World(visits=visits, numbers=numbers or max(20, visits // 1500))
    story = tell(world, seed)
    found, prior = calibrate(story, world)
    print(f"{story.visits} visits, {story.shared} on the shared rung, {len(story.calls)} calls, {found.calls} judged")
    print(f"the most likely answer was right for {found.right_share:.1%} ({prior.right_share:.1%} before learning)")
    print("the most likely visit:\n" + table(found.visits))
    print("every candidate:\n" + table(found.all_candidates))
    print("the most likely visit, before anything was learnt:\n" + table(prior.visits))
    worst = max((one.off for one in found.visits if one.chance < 0.007), default=0.0)
    figures = {"calls": found.calls, "right": round(found.right_share, 4), "worst_off": round(worst, 4)}
    print(json.dumps({"bench": "calibration", "figures": figures, "ratio": {}}))
    sys.exit(0 if worst <= 0.02 else 1)


if __name__ == "__main__":
    main()

"""What holds for the steps of a flow together: that names are known, that each step can be reached, that nothing goes
round for ever, and that the switch can carry out what comes between two decisions.

A plan runs within the switch until a step where the caller waits or presses keys; only there it ends and another one
begins. So what lies between such steps must be finite, and no more than a plan holds. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from .errors import Fault
from .flow_hours import twice
from .flow_steps import MOST_TARGETS, RingStep, ScheduleStep, Step, followers, links, needs_next, step_targets

#: Steps in which the caller waits or presses keys: a plan ends there.
PAUSES = frozenset({"code", "consent", "menu", "queue", "webhook"})
#: Steps that take their time whatever happens. A queue may be full and a web hook fail at once, and a target be away.
LASTING = frozenset({"announce", "code", "consent", "menu", "voicemail"})
#: That follow one another without such a pause: a plan may hold 100 actions (call-setup.md, "Rules for plans").
MOST_IN_A_ROW = 30
#: Points that every file of fallback plans has of its own: no step may be called like them.
RESERVED = frozenset({"start", "ring"})


@dataclass(frozen=True, slots=True)
class Node:
    """A step as the checks see it: its kind, what may come next, and how many targets it rings."""

    kind: str
    follows: Sequence[str]
    rung: int = 0


Graph = Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class Outline:
    """The steps of one document by name, in their order, each with what ``next`` or its place says follows it."""

    names: tuple[str, ...]
    steps: tuple[Step, ...]
    after: tuple[str | None, ...]

    def graph(self) -> dict[str, Node]:
        known = set(self.names)
        return {
            name: Node(
                step.type,
                [one for one in followers(step, after) if one in known],
                len(step.targets) if isinstance(step, RingStep) else 0,
            )
            for name, step, after in zip(self.names, self.steps, self.after, strict=True)
        }


def outline_of(steps: Sequence[Step]) -> Outline:
    """Names for all: a step without one is called by its place."""
    names = tuple(step.name or f"step-{place}" for place, step in enumerate(steps, start=1))
    following = (*names[1:], None)
    after = tuple(getattr(step, "next", None) or name for step, name in zip(steps, following, strict=True))
    return Outline(names, tuple(steps), after)


def flow_faults(steps: Sequence[Step]) -> list[Fault]:
    """Every fault of the steps together, for one document by itself."""
    outline = outline_of(steps)
    faults = [*_name_faults(outline), *_link_faults(outline), *_hours_faults(outline)]
    if faults:
        return faults
    graph = outline.graph()
    return [*_reach_faults(outline, graph), *graph_faults(graph, outline.names[0], _places(outline))]


def graph_faults(graph: Graph, entry: str, places: Mapping[tuple[str, str], str]) -> list[Fault]:
    """Endless loops, or else stretches that are too long for a plan. ``places``: where a document says that one step
    follows another."""
    for broken_by, words in (
        (PAUSES, "the caller never waits or presses a key on the way"),
        (LASTING, "it may go round at once: let the caller hear something on the way"),
    ):
        loops = find_loops(graph, entry, broken_by)
        if loops:
            return [_loop_fault(loop, places, words) for loop in loops]
    rung, in_a_row = longest_stretch(graph)
    faults = []
    if rung > MOST_TARGETS:
        words = (
            f"ring {rung} targets one after another; without a menu, a queue or the like between, {MOST_TARGETS} may"
        )
        faults.append(Fault("/steps", "too_many_targets", words))
    if in_a_row > MOST_IN_A_ROW:
        words = f"{in_a_row} steps may follow one another without a menu, a queue or the like; {MOST_IN_A_ROW} may"
        faults.append(Fault("/steps", "too_many_in_a_row", words))
    return faults


def find_loops(graph: Graph, entry: str, broken_by: Collection[str]) -> list[list[str]]:
    """Ways round on which there is no step of these kinds: each as the steps passed, the first one again at its end."""
    loops: list[list[str]] = []
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> None:
        way = [*way, name]
        for following in [] if graph[name].kind in broken_by else graph[name].follows:
            if following in way:
                loops.append([*way[way.index(following) :], following])
            elif following not in done:
                walk(following, way)
        done.add(name)

    for start in (entry, *graph):
        if start not in done:
            walk(start, [])
    return loops


def longest_stretch(graph: Graph) -> tuple[int, int]:
    """The most targets, and the most steps, that may come one after another without a pause. There must be no loop."""
    known: dict[str, tuple[int, int]] = {}

    def measure(name: str) -> tuple[int, int]:
        if name not in known:
            node = graph[name]
            ahead = [] if node.kind in PAUSES else [measure(one) for one in node.follows]
            rung, steps = (max((one[part] for one in ahead), default=0) for part in (0, 1))
            known[name] = (node.rung + rung, 1 + steps)
        return known[name]

    measured = [measure(name) for name in graph]
    return max(one[0] for one in measured), max(one[1] for one in measured)


def _loop_fault(loop: list[str], places: Mapping[tuple[str, str], str], words: str) -> Fault:
    pairs = list(pairwise(loop))
    place = next((places[pair] for pair in reversed(pairs) if pair in places), "/steps")
    return Fault(place, "endless", f"goes round for ever ({' → '.join(loop)}), and {words}")


def _places(outline: Outline) -> dict[tuple[str, str], str]:
    return {
        (name, linked): f"/steps/{index}{place}"
        for index, (name, step) in enumerate(zip(outline.names, outline.steps, strict=True))
        for place, linked in links(step)
    }


def _name_faults(outline: Outline) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, (name, step) in enumerate(zip(outline.names, outline.steps, strict=True)):
        place = f"/steps/{index}/name" if step.name else f"/steps/{index}"
        if name in RESERVED:
            yield Fault(place, "reserved", f"cannot be called {name}, which has a meaning of its own")
        if name in first:
            yield Fault(place, "not_unique", f"is called {name}, as step {first[name] + 1} is already")
        first.setdefault(name, index)


def _link_faults(outline: Outline) -> Iterator[Fault]:
    known = set(outline.names)
    for index, step in enumerate(outline.steps):
        for place, name in links(step):
            if name not in known:
                yield Fault(f"/steps/{index}{place}", "unknown_step", f"there is no step called {name}")
            elif place == "/next" and not needs_next(step):
                words = f"never follows this {step.type} step, which says itself what follows it: leave it out"
                yield Fault(f"/steps/{index}/next", "no_effect", words)


def _hours_faults(outline: Outline) -> Iterator[Fault]:
    """Hours that come twice, or not at all."""
    for index, step in enumerate(outline.steps):
        if not isinstance(step, ScheduleStep):
            continue
        where = f"/steps/{index}"
        if step.schedule is None and step.weekly is None:
            yield Fault(f"{where}/weekly", "required", "is required, unless `schedule` names hours of the client's")
        if step.schedule is not None and (step.weekly is not None or step.time_zone or step.holidays or step.overrides):
            yield Fault(f"{where}/schedule", "contradiction", "has hours of its own: the step must not say others")
        for place, day in twice(step.holidays):
            yield Fault(f"{where}/holidays/{place}/date", "not_unique", f"{day} has its hours already")


def schedule_places(steps: Sequence[Step]) -> Iterator[tuple[str, UUID]]:
    """Where each schedule stands in the document, and its id."""
    for index, step in enumerate(steps):
        if isinstance(step, ScheduleStep) and step.schedule is not None:
            yield f"/steps/{index}/schedule", step.schedule


def _reach_faults(outline: Outline, graph: Graph) -> Iterator[Fault]:
    reached: set[str] = set()
    ahead = [outline.names[0]]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += graph[name].follows
    for index, name in enumerate(outline.names):
        if name not in reached:
            yield Fault(f"/steps/{index}", "unreachable", f"can never be reached: no step leads to {name}")


def target_places(steps: Sequence[Step]) -> Iterator[tuple[str, UUID]]:
    """Where each target stands in the document, and its id."""
    for index, step in enumerate(steps):
        for place, one in step_targets(step):
            yield f"/steps/{index}{place}", one.target

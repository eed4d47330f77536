"""The document that describes a load run, in TOML: strict, checked whole before anything starts, all faults together.

Pure: text in, a profile out. What each key means to those who write one: docs/howto/load-testing.md.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Self

from pydantic import Field, ValidationError

from .errors import ProfileFaulty
from .tables import (
    BEHAVIOURS,
    Bounds,
    Calls,
    Curve,
    Flood,
    Host,
    Limits,
    Name,
    Search,
    Soak,
    Step,
    Stop,
    Strict,
    System,
    Talk,
    Target,
)

HERE = Host(name="here", address="127.0.0.1")


class Profile(Strict):
    """A whole load run."""

    name: Name
    about: str = ""
    system: System = System()
    hosts: Annotated[list[Host], Field(default_factory=lambda: [HERE], max_length=32)]
    rate: Curve
    talk: Talk = Talk()
    targets: Annotated[list[Target], Field(default_factory=list, max_length=32)]
    calls: Annotated[list[Calls], Field(min_length=1, max_length=32)]
    floods: Annotated[list[Flood], Field(default_factory=list, max_length=16)]
    limits: Limits = Limits()
    stop: Stop = Stop()
    bounds: Bounds = Bounds()
    search: Search | None = None
    soak: Soak | None = None

    def target(self, name: str) -> Target:
        return next(target for target in self.targets if target.name == name)

    @property
    def placing(self) -> list[Host]:
        return [host for host in self.hosts if host.places]

    @property
    def answering(self) -> list[Host]:
        return [host for host in self.hosts if host.answers]

    def expected(self, kind: Calls) -> tuple[int, str]:
        """The SIP status that the caller must get, and the outcome that the record must have."""
        status, outcome = _expected(self, kind)
        return kind.status or status, kind.outcome or outcome

    def at_most(self, cps: float) -> Self:
        """The same with its curve made so high or so low that its highest rate is that. Raises ProfileFaulty."""
        highest = max(max(step.from_cps, step.to) for step in self.rate.steps)
        factor = cps / highest if highest else 0.0
        steps = [
            Step(for_s=step.for_s, from_cps=step.from_cps * factor, to_cps=step.to * factor) for step in self.rate.steps
        ]
        scaled = self.model_copy(update={"rate": self.rate.model_copy(update={"steps": steps})})
        if faults := [fault for check in CHECKS for fault in check(scaled)]:
            raise ProfileFaulty(f"{self.name} at {cps:g}/s", faults)
        return scaled

    @classmethod
    def read(cls, text: str, name: str) -> Self:
        """From TOML. Raises ProfileFaulty with every fault."""
        try:
            profile = cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ProfileFaulty(name, [f"it is no TOML: {error}"]) from error
        except ValidationError as error:
            raise ProfileFaulty(name, [_worded(fault["loc"], fault["msg"]) for fault in error.errors()]) from error
        faults = [fault for check in CHECKS for fault in check(profile)]
        if faults:
            raise ProfileFaulty(name, faults)
        return profile


def _worded(location: Sequence[int | str], message: str) -> str:
    where = ".".join(str(part) for part in location) or "the profile"
    said = {
        "Extra inputs are not permitted": "is no key that a profile has",
        "Field required": "is missing",
    }.get(message, message[:1].lower() + message[1:])
    return f"{where}: {said.removeprefix('value error, ')}"


def _expected(profile: Profile, kind: Calls) -> tuple[int, str]:
    if kind.caller == "gives_up":
        return 487, "caller_cancelled"
    if not kind.targets:
        return 404, "unallocated"
    if kind.dtmf:
        return 200, BEHAVIOURS[profile.target(kind.targets[-1]).behaviour][1]
    for name in kind.targets:
        target = profile.target(name)
        found = BEHAVIOURS[target.behaviour]
        if found[0] == 200:
            return found
    if target.behaviour == "rejects" and target.status != 603:
        return (486, "busy") if target.status in (486, 600) else (480, "unreachable")
    return found


def _names(profile: Profile) -> Iterator[str]:
    """Names once each, and only names that are there."""
    for what, names in (
        ("hosts", [host.name for host in profile.hosts]),
        ("targets", [target.name for target in profile.targets]),
        ("calls and floods", [*(kind.name for kind in profile.calls), *(one.name for one in profile.floods)]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield f"{what}: {name!r} is there {count} times; a name belongs to one"
    known = {target.name for target in profile.targets}
    for kind in profile.calls:
        for name in kind.targets:
            if name not in known:
                yield f"calls.{kind.name}.targets: there is no target {name!r}; there are {sorted(known)}"


def _sense(profile: Profile) -> Iterator[str]:
    """Keys that contradict each other."""
    if not profile.placing or (not profile.answering and profile.targets):
        yield "hosts: one at least must place calls, and one answer them"
    behaviours = {target.name: target.behaviour for target in profile.targets}
    for kind in profile.calls:
        connects = [behaviours.get(name) in ("answers", "silent", "early_media", "hangs_up") for name in kind.targets]
        if kind.caller == "waits" and not any(behaviours.get(name) == "hangs_up" for name in kind.targets):
            yield f"calls.{kind.name}: its caller waits for the other side to hang up, and no target of it hangs up"
        if kind.caller == "gives_up" and any(connects):
            yield f"calls.{kind.name}: its caller gives up while it rings, so no target of it may answer"
        if kind.dtmf and not any(connects):
            yield f"calls.{kind.name}: a menu answers the call, so one of its targets must be one that answers"
    if profile.search is not None and profile.search.first_cps > profile.search.most_cps:
        yield "search.first_cps: is above search.most_cps"
    if profile.search is not None and profile.soak is not None:
        yield "soak: a search has no steady load; make two profiles of them"
    if profile.soak is not None and profile.soak.settle_s + 10 > sum(step.for_s for step in profile.rate.steps):
        yield "soak.settle_s: nothing is left of the curve to look at"


def _system(profile: Profile) -> Iterator[str]:
    """A platform that runs must be found; one of our own has no addresses."""
    system = profile.system
    if system.kind == "own" and (system.nodes or system.api or system.numbers):
        yield "system: nodes, api and numbers belong to kind = 'standing'"
    if system.kind == "standing" and not system.nodes:
        yield "system.nodes: is missing; where does the platform take SIP?"
    if system.kind == "standing" and not system.api.startswith(("http://", "https://")):
        yield "system.api: is missing; the books need the platform's API (http://… or https://…)"
    wanted = sum(len(profile.answering) if kind.targets else 1 for kind in profile.calls)
    if system.kind == "standing" and len(set(system.numbers)) < wanted:
        yield (
            f"system.numbers: {len(set(system.numbers))}, and {wanted} are needed: one for each kind of call and each "
            "host that answers (for calls without targets one that nobody has)"
        )


def _bounds(profile: Profile) -> Iterator[str]:
    """A profile that would exceed its own bounds does not start."""
    bounds, steps = profile.bounds, profile.rate.steps
    seconds = profile.rate.warm_up_s + sum(step.for_s for step in steps)
    calls = profile.rate.warm_up_s * steps[0].from_cps + sum(
        step.for_s * (step.from_cps + step.to) / 2 for step in steps
    )
    fastest = max(max(step.from_cps, step.to) for step in steps)
    standing = fastest * profile.talk.hold_s
    if profile.search is not None:
        fastest = max(fastest, profile.search.most_cps)
        standing = max(standing, profile.search.most_cps * min(profile.talk.hold_s, profile.search.step_s))
        seconds = max(seconds, profile.search.repeat * profile.search.within_s)
    seconds += profile.talk.hold_s
    if seconds > bounds.seconds:
        yield f"bounds.seconds: {bounds.seconds:g}, and the profile takes {seconds:g}"
    if calls < 1:
        yield "rate.steps: the curve makes no call"
    if calls > bounds.calls:
        yield f"bounds.calls: {bounds.calls}, and the curve makes {calls:.0f}"
    if fastest > bounds.cps:
        yield f"bounds.cps: {bounds.cps:g}, and the profile goes up to {fastest:g}"
    if standing > bounds.standing:
        yield (
            f"bounds.standing: {bounds.standing}, and at {fastest:g}/s of {profile.talk.hold_s:g} s "
            f"{standing:.0f} stand"
        )


CHECKS: tuple[Callable[[Profile], Iterator[str]], ...] = (_names, _sense, _system, _bounds)

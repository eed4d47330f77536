"""The fallback plans of one number: a file that the script on the switch reads when no worker answers. Pure.

Format: docs/architecture.md, "A plan". The plans are those of plan.py, made ahead for every point at which a call may
ask, and for every span of the week in which the flow's clock-bound steps decide alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from . import hours
from .choosing import holds
from .compiled import (
    CompiledCode,
    CompiledCondition,
    CompiledConsent,
    CompiledFlow,
    CompiledMenu,
    CompiledQueue,
    CompiledRing,
    CompiledSchedule,
    CompiledWebhook,
    following,
    read_compiled,
)
from .model import Facts, Route
from .plan import ANY_DIGITS, CALL_MARK, DAY_MARK, RING_ONLY, START, make_part, refusal

FILE_HEADER = "dialtrace-plans 2"
#: 2100-01-01, UTC. What does not depend on the hour has no end: a node that nobody reaches for weeks still connects its
#: calls.
NEVER_S = 4_102_444_800
#: From midnight (UTC) before the file is made, so that it is made anew once a day: never less than seven days ahead.
AHEAD = timedelta(days=8)
#: Of one number; what finds no place is answered by the plan that only rings.
MOST_FILE_BYTES = 500_000
#: What a caller may have said to being recorded, as ``dialtrace_consent`` holds it. The last is the strictest.
_CONSENTS = (None, "given", "refused")

#: A plan from a moment on, seconds since 1970.
Spans = list[tuple[int, str]]


def plan_file(route: Route, *, spool: str, now: datetime) -> str | None:
    """The file's text; None for a released number, which has none. Raises PlanRefused and RouteUnreadable."""
    if route.status == "released":
        return None
    lines = [FILE_HEADER]
    if refusal(route) is not None or route.compiled is None:
        plan = _part(route, spool, START, Facts(now=now))[0]
        return "\n".join([*lines, *(f"0 {NEVER_S} {point} {plan}" for point in (START, RING_ONLY))]) + "\n"
    size_bytes = 0
    for part in _Ahead(route, read_compiled(route.compiled), spool, now).lines():
        size_bytes += sum(map(len, part))
        if size_bytes > MOST_FILE_BYTES:
            break
        lines += part
    return "\n".join(lines) + "\n"


def plan_path(e164: str) -> str:
    """Where the file lies below ``<spool>/plans``: spread over folders by the last three digits."""
    digits = e164.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 15):
        raise ValueError(f"not a telephone number: {e164[:20]!r}")
    return f"{digits[-3:]}/{digits}.plan"


def points(flow: CompiledFlow) -> Iterator[str]:
    """Every point at which a call may come back, the plans of other makers included."""
    for name, step in flow.steps.items():
        if isinstance(step, CompiledMenu | CompiledWebhook):
            yield from (f"{name}={result}" for result in step.choices)
        elif isinstance(step, CompiledConsent):
            yield f"{name}={step.refuse_digit}"
        elif isinstance(step, CompiledQueue):
            yield f"{name}=timeout"
        elif isinstance(step, CompiledCode):
            yield f"{name}={ANY_DIGITS}{step.length}"
        if isinstance(step, CompiledMenu | CompiledWebhook | CompiledConsent | CompiledQueue | CompiledCode):
            yield name


class _Ahead:
    """All lines of one number's file, a point at a time."""

    def __init__(self, route: Route, flow: CompiledFlow, spool: str, now: datetime) -> None:
        self._route, self._flow, self._spool = route, flow, spool
        self._since = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._until_s = int((self._since + AHEAD).timestamp())
        self._moments = [self._since, *hours.changes(flow, self._since, self._since + AHEAD)]
        self._asks = any(isinstance(step, CompiledConsent) for step in flow.steps.values())
        self._after_ringing = _after_ringing(flow)
        self._cut: dict[str, None] = {}

    def lines(self) -> Iterator[list[str]]:
        """Beginning with what matters most."""
        yield self._written(RING_ONLY, self._spans(RING_ONLY, None))
        yield self._written(START, self._spans(START, None))
        done = set()
        waiting = [*self._cut, *points(self._flow)]
        while waiting:
            point = waiting.pop(0)
            if point in done:
                continue
            done.add(point)
            yield self._of_point(point)
            waiting += [one for one in self._cut if one not in done]

    def _of_point(self, point: str) -> list[str]:
        """For whoever refused to be recorded, and where that makes a difference for the others."""
        strict = self._spans(point, "refused" if self._asks else None)
        lines = self._written(point, strict)
        for consent in _CONSENTS[:-1] if self._asks else ():
            spans = self._spans(point, consent)
            if spans != strict:
                lines += self._written(f"{point}/{consent or 'none'}", spans)
        return lines

    def _spans(self, point: str, consent: str | None) -> Spans:
        """Neighbours that are alike are one."""
        made: dict[tuple[bool, ...], str] = {}
        found: Spans = []
        for moment in self._moments:
            decided = self._decided_at(moment)
            if decided not in made:
                made[decided] = self._made(point, consent, moment)
            if not found or found[-1][1] != made[decided]:
                found.append((int(moment.timestamp()), made[decided]))
        return found

    def _made(self, point: str, consent: str | None, moment: datetime) -> str:
        known = Facts(now=moment, consent=consent)
        if point != START:
            name = point.partition("=")[0]
            known = replace(known, segments=None, recording=None, rung=name in self._after_ringing)
        plan, cut = _part(self._route, self._spool, point, known)
        if cut is not None:
            self._cut[cut] = None
        return plan

    def _decided_at(self, moment: datetime) -> tuple[bool, ...]:
        """What every step that looks at the clock says then."""
        found = []
        for step in self._flow.steps.values():
            if isinstance(step, CompiledSchedule):
                found.append(hours.is_open(step, moment))
            elif isinstance(step, CompiledCondition):
                for test in step.when:
                    alone = step.model_copy(update={"when": [test]})
                    found.append(holds(alone, Facts(now=moment), self._flow))
        return tuple(found)

    def _written(self, point: str, spans: Spans) -> list[str]:
        if len(spans) == 1:
            return [f"0 {NEVER_S} {point} {spans[0][1]}"]
        ends = [begins for begins, _ in spans[1:]] + [self._until_s]
        return [f"{begins} {end} {point} {plan}" for (begins, plan), end in zip(spans, ends, strict=True)]


def _part(route: Route, spool: str, point: str, facts: Facts) -> tuple[str, str | None]:
    return make_part(route, call_id=CALL_MARK, day=DAY_MARK, spool=spool, decided="fallback", point=point, facts=facts)


def _after_ringing(flow: CompiledFlow) -> frozenset[str]:
    """Steps that a call can reach after it rang in vain."""
    waiting = [
        name
        for step in flow.steps.values()
        if isinstance(step, CompiledRing | CompiledQueue)
        for name in following(step)
    ]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += following(flow.steps[name])
    return frozenset(found)

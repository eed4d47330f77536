"""What a flow would do with a call that nobody makes: who would be rung on Sunday at nine?

The way is that of the plans: each step says what follows by the very functions that plans are made by, and what a
caller presses or another system answers is given along. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from . import hours
from .choosing import holds
from .compiled import (
    CompiledCode,
    CompiledCondition,
    CompiledConsent,
    CompiledFlow,
    CompiledGoto,
    CompiledMenu,
    CompiledQueue,
    CompiledRing,
    CompiledSchedule,
    CompiledStep,
    CompiledTarget,
    CompiledWebhook,
)
from .errors import AnswerUnfit
from .flow_values import Strategy
from .model import Facts, Route
from .plan_steps import OVER, RUN
from .program import CALL_MARK, DAY_MARK, Program
from .ringing import in_order
from .waits import TIMEOUT, follow

#: Steps of one trial: a menu that leads to itself has no other end.
MOST_STEPS = 200
MOST_ANSWERS = 50
#: What may come of a queue: a target takes the call, or nobody does in time.
TAKEN, UNTAKEN = "taken", TIMEOUT
#: Nothing was pressed, or nothing fitting answered.
NOTHING = ""

Ending = Literal["asks", "taken", "in_vain", "hung_up", "over", "too_long"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedStep:
    """A step that the call came through. ``flow_id``: whose it is, None: of the flow that is tried. ``result``: what it
    brought (`open`, `closed`, `holds`, `fails`, keys, a word); ``targets`` in the order in which they would ring."""

    name: str
    kind: str
    flow_id: UUID | None = None
    result: str | None = None
    targets: Sequence[CompiledTarget] = ()
    strategy: Strategy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """``ending``: `asks`, the last step wants one of ``offers`` first (digits: as many as ``digits`` says). ``backup``:
    who would be rung at the end, when nobody had answered."""

    steps: Sequence[TriedStep]
    ending: Ending
    offers: Sequence[str] = ()
    digits: int | None = None
    backup: CompiledTarget | None = None


def try_flow(route: Route, flow: CompiledFlow, facts: Facts, answers: Iterable[str] = ()) -> Trial:
    """The way of a call of which this is known, nobody answering where targets ring. ``answers``: what the steps that
    ask are told, in turn. Raises AnswerUnfit."""
    program = Program(route, flow, facts=facts, call_id=CALL_MARK, day=DAY_MARK, spool="/", decided="worker",
                      enters=True)  # fmt: skip
    given, taken, whose = deque(answers), 0, None
    found: list[TriedStep] = []
    name: str | None = flow.entry
    while name:
        if len(found) == MOST_STEPS:
            return Trial(steps=found, ending="too_long")
        step = flow.steps[name]
        offers = offers_of(step)
        if offers is not None and not given:
            found.append(_tried(name, step, whose, facts, None))
            digits = step.length if isinstance(step, CompiledCode) else None
            return Trial(steps=found, ending="asks", offers=offers, digits=digits)
        answer = given.popleft() if offers is not None else None
        if answer is not None and not _fits(step, answer, offers or ()):
            raise AnswerUnfit(taken, offers or ())
        taken += answer is not None
        found.append(_tried(name, step, whose, facts, answer if answer is not None else _decided(program, step)))
        whose = step.flow if isinstance(step, CompiledGoto) else whose
        if answer == TAKEN and isinstance(step, CompiledQueue):
            return Trial(steps=found, ending="taken")
        name = _next(program, name, step, answer)
    if name == OVER:
        return Trial(steps=found, ending="hung_up")
    return Trial(
        steps=found, ending="in_vain" if program.rung else "over", backup=flow.backup if program.rung else None
    )


def offers_of(step: CompiledStep) -> list[str] | None:
    """What a step may be told; None: it asks nobody."""
    if isinstance(step, CompiledConsent):
        return [NOTHING, step.refuse_digit]
    if isinstance(step, CompiledMenu | CompiledWebhook):
        return [*step.choices, NOTHING]
    if isinstance(step, CompiledQueue):
        return [UNTAKEN, TAKEN]
    return [NOTHING] if isinstance(step, CompiledCode) else None


def _fits(step: CompiledStep, answer: str, offers: Sequence[str]) -> bool:
    if isinstance(step, CompiledCode) and answer:
        return len(answer) == step.length and answer.isascii() and answer.isdigit()
    return answer in offers


def _next(program: Program, name: str, step: CompiledStep, answer: str | None) -> str | None:
    if answer is not None:
        return follow(program, name, step, answer)
    if isinstance(step, CompiledRing):
        program.rung = True
        return step.otherwise
    return RUN[type(step)](program, name, step)


def _decided(program: Program, step: CompiledStep) -> str | None:
    """What a step has found of the call by itself."""
    if isinstance(step, CompiledSchedule):
        return "open" if hours.is_open(step, program.facts.now) else "closed"
    if isinstance(step, CompiledCondition):
        return "holds" if holds(step, program.known(), program.flow) else "fails"
    return None


def _tried(name: str, step: CompiledStep, whose: UUID | None, facts: Facts, result: str | None) -> TriedStep:
    targets: Sequence[CompiledTarget] = ()
    if isinstance(step, CompiledRing):
        targets = in_order(step, facts)
    elif isinstance(step, CompiledQueue):
        targets = list({one.id: one for one in step.targets}.values())
    strategy = step.strategy if isinstance(step, CompiledRing) else None
    return TriedStep(name=name.rpartition(".")[2], kind=step.type, flow_id=whose, result=result, targets=targets,
                     strategy=strategy)  # fmt: skip

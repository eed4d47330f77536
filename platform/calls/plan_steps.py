"""What each kind of step does in a plan, and the walk through a flow that makes one. Pure.

A plan goes on natively as long as it can. A menu, a consent, a queue and a web hook end it: the call comes back with
what they brought, and the plan that follows begins there (waits.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import hours
from .choosing import follow_geo, holds
from .compiled import (
    CompiledAnnounce,
    CompiledCondition,
    CompiledGeo,
    CompiledGoto,
    CompiledHangup,
    CompiledQueue,
    CompiledRecord,
    CompiledRing,
    CompiledSchedule,
    CompiledSet,
    CompiledStep,
    CompiledTag,
    CompiledTarget,
    CompiledVoicemail,
    CompiledWebhook,
)
from .flow_values import Cause
from .program import BEGIN, Program
from .ringing import Dialled, in_order

#: The switch's names, chosen so that a carrier never takes a refusal for a dead node (call-setup.md, "The form", 5).
CAUSES: dict[Cause, str] = {
    "busy": "USER_BUSY",  # 486
    "no_answer": "NO_ANSWER",  # 480
    "rejected": "CALL_REJECTED",  # 603
    "unavailable": "SUBSCRIBER_ABSENT",  # 480
    "not_found": "UNALLOCATED_NUMBER",  # 404
    "normal": "NORMAL_CLEARING",  # a BYE to a call that is answered, 480 to one that is not
}
#: What follows when a plan has its last action; no step is called so.
OVER = ""
_BEEP = "tone_stream://%(400,0,1000)"
#: Of a step that rings nobody.
_ACTIONS_OF_A_STEP, _BYTES_OF_A_STEP = 8, 1_200

Run = Callable[[Program, str, Any], str | None]
#: Kind of step → what it does; returns the name of what follows, None for the flow's end, or OVER.
RUN: dict[type, Run] = {}


def runs(kind: type) -> Callable[[Run], Run]:
    """Puts a function into the register."""

    def enter(run: Run) -> Run:
        RUN[kind] = run
        return run

    return enter


def walk(program: Program, name: str | None, *, begun: bool = False, told: bool = False) -> str | None:
    """Everything from this step on; returns the name of the step for which the plan had no room, if there is one.
    ``begun``: the plan is made for this very step, which may have to ask somebody. ``told``: the trail has it."""
    passed: set[str] = set()
    while name:
        step = program.flow.steps[name]
        asks = _asks(program, step) and not (begun and not passed)
        if asks or (passed and (name in passed or not _fits(program, step))):
            program.wait_for(name, BEGIN)
            program.resume()
            return name
        if passed or not told:
            program.pass_step(name)
        passed.add(name)
        name = RUN[type(step)](program, name, step)
    if name is None:
        end(program)
    return None


def _asks(program: Program, step: CompiledStep) -> bool:
    """A queue is joined and a web hook asked by whoever makes the plan that begins there."""
    return program.facts.asks and isinstance(step, CompiledQueue | CompiledWebhook)


def _fits(program: Program, step: CompiledStep) -> bool:
    if not isinstance(step, CompiledRing | CompiledQueue):
        return program.has_room(_ACTIONS_OF_A_STEP, _BYTES_OF_A_STEP)
    sizes = [dialled_by(program, step).size(target) for target in step.targets]
    actions, size_bytes = (sum(one) for one in zip(*sizes, strict=True))
    return program.has_room(actions + _ACTIONS_OF_A_STEP, size_bytes + _BYTES_OF_A_STEP)


def dialled_by(program: Program, step: CompiledRing | CompiledQueue) -> Dialled:
    """How the step's targets are rung."""
    return Dialled(
        program.route,
        trunks=program.flow.trunks,
        progress_timeout_s=step.progress_timeout_s if isinstance(step, CompiledRing) else None,
        whisper=None if step.whisper is None else program.whisper(step.whisper),
        accept_digit=step.accept_digit,
    )


def with_room(program: Program, targets: Sequence[CompiledTarget], dialled: Dialled) -> list[CompiledTarget]:
    """As many of the targets as one plan holds; of those that a flow may name that is practically all."""
    found: list[CompiledTarget] = []
    actions = size_bytes = 0
    for target in targets:
        its_actions, its_bytes = dialled.size(target)
        actions, size_bytes = actions + its_actions, size_bytes + its_bytes
        if found and not program.has_room(actions, size_bytes):
            break
        found.append(target)
    return found


def ring_with_music(program: Program, step: CompiledQueue) -> None:
    """A queue without anybody who could pair: its targets ring while the caller hears the music."""
    dialled = dialled_by(program, step)
    targets = list({target.id: target for target in step.targets}.values())
    program.ring(with_room(program, targets, dialled), dialled, tone=program.ringing_sound(step.music))


def ring_all(program: Program) -> None:
    """For a call of which nobody knows where it stands: nothing is announced or recorded anew."""
    steps = program.flow.steps.values()
    targets = {one.id: one for step in steps if isinstance(step, CompiledRing | CompiledQueue) for one in step.targets}
    if targets:
        dialled = Dialled(program.route, trunks=program.flow.trunks)
        program.ring(with_room(program, list(targets.values()), dialled), dialled)
    end(program)


def end(program: Program) -> None:
    """Every plan ends on purpose: left to itself the switch would pass a target's 503 on to the carrier. Where targets
    were rung in vain, the backup is rung, and a caller who has been answered hears why nobody came."""
    flow = program.flow
    if not program.rung:
        program.act("hangup", CAUSES["normal"])
        return
    if flow.backup is not None:
        program.ring([flow.backup], Dialled(program.route, trunks=program.flow.trunks))
    if program.answered and flow.apology is not None:
        program.play(flow.apology)
    program.finish()


@runs(CompiledAnnounce)
def _announce(program: Program, name: str, step: CompiledAnnounce) -> str | None:
    program.play(step.prompt)
    return step.next


@runs(CompiledSchedule)
def _schedule(program: Program, name: str, step: CompiledSchedule) -> str | None:
    return step.open if hours.is_open(step, program.facts.now) else step.closed


@runs(CompiledRing)
def _ring(program: Program, name: str, step: CompiledRing) -> str | None:
    dialled = dialled_by(program, step)
    targets = with_room(program, in_order(step, program.facts), dialled)
    program.ring(targets, dialled, together=step.strategy == "together")
    return step.otherwise


@runs(CompiledVoicemail)
def _voicemail(program: Program, name: str, step: CompiledVoicemail) -> str | None:
    """Of a caller who refused to be recorded nothing is kept, a message neither."""
    if program.consent == "refused":
        return step.next
    program.play(step.prompt)
    program.act("playback", _BEEP)
    program.record_message(step.max_s, step.silence_s)
    return step.next


@runs(CompiledGeo)
def _geo(program: Program, name: str, step: CompiledGeo) -> str | None:
    return follow_geo(step, program.facts.caller)


@runs(CompiledCondition)
def _condition(program: Program, name: str, step: CompiledCondition) -> str | None:
    return step.then if holds(step, program.known(), program.flow) else step.otherwise


@runs(CompiledTag)
def _tag(program: Program, name: str, step: CompiledTag) -> str | None:
    program.tag(step.tags)
    return step.next


@runs(CompiledSet)
def _set(program: Program, name: str, step: CompiledSet) -> str | None:
    program.set_own(step.variables)
    return step.next


@runs(CompiledGoto)
def _goto(program: Program, name: str, step: CompiledGoto) -> str | None:
    return step.next


@runs(CompiledRecord)
def _record(program: Program, name: str, step: CompiledRecord) -> str | None:
    if step.on:
        program.begin_recording()
    else:
        program.end_recording()
    return step.next


@runs(CompiledHangup)
def _hangup(program: Program, name: str, step: CompiledHangup) -> str | None:
    program.act("hangup", CAUSES[step.cause])
    return OVER

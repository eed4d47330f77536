"""The steps that wait for a caller, an operator or another system, and where a call goes on that comes back from one.

Each of them first says in ``dialtrace_step`` where the call stands, and lets ``dialtrace_result`` be what it brought; a
wait that somebody else ends is bounded by the plan itself. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from .compiled import (
    CompiledCode,
    CompiledConsent,
    CompiledMenu,
    CompiledPrompt,
    CompiledQueue,
    CompiledStep,
    CompiledWebhook,
)
from .model import QueuePlace
from .plan_steps import OVER, dialled_by, end, ring_all, ring_with_music, runs, walk
from .program import BEGIN, DIGITS_MARK, RESUME, Program

#: What a queue or a web hook brings when its time is over, when it is time for the queue's next announcement, and when
#: the target that was kept for the caller did not take the call.
TIMEOUT, STILL, MISSED = "timeout", "wait", "missed"
_TARGET = "target:"
#: In the name of a point made ahead, with their number: digits that nobody knows yet.
ANY_DIGITS = "@digits"

_PAUSE = "silence_stream://250"
#: Between two keys of one choice.
_NEXT_KEY_MS = 2000
_RINGING = "tone_stream://%(1000,4000,425);loops=20"
_TOLD = re.compile(r"[A-Za-z0-9_:.*#+-]{1,64}")


def is_queues(result: str) -> bool:
    """Whether a queue's wait goes on with it."""
    return result in (STILL, MISSED) or result.startswith(_TARGET)


def end_in_vain(program: Program) -> None:
    """As if all targets had been rung for nothing: the backup is rung, and the apology heard."""
    program.rung = True
    end(program)


@runs(CompiledConsent)
def _consent(program: Program, name: str, step: CompiledConsent) -> str | None:
    program.answer()
    program.wait_for(name, "")
    _ask_for_keys(program, step.prompt, [step.refuse_digit], tries=1, timeout_s=step.timeout_s, invalid=_PAUSE)
    return OVER


@runs(CompiledMenu)
def _menu(program: Program, name: str, step: CompiledMenu) -> str | None:
    program.answer()
    program.wait_for(name, "")
    invalid = _PAUSE if step.invalid_prompt is None else program.sound(step.invalid_prompt)
    _ask_for_keys(program, step.prompt, step.choices, tries=step.retries + 1, timeout_s=step.timeout_s, invalid=invalid)
    return OVER


@runs(CompiledCode)
def _code(program: Program, name: str, step: CompiledCode) -> str | None:
    program.answer()
    program.wait_for(name, "")
    invalid = _PAUSE if step.invalid_prompt is None else program.sound(step.invalid_prompt)
    pattern = f"^{'[0-9]' * step.length}(?!.)"
    program.act(
        "play_and_get_digits",
        f"{step.length} {step.length} {step.retries + 1} {step.timeout_s * 1000} # {program.sound(step.prompt)} "
        f"{invalid} dialtrace_result {pattern} {_NEXT_KEY_MS}",
    )
    program.resume()
    return OVER


def _ask_for_keys(
    program: Program, prompt: CompiledPrompt, choices: Iterable[str], *, tries: int, timeout_s: int, invalid: str
) -> None:
    """Digits from before are cleared; what fits no choice is no answer (call-setup.md, "Pieces that worked")."""
    keys = list(choices)
    least, most = min(map(len, keys)), max(map(len, keys))
    ends = "#" if most > 1 and not any("#" in one for one in keys) else "none"
    program.act(
        "play_and_get_digits",
        f"{least} {most} {tries} {timeout_s * 1000} {ends} {program.sound(prompt)} {invalid} dialtrace_result "
        f"{_pattern(keys)} {_NEXT_KEY_MS}",
    )
    program.resume()


def _pattern(keys: list[str]) -> str:
    """One of these and nothing else. A dollar cannot stand in a plan, so the end is looked ahead for."""
    if all(len(key) == 1 for key in keys):
        return f"^[{''.join(keys)}](?!.)"
    return f"^({'|'.join(key.replace('*', '[*]') for key in keys)})(?!.)"


@runs(CompiledQueue)
def _queue(program: Program, name: str, step: CompiledQueue) -> str | None:
    place = program.facts.queue
    if not program.facts.asks or place is None:
        ring_with_music(program, step)
        return step.otherwise
    if place.target is not None:
        return _ring_kept(program, name, step, place.target)
    left_s = step.max_wait_s - place.waited_s
    if place.full or left_s <= 0:
        program.rung = True
        return step.otherwise
    _hold(program, name, step, place, left_s)
    return OVER


def _hold(program: Program, name: str, step: CompiledQueue, place: QueuePlace, left_s: int) -> None:
    wait_s = min(left_s, step.announce_every_s or left_s)
    program.answer()
    _wait_at_most(program, name, wait_s, TIMEOUT if wait_s == left_s else STILL, queue=True)
    if step.announcements:
        told = place.position if step.announce_position and place.position is not None else 0
        program.act("playback", program.sound(step.announcements[told if told < len(step.announcements) else 0]))
    program.act("endless_playback", program.sound(step.music))
    # Music that is not there ends at once.
    program.act("playback", f"silence_stream://{wait_s * 1000}")
    program.resume()


def _ring_kept(program: Program, name: str, step: CompiledQueue, target_id: UUID) -> str | None:
    kept = [target for target in step.targets if target.id == target_id][:1]
    if not kept:
        ring_with_music(program, step)
        return step.otherwise
    program.ring(kept, dialled_by(program, step), tone=program.ringing_sound(step.music))
    program.wait_for(name, MISSED, queue=True)
    program.resume()
    return OVER


@runs(CompiledWebhook)
def _webhook(program: Program, name: str, step: CompiledWebhook) -> str | None:
    if not program.facts.asks:
        return step.otherwise
    # The switch's timers are up to a second early (call-setup.md, "The form", 7).
    _wait_at_most(program, name, step.timeout_s + 1, TIMEOUT)
    program.act("playback", _RINGING)
    program.resume()
    return OVER


def _wait_at_most(program: Program, name: str, seconds: int, result: str, *, queue: bool = False) -> None:
    """Whoever ends the wait sets another result before (uuid_transfer by the node's monitor)."""
    program.wait_for(name, result, queue=queue)
    program.act("sched_transfer", f"+{seconds} {RESUME}")


# --- calls that come back ---


def come_back(program: Program, name: str, result: str | None) -> str | None:
    """What is left of the flow after this step brought this; the name of the step that had no more room, if any."""
    step = program.flow.steps.get(name)
    if step is None or (result != BEGIN and type(step) not in _FOLLOWS):
        ring_all(program)
        return None
    program.answered = None
    if isinstance(step, CompiledQueue | CompiledWebhook):
        # What bounded the wait, should somebody else have ended it; nothing else of a call is scheduled here.
        program.act("sched_cancel")
    if result == BEGIN:
        return walk(program, name, begun=True)
    if result is not None and result != STILL and _TOLD.fullmatch(result):
        program.pass_step(name, result)
    elif result is not None and result.startswith(ANY_DIGITS):
        program.pass_step(name, DIGITS_MARK)
    if isinstance(step, CompiledQueue) and result != TIMEOUT and not (is_target(result or "") and program.facts.asks):
        # The wait goes on, or there is nobody who could end it.
        program.answered = True
        return walk(program, name, begun=True, told=True)
    following = follow(program, name, step, result)
    return None if following == OVER else walk(program, following)


def follow(program: Program, name: str, step: CompiledStep, result: str | None) -> str | None:
    """The name of what comes after a step that has brought this; OVER: it is in the plan already."""
    if isinstance(step, CompiledConsent):
        return _after_consent(program, step, result)
    if isinstance(step, CompiledQueue):
        return _after_queue(program, name, step, result or TIMEOUT)
    if isinstance(step, CompiledCode):
        return _after_code(program, step, result or "")
    assert isinstance(step, CompiledMenu | CompiledWebhook)
    program.answered = True if isinstance(step, CompiledMenu) else None
    return step.choices.get(result or "", step.otherwise)


def _after_code(program: Program, step: CompiledCode, result: str) -> str | None:
    program.answered = True
    if result == f"{ANY_DIGITS}{step.length}":
        program.set_own({step.variable: DIGITS_MARK})
        return step.next
    if not (len(result) == step.length and result.isascii() and result.isdigit()):
        return step.otherwise
    program.set_own({step.variable: result})
    return step.next


def _after_consent(program: Program, step: CompiledConsent, result: str | None) -> str | None:
    """Who has refused once is not recorded for saying nothing later."""
    program.answered = True
    refused = result == step.refuse_digit
    program.consent = "refused" if refused or program.consent == "refused" else "given"
    program.tell(consent=program.consent)
    if refused:
        program.end_recording()
        return step.otherwise
    if program.flow.record:
        program.begin_recording()
    return step.next


def _after_queue(program: Program, name: str, step: CompiledQueue, result: str) -> str | None:
    program.answered = True
    if result == TIMEOUT:
        program.rung = True
        return step.otherwise
    return _ring_kept(program, name, step, _as_id(result.removeprefix(_TARGET)))


def is_target(result: str) -> bool:
    """Whether a queue's result is the target that was kept for the caller."""
    return result.startswith(_TARGET)


def _as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


#: Steps that bring results.
_FOLLOWS = frozenset((CompiledCode, CompiledConsent, CompiledMenu, CompiledQueue, CompiledWebhook))

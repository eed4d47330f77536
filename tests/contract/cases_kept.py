"""What a flow keeps of a caller and a node of its owners: codes that were pressed, where a caller comes from, block
lists and limits; by a worker, and by plans made ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import gevent

from dialtrace.calls.model import Route
from dialtrace.calls.rules import Rules
from dialtrace.calls.whispers import told_name
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.workers.rule_keeper import RuleFiles

from .case import EndsWith, case
from .flowing import announce, code, flow, menu, queue, ringing, tone
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ
from .stage import ANNOUNCEMENT_HZ, PROMPT_HZ, Stage, planned
from .telephone import Dialog, accepts_with, answers
from .worker import dies_before_its_answer, gives

FLOWS, LOST, RULES = "Flows", "Flows without workers", "Rules without workers"
#: What says that the caller's origin is not known, and what names it.
GENERAL_HZ, OWN_HZ = 1100, 1300
_TEXT = "A call from {source}, campaign {campaign|none}. Press 1."


def _reaches(call: Dialog, seconds: float = 0.3) -> int:
    """Wait until the target is heard, talk, hang up."""
    status = call.answer_of_invite()
    call.wait(lambda: call.media.tones()[-1:] == [TARGET_TONE_HZ], "the target's voice")
    call.sleep(seconds)
    call.hang_up()
    return status


def _presses(call: Dialog, keys: str, after_s: float = 0.8) -> None:
    call.answer_of_invite()
    gevent.sleep(after_s)
    for key in keys:
        call.media.press(key)
        gevent.sleep(0.35)


def _loses_workers(stage: Stage, route: Route, plans: int, **known: Any) -> None:
    """Workers answer so many questions and no more."""
    stage.fallback(route)
    stage.acts(*[gives(planned(route, **known))] * plans, dies_before_its_answer)


# --- codes ---


def _asks_for_code(stage: Stage) -> Route:
    steps = {
        "ask": code(next="desk", otherwise="sorry"),
        "desk": ringing(stage.target(answers(0.0))),
        "sorry": announce(tone(PROMPT_HZ)),
    }
    return flow(steps, record=False)


@case(
    FLOWS,
    "code: what is pressed is kept with the record, and the flow goes on",
    {"status": 200, "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_code_pressed(stage: Stage) -> dict[str, Any]:
    stage.runs(_asks_for_code(stage))
    call = stage.call()
    _presses(call, "4026")
    return {"status": _reaches(call), "heard": call.media.tones()}


@case(
    FLOWS,
    "code: too little is pressed, the question comes again; nothing then, and otherwise follows",
    {"status": 200, "heard": [ANNOUNCEMENT_HZ, 1320, ANNOUNCEMENT_HZ, 1320, PROMPT_HZ]},
)
def flow_code_otherwise(stage: Stage) -> dict[str, Any]:
    stage.runs(_asks_for_code(stage))
    call = stage.call()
    _presses(call, "40")
    call.wait_for("BYE", 20.0)
    return {"status": 200, "heard": call.media.tones()}


@case(
    LOST,
    "code: the workers are gone when it has been pressed; it is kept all the same",
    {"status": 200, "heard": EndsWith([TARGET_TONE_HZ])},
)
def lost_code(stage: Stage) -> dict[str, Any]:
    _loses_workers(stage, _asks_for_code(stage), 1)
    call = stage.call()
    _presses(call, "4026")
    return {"status": _reaches(call), "heard": call.media.tones()}


@case(
    LOST,
    "code: the workers are gone and too little was pressed: otherwise follows",
    {"status": 200, "heard": EndsWith([PROMPT_HZ])},
)
def lost_code_otherwise(stage: Stage) -> dict[str, Any]:
    _loses_workers(stage, _asks_for_code(stage), 1)
    call = stage.call()
    _presses(call, "40")
    call.wait_for("BYE", 20.0)
    return {"status": 200, "heard": call.media.tones()}


# --- where a caller comes from ---

_KNOWN = {"source": "google", "campaign": "Весна 2026"}


def _whisper(stage: Stage, text: str, *, own: bool = True) -> dict[str, Any]:
    """A whisper with both of its sounds on the node's disk, or without the caller's own."""
    general = told_name(text, "en", "", source=None, campaign=None)
    stage.prompt(general, 0.6, GENERAL_HZ)
    if own:
        stage.prompt(told_name(text, "en", "", **_KNOWN), 0.6, OWN_HZ)
    return {"kind": "told", "text": text, "language": "en", "voice": "", "name": general}


def _tells(stage: Stage, text: str, *, own: bool = True, **rest: Any) -> Route:
    """A menu, then a target that is told where the caller comes from. Each case says a text of its own, for cases share
    the node's disk."""
    target = stage.target(answers(0.0))
    steps = {"menu": menu({"1": "desk"}), "desk": ringing(target, whisper=_whisper(stage, text, own=own), **rest)}
    return flow(steps, record=False)


def _told(stage: Stage, call: Dialog) -> dict[str, Any]:
    _presses(call, "1", 0.3)
    status = _reaches(call, 0.6)
    return {"status": status, "target_heard": stage.targets[0].call.media.tones()}


_HEARS_OWN = {"status": 200, "target_heard": [OWN_HZ, CALLER_TONE_HZ]}
_HEARS_GENERAL = {"status": 200, "target_heard": [GENERAL_HZ, CALLER_TONE_HZ]}


@case(FLOWS, "whisper with source and campaign: the target hears the sentence of this caller's", _HEARS_OWN)
def flow_ring_told(stage: Stage) -> dict[str, Any]:
    stage.runs(_tells(stage, f"{_TEXT} 1"), **_KNOWN)
    return _told(stage, stage.call())


@case(FLOWS, "whisper with source and campaign: nobody knows them, and the target hears that", _HEARS_GENERAL)
def flow_ring_told_nothing(stage: Stage) -> dict[str, Any]:
    stage.runs(_tells(stage, f"{_TEXT} 2"))
    return _told(stage, stage.call())


@case(
    FLOWS,
    "whisper with source and campaign, and a key to accept: the target is asked by it, of a queue too",
    {"status": 200, "asked": [OWN_HZ], "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_queue_told(stage: Stage) -> dict[str, Any]:
    stage.prompt("told-music", 0.7)
    target = stage.target(accepts_with("1", after_s=1.0))
    whisper = _whisper(stage, f"{_TEXT} 3")
    steps = {"wait": queue(target, music="told-music", whisper=whisper, accept_digit="1")}
    stage.runs(flow(steps, record=False), queue={"position": 1, "waited_s": 0}, **_KNOWN)
    call = stage.call()
    call.answer_of_invite()
    gevent.sleep(0.6)
    channel = stage.call_id(call)
    stage.switch.api("uuid_setvar", channel, "dialtrace_result", f"target:{target.id}")
    stage.switch.api("uuid_transfer", channel, "resume", "XML", "flow")
    status = _reaches(call)
    return {"status": status, "asked": target.call.media.tones()[:1], "heard": call.media.tones()}


@case(
    LOST,
    "whisper with source and campaign: the workers are gone by then, and the target hears this caller's all the same",
    _HEARS_OWN,
)
def lost_told(stage: Stage) -> dict[str, Any]:
    _loses_workers(stage, _tells(stage, f"{_TEXT} 4"), 1, **_KNOWN)
    return _told(stage, stage.call())


@case(
    LOST,
    "whisper with source and campaign whose sound is not on this node: the target hears the general sentence",
    _HEARS_GENERAL,
)
def lost_told_without_sound(stage: Stage) -> dict[str, Any]:
    _loses_workers(stage, _tells(stage, f"{_TEXT} 5", own=False), 1, **_KNOWN)
    return _told(stage, stage.call())


@case(
    LOST,
    "whisper with source and campaign of a static number: no worker at all, and the target hears them",
    _HEARS_OWN,
)
def lost_told_by_number(stage: Stage) -> dict[str, Any]:
    route = _tells(stage, f"{_TEXT} 6")
    assert route.compiled is not None
    _loses_workers(stage, replace(route, compiled={**route.compiled, **_KNOWN}), 0)
    return _told(stage, stage.call())


# --- block lists and limits ---

#: Rules hold for all calls of a client, and cases share the switch: each of these has a client of its own.
_CLIENTS = [UUID(f"01990000-0000-7000-8000-0000000000c{end}") for end in "89abd"]


def _ruled(stage: Stage, client: UUID, **rules: Any) -> None:
    """A number of this client whose calls find no worker, and what its node knows of who may call."""
    route = flow({"desk": ringing(stage.target(answers(0.0)))}, record=True)
    stage.fallback(replace(route, client_id=client))
    stage.acts(dies_before_its_answer)
    _rule(stage, client, **rules)


def _rule(
    stage: Stage, scope: UUID, *, calls: int | None = None, rate: int | None = None, entries: Sequence[str] = ()
) -> None:
    folder = stage.switch.spool / "rules"
    folder.mkdir(exist_ok=True)
    RuleFiles(stage.switch.spool).put(Rules(scope, calls, rate, entries))


@case(
    RULES,
    "a caller of the client's block list: 603, a record that says so, and nobody is rung; others get in",
    {"statuses": [603, 603, 200], "rung": 1},
)
def lost_blocked(stage: Stage) -> dict[str, Any]:
    _ruled(stage, _CLIENTS[0], entries=["number +74955550777", "prefix +4420"])
    statuses = [stage.call(caller=caller).answer_of_invite() for caller in ("+74955550777", "+442079460001")]
    call = stage.call(caller="+74955550778")
    statuses.append(_reaches(call))
    return {"statuses": statuses, "rung": len(stage.targets[0].line.calls)}


@case(
    RULES,
    "a caller who withholds the number, where the client does not want such calls: 603, and a record that says so",
    {"status": 603, "rung": 0},
)
def lost_blocked_withheld(stage: Stage) -> dict[str, Any]:
    _ruled(stage, _CLIENTS[1], entries=["withheld"])
    status = stage.call(more="Privacy: id\r\n").answer_of_invite()
    return {"status": status, "rung": len(stage.targets[0].line.calls)}


@case(
    RULES,
    "the operator's block list holds for everybody's numbers",
    {"status": 603, "rung": 0},
)
def lost_blocked_by_operator(stage: Stage) -> dict[str, Any]:
    _ruled(stage, _CLIENTS[2])
    _rule(stage, UUID(OPERATOR_AGENCY), entries=["number +15005550777"])
    status = stage.call(caller="+15005550777").answer_of_invite()
    return {"status": status, "rung": len(stage.targets[0].line.calls)}


@case(
    RULES,
    "a client's limit of one call at a time: the second hears busy and has a record, the third gets in after the first",
    {"statuses": [200, 486, 200]},
)
def lost_limit_of_calls(stage: Stage) -> dict[str, Any]:
    _ruled(stage, _CLIENTS[3], calls=1)
    first = stage.call()
    statuses = [first.answer_of_invite(), stage.call().answer_of_invite()]
    # Answered is not connected yet.
    first.wait(lambda: first.media.tones()[-1:] == [TARGET_TONE_HZ], "the target's voice")
    first.hang_up()
    stage.switch.wait_for_event(stage.call_id(first), "CHANNEL_HANGUP_COMPLETE")
    statuses.append(_reaches(stage.call()))
    return {"statuses": statuses}


@case(
    RULES,
    "a client's limit of no call at all: busy at once",
    {"status": 486, "rung": 0},
)
def lost_limit_of_none(stage: Stage) -> dict[str, Any]:
    _ruled(stage, _CLIENTS[4], calls=0)
    status = stage.call().answer_of_invite()
    return {"status": status, "rung": len(stage.targets[0].line.calls)}

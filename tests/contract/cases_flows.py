"""Flows of version 2: every kind of step and every "otherwise", by a worker and where it matters by the fallback."""

from __future__ import annotations

from typing import Any

import gevent

from dialtrace.calls.model import Route

from .case import EndsWith, Within, case
from .cases_calls import BOTH_SIDES
from .flowing import (
    ALWAYS,
    announce,
    condition,
    consent,
    flow,
    hangup,
    menu,
    ringing,
    rung,
    schedule,
    sound,
    tone,
    voicemail,
)
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ
from .stage import ANNOUNCEMENT_HZ, PROMPT_HZ, Stage, Target, planned
from .telephone import Dialog, accepts_with, answers, refuses, rings
from .worker import dies_before_its_answer, gives

GROUP = "Flows"
LOST = "Flows without workers"
#: Of the target that a case does not want to be reached.
WRONG_HZ = 1500


def _connected(call: Dialog, seconds: float = 0.9) -> int:
    """Wait until a target is heard, talk, hang up."""
    status = call.answer_of_invite()
    call.wait(lambda: call.media.tones()[-1:] in ([TARGET_TONE_HZ], [WRONG_HZ]), "a target's voice")
    call.sleep(seconds)
    call.hang_up()
    return status


def _ended(call: Dialog) -> int:
    """Wait for the end: of a call that is answered, the platform's BYE."""
    status = call.answer_of_invite()
    if status == 200:
        call.wait_for("BYE")
    return status


def _press(call: Dialog, digit: str, after_s: float = 0.3) -> None:
    call.answer_of_invite()
    gevent.sleep(after_s)
    call.media.press(digit)


def _two(stage: Stage) -> tuple[Target, Target]:
    """One that a case wants to be reached, and one that it does not."""
    return stage.target(answers(0.0)), stage.target(answers(0.0), tone_hz=WRONG_HZ)


_RIGHT_ONE = {"status": 200, "heard": EndsWith([TARGET_TONE_HZ]), "wrong_called": 0}


def _right_one(stage: Stage, route: Route, wrong: Target, **known: Any) -> dict[str, Any]:
    stage.runs(route, **known)
    call = stage.call()
    status = _connected(call, 0.3)
    return {"status": status, "heard": call.media.tones(), "wrong_called": len(wrong.line.calls)}


# --- announce, hang up ---


@case(
    GROUP,
    "announce: a file, then what is named as next, which is not the step after it",
    {"status": 200, "heard": [PROMPT_HZ, ANNOUNCEMENT_HZ]},
)
def flow_announce(stage: Stage) -> dict[str, Any]:
    stage.prompt("flow-announce", 0.5)
    steps = {
        "hello": announce(sound("flow-announce"), next="bye"),
        "never": announce(tone(WRONG_HZ)),
        "bye": announce(),
    }
    stage.runs(flow(steps, record=False))
    call = stage.call()
    return {"status": _ended(call), "heard": call.media.tones()}


def _hangs_up(cause: str, status: int) -> None:
    def play(stage: Stage) -> dict[str, Any]:
        stage.runs(flow({"end": hangup(cause)}))
        return {"status": stage.call().answer_of_invite()}

    name = f"flow-hangup-{cause.replace('_', '-')}"
    case(GROUP, f"hang up with the cause {cause}: {status}", {"status": status}, name=name)(play)


for _cause, _status in (("busy", 486), ("no_answer", 480), ("rejected", 603), ("unavailable", 480), ("not_found", 404),
                        ("normal", 480)):  # fmt: skip
    _hangs_up(_cause, _status)


# --- consent ---


@case(
    GROUP,
    "consent given by saying nothing: recording begins after the question, which is not on it",
    {"status": 200, "recording": BOTH_SIDES, "heard": [ANNOUNCEMENT_HZ, TARGET_TONE_HZ], "knocks": 2},
)
def flow_consent_given(stage: Stage) -> dict[str, Any]:
    stage.runs(flow({"ask": consent(next="desk"), "desk": ringing(stage.target(answers(0.0)))}))
    call = stage.call()
    status = _connected(call)
    return {
        "status": status,
        "recording": stage.recording(call),
        "heard": call.media.tones(),
        "knocks": stage.knocks(),
    }


_UNRECORDED = {"status": 200, "recording": None, "heard": EndsWith([TARGET_TONE_HZ])}


def _refuses_and_talks(stage: Stage) -> dict[str, Any]:
    call = stage.call()
    _press(call, "9")
    status = _connected(call)
    return {"status": status, "recording": stage.recording(call), "heard": call.media.tones()}


@case(GROUP, "consent refused: the flow goes on, nothing is recorded, not by a later step either", _UNRECORDED)
def flow_consent_refused(stage: Stage) -> dict[str, Any]:
    steps = {
        "ask": consent(next="desk", otherwise="again", timeout_s=3),
        "again": {"type": "record", "on": True, "next": "desk"},
        "desk": ringing(stage.target(answers(0.0))),
    }
    stage.runs(flow(steps))
    return _refuses_and_talks(stage)


@case(
    GROUP,
    "consent refused, then a voicemail: no message is kept, and none is asked for",
    {"status": 200, "heard": [ANNOUNCEMENT_HZ], "recording": None},
)
def flow_consent_refused_voicemail(stage: Stage) -> dict[str, Any]:
    stage.runs(flow({"ask": consent(next=None, otherwise="mail", timeout_s=3), "mail": voicemail()}))
    call = stage.call()
    _press(call, "9")
    return {"status": _ended(call), "heard": call.media.tones(), "recording": stage.recording(call)}


# --- menu ---


def _menu(stage: Stage, target: Target, wrong: Target, **rest: Any) -> Route:
    steps = {
        "menu": menu({"1": "wrong", "2": "desk"}, otherwise="else", **rest),
        "wrong": ringing(wrong),
        "else": announce(tone(PROMPT_HZ), next="desk"),
        "desk": ringing(target),
    }
    return flow(steps, record=False)


@case(GROUP, "menu: what was chosen follows", _RIGHT_ONE | {"knocks": 2})
def flow_menu_choice(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    stage.runs(_menu(stage, target, wrong))
    call = stage.call()
    _press(call, "2")
    status = _connected(call, 0.3)
    return {
        "status": status,
        "heard": call.media.tones(),
        "wrong_called": len(wrong.line.calls),
        "knocks": stage.knocks(),
    }


@case(
    GROUP,
    "menu: a wrong key is told so, the question comes again; wrong once more, and otherwise follows",
    {"status": 200, "heard": [440, 1320, 440, 1320, PROMPT_HZ, TARGET_TONE_HZ], "wrong_called": 0},
)
def flow_menu_wrong_key(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    stage.runs(_menu(stage, target, wrong, retries=1, invalid_prompt=tone(1320, 0.4)))
    call = stage.call()
    _press(call, "7", 1.0)
    gevent.sleep(1.6)
    call.media.press("8")
    status = _connected(call, 0.3)
    return {"status": status, "heard": call.media.tones(), "wrong_called": len(wrong.line.calls)}


@case(
    GROUP,
    "menu: nothing is pressed, the time is over, otherwise follows",
    {"status": 200, "heard": [ANNOUNCEMENT_HZ, PROMPT_HZ, TARGET_TONE_HZ], "wrong_called": 0},
)
def flow_menu_timeout(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    return _right_one(stage, _menu(stage, target, wrong, timeout_s=1), wrong)


@case(
    GROUP,
    "menu: it leads to itself, and the caller never chooses: after the flow's longest time the backup is rung",
    {"status": 200, "backup": 1, "rounds": Within(1, 4)},
)
def flow_menu_endless(stage: Stage) -> dict[str, Any]:
    backup, wrong = _two(stage)
    # Longer than the flow may take, so that no second decides how often the menu is heard.
    steps = {"menu": menu({"1": "desk"}, otherwise="menu", timeout_s=3), "desk": ringing(wrong)}
    stage.runs(flow(steps, record=False, backup=backup, longest_s=1))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait(lambda: backup.line.calls, "the backup's telephone")
    gevent.sleep(0.8)
    call.hang_up()
    return {"status": status, "backup": len(backup.line.calls), "rounds": stage.knocks() - 1}


@case(GROUP, "menu: choices of several keys, the one that is part of another among them", _RIGHT_ONE)
def flow_menu_several_keys(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    steps = {
        "menu": menu({"1": "wrong", "12": "desk", "2*": "wrong"}, otherwise="wrong"),
        "wrong": ringing(wrong),
        "desk": ringing(target),
    }
    stage.runs(flow(steps, record=False))
    call = stage.call()
    _press(call, "1")
    gevent.sleep(0.4)
    call.media.press("2")
    status = _connected(call, 0.3)
    return {"status": status, "heard": call.media.tones(), "wrong_called": len(wrong.line.calls)}


# --- decisions without the caller ---


@case(GROUP, "schedule: within the hours what is named as open follows", _RIGHT_ONE)
def flow_schedule_open(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    steps = {
        "hours": schedule(ALWAYS, open="desk", closed="shut"),
        "desk": ringing(target),
        "shut": ringing(wrong),
    }
    return _right_one(stage, flow(steps, record=False), wrong)


@case(GROUP, "schedule: outside the hours what is named as closed follows", _RIGHT_ONE)
def flow_schedule_closed(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    steps = {"hours": schedule({}, open="desk", closed="shut"), "desk": ringing(wrong), "shut": ringing(target)}
    return _right_one(stage, flow(steps, record=False), wrong)


def _geo(prefixes: dict[str, str], countries: dict[str, str]) -> dict[str, Any]:
    return {"type": "geo", "prefixes": prefixes, "countries": countries, "otherwise": "else"}


def _decides(name: str, proves: str, step: dict[str, Any], *, then: bool, **known: Any) -> None:
    """A step that goes to ``then`` or to ``else``."""

    def play(stage: Stage) -> dict[str, Any]:
        target, wrong = _two(stage)
        ways = {"then": ringing(target if then else wrong), "else": ringing(wrong if then else target)}
        return _right_one(stage, flow({"decide": step, **ways}, record=False), wrong, **known)

    case(GROUP, proves, _RIGHT_ONE, name=name)(play)


_REPEAT = condition(("repeat", "is", True), ("spam", "at_most", 60), then="then", otherwise="else")
_decides("flow-geo-prefix", "geo: the longest prefix wins over a shorter one and the country",
         _geo({"+7": "else", "+7495": "then"}, {"RU": "else"}), then=True)  # fmt: skip
_decides("flow-geo-country", "geo: no prefix fits, the country does", _geo({"+1": "else"}, {"RU": "then"}), then=True)
_decides(
    "flow-geo-otherwise",
    "geo: neither a prefix nor the country fits, and otherwise follows",
    _geo({"+1": "then"}, {"GB": "then"}),
    then=False,
)
_decides("flow-condition-then", "condition: every test holds", _REPEAT, then=True, repeat=True, spam=10)
_decides("flow-condition-otherwise", "condition: one test does not hold", _REPEAT, then=False, repeat=True, spam=90)
_decides("flow-condition-unknown", "condition: a fact that is not known holds in no test", _REPEAT, then=False)


@case(
    GROUP,
    "set, tag and goto: a variable of the flow's own decides in the flow that was gone to, after a resume too; the "
    "record has variables and tags",
    _RIGHT_ONE,
)
def flow_set_tag_goto(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    steps = {
        "mark": {"type": "tag", "tags": ["vip", "sales"], "next": "set"},
        "set": {"type": "set", "variables": {"team": "red", "level": "3"}, "next": "menu"},
        "menu": menu({"1": "go"}),
        "go": {"type": "goto", "flow": str(target.id), "next": "f1.ask"},
        "f1.ask": condition(
            ("variable:team", "is", "red"), ("variable:level", "at_least", 3), then="f1.mark", otherwise="f1.wrong"
        ),
        "f1.mark": {"type": "tag", "tags": ["red"], "next": "f1.desk"},
        "f1.desk": ringing(target),
        "f1.wrong": ringing(wrong),
    }
    stage.runs(flow(steps, record=False))
    call = stage.call()
    _press(call, "1")
    status = _connected(call, 0.3)
    return {"status": status, "heard": call.media.tones(), "wrong_called": len(wrong.line.calls)}


# --- ring ---


@case(
    GROUP,
    "ring in turn: busy, then one that rings out, then the step's otherwise, which answers",
    {"status": 200, "cancelled": True, "heard": EndsWith([TARGET_TONE_HZ]), "recording": BOTH_SIDES},
)
def flow_ring_otherwise(stage: Stage) -> dict[str, Any]:
    busy, silent, last = stage.target(refuses(486, "Busy Here")), stage.target(rings), stage.target(answers(0.0))
    steps = {"first": ringing(busy, rung(silent, seconds=1), otherwise="last"), "last": ringing(last)}
    stage.runs(flow(steps))
    call = stage.call()
    status = _connected(call)
    return {
        "status": status,
        "cancelled": silent.call.has("CANCEL"),
        "heard": call.media.tones(),
        "recording": stage.recording(call),
    }


@case(
    GROUP,
    "ring together: the one that answers is connected, the others are cancelled",
    {"status": 200, "cancelled": [True, True], "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_ring_together(stage: Stage) -> dict[str, Any]:
    first, second, third = stage.target(rings), stage.target(answers(0.5)), stage.target(rings)
    stage.runs(flow({"all": ringing(first, second, third, strategy="together")}))
    call = stage.call()
    status = _connected(call, 0.3)
    return {
        "status": status,
        "cancelled": [one.call.has("CANCEL") for one in (first, third)],
        "heard": call.media.tones(),
    }


@case(
    GROUP,
    "ring together, and nobody answers: the step's otherwise",
    {"status": 603, "cancelled": [True, True]},
)
def flow_ring_together_otherwise(stage: Stage) -> dict[str, Any]:
    targets = stage.target(rings), stage.target(rings)
    everybody = [rung(one, seconds=1) for one in targets]
    steps = {"all": ringing(*everybody, strategy="together", otherwise="no"), "no": hangup("rejected")}
    stage.runs(flow(steps))
    return {"status": _ended(stage.call()), "cancelled": [one.call.has("CANCEL") for one in targets]}


def _ordered(name: str, proves: str, *, weights: tuple[int, int] = (1, 1), facts: Any = None, **rest: Any) -> None:
    """Two targets that would both answer; the second of the list is the one to ring."""

    def play(stage: Stage) -> dict[str, Any]:
        target, wrong = _two(stage)
        known = facts(target, wrong) if facts else {}
        both = [rung(wrong, weight=weights[0]), rung(target, weight=weights[1])]
        return _right_one(stage, flow({"desk": ringing(*both, **rest)}, record=False), wrong, **known)

    case(GROUP, proves, _RIGHT_ONE, name=name)(play)


_ordered("flow-ring-round-robin", "ring round robin: whose turn it is rings first", strategy="round_robin",
         facts=lambda target, wrong: {"rotation": 7})  # fmt: skip
_ordered("flow-ring-weighted", "ring weighted: a thousand to one", strategy="weighted", weights=(1, 1000))
_ordered("flow-ring-longest-idle", "ring longest idle: who has not talked for longest rings first",
         strategy="longest_idle",
         facts=lambda target, wrong: {"idle": [str(target.id), str(wrong.id)]})  # fmt: skip
_ordered("flow-ring-sticky", "ring sticky: who talked with this caller before rings first", sticky_days=30,
         facts=lambda target, wrong: {"sticky": str(target.id)})  # fmt: skip


@case(
    GROUP,
    "ring sticky: that one is busy, and the others ring",
    {"status": 200, "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_ring_sticky_busy(stage: Stage) -> dict[str, Any]:
    last, known = stage.target(answers(0.0)), stage.target(refuses(486, "Busy Here"))
    stage.runs(flow({"desk": ringing(last, known, sticky_days=9)}, record=False), sticky=str(known.id))
    call = stage.call()
    return {"status": _connected(call, 0.3), "heard": call.media.tones()}


def _says_nothing(dialog: Dialog) -> None:
    """Takes the INVITE and never says a word about it."""


def _early_media_for_ever(dialog: Dialog) -> None:
    dialog.early_media()


@case(
    GROUP,
    "ring: a target without any progress in a second is passed over, long before its ring time is over",
    {"status": 200, "after_s": Within(0.8, 3.6), "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_ring_progress_timeout(stage: Stage) -> dict[str, Any]:
    silent, target = stage.target(_says_nothing), stage.target(answers(0.0))
    stage.runs(flow({"desk": ringing(silent, target, progress_timeout_s=1)}, record=False))
    call = stage.call()
    status = _connected(call, 0.3)
    return {"status": status, "after_s": call.when("200 INVITE"), "heard": call.media.tones()}


@case(
    GROUP,
    "ring: a target that sends sound but never answers is passed over; the caller hears ringing, not that sound",
    {"status": 200, "heard_it": False, "ringing": True, "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_ring_early_media_only(stage: Stage) -> dict[str, Any]:
    talker, target = stage.target(_early_media_for_ever, tone_hz=WRONG_HZ), stage.target(answers(0.0))
    stage.runs(flow({"desk": ringing(rung(talker, seconds=2), target)}, record=False))
    call = stage.call()
    status = _connected(call, 0.3)
    heard = call.media.tones()
    return {"status": status, "heard_it": WRONG_HZ in heard, "ringing": heard[:1] in ([420], [430]), "heard": heard}


@case(
    GROUP,
    "ring after an announcement: the answered caller hears ringing until the target answers",
    {"status": 200, "heard": [ANNOUNCEMENT_HZ, Within(410, 440), TARGET_TONE_HZ]},
)
def flow_ring_ringback(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(1.6))
    stage.runs(flow({"hello": announce(tone(seconds=0.3), next="desk"), "desk": ringing(target)}, record=False))
    call = stage.call()
    return {"status": _connected(call, 0.3), "heard": call.media.tones()}


@case(
    GROUP,
    "whisper: the target hears it before it is connected, a tone as well as a file",
    {"status": 200, "target_heard": [PROMPT_HZ, CALLER_TONE_HZ]},
)
def flow_ring_whisper(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.runs(flow({"desk": ringing(rung(target, seconds=1), whisper=tone(PROMPT_HZ, 2.2))}, record=False))
    call = stage.call()
    status = _connected(call, 0.6)
    return {"status": status, "target_heard": target.call.media.tones()}


@case(
    GROUP,
    "press 1 to accept: asked by the whisper, the target presses it and is connected",
    {"status": 200, "asked": [PROMPT_HZ], "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_ring_accept(stage: Stage) -> dict[str, Any]:
    target = stage.target(accepts_with("1", after_s=1.0))
    stage.prompt("flow-accept", 0.5)
    stage.runs(flow({"desk": ringing(target, whisper=sound("flow-accept"), accept_digit="1")}, record=False))
    call = stage.call()
    status = _connected(call, 0.3)
    return {"status": status, "asked": target.call.media.tones()[:1], "heard": call.media.tones()}


@case(
    GROUP,
    "press 1 to accept, and a voicemail that picks up: the next target is rung",
    {"status": 200, "heard": EndsWith([TARGET_TONE_HZ])},
    seconds=18,
)
def flow_ring_accept_voicemail(stage: Stage) -> dict[str, Any]:
    machine, target = stage.target(accepts_with(None), tone_hz=WRONG_HZ), stage.target(accepts_with("5"))
    stage.runs(flow({"desk": ringing(machine, target, accept_digit="5")}, record=False))
    call = stage.call()
    status = call.answer_of_invite(25.0)
    call.wait(lambda: call.media.tones()[-1:] == [TARGET_TONE_HZ], "the target's voice")
    call.hang_up()
    return {"status": status, "heard": call.media.tones()}


# --- voicemail, recordings ---


@case(
    GROUP,
    "voicemail: prompt and beep, then the caller's message as a recording of its own; the call counts as voicemail",
    {
        "status": 200, "heard": [ANNOUNCEMENT_HZ, 1000], "first": None,
        "message": {"channels": Within(1, 2), "seconds": Within(1.0, 3.0), "sides": EndsWith([[CALLER_TONE_HZ]])},
    },
)  # fmt: skip
def flow_voicemail(stage: Stage) -> dict[str, Any]:
    busy = stage.target(refuses(486, "Busy Here"))
    stage.runs(flow({"desk": ringing(busy, otherwise="mail"), "mail": voicemail()}, record=False))
    call = stage.call()
    status = _ended(call)
    return {
        "status": status,
        "heard": call.media.tones(),
        "first": stage.recording(call, 2),
        "message": stage.recording(call),
    }


@case(
    GROUP,
    "recording off and on again in the middle: two segments, and what was said between them is on neither",
    {
        "status": 200,
        "first": {"channels": 2, "seconds": Within(0.3, 1.4), "sides": [[CALLER_TONE_HZ], [ANNOUNCEMENT_HZ]]},
        "second": {"channels": 2, "seconds": Within(0.4, 2.5), "sides": [[CALLER_TONE_HZ], EndsWith([TARGET_TONE_HZ])]},
        "secret": False,
    },
)
def flow_record_off_and_on(stage: Stage) -> dict[str, Any]:
    steps = {
        "hello": announce(tone(seconds=0.8), next="off"),
        "off": {"type": "record", "on": False, "next": "secret"},
        "secret": announce(tone(PROMPT_HZ), next="on"),
        "on": {"type": "record", "on": True, "next": "desk"},
        "desk": ringing(stage.target(answers(0.0))),
    }
    stage.runs(flow(steps))
    call = stage.call()
    status = _connected(call)
    first, second = stage.recording(call), stage.recording(call, 2)
    assert first
    assert second
    secret = PROMPT_HZ in first["sides"][1] + second["sides"][1]
    return {"status": status, "first": first, "second": second, "secret": secret}


@case(
    GROUP,
    "recording on for a flow that does not record: it begins with the answer of the target that follows",
    {"status": 200, "recording": BOTH_SIDES},
)
def flow_record_on(stage: Stage) -> dict[str, Any]:
    steps = {"on": {"type": "record", "on": True, "next": "desk"}, "desk": ringing(stage.target(answers(0.3)))}
    stage.runs(flow(steps, record=False))
    call = stage.call()
    return {"status": _connected(call), "recording": stage.recording(call)}


@case(GROUP, "recording off before the answer: nothing is recorded", _UNRECORDED)
def flow_record_off(stage: Stage) -> dict[str, Any]:
    steps = {"off": {"type": "record", "on": False, "next": "desk"}, "desk": ringing(stage.target(answers(0.0)))}
    stage.runs(flow(steps))
    call = stage.call()
    status = _connected(call)
    return {"status": status, "recording": stage.recording(call), "heard": call.media.tones()}


# --- the end ---


@case(
    GROUP,
    "the flow ends in vain: the client's backup rings, and answers",
    {"status": 200, "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_backup(stage: Stage) -> dict[str, Any]:
    busy, backup = stage.target(refuses(486, "Busy Here")), stage.target(answers(0.0))
    stage.runs(flow({"desk": ringing(busy)}, backup=backup))
    call = stage.call()
    return {"status": _connected(call, 0.3), "heard": call.media.tones()}


@case(
    GROUP,
    "the flow ends in vain and the backup is busy too: a caller who was answered hears an apology, then a BYE",
    {"status": 200, "heard": [ANNOUNCEMENT_HZ, PROMPT_HZ]},
)
def flow_backup_apology(stage: Stage) -> dict[str, Any]:
    busy, backup = stage.target(refuses(486, "Busy Here")), stage.target(refuses(486, "Busy Here"))
    steps = {"hello": announce(next="desk"), "desk": ringing(busy)}
    stage.runs(flow(steps, backup=backup, apology=tone(PROMPT_HZ)))
    call = stage.call()
    return {"status": _ended(call), "heard": call.media.tones()}


@case(
    GROUP,
    "a caller who was never answered hears no apology: 486 of the last target",
    {"status": 486},
)
def flow_backup_unanswered(stage: Stage) -> dict[str, Any]:
    busy, backup = stage.target(refuses(603, "Decline")), stage.target(refuses(486, "Busy Here"))
    stage.runs(flow({"desk": ringing(busy)}, backup=backup, apology=tone(PROMPT_HZ)))
    return {"status": _ended(stage.call())}


@case(
    GROUP,
    "a flow that is longer than a plan may be: the call comes back for the rest, and nothing is left out",
    {"status": 200, "knocks": 2, "pieces": 50, "heard": EndsWith([TARGET_TONE_HZ])},
)
def flow_longer_than_a_plan(stage: Stage) -> dict[str, Any]:
    names = [f"say-{n}" for n in range(1, 51)]
    followers = [*names[1:], "desk"]
    steps = {
        name: announce({"kind": "tone", "frequency_hz": 440, "duration_ms": 40}, next=after)
        for name, after in zip(names, followers, strict=True)
    }
    stage.runs(flow({**steps, "desk": ringing(stage.target(answers(0.0)))}, record=False))
    call = stage.call()
    status = _connected(call, 0.3)
    ran = stage.switch.records(stage.call_id(call))[0]["app_log"]["applications"]
    pieces = sum(one["app_name"] == "playback" for one in ran)
    return {"status": status, "knocks": stage.knocks(), "pieces": pieces, "heard": call.media.tones()}


# --- all workers are away ---


def _loses_workers(stage: Stage, route: Route, plans: int, **known: Any) -> None:
    """Workers answer so many questions and no more."""
    stage.fallback(route)
    stage.acts(*[gives(planned(route, **known))] * plans, dies_before_its_answer)


@case(LOST, "menu: the choice is followed by the plan that was made ahead for it", _RIGHT_ONE)
def lost_menu_choice(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    _loses_workers(stage, _menu(stage, target, wrong), 1)
    call = stage.call()
    _press(call, "2")
    status = _connected(call, 0.3)
    return {"status": status, "heard": call.media.tones(), "wrong_called": len(wrong.line.calls)}


@case(
    LOST,
    "menu: a time-out is followed as well",
    {"status": 200, "heard": [ANNOUNCEMENT_HZ, PROMPT_HZ, TARGET_TONE_HZ]},
)
def lost_menu_timeout(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    _loses_workers(stage, _menu(stage, target, wrong, timeout_s=1), 1)
    call = stage.call()
    return {"status": _connected(call, 0.3), "heard": call.media.tones()}


@case(LOST, "consent refused, and the workers are gone: nothing is recorded", _UNRECORDED)
def lost_consent_refused(stage: Stage) -> dict[str, Any]:
    route = flow(
        {"ask": consent(next="desk", otherwise="desk", timeout_s=3), "desk": ringing(stage.target(answers(0.0)))}
    )
    _loses_workers(stage, route, 1)
    return _refuses_and_talks(stage)


@case(
    LOST, "consent refused, a menu later the workers are gone: nothing is recorded, whatever a step says", _UNRECORDED
)
def lost_consent_refused_before(stage: Stage) -> dict[str, Any]:
    steps = {
        "ask": consent(next="menu", otherwise="menu", timeout_s=3),
        "menu": menu({"1": "on"}, otherwise="on"),
        "on": {"type": "record", "on": True, "next": "desk"},
        "desk": ringing(stage.target(answers(0.0))),
    }
    _loses_workers(stage, flow(steps), 2)
    call = stage.call()
    _press(call, "9")
    call.wait(lambda: call.media.tones() and stage.knocks() == 2, "the menu")
    gevent.sleep(0.4)
    call.media.press("1")
    status = _connected(call)
    return {"status": status, "recording": stage.recording(call), "heard": call.media.tones()}


@case(
    LOST,
    "consent given, and the workers are gone: the call is recorded all the same",
    {"status": 200, "recording": BOTH_SIDES},
)
def lost_consent_given(stage: Stage) -> dict[str, Any]:
    route = flow({"ask": consent(next="desk"), "desk": ringing(stage.target(answers(0.0)))})
    _loses_workers(stage, route, 1)
    call = stage.call()
    return {"status": _connected(call), "recording": stage.recording(call)}


@case(
    LOST,
    "a recorded call chooses voicemail after the workers are gone: the message is the second recording",
    {
        "status": 200,
        "recording": {"channels": 2, "seconds": Within(2.0, 7.0), "sides": [[CALLER_TONE_HZ], [440, 1000]]},
        "message": {"channels": Within(1, 2), "seconds": Within(1.0, 3.0), "sides": EndsWith([[CALLER_TONE_HZ]])},
    },
)
def lost_voicemail(stage: Stage) -> dict[str, Any]:
    route = flow({"menu": menu({"1": "mail"}), "mail": voicemail()})
    _loses_workers(stage, route, 1)
    call = stage.call()
    _press(call, "1")
    status = _ended(call)
    return {"status": status, "recording": stage.recording(call), "message": stage.recording(call, 2)}


@case(
    LOST,
    "no worker at all: hours, announcement, menu and ring by plans made ahead, tags and variables kept",
    {"status": 200, "heard": [PROMPT_HZ, ANNOUNCEMENT_HZ, TARGET_TONE_HZ], "wrong_called": 0, "knocks": 0},
    door="shut",
)
def lost_from_the_start(stage: Stage) -> dict[str, Any]:
    target, wrong = _two(stage)
    steps = {
        "hours": schedule(ALWAYS, open="mark", closed="wrong"),
        "mark": {"type": "tag", "tags": ["early"], "next": "set"},
        "set": {"type": "set", "variables": {"team": "red"}, "next": "hello"},
        "hello": announce(tone(PROMPT_HZ), next="desk"),
        "desk": announce(next="ring"),
        "ring": ringing(target),
        "wrong": ringing(wrong),
    }
    stage.fallback(flow(steps))
    call = stage.call()
    status = _connected(call, 0.3)
    return {
        "status": status,
        "heard": call.media.tones(),
        "wrong_called": len(wrong.line.calls),
        "knocks": stage.knocks(),
    }


@case(
    LOST,
    "tags and variables that a worker's plan set stay when a plan made ahead adds its own",
    {"status": 200, "heard": EndsWith([TARGET_TONE_HZ])},
)
def lost_adds_tags(stage: Stage) -> dict[str, Any]:
    steps = {
        "first": {"type": "tag", "tags": ["one"], "next": "menu"},
        "menu": menu({"1": "second"}),
        "second": {"type": "tag", "tags": ["two"], "next": "set"},
        "set": {"type": "set", "variables": {"team": "red"}, "next": "desk"},
        "desk": ringing(stage.target(answers(0.0))),
    }
    _loses_workers(stage, flow(steps), 1)
    call = stage.call()
    _press(call, "1")
    return {"status": _connected(call, 0.3), "heard": call.media.tones()}

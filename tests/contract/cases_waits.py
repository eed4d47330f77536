"""Flows that wait for somebody else: queues and web hooks. Who pairs and who asks is played by the case itself."""

from __future__ import annotations

from typing import Any

import gevent

from dialtrace.calls.model import Route

from .case import EndsWith, Within, case
from .flowing import announce, flow, queue, ringing, tone, webhook
from .sound import TARGET_TONE_HZ
from .stage import ANNOUNCEMENT_HZ, PROMPT_HZ, Stage, planned
from .telephone import Dialog, answers, refuses
from .worker import dies_before_its_answer, gives

GROUP = "Flows that wait"


def _wakes(stage: Stage, call: Dialog, result: str) -> None:
    """As a node's monitor does it."""
    channel = stage.call_id(call)
    stage.switch.api("uuid_setvar", channel, "dialtrace_result", result)
    stage.switch.api("uuid_transfer", channel, "resume", "XML", "flow")


def _reaches(call: Dialog, seconds: float = 0.5) -> None:
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    call.sleep(seconds)
    call.hang_up()


# --- queue ---


def _queue_of(stage: Stage, *targets: Any, **rest: Any) -> Route:
    stage.prompt("queue-music", 0.7)
    steps = {"wait": queue(*targets, music="queue-music", otherwise="sorry", **rest), "sorry": announce()}
    return flow(steps, record=False)


@case(
    GROUP,
    "queue: the caller hears music until a target is kept for him, then talks with it; nothing cuts the call later",
    {"status": 200, "heard": EndsWith([PROMPT_HZ, TARGET_TONE_HZ]), "other_called": 0, "knocks": 3, "cut": False},
)
def flow_queue_paired(stage: Stage) -> dict[str, Any]:
    other, target = stage.target(answers(0.0)), stage.target(answers(0.0))
    stage.runs(_queue_of(stage, other, target, max_wait_s=3), queue={"position": 1, "waited_s": 0})
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(1.2)
    _wakes(stage, call, f"target:{target.id}")
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    cut = call.sleep(2.5)
    call.hang_up()
    return {
        "status": status,
        "heard": call.media.tones(),
        "other_called": len(other.line.calls),
        "knocks": stage.knocks(),
        "cut": cut,
    }


@case(
    GROUP,
    "queue: the target that was kept does not take the call; the caller is back in the queue with his music",
    {"status": 200, "heard": EndsWith([PROMPT_HZ, TARGET_TONE_HZ]), "result": "missed"},
)
def flow_queue_missed(stage: Stage) -> dict[str, Any]:
    busy, target = stage.target(refuses(486, "Busy Here")), stage.target(answers(0.0))
    stage.runs(_queue_of(stage, busy, target), queue={"position": 1, "waited_s": 4})
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(0.6)
    _wakes(stage, call, f"target:{busy.id}")
    call.wait(lambda: stage.knocks() == 4, "the queue again")
    result = stage.worker.knocks[stage.number][3].reply.variable("dialtrace_result")
    gevent.sleep(0.9)
    _wakes(stage, call, f"target:{target.id}")
    _reaches(call)
    return {"status": status, "heard": call.media.tones(), "result": result}


@case(
    GROUP,
    "queue: nobody is free within the longest wait: otherwise follows",
    {"status": 200, "heard": [PROMPT_HZ, ANNOUNCEMENT_HZ], "after_s": Within(0.9, 4.5)},
)
def flow_queue_timeout(stage: Stage) -> dict[str, Any]:
    stage.runs(_queue_of(stage, stage.target(answers(0.0)), max_wait_s=2), queue={"position": 1, "waited_s": 0})
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "heard": call.media.tones(), "after_s": call.when("BYE")}


@case(
    GROUP,
    "queue: the place is told again and again between the music, the general word to those far behind",
    {"status": 200, "heard": [1250, PROMPT_HZ, 1250, PROMPT_HZ, TARGET_TONE_HZ], "knocks": 4},
)
def flow_queue_announcements(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    route = _queue_of(
        stage, target, announce_every_s=3, announce_position=True, announcements=[tone(1100), tone(1250), tone(1400)]
    )
    stage.runs(route, queue={"position": 1, "waited_s": 0})
    call = stage.call()
    status = call.answer_of_invite()
    call.wait(lambda: stage.knocks() == 3, "the next announcement")
    gevent.sleep(1.2)
    _wakes(stage, call, f"target:{target.id}")
    _reaches(call, 0.3)
    return {"status": status, "heard": call.media.tones(), "knocks": stage.knocks()}


@case(GROUP, "queue: it is full, and otherwise follows at once", {"status": 200, "heard": [ANNOUNCEMENT_HZ]})
def flow_queue_full(stage: Stage) -> dict[str, Any]:
    stage.runs(_queue_of(stage, stage.target(answers(0.0))), queue={"full": True})
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "heard": call.media.tones()}


_RUNG = {"status": 200, "heard": EndsWith([PROMPT_HZ, TARGET_TONE_HZ])}


@case(GROUP, "queue: nobody can pair without the database; the targets ring in turn, the caller hears the music", _RUNG)
def flow_queue_without_database(stage: Stage) -> dict[str, Any]:
    targets = stage.target(refuses(486, "Busy Here")), stage.target(answers(1.2))
    stage.runs(_queue_of(stage, *targets), database=None)
    call = stage.call()
    status = call.answer_of_invite()
    _reaches(call, 0.3)
    return {"status": status, "heard": call.media.tones()}


@case("Flows without workers", "a caller in a queue when the workers are lost: the targets ring, the call lives", _RUNG)
def lost_in_a_queue(stage: Stage) -> dict[str, Any]:
    route = _queue_of(stage, stage.target(answers(0.6)), announce_every_s=1, announcements=[tone(1250, 0.3)])
    stage.fallback(route)
    good = gives(planned(route, queue={"position": 1, "waited_s": 0}))
    stage.acts(good, good, dies_before_its_answer)
    call = stage.call()
    status = call.answer_of_invite()
    _reaches(call, 0.3)
    return {"status": status, "heard": call.media.tones()}


@case(
    GROUP,
    "queue: music that is not on the disk is silence, and the wait is as long as it would be with it",
    {"status": 200, "heard": [ANNOUNCEMENT_HZ], "after_s": Within(1.4, 5.0)},
)
def flow_queue_without_music(stage: Stage) -> dict[str, Any]:
    steps = {
        "wait": queue(stage.target(answers(0.0)), music="no-such-music", otherwise="sorry", max_wait_s=2),
        "sorry": announce(),
    }
    stage.runs(flow(steps, record=False), queue={"position": 1, "waited_s": 0})
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "heard": call.media.tones(), "after_s": call.when("BYE")}


# --- web hook ---


def _hook_of(stage: Stage, **rest: Any) -> Route:
    target = stage.target(answers(0.0))
    steps = {
        "ask": webhook({"vip": "desk"}, otherwise="sorry", **rest),
        "desk": ringing(target),
        "sorry": announce(),
    }
    return flow(steps, record=False)


@case(
    GROUP,
    "web hook: the caller hears ringing while it is asked; its answer is followed, and nothing cuts the call later",
    {"status": 200, "ringing": True, "heard": EndsWith([TARGET_TONE_HZ]), "knocks": 3, "cut": False},
)
def flow_webhook_answered(stage: Stage) -> dict[str, Any]:
    stage.runs(_hook_of(stage, timeout_s=2))
    call = stage.call()
    call.wait(lambda: call.has("183 INVITE"), "ringing")
    gevent.sleep(0.9)
    _wakes(stage, call, "vip")
    status = call.answer_of_invite()
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    cut = call.sleep(2.0)
    call.hang_up()
    heard = call.media.tones()
    return {
        "status": status,
        "ringing": heard[:1] in ([420], [430]),
        "heard": heard,
        "knocks": stage.knocks(),
        "cut": cut,
    }


_SORRY = {"status": 200, "heard": EndsWith([ANNOUNCEMENT_HZ])}


def _sorry(stage: Stage, answer: str | None, **known: Any) -> dict[str, Any]:
    stage.runs(_hook_of(stage, timeout_s=1), **known)
    call = stage.call()
    if answer is not None:
        call.wait(lambda: call.has("183 INVITE"), "ringing")
        gevent.sleep(0.3)
        _wakes(stage, call, answer)
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "heard": call.media.tones()}


@case(GROUP, "web hook: no answer in time, and otherwise follows", _SORRY)
def flow_webhook_timeout(stage: Stage) -> dict[str, Any]:
    return _sorry(stage, None)


@case(GROUP, "web hook: an answer that nobody expects, and otherwise follows", _SORRY)
def flow_webhook_unexpected(stage: Stage) -> dict[str, Any]:
    return _sorry(stage, "nonsense")


@case(GROUP, "web hook: nobody can be asked without the database, and otherwise follows at once", _SORRY)
def flow_webhook_without_database(stage: Stage) -> dict[str, Any]:
    return _sorry(stage, None, database=None)

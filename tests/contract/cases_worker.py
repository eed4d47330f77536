"""Workers that fail, calls that are held, a switch that is drained: no caller may notice (call-setup.md)."""

from __future__ import annotations

from typing import Any

import gevent

from .case import EndsWith, Within, case
from .cases_calls import BOTH_SIDES
from .sound import TARGET_TONE_HZ
from .stage import ANNOUNCEMENT_HZ, RESUME, Stage, actions, announce, planned, ring
from .telephone import Dialog, answers
from .worker import (
    Act,
    Door,
    dies_after_its_answer,
    dies_before_its_answer,
    dies_in_its_answer,
    gives,
    gives_no_plan,
    hangs,
)

GROUP = "Workers that fail"
LONG = "Calls that are held"
#: Nobody waits longer for an answer, whatever the worker does.
SOON = Within(0.0, 2.5)
#: The call is connected by the number's ready-made plan, announced and recorded as that plan says.
_SERVED = {"status": 200, "answered_s": SOON, "heard": EndsWith([TARGET_TONE_HZ]), "recording": BOTH_SIDES}


def _served(stage: Stage, *acts: Act) -> dict[str, Any]:
    """A recorded call to one target while the worker does this; a fallback plan lies ready."""
    target = stage.target(answers(0.0))
    route = stage.route(ring(target))
    stage.fallback(route)
    if acts:
        stage.acts(*acts)
    call = stage.call()
    status = call.answer_of_invite()
    call.sleep(1.4)
    call.hang_up()
    return {
        "status": status,
        "answered_s": call.when("200 INVITE"),
        "heard": call.media.tones(),
        "recording": stage.recording(call),
    }


def _fails(name: str, proves: str, act: Act | None, door: Door = "open") -> None:
    def play(stage: Stage) -> dict[str, Any]:
        return _served(stage, *([act] if act else []))

    case(GROUP, f"{proves}: the fallback plan connects the caller within 2.5 s", _SERVED, name=name, door=door)(play)


_fails("worker-refuses", "nothing listens at the worker's port", None, "shut")
_fails("worker-slams", "the worker dies before it has asked anything", None, "slams")
_fails("worker-silent", "the worker takes the connection and says nothing", None, "silent")
_fails("worker-dies-before-answer", "the worker dies between `connect` and its answer", dies_before_its_answer)
_fails("worker-dies-in-answer", "the worker dies in the middle of its answer", dies_in_its_answer("hangup:USER_BUSY"))
_fails("worker-hangs", "the worker hangs after `connect`", hangs)
_fails("worker-gives-no-plan", "the worker lets go without a plan", gives_no_plan)


@case(
    GROUP,
    "the worker dies after its answer, before it has let go: its plan is in force, the caller is answered within 2.5 s",
    _SERVED,
)
def worker_dies_after_answer(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.acts(dies_after_its_answer(planned(stage.route(ring(target)))))
    call = stage.call()
    status = call.answer_of_invite()
    call.sleep(1.4)
    call.hang_up()
    return {
        "status": status,
        "answered_s": call.when("200 INVITE"),
        "heard": call.media.tones(),
        "recording": stage.recording(call),
    }


@case(
    GROUP,
    "no worker and no plan on the disk: 480, which carriers take for temporary, and a record that says so",
    {"status": 480, "after_s": Within(0.0, 1.0)},
    door="shut",
)
def fallback_without_plan(stage: Stage) -> dict[str, Any]:
    call = stage.call()
    status = call.answer_of_invite()
    return {"status": status, "after_s": call.when(f"{status} INVITE")}


@case(
    GROUP,
    "the fallback plan announces as the flow says: the caller hears it, then the target",
    {"status": 200, "heard": EndsWith([TARGET_TONE_HZ]), "announced": True},
    door="shut",
)
def fallback_announces(stage: Stage) -> dict[str, Any]:
    stage.fallback(stage.route(announce(0.5), ring(stage.target(answers(0.0)))))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    call.hang_up()
    heard = call.media.tones()
    return {"status": status, "heard": heard, "announced": heard[:1] == [ANNOUNCEMENT_HZ]}


def _resumed(stage: Stage, second: Act) -> dict[str, Any]:
    """Inside a flow already, its announcement heard, when the worker is lost."""
    stage.fallback(stage.route(announce(0.6), ring(stage.target(answers(0.0)))))
    said = ("playback", f"tone_stream://%(600,0,{ANNOUNCEMENT_HZ})")
    stage.acts(gives(actions(("answer", ""), said, ("set", "dialtrace_step=1"), RESUME)), second)
    call = stage.call()
    status = call.answer_of_invite()
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    gevent.sleep(0.3)
    call.hang_up()
    tones = call.media.tones()
    return {"status": status, "announcements": tones.count(ANNOUNCEMENT_HZ), "heard": tones}


_RESUMED = {"status": 200, "announcements": 1, "heard": EndsWith([TARGET_TONE_HZ])}


@case(GROUP, "the worker dies in a resume step: the ring-only plan is taken, no announcement is repeated", _RESUMED)
def resume_worker_dies(stage: Stage) -> dict[str, Any]:
    return _resumed(stage, dies_before_its_answer)


@case(GROUP, "the worker hangs in a resume step: the guard takes the ring-only plan", _RESUMED)
def resume_worker_hangs(stage: Stage) -> dict[str, Any]:
    return _resumed(stage, hangs)


# --- held calls: neither the guard nor the socket's own 25 s limit may cut them ---


def _hold(call: Dialog, seconds: float) -> dict[str, Any]:
    """Hold it, then look whether it stands and is heard."""
    status = call.answer_of_invite()
    cut = call.sleep(seconds - 1)
    before = len(call.media.heard)
    call.sleep(1)
    spoken = len(call.media.heard) - before > 4000
    call.hang_up()
    return {"status": status, "cut": cut, "heard_at_the_end": spoken}


#: How soon such a call is answered is judged by the short cases above, which can be played again.
_HELD = {"status": 200, "cut": False, "heard_at_the_end": True}


def _held(name: str, proves: str, act: Act | None, seconds: float, door: Door = "open") -> None:
    def play(stage: Stage) -> dict[str, Any]:
        route = stage.route(ring(stage.target(answers(0.0))))
        stage.fallback(route)
        stage.acts(act or gives(planned(route)))
        return _hold(stage.call(tone_hz=0), seconds)

    said = f"{proves}, held {seconds:.0f} s: not cut, and heard at the end"
    case(LONG, said, _HELD, name=name, seconds=seconds, door=door)(play)


_held("held-5s", "a call with a worker's plan", None, 5)
_held("held-35s", "a call with a worker's plan", None, 35)
_held("held-35s-worker-refuses", "a fallback call after a refused connection", None, 35, "shut")
_held("held-35s-worker-slams", "a fallback call after a worker that died at once", None, 35, "slams")
_held("held-35s-worker-silent", "a fallback call by the guard, the silent socket still open", None, 35, "silent")
_held("held-35s-worker-hangs", "a fallback call by the guard, the socket hanging after `connect`", hangs, 35)
_held("held-35s-worker-gives-no-plan", "a fallback call after a worker without a plan", gives_no_plan, 35)
_held("held-35s-worker-dies", "a fallback call after a worker that died after `connect`", dies_before_its_answer, 35)


@case(LONG, "a call that was resumed, held 35 s: the resume's guard does not cut it", _HELD, seconds=35)
def held_35s_after_resume(stage: Stage) -> dict[str, Any]:
    route = stage.route(ring(stage.target(answers(0.0))))
    stage.acts(gives(actions(("set", "dialtrace_step=0"), RESUME)), gives(planned(route)))
    return _hold(stage.call(tone_hz=0), 35)


@case(
    LONG,
    "a call whose resume fell back by the guard, held 35 s: not cut",
    _HELD,
    seconds=35,
)
def held_35s_resume_hangs(stage: Stage) -> dict[str, Any]:
    stage.fallback(stage.route(ring(stage.target(answers(0.0)))))
    stage.acts(gives(actions(("set", "dialtrace_step=0"), RESUME)), hangs)
    return _hold(stage.call(tone_hz=0), 35)


# --- the switch as a whole ---


@case("The switch", "OPTIONS are answered with 200, for the edge that asks whether the node is there", {"options": 200})
def options(stage: Stage) -> dict[str, Any]:
    stage.acts(gives(actions(("hangup", "USER_BUSY"), going_on=False)))
    call = stage.call()
    call.answer_of_invite()
    return {"options": stage.callers[0].options(stage.switch.sip)}


@case(
    "The switch",
    "drain (`fsctl pause inbound`): a new call and OPTIONS get 503, standing calls live; `resume` takes calls again",
    {
        "standing": 200, "options_draining": 503, "refused": 503, "stands": True, "heard": True,
        "options_after": 200, "after": 200,
    },
    alone=True,
)  # fmt: skip
def drain(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.runs(stage.route(ring(target)))
    standing = stage.call()
    seen: dict[str, Any] = {"standing": standing.answer_of_invite()}
    stage.switch.api("fsctl", "pause", "inbound")
    try:
        gevent.sleep(0.2)
        seen["options_draining"] = stage.callers[0].options(stage.switch.sip)
        refused = stage.call()
        stage.dialogs.remove(refused)  # it never becomes a channel, so there is no record
        seen["refused"] = refused.answer_of_invite()
        before = len(standing.media.heard)
        seen["stands"] = not standing.sleep(1.0)
        seen["heard"] = len(standing.media.heard) - before > 4000
    finally:
        stage.switch.api("fsctl", "resume", "inbound")
    gevent.sleep(0.2)
    seen["options_after"] = stage.callers[0].options(stage.switch.sip)
    after = stage.call()
    seen["after"] = after.answer_of_invite()
    after.sleep(0.3)
    after.hang_up()
    standing.hang_up()
    return seen

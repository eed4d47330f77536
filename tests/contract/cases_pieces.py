"""The pieces that worked on a real switch (reference/call-setup.md, "Pieces that worked"), each on its own."""

from __future__ import annotations

from typing import Any

import gevent

from dialtrace.esl.events import ConnectReply

from .case import EndsWith, Within, case
from .cases_calls import BOTH_SIDES
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ
from .stage import FINISH, PROMPT_HZ, RESUME, Stage, actions
from .telephone import accepts_with, answers, refuses, rings
from .worker import gives

GROUP = "Pieces of plans"


def _recording_path(stage: Stage, reply: ConnectReply, segment: int = 1) -> str:
    """The directory is made ahead, as the monitor does: `record` into a missing one hangs up."""
    folder = stage.switch.spool / "recordings" / "20261122"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{reply.call_id}-{segment}.wav")


_MENU = r"play_and_get_digits", "1 1 2 3000 # {prompt} silence_stream://250 dialtrace_digits [1-3] 2000"


@case(
    GROUP,
    "a menu: the caller hears the prompt and presses 2 (RFC 2833); the worker is asked again and told the digit",
    {"status": 200, "digits": "2", "heard": EndsWith([PROMPT_HZ, TARGET_TONE_HZ]), "knocks": 2},
)
def menu_digit_resume(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    prompt = stage.prompt("menu", 0.8)
    stage.acts(
        gives(actions(("answer", ""), (_MENU[0], _MENU[1].format(prompt=prompt)), ("set", "dialtrace_step=1"), RESUME)),
        gives(actions(("bridge", stage.leg(target)), FINISH)),
    )
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(0.5)
    call.media.press("2")
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    call.hang_up()
    digits = stage.worker.knocks[stage.number][-1].reply.variable("dialtrace_digits")
    return {"status": status, "digits": digits, "heard": call.media.tones(), "knocks": stage.knocks()}


@case(
    GROUP,
    "a menu that nobody answers: it times out, digits from before are cleared, the worker is asked again",
    {"status": 200, "digits": None, "knocks": 2, "bye": True},
)
def menu_timeout(stage: Stage) -> dict[str, Any]:
    prompt = stage.prompt("menu-short", 0.2)
    menu = f"1 1 1 500 # {prompt} silence_stream://100 dialtrace_digits [1-3] 500"
    stage.acts(
        gives(actions(("answer", ""), ("set", "dialtrace_digits=3"), (_MENU[0], menu), RESUME)),
        gives(actions(("hangup", "NORMAL_CLEARING"))),
    )
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    digits = stage.worker.knocks[stage.number][-1].reply.variable("dialtrace_digits")
    return {"status": status, "digits": digits, "knocks": stage.knocks(), "bye": call.over}


@case(
    GROUP,
    "a whisper: the target hears it before it is connected; the caller is answered after it",
    {"status": 200, "target_heard": [PROMPT_HZ, CALLER_TONE_HZ], "answered_s": Within(0.7, 2.5)},
)
def whisper(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    said = stage.prompt("whisper", 0.8)
    leg = stage.leg(target, group_confirm_key="exec", group_confirm_file=f"playback {said}")
    stage.acts(gives(actions(("bridge", leg), FINISH)))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(0.8)
    call.hang_up()
    return {"status": status, "target_heard": target.call.media.tones(), "answered_s": call.when("200 INVITE")}


@case(
    GROUP,
    "two targets at once, each with its own time, one asked to press 1 and pressing it: it wins, the other is ended",
    {
        "status": 200, "loser_cancelled": True, "winner_heard": EndsWith([CALLER_TONE_HZ]),
        "heard": EndsWith([TARGET_TONE_HZ]),
    },
)  # fmt: skip
def press_one_simultaneous(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(rings), stage.target(accepts_with("1", after_s=0.8))
    said = stage.prompt("press-one", 0.4)
    asked = {"group_confirm_key": "1", "group_confirm_file": str(said), "group_confirm_timeout": "4"}
    legs = f"{stage.leg(first, leg_timeout='5')},{stage.leg(second, leg_timeout='6', **asked)}"
    stage.acts(gives(actions(("bridge", legs), FINISH)))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(0.8)
    call.hang_up()
    return {
        "status": status,
        "loser_cancelled": first.call.has("CANCEL"),
        "winner_heard": second.call.media.tones(),
        "heard": call.media.tones(),
    }


@case(
    GROUP,
    "press 1 to accept, and a voicemail that picks up instead: nobody is connected, the caller gets 480",
    {"status": 480, "asked": [PROMPT_HZ]},
)
def press_one_not_pressed(stage: Stage) -> dict[str, Any]:
    target = stage.target(accepts_with(None), tone_hz=0)
    said = stage.prompt("press-one-in-vain", 0.4)
    asked = {"group_confirm_key": "1", "group_confirm_file": str(said), "group_confirm_timeout": "2"}
    stage.acts(gives(actions(("bridge", stage.leg(target, leg_timeout="3", **asked)), FINISH)))
    status = stage.call().answer_of_invite()
    return {"status": status, "asked": target.call.media.tones()[:1]}


@case(
    GROUP,
    "two targets at once: the one that answers is connected, the other is cancelled",
    {"status": 200, "loser_cancelled": True},
)
def simultaneous(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(rings), stage.target(answers(0.4))
    stage.acts(gives(actions(("bridge", f"{stage.leg(first)},{stage.leg(second)}"), FINISH)))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(0.5)
    call.hang_up()
    return {"status": status, "loser_cancelled": first.call.has("CANCEL")}


@case(
    GROUP,
    "early media: a target sends 183 with sound, then 486; with ignore_early_media and ringback the next one is called",
    {"status": 200, "heard_the_busy_one": False, "heard": EndsWith([TARGET_TONE_HZ]), "recording": BOTH_SIDES},
)
def early_media_then_busy(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(refuses(486, "Busy Here", early_media_s=0.8), tone_hz=1500), stage.target(answers(0.3))

    def plan(reply: ConnectReply) -> str:
        record = f"record_session {_recording_path(stage, reply)}"
        return actions(
            ("multiset", f"^^;ringback=%(1000,4000,425);RECORD_STEREO=true;execute_on_answer={record}"),
            ("bridge", stage.leg(first)),
            ("bridge", stage.leg(second)),
            FINISH,
        )

    stage.acts(gives(plan))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(1.2)
    call.hang_up()
    heard = call.media.tones()
    return {
        "status": status,
        "heard_the_busy_one": 1500 in heard,
        "heard": heard,
        "recording": stage.recording(call),
    }


@case(
    GROUP,
    "a gateway that is not configured: an attempt without a channel and without a record; the next target is called",
    {"status": 200},
)
def unknown_gateway(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.acts(gives(actions(("bridge", "sofia/gateway/nosuch/123"), ("bridge", stage.leg(target)), FINISH)))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(0.3)
    call.hang_up()
    return {"status": status}


@case(
    GROUP,
    "one recording runs through an announcement, failed bridges, a resume and a voicemail; a second start is ignored",
    {
        "status": 200,
        "recording": {"channels": 2, "seconds": Within(3.2, 6.5), "sides": [[CALLER_TONE_HZ], EndsWith([PROMPT_HZ])]},
        "voicemail": {"channels": Within(1, 2), "seconds": Within(1.0, 3.4), "sides": EndsWith([[CALLER_TONE_HZ]])},
    },
)
def recording_through_resume_and_voicemail(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(refuses(486, "Busy Here")), stage.target(rings)
    beep = stage.prompt("voicemail", 0.6)

    def begins(reply: ConnectReply) -> str:
        return actions(
            ("set", "RECORD_STEREO=true"),
            ("answer", ""),
            ("record_session", _recording_path(stage, reply)),
            ("bridge", stage.leg(first)),
            ("set", "dialtrace_step=1"),
            RESUME,
            facts={"record": "yes", "recordings": f"{reply.call_id}-1.wav,{reply.call_id}-2.wav"},
        )

    def goes_on(reply: ConnectReply) -> str:
        return actions(
            ("record_session", _recording_path(stage, reply)),
            ("bridge", stage.leg(second, leg_timeout="1")),
            ("playback", str(beep)),
            ("record", f"{_recording_path(stage, reply, 2)} 2 200 5"),
            ("hangup", "NORMAL_CLEARING"),
        )

    stage.acts(gives(begins), gives(goes_on))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "recording": stage.recording(call), "voicemail": stage.recording(call, 2)}


@case(
    GROUP,
    "segments: recording stops, a new segment starts on a path of its own; both files stay",
    {
        "status": 200,
        "first": {"channels": 2, "seconds": Within(0.2, 1.2), "sides": EndsWith([[PROMPT_HZ]])},
        "second": {"channels": 2, "seconds": Within(0.4, 2.0), "sides": [[CALLER_TONE_HZ], EndsWith([TARGET_TONE_HZ])]},
    },
)
def recording_segments(stage: Stage) -> dict[str, Any]:
    target, said = stage.target(answers(0.0)), stage.prompt("segment", 0.6)

    def plan(reply: ConnectReply) -> str:
        first, second = _recording_path(stage, reply), _recording_path(stage, reply, 2)
        return actions(
            ("set", "RECORD_STEREO=true"),
            ("answer", ""),
            ("record_session", first),
            ("playback", str(said)),
            ("stop_record_session", first),
            ("playback", "silence_stream://300"),
            ("record_session", second),
            ("bridge", stage.leg(target)),
            FINISH,
            facts={"record": "yes", "recordings": f"{reply.call_id}-1.wav,{reply.call_id}-2.wav"},
        )

    stage.acts(gives(plan))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    gevent.sleep(0.8)
    call.hang_up()
    return {"status": status, "first": stage.recording(call), "second": stage.recording(call, 2)}


@case(
    GROUP,
    "a plan's own sched_hangup survives a resume: sched_cancel names the guard, so it takes nothing else away",
    {"status": 200, "bye": True, "after_s": Within(2.0, 5.2)},
)
def sched_hangup_survives_resume(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.acts(
        gives(actions(("sched_hangup", "+4 ALLOTTED_TIMEOUT"), ("set", "dialtrace_step=1"), RESUME)),
        gives(actions(("bridge", stage.leg(target)), FINISH)),
    )
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "bye": call.over, "after_s": call.when("BYE")}


@case(
    GROUP,
    "sixty resumes in one call: the last plan is run, the call does not die of its transfers",
    {"status": 200, "knocks": 61, "heard": EndsWith([TARGET_TONE_HZ])},
)
def sixty_resumes(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    steps = [gives(actions(("set", f"dialtrace_step={index}"), RESUME)) for index in range(60)]
    stage.acts(*steps, gives(actions(("bridge", stage.leg(target)), FINISH)))
    call = stage.call()
    status = call.answer_of_invite(30.0)
    gevent.sleep(0.5)
    call.hang_up()
    return {"status": status, "knocks": stage.knocks(), "heard": call.media.tones()}


@case(
    GROUP,
    "a call that waits in music is woken by another process with uuid_transfer, and the worker is asked again",
    {"status": 200, "woken_s": Within(0.0, 0.6), "heard": [PROMPT_HZ, TARGET_TONE_HZ]},
)
def woken_by_transfer(stage: Stage) -> dict[str, Any]:
    target, music = stage.target(answers(0.0)), stage.prompt("music", 0.5)
    stage.acts(
        gives(actions(("answer", ""), ("set", "dialtrace_step=1"), ("endless_playback", str(music)))),
        gives(actions(("bridge", stage.leg(target)), FINISH)),
    )
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(1.2)
    asked = gevent.get_hub().loop.now()
    stage.switch.api("uuid_transfer", stage.call_id(call), "resume", "XML", "flow")
    call.wait(lambda: stage.knocks() == 2, "the second question")
    woken_s = gevent.get_hub().loop.now() - asked
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    call.hang_up()
    return {"status": status, "woken_s": woken_s, "heard": call.media.tones()}


@case(
    GROUP,
    "a wait that the plan bounds itself: nobody wakes the call, so it resumes with the default",
    {"status": 200, "knocks": 2, "after_s": Within(0.7, 2.5)},
)
def wait_bounded_by_the_plan(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.acts(
        gives(actions(("answer", ""), ("playback", "silence_stream://800"), ("set", "dialtrace_step=1"), RESUME)),
        gives(actions(("bridge", stage.leg(target)), FINISH)),
    )
    call = stage.call()
    status = call.answer_of_invite()
    call.wait(lambda: target.line.calls, "the target's call")
    after_s = target.call.begun - call.begun
    gevent.sleep(0.4)
    call.hang_up()
    return {"status": status, "knocks": stage.knocks(), "after_s": after_s}

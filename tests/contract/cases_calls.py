"""Ordinary calls: a number's own flow, as the platform's worker hands it over."""

from __future__ import annotations

import re
from typing import Any

import gevent

from .case import EndsWith, Play, Within, case
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ
from .stage import ANNOUNCEMENT_HZ, Stage, announce, ring
from .telephone import Dialog, answers, refuses, rings
from .worker import gives_no_plan, hangs

GROUP = "Calls"
#: Whatever ringback the target's side held before.
BOTH_IN_THE_END = [[CALLER_TONE_HZ], EndsWith([TARGET_TONE_HZ])]
BOTH_SIDES = {"channels": 2, "seconds": Within(0.5, 3.0), "sides": [[CALLER_TONE_HZ], [TARGET_TONE_HZ]]}


def _talk(dialog: Dialog, seconds: float = 1.4) -> int:
    """Wait for the final answer; if it is 200, talk, then hang up."""
    status = dialog.answer_of_invite()
    if status == 200:
        dialog.sleep(seconds)
        dialog.hang_up()
    return status


@case(
    GROUP,
    "one target rings and answers; both hear each other; the recording has the caller left and the target right",
    {
        "status": 200, "rang": True, "caller_heard": EndsWith([TARGET_TONE_HZ]), "target_heard": [CALLER_TONE_HZ],
        "recording": BOTH_SIDES, "knocks": 1,
    },
)  # fmt: skip
def answered(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.4))
    stage.runs(stage.route(ring(target)))
    call = stage.call()
    status = _talk(call)
    return {
        "status": status,
        "rang": call.has("180 INVITE") or call.has("183 INVITE"),
        "caller_heard": call.media.tones(),
        "target_heard": target.call.media.tones(),
        "recording": stage.recording(call),
        "knocks": stage.knocks(),
    }


@case(GROUP, "the target hangs up: the caller gets a BYE, the record says who ended it", {"status": 200, "bye": True})
def answered_target_hangs_up(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.1, hang_up_after_s=0.8))
    stage.runs(stage.route(ring(target)))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "bye": call.has("BYE")}


@case(GROUP, "a busy target: the caller gets 486", {"status": 486})
def busy(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(ring(stage.target(refuses(486, "Busy Here")))))
    return {"status": stage.call().answer_of_invite()}


@case(GROUP, "a target that declines: the caller gets 603", {"status": 603})
def rejected(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(ring(stage.target(refuses(603, "Decline")))))
    return {"status": stage.call().answer_of_invite()}


@case(
    GROUP,
    "a target that only rings is cancelled when its time is over; the caller gets 480",
    {"status": 480, "cancelled": True, "after_s": Within(1.9, 4.5)},
)
def no_answer(stage: Stage) -> dict[str, Any]:
    target = stage.target(rings)
    stage.runs(stage.route(ring(target, seconds=2)))
    call = stage.call()
    status = call.answer_of_invite()
    return {"status": status, "cancelled": target.call.has("CANCEL"), "after_s": call.when(f"{status} INVITE")}


@case(GROUP, "a target's 503 does not reach the caller, who would take it for a dead node: 480", {"status": 480})
def target_503(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(ring(stage.target(refuses(503, "Service Unavailable")))))
    return {"status": stage.call().answer_of_invite()}


@case(GROUP, "a target's 404 is no statement about the number that was called: 480", {"status": 480})
def target_404(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(ring(stage.target(refuses(404, "Not Found")))))
    return {"status": stage.call().answer_of_invite()}


@case(GROUP, "nothing listens at the target's address: the caller gets 480", {"status": 480})
def target_unreachable(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(ring(stage.target(None), seconds=2)))
    return {"status": stage.call().answer_of_invite()}


@case(
    GROUP,
    "the caller gives up while it rings: 487, and the target is cancelled",
    {"status": 487, "cancelled": True},
)
def cancelled_ringing(stage: Stage) -> dict[str, Any]:
    target = stage.target(rings)
    stage.runs(stage.route(ring(target)))
    call = stage.call()
    call.wait(lambda: call.has("180 INVITE") or call.has("183 INVITE"), "ringing")
    gevent.sleep(0.3)
    call.cancel()
    status = call.answer_of_invite()
    target.call.wait_for("CANCEL")
    return {"status": status, "cancelled": target.call.has("CANCEL")}


@case(GROUP, "the caller gives up before the worker has answered: 487, and a record all the same", {"status": 487})
def cancelled_before_the_plan(stage: Stage) -> dict[str, Any]:
    stage.acts(hangs)
    call = stage.call()
    call.wait(stage.knocks, "the switch's question")
    gevent.sleep(0.2)
    call.cancel()
    return {"status": call.answer_of_invite()}


@case(
    GROUP,
    "a list of targets: the first is busy, the second is connected and recorded",
    {"status": 200, "recording": BOTH_SIDES, "heard": EndsWith([TARGET_TONE_HZ])},
)
def failover_busy_answered(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(refuses(486, "Busy Here")), stage.target(answers())
    stage.runs(stage.route(ring(first, second)))
    call = stage.call()
    return {"status": _talk(call), "recording": stage.recording(call), "heard": call.media.tones()}


@case(
    GROUP,
    "a list of targets: the first rings out and is cancelled, the second is connected",
    {"status": 200, "cancelled": True, "heard": EndsWith([TARGET_TONE_HZ])},
)
def failover_no_answer_answered(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(rings), stage.target(answers())
    stage.runs(stage.route(ring(first, seconds=1), ring(second)))
    call = stage.call()
    return {"status": _talk(call), "cancelled": first.call.has("CANCEL"), "heard": call.media.tones()}


@case(GROUP, "busy, then no answer: the last attempt's outcome reaches the caller, 480", {"status": 480})
def busy_then_no_answer(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(refuses(486, "Busy Here")), stage.target(rings)
    stage.runs(stage.route(ring(first), ring(second, seconds=1)))
    return {"status": stage.call().answer_of_invite()}


@case(
    GROUP,
    "the caller hears the announcement; the target is called afterwards; both are on the recording, on their sides",
    {
        "status": 200, "heard": EndsWith([TARGET_TONE_HZ]), "announced": True,
        "recording": {"channels": 2, "seconds": Within(1.4, 5.0), "sides": BOTH_IN_THE_END},
        "answered_first": True,
    },
)  # fmt: skip
def announced_then_answered(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers())
    stage.runs(stage.route(announce(0.6), ring(target)))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    gevent.sleep(1.0)
    call.hang_up()
    heard = call.media.tones()
    return {
        "status": status,
        "heard": heard,
        "announced": heard[:1] == [ANNOUNCEMENT_HZ],
        "recording": stage.recording(call),
        "answered_first": target.call.begun > call.begun + (call.when("200 INVITE") or 99),
    }


@case(
    GROUP,
    "an announcement, then a busy target: the answered caller gets a BYE, and the call counts as not connected",
    {"status": 200, "bye": True, "heard": [ANNOUNCEMENT_HZ]},
)
def announced_then_busy(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(announce(0.5), ring(stage.target(refuses(486, "Busy Here")))))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "bye": call.over, "heard": call.media.tones()}


@case(
    GROUP,
    "stereo recording across attempts: announcement, busy, ringing out, answered: one file, caller left, target right",
    {
        "status": 200,
        "recording": {"channels": 2, "seconds": Within(2.6, 6.5), "sides": BOTH_IN_THE_END},
        "caller_alone": True,
    },
)  # fmt: skip
def recorded_across_attempts(stage: Stage) -> dict[str, Any]:
    targets = stage.target(refuses(486, "Busy Here")), stage.target(rings), stage.target(answers())
    stage.runs(stage.route(announce(0.5), ring(targets[0]), ring(targets[1], seconds=1), ring(targets[2])))
    call = stage.call()
    call.answer_of_invite()
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the last target's voice")
    gevent.sleep(1.0)
    call.hang_up()
    found = stage.recording(call)
    alone = found is not None and TARGET_TONE_HZ not in found["sides"][0] and CALLER_TONE_HZ not in found["sides"][1]
    assert call.final
    return {"status": call.final.status, "recording": found, "caller_alone": alone}


@case(GROUP, "a flow that only announces: heard whole, then a BYE", {"status": 200, "heard": [ANNOUNCEMENT_HZ]})
def announced_only(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(announce(0.7), {"type": "hangup", "cause": "normal"}, record=False))
    call = stage.call()
    status = call.answer_of_invite()
    call.wait_for("BYE")
    return {"status": status, "heard": call.media.tones()}


@case(GROUP, "a number that nobody has: 404", {"status": 404})
def unknown_number(stage: Stage) -> dict[str, Any]:
    stage.runs(None)
    return {"status": stage.call().answer_of_invite()}


@case(GROUP, "a suspended number: 480, which carriers take for temporary", {"status": 480})
def suspended_number(stage: Stage) -> dict[str, Any]:
    stage.runs(stage.route(ring(stage.target(answers())), status="suspended"))
    return {"status": stage.call().answer_of_invite()}


@case(GROUP, "what was dialled is no telephone number: 404, and no worker is asked", {"status": 404, "knocks": 0})
def not_a_number(stage: Stage) -> dict[str, Any]:
    stage.acts(gives_no_plan)
    return {"status": stage.call(number="0123").answer_of_invite(), "knocks": stage.knocks()}


# What a caller may call himself: the name as it stands in the header, what it is after the switch has decoded it (once,
# sofia.c, check_decode; and "${" cannot stay, switch_caller.c), and what the target is told (freeswitch/dialplan/).
_QUOTED = r"Ivan \"the boss\" Petrov"
_NAMES = {
    "quotes": (_QUOTED, _QUOTED, "", "quotes"),
    "percent": (
        "100% %41 %25 ${uuid} $${dialtrace_spool}", "100% A % %{uuid} $%{dialtrace_spool}", "",
        "percent signs and what looks like a variable",
    ),
    "encoded-newlines": (
        "a%0Ab%0D%0AX-Injected: 1%0A%0Aexit", "a\nb\r\nX-Injected: 1\n\nexit", "",
        "encoded line breaks, with a header and a command behind them",
    ),
    # Events do not tell "%0A" from a line break: an escape that is there already is not encoded again (switch_utils.h,
    # switch_url_encode_opt).
    "encoded-twice": ("a%250AX-Injected: 1", "a\nX-Injected: 1", "", "line breaks that are encoded twice"),
    "u2028": ("line\u2028separator\u0085next",) * 3 + ("U+2028 and U+0085, which some take for line breaks",),
    "cyrillic": ("Иван Петрович Ёлкин",) * 3 + ("Cyrillic",),
    "plan-like": ("x~hangup;dialtrace_agency=evil,[leg_timeout=1]",) * 3 + ("what looks like a plan",),
}  # fmt: skip


def _named(header: str) -> Play:
    def play(stage: Stage) -> dict[str, Any]:
        target = stage.target(answers(0.0))
        stage.runs(stage.route(ring(target)))
        call = stage.call(name=f'"{header}"')
        status = _talk(call, 0.4)
        return {
            "status": status,
            "worker_told": stage.worker.knocks[stage.number][0].reply.caller_name,
            "target_told": _display_name(target.call),
            "injected": _injected(target.call),
        }

    return play


def _display_name(call: Dialog) -> str:
    assert call.invite
    found = re.match(r'\s*"?(.*?)"?\s*<sip:', call.invite.get("from"))
    return found[1] if found else call.invite.get("from")


def _injected(call: Dialog) -> bool:
    """Whether the target's INVITE has a header that the caller wrote."""
    assert call.invite
    return any("injected" in name for name, _ in call.invite.headers)


for _name, (_header, _worker, _target, _what) in _NAMES.items():
    case(
        "Callers' names",
        f"{_what}: the call goes well, worker and record know the name, the target is told "
        + ("the number alone" if not _target else "the name as it is"),
        {"status": 200, "worker_told": _worker, "target_told": _target, "injected": False},
        name=f"name-{_name}",
    )(_named(_header))


@case(
    "Callers' names",
    "a caller's number with encoded line breaks: nothing of it becomes a header, the call goes well",
    {"status": 200, "injected": False},
)
def number_encoded(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.runs(stage.route(ring(target)))
    call = stage.call(caller="7495%0D%0AX-Injected%3A1")
    return {"status": _talk(call, 0.4), "injected": _injected(target.call)}

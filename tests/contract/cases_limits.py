"""The switch's own counters: `limit` refuses a call beyond a maximum, `limit_execute` passes an attempt by."""

from __future__ import annotations

from typing import Any

import gevent

from .case import case
from .stage import FINISH, Stage, actions
from .telephone import answers, refuses
from .worker import gives

GROUP = "Limits of the switch"


@case(
    GROUP,
    "a counter of one: the second call is refused with the cause named, and has a record; when the first has hung up "
    "the third gets in",
    {"statuses": [200, 603, 200], "knocks": 3},
)
def limit_of_calls(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    take = ("limit", f"hash contract {stage.number} 1 !CALL_REJECTED")
    stage.acts(gives(actions(("set", "limit_ignore_transfer=true"), take, ("bridge", stage.leg(target)), FINISH)))
    first = stage.call()
    statuses = [first.answer_of_invite()]
    gevent.sleep(0.5)  # answered is not connected yet
    second = stage.call()
    statuses.append(second.answer_of_invite())
    first.hang_up()
    stage.switch.wait_for_event(stage.call_id(first), "CHANNEL_HANGUP_COMPLETE")
    third = stage.call()
    statuses.append(third.answer_of_invite())
    gevent.sleep(0.5)
    third.hang_up()
    return {"statuses": statuses, "knocks": stage.knocks()}


@case(
    GROUP,
    "a counter of two a minute: the third call within it is refused although nobody holds anything any more",
    {"statuses": [486, 486, 603]},
)
def limit_of_rate(stage: Stage) -> dict[str, Any]:
    take = ("limit", f"hash contract-rate {stage.number} 2/60 !CALL_REJECTED")
    stage.acts(gives(actions(take, ("hangup", "USER_BUSY"))))
    statuses = []
    for _ in range(3):
        call = stage.call()
        statuses.append(call.answer_of_invite())
        stage.switch.wait_for_event(stage.call_id(call), "CHANNEL_HANGUP_COMPLETE")
    return {"statuses": statuses}


@case(
    GROUP,
    "limit_execute: the attempt over the maximum is passed by, the next target rings; the place of an attempt that "
    "failed is free again at once",
    {"statuses": [200, 200], "first_rung": 1, "second_rung": 1},
)
def limit_of_attempts(stage: Stage) -> dict[str, Any]:
    busy, first, second = stage.target(refuses(486, "Busy")), stage.target(answers(0.0)), stage.target(answers(0.0))

    def once(target: Any) -> tuple[str, str]:
        return "limit_execute", f"hash contract-attempt {stage.number} 1 bridge {stage.leg(target)}"

    stage.acts(
        gives(actions(once(busy), once(first), FINISH)),
        gives(actions(once(first), ("bridge", stage.leg(second)), FINISH)),
    )
    one = stage.call()
    statuses = [one.answer_of_invite()]
    other = stage.call()
    statuses.append(other.answer_of_invite())
    seen = {"statuses": statuses, "first_rung": len(first.line.calls), "second_rung": len(second.line.calls)}
    gevent.sleep(0.5)  # answered is not connected yet
    other.hang_up()
    one.hang_up()
    return seen

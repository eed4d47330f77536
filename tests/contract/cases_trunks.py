"""Telephone numbers as targets: trunk after trunk while the trunk is at fault, never past the called party."""

from __future__ import annotations

from typing import Any

import gevent

from dialtrace.calls.model import Route

from .case import Within, case
from .stage import AGENCY, CLIENT, FLOW, FLOW_VERSION, NUMBER, TELEPHONE, Stage, Target
from .telephone import answers, refuses

GROUP = "Trunks"
#: Answered is not connected yet.
TALK_S = 0.5


def trunk(target: Target, name: str, *, max_calls: int | None = None, **more: Any) -> dict[str, Any]:
    """A telephone of ours stands for a carrier."""
    return {
        "name": name, "host": "127.0.0.1", "port": target.line.port, "authentication": "address", "dial_prefix": "",
        "number_form": "e164", "max_calls": max_calls, **more,
    }  # fmt: skip


def telephone_route(target: Target, trunks: list[dict[str, Any]]) -> Route:
    """A flow that rings one telephone number."""
    rung = {"id": str(target.id), "address": f"tel:{TELEPHONE}", "ring_timeout_s": 20, "weight": 1}
    step = {
        "type": "ring", "targets": [rung], "strategy": "in_turn", "sticky_days": None, "progress_timeout_s": None,
        "whisper": None, "accept_digit": None, "otherwise": None,
    }  # fmt: skip
    compiled = {
        "version": 2, "record": False, "language": "en", "time_zone": "UTC", "entry": "step-1",
        "steps": {"step-1": step}, "backup": None, "apology": None, "needs": [], "prompts": [],
        "trunks": {TELEPHONE: trunks},
    }  # fmt: skip
    return Route(AGENCY, CLIENT, NUMBER, "active", FLOW, FLOW_VERSION, compiled)


@case(
    GROUP,
    "the cheapest trunk answers 503: the next one carries the call; each attempt is a leg with its trunk's name",
    {"status": 200, "first": 1, "second": 1, "third": 0},
)
def trunk_failover(stage: Stage) -> dict[str, Any]:
    first, second, third = stage.target(refuses(503, "No")), stage.target(answers(0.1)), stage.target(answers(0.0))
    stage.runs(telephone_route(first, [trunk(first, "cheap"), trunk(second, "dearer"), trunk(third, "dearest")]))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(TALK_S)
    call.hang_up()
    rung = {name: len(one.line.calls) for name, one in (("first", first), ("second", second), ("third", third))}
    return {"status": status, **rung}


@case(
    GROUP,
    "nothing listens where a trunk should be: the next one carries the call",
    {"status": 200, "second": 1, "within_s": Within(0.0, 12.0)},
)
def trunk_absent(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(None), stage.target(answers(0.0))
    stage.runs(telephone_route(first, [trunk(first, "cheap"), trunk(second, "dearer")]))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(TALK_S)
    call.hang_up()
    return {"status": status, "second": len(second.line.calls), "within_s": call.when("200 INVITE")}


@case(
    GROUP,
    "the called party is busy: no other trunk is tried, and the caller hears busy",
    {"status": 486, "first": 1, "second": 0},
)
def trunk_called_busy(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(refuses(486, "Busy")), stage.target(answers(0.0))
    stage.runs(telephone_route(first, [trunk(first, "cheap"), trunk(second, "dearer")]))
    call = stage.call()
    return {
        "status": call.answer_of_invite(),
        "first": len(first.line.calls),
        "second": len(second.line.calls),
    }


@case(
    GROUP,
    "a trunk with one place: the second call goes by the next trunk at once",
    {"statuses": [200, 200], "first": 1, "second": 1},
)
def trunk_full(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(answers(0.0)), stage.target(answers(0.0))
    trunks = [trunk(first, f"narrow-{stage.number[-4:]}", max_calls=1), trunk(second, "wide")]
    stage.runs(telephone_route(first, trunks))
    one = stage.call()
    statuses = [one.answer_of_invite()]
    other = stage.call()
    statuses.append(other.answer_of_invite())
    gevent.sleep(TALK_S)
    other.hang_up()
    one.hang_up()
    return {"statuses": statuses, "first": len(first.line.calls), "second": len(second.line.calls)}


@case(
    GROUP,
    "no trunk may carry the call: nobody is dialled, and the flow goes on to its end",
    {"status": 480, "rung": 0},
)
def trunk_none(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.runs(telephone_route(target, []))
    call = stage.call()
    return {"status": call.answer_of_invite(), "rung": len(target.line.calls)}

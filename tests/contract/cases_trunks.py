"""Telephone numbers as targets: trunk after trunk while the trunk is at fault, never past the called party."""

from __future__ import annotations

import json
import time
from typing import Any

import gevent

from dialtrace.calls.model import Route
from dialtrace.trunks.gateways import Gateway

from .case import Within, case
from .stage import AGENCY, CLIENT, FLOW, FLOW_VERSION, NUMBER, TELEPHONE, Stage, Target
from .telephone import Challenge, answers, refuses

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


#: Everything that a carrier might hand out and that a file or a header might trip over.
PASSWORD = "s3cret&<>\"'$%41{};,=\\#~end"


def leaks(stage: Stage, secret: str) -> list[str]:
    """Where the switch shows it: in the events and records of the case's calls, in the plan, in its log."""
    found = []
    for dialog in stage.dialogs:
        for record in stage.switch.records(stage.call_id(dialog)):
            found += ["a record"] * (secret in json.dumps(record))
            for event in stage.switch.events_of(record["variables"]["uuid"]):
                found += [event.name] * any(secret in value for value in event.headers.values())
    found += ["the event socket"] * (secret.encode() in stage.switch.heard())
    found += ["a file"] * any(
        secret in path.read_text(encoding="utf-8", errors="replace")
        for folder in ("cdr", "plans")
        for path in (stage.switch.spool / folder).rglob("*.*")
    )
    return found


def password_case(stage: Stage, challenge: Challenge, known: str, *, name: str) -> dict[str, Any]:
    """A trunk that wants a password, with the one that the switch was told, and a dearer trunk behind it."""
    first, second = stage.target(answers(0.1), challenge=challenge), stage.target(answers(0.0))
    stage.gateways(Gateway(name, "127.0.0.1", first.line.port, challenge.username, known))
    by_password = trunk(first, name, authentication="digest")
    stage.runs(telephone_route(first, [by_password, trunk(second, "dearer")]))
    call = stage.call()
    status = call.answer_of_invite()
    gevent.sleep(TALK_S)
    call.hang_up()
    return {
        "status": status, "refused": challenge.refusals, "carried": len(first.line.calls),
        "by_the_next": len(second.line.calls), "leaks": leaks(stage, known),
    }  # fmt: skip


@case(
    GROUP,
    "a trunk asks for a password by 407: the call goes through it, and the password stands in no record or event",
    {"status": 200, "refused": 1, "carried": 1, "by_the_next": 0, "leaks": []},
    alone=True,
)
def trunk_password(stage: Stage) -> dict[str, Any]:
    return password_case(stage, Challenge("user@carrier", PASSWORD), PASSWORD, name="digest")


@case(
    GROUP,
    "a trunk asks for a password by 401, and a new one has just been given: it is used from the next call on",
    {"status": 200, "refused": 1, "carried": 1, "by_the_next": 0, "leaks": []},
    alone=True,
)
def trunk_new_password(stage: Stage) -> dict[str, Any]:
    challenge = Challenge("100200", PASSWORD + "2", status=401)
    stage.gateways(Gateway("digest-new", "127.0.0.1", 5, challenge.username, "an old one"))
    return password_case(stage, challenge, challenge.password, name="digest-new")


@case(
    GROUP,
    "a trunk does not take the password that we have: the next trunk carries the call",
    {"status": 200, "refused": Within(2, 4), "carried": 0, "by_the_next": 1, "leaks": []},
    alone=True,
)
def trunk_wrong_password(stage: Stage) -> dict[str, Any]:
    return password_case(stage, Challenge("100200", "the right one"), "not-the-right-one", name="digest-wrong")


@case(
    GROUP,
    "a trunk that takes one call in a second: the second call goes by the next trunk at once",
    {"statuses": [200, 200], "first": 1, "second": 1},
)
def trunk_rate(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(answers(0.0)), stage.target(answers(0.0))
    # The window of a counter is whole seconds of the clock: two calls may fall into two of them.
    trunks = [trunk(first, "slow", max_calls_per_s=1), trunk(second, "quick")]
    stage.runs(telephone_route(first, trunks))
    gevent.sleep(1.05 - time.time() % 1.0)
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

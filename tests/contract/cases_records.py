"""Calls whose records say more: held, moved, silent, lossy, attested, diverted."""

from __future__ import annotations

import base64
import json
from typing import Any

import gevent

from .case import EndsWith, Within, case
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ, Media
from .stage import Stage, planned, ring
from .telephone import Dialog, answers
from .worker import gives

GROUP = "What records tell"
#: Of the colleague to whom a target hands the caller.
COLLEAGUE_HZ = 1350


def _connected(stage: Stage, **rest: Any) -> tuple[Dialog, Dialog]:
    """A caller and a target who talk."""
    target = stage.target(answers(0.2))
    stage.runs(stage.route(ring(target), **rest))
    call = stage.call()
    call.answer_of_invite()
    call.wait(lambda: TARGET_TONE_HZ in call.media.tones()[-1:], "the target's voice")
    return call, target.call


@case(
    GROUP,
    "the target puts the caller on hold and comes back: the call lives, its record says for how long",
    {"cut": False, "heard_again": True, "held_ms": Within(900, 2200)},
)
def held_by_target(stage: Stage) -> dict[str, Any]:
    call, target = _connected(stage)
    target.offer_again("sendonly")
    gevent.sleep(1.2)
    target.offer_again("sendrecv")
    before = len(target.media.heard)
    cut = call.sleep(0.5)
    call.hang_up()
    return {"cut": cut, "heard_again": len(target.media.heard) > before, "held_ms": stage.facts(call)[1].hold_ms}


@case(
    GROUP,
    "the caller's own telephone holds the call: it lives, its record says for how long",
    {"cut": False, "held_ms": Within(900, 2200)},
)
def held_by_caller(stage: Stage) -> dict[str, Any]:
    call, _ = _connected(stage)
    call.offer_again("sendonly")
    gevent.sleep(1.2)
    call.offer_again("sendrecv")
    cut = call.sleep(0.4)
    call.hang_up()
    return {"cut": cut, "held_ms": stage.facts(call)[0].hold_ms}


@case(
    GROUP,
    "a target's branch exchange hands the caller to a colleague by re-INVITE: one leg, the caller hears the colleague",
    {"heard": EndsWith([TARGET_TONE_HZ, COLLEAGUE_HZ]), "colleague_heard": [CALLER_TONE_HZ], "legs": 1},
)
def moved_by_target(stage: Stage) -> dict[str, Any]:
    call, target = _connected(stage)
    colleague = Media(COLLEAGUE_HZ)
    target.offer_again("sendonly")
    gevent.sleep(0.3)
    target.offer_again("sendrecv", media=colleague)
    target.media.silence()
    colleague.start(target.media.peer)
    call.wait(lambda: COLLEAGUE_HZ in call.media.tones()[-1:], "the colleague's voice")
    call.wait(lambda: CALLER_TONE_HZ in colleague.tones(), "the caller's voice at the colleague's")
    call.hang_up()
    heard = colleague.tones()
    colleague.stop()
    return {"heard": call.media.tones(), "colleague_heard": heard, "legs": len(stage.facts(call)) - 1}


@case(
    GROUP,
    "a target asks for a transfer (REFER): refused with 405, nobody else is called, the call goes on",
    {"refused": True, "cut": False, "heard": EndsWith([TARGET_TONE_HZ])},
)
def refer_refused(stage: Stage) -> dict[str, Any]:
    call, target = _connected(stage)
    target.request("REFER", more=f"Refer-To: <sip:+15005550006@127.0.0.1>\r\nReferred-By: {target.local}\r\n")
    target.wait_for("405 REFER")
    cut = call.sleep(0.6)
    call.hang_up()
    return {"refused": target.has("405 REFER"), "cut": cut, "heard": call.media.tones()}


@case(
    GROUP,
    "an operator moves a connected caller (uuid_transfer): the first target gets a BYE, the second talks with him",
    {"bye": True, "second_heard": [CALLER_TONE_HZ], "legs": 2, "talk_is_both": True},
)
def moved_by_operator(stage: Stage) -> dict[str, Any]:
    first, second = stage.target(answers(0.2)), stage.target(answers(0.4))
    once, then = (planned(stage.route(ring(one))) for one in (first, second))
    stage.acts(gives(once), gives(then))
    call = stage.call()
    call.answer_of_invite()
    call.sleep(0.8)
    stage.switch.api("uuid_transfer", stage.call_id(call), "resume", "XML", "flow")
    first.call.wait_for("BYE")
    call.wait(lambda: second.line.calls and second.call.media.tones(), "the second target's ear")
    call.sleep(0.6)
    call.hang_up()
    record, *legs = stage.facts(call)
    talked = sum(leg.talk_ms or 0 for leg in legs)
    return {
        "bye": first.call.has("BYE"),
        "second_heard": second.call.media.tones(),
        "legs": len(legs),
        "talk_is_both": abs((record.talk_ms or 0) - talked) <= 100,
    }


@case(
    GROUP,
    "a target that answers and sends no sound: no MOS is claimed for it; the caller's side has one",
    {"silent": [None, None, True], "caller_mos": Within(3.5, 4.42)},
)
def silent_target(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.1), tone_hz=0)
    stage.runs(stage.route(ring(target)))
    call = stage.call()
    call.answer_of_invite()
    call.sleep(1.4)
    call.hang_up()
    record, leg = stage.facts(call)
    media = leg.facts["media"]
    return {"silent": [leg.mos, leg.r_factor, media.get("no_audio_in", False)], "caller_mos": record.mos}


@case(
    GROUP,
    "every tenth packet of the caller's is lost: the record says so, and its MOS falls",
    {"loss_percent": Within(6.0, 13.0), "mos": Within(2.0, 3.9), "targets_loss": Within(0.0, 4.0)},
)
def lossy_caller(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.1))
    stage.runs(stage.route(ring(target)))
    call = stage.call()
    call.media.loses_every = 10
    call.answer_of_invite()
    call.sleep(3.0)
    call.hang_up()
    record, leg = stage.facts(call)
    return {"loss_percent": record.loss_percent, "mos": record.mos, "targets_loss": leg.loss_percent}


def passport(attest: str) -> str:
    """An Identity header as it travels; the signature is nobody's."""
    claims = {
        "attest": attest, "dest": {"tn": ["14155550100"]}, "iat": 1_795_000_000, "orig": {"tn": "14155550199"},
        "origid": "7f8a0d5c-5d2f-4d52-9b2b-3f2f3c8f2a10",
    }  # fmt: skip
    parts = [{"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": "https://cert.example/a.pem"}, claims]
    told = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts]
    return f"{'.'.join(told)}.c2lnbmF0dXJl;info=<https://cert.example/a.pem>;alg=ES256;ppt=shaken"


@case(
    GROUP,
    "an Identity header that nobody verified is kept as a claim; the header of a named edge counts; Diversion is kept",
    {"attested": ["A", "TN-Validation-Passed", "edge", "B"], "diverted_from": "+14155550111", "passed_on": False},
)
def attested_and_diverted(stage: Stage) -> dict[str, Any]:
    target = stage.target(answers(0.0))
    stage.runs(stage.route(ring(target)))
    call = stage.call(
        more=(
            f"Identity: {passport('B')}\r\nX-Dialtrace-Verstat: TN-Validation-Passed-A\r\n"
            "P-Attestation-Indicator: C\r\n"
            "Diversion: <sip:+14155550111@carrier.example>;reason=unconditional;counter=1\r\n"
        )
    )
    call.answer_of_invite()
    call.sleep(0.4)
    call.hang_up()
    record = stage.facts(call)[0]
    told = record.facts.get("attestation_claimed")
    assert target.call.invite
    names = {name for name, _ in target.call.invite.headers}
    return {
        "attested": [record.attestation, record.verstat, record.attested_by, told],
        "diverted_from": record.diverted_from,
        "passed_on": bool(names & {"identity", "x-dialtrace-verstat", "diversion"}),
    }

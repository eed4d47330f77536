"""A dry run of a flow: what is asked of the API, and its answer as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from .flow_kinds import STEPS
from .reader import asking, reader, say
from .texts import N_

_RESULTS = {
    "open": N_("open at that time"), "closed": N_("closed at that time"), "holds": N_("holds"),
    "fails": N_("does not hold"), "timeout": N_("nobody takes the call in time"),
    "taken": N_("somebody takes the call"),
    "": N_("nothing"),
}  # fmt: skip
_ENDINGS = {
    "taken": N_("The caller talks with the target."), "in_vain": N_("Nobody has answered: the call ends."),
    "hung_up": N_("The flow ends the call."), "over": N_("The flow has come to its end, and the call with it."),
    "too_long": N_("It goes on and on: only the caller ends it."),
}  # fmt: skip
_ORDERS = {
    "together": N_("all at once"), "weighted": N_("drawn by weight for each call"),
    "round_robin": N_("each call begins one further on"), "longest_idle": N_("who has been free longest comes first"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Trial:
    """``steps``: of each what it is called, what came of it, who is rung. ``offers``: value and label of what may be
    said next. ``answers``: what was said so far."""

    moment: str
    steps: Sequence[Mapping[str, Any]]
    ending: str
    offers: Sequence[tuple[str, str]]
    digits: int | None
    backup: str
    answers: Sequence[str]
    rung: int


def ask_trial(about: Mapping[str, Any], given: Mapping[str, str], answers: Sequence[str]) -> Trial:
    """``given``: when and who, as the form has it; a moment is the page's own. Raises Refused."""
    speech = reader().speech
    at = moment_of(given["at"], speech.zone)
    body = {**about, "at": at, "answers": list(answers)}
    body |= {name: given[name] for name in ("caller", "source", "campaign") if given[name]}
    if given["repeat"] in {"yes", "no"}:
        body["repeat"] = given["repeat"] == "yes"
    told = asking().write("POST", "/v1/flows/dry-run", body)
    ending = told["ending"]
    asks = told["steps"][-1]["type"] if ending == "asks" else ""
    return Trial(
        moment=speech.moment(at) if at[-1:] == "Z" else at, steps=[_step(one) for one in told["steps"]],
        ending=say(_ENDINGS.get(ending, "")),
        offers=[(one, _offer(one, asks)) for one in told["offers"]], digits=told["digits"],
        backup=_target(told["backup"]) if told["backup"] else "", answers=answers,
        rung=len({target["target_id"] for one in told["steps"] for target in one["targets"]}),
    )  # fmt: skip


def moment_of(text: str, zone: str) -> str:
    """A local day and time as the API takes it; nothing is now, and what is none goes as it is."""
    try:
        told = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)) if text else datetime.now(UTC)
        return told.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return text


def _step(told: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = STEPS.get(told["type"])
    return {
        "title": say(kind.title) if kind else told["type"], "name": told["name"],
        "is_other": told["flow_id"] is not None,
        "result": "" if told["result"] is None else _result(told["result"]),
        "targets": [_target(one) for one in told["targets"]], "order": say(_ORDERS.get(told["strategy"] or "", "")),
    }  # fmt: skip


def _result(result: str) -> str:
    return say(_RESULTS[result]) if result in _RESULTS else result


def _target(told: Mapping[str, Any]) -> str:
    return say("%(name)s, %(seconds)s s", name=told["name"] or told["address"], seconds=told["ring_timeout_s"])


def _offer(offer: str, kind: str) -> str:
    if kind == "queue":
        return _result(offer)
    if not offer:
        return say("Nothing is answered") if kind == "webhook" else say("The caller presses nothing")
    told = N_("The answer is %(what)s") if kind == "webhook" else N_("The caller presses %(what)s")
    return say(told, what=offer)

"""How a call's caller came to be recorded, worked out from the steps that ran and what they play: the proof that is
kept with the call. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .model import CallFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """What one version of a flow plays: step → `{"type": "consent" | "announce", "notice": name of the sound}`."""

    record: bool
    steps: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFacts:
    """One call's proof; the sound's digest is looked up by its name when it is kept."""

    call_id: UUID
    call_started_at: datetime
    client_id: UUID | None
    rule: str
    step: str | None
    notice: str | None
    played_at: datetime | None
    answer: str
    answered_at: datetime | None
    flow_id: UUID | None
    flow_version: int | None


#: Of a version that nobody remembers.
UNKNOWN = Notices(record=False, steps={})


def consent_of(call: CallFacts, notices: Notices = UNKNOWN) -> ConsentFacts | None:
    """The proof; None: the call was neither recorded nor asked, so there is nothing to prove."""
    trail = [step for step in call.facts.get("trail", ()) if isinstance(step, Mapping)]
    said = call.facts.get("consent")
    if said not in ("given", "refused"):
        said = None  # a word that no consent gives proves nothing, and must not keep the call's record out
    asked = _first(trail, notices, "consent")
    recorded = bool(call.segments) or call.should_record
    if asked is None and said is None and not recorded:
        return None
    asks = said is not None or any(step.get("type") == "consent" for step in notices.steps.values())
    played = asked if asks else _first(trail, notices, "announce")
    rule = "ask" if asks else "notice" if played is not None and recorded else "none" if recorded else "off"
    step = trail[played] if played is not None else {}
    name = step.get("step")
    return ConsentFacts(
        call_id=call.id,
        call_started_at=call.started_at,
        client_id=call.client_id,
        rule=rule,
        step=name,
        notice=notices.steps.get(name, {}).get("notice") if name else None,
        played_at=_moment(step),
        answer=said or ("not_answered" if asked is not None else "not_asked"),
        answered_at=_moment(trail[asked + 1]) if said and asked is not None and asked + 1 < len(trail) else None,
        flow_id=call.flow_id,
        flow_version=call.flow_version,
    )


def _first(trail: Sequence[Mapping[str, Any]], notices: Notices, kind: str) -> int | None:
    """Where the trail first came to a step of that kind."""
    names = {name for name, step in notices.steps.items() if step.get("type") == kind}
    return next((index for index, step in enumerate(trail) if step.get("step") in names), None)


def _moment(step: Mapping[str, Any]) -> datetime | None:
    at = step.get("at")
    return datetime.fromisoformat(at) if isinstance(at, str) else None

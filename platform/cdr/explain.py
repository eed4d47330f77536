"""Why a call went as it went: from stored facts to a list of entries, each as data and as a sentence. Pure.

Nothing is asked here and nothing is guessed: what no record says has no entry. The sentences are those of
explain_texts.py; the order is that of time, and at one moment that of the call's own course.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..recording.model import Recording
from .causes import q850_name
from .explain_facts import Surroundings
from .explain_texts import TEXTS
from .model import Call, CallDetail, Leg

LANGUAGES = tuple(TEXTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decision or happening. ``at`` None: nobody knows when."""

    at: datetime | None
    kind: str
    text: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The entries in the order of time."""

    call_id: uuid.UUID
    language: str
    outcome: str
    entries: Sequence[Entry]


def explain(detail: CallDetail, around: Surroundings, *, language: str = "en") -> Explanation:
    """The whole story of one call. Raises KeyError for a language that has no texts."""
    teller = _Teller(detail, around, TEXTS[language])
    told = [(when or entry.at or detail.call.started_at, entry) for when, entry in teller.entries()]
    ordered = sorted(enumerate(told), key=lambda one: (one[1][0], one[0]))
    return Explanation(
        call_id=detail.call.id,
        language=language,
        outcome=detail.call.outcome,
        entries=[entry for _, (_, entry) in ordered],
    )


def left_because(leg: Leg) -> str:
    """Why the flow went on from this leg, as one word."""
    if leg.connected_at:
        return "talked"
    if leg.facts.get("answered_not_connected"):
        return "not_accepted"
    if leg.hangup_cause == "PROGRESS_TIMEOUT":
        return "progress_timeout"
    if leg.hangup_cause == "LOSE_RACE":
        return "another_was_faster"
    return "caller_left" if leg.outcome == "caller_cancelled" else leg.outcome


Told = Iterator[tuple[datetime | None, Entry]]


class _Teller:
    """Makes the entries of one call in the order of its course; ``explain`` puts them in the order of time."""

    def __init__(self, detail: CallDetail, around: Surroundings, texts: Mapping[str, str]) -> None:
        self._detail = detail
        self._call = detail.call
        self._facts = detail.call.facts
        self._around = around
        self._texts = texts

    def entries(self) -> Told:
        yield from self._arrival()
        yield from self._decision()
        yield from self._checks()
        yield from self._steps()
        yield from self._answer()
        yield from self._legs()
        yield from self._waits()
        yield from self._flow_words()
        yield from self._sound()
        yield from self._end()
        yield from self._cost()
        yield from self._recordings()
        yield from self._events()
        yield from self._integrations()

    # --- how it came in ---

    def _arrival(self) -> Told:
        call = self._call
        yield self._told(
            "arrived",
            call.started_at,
            {"number": call.number, "caller": call.caller, "node": call.node, "sip_call_id": call.sip_call_id},
            words={"caller": call.caller or self._texts["caller.withheld"]},
        )
        if call.is_test:
            yield self._told("test_call", call.started_at, {})
        yield from self._provenance()
        number, client = self._around.number, self._around.client_name or str(call.client_id)
        owner: dict[str, Any] = {"client_id": str(call.client_id), "client": self._around.client_name}
        if call.number_id is None:
            yield self._told("number_unknown", call.started_at, {"number": call.number}, kind="number")
        elif number is None:
            words = {"client": client}
            yield self._told("number_gone", call.started_at, owner, kind="number", words=words)
        else:
            data = {**owner, "number_id": str(call.number_id), "kind": number.kind, "label": number.label}
            data["since"] = number.created_at.isoformat()
            words = {
                "label": f"“{number.label}”, " if number.label else "",
                "client": client,
                "kind": self._word("kind", number.kind),
                "since": number.created_at.date().isoformat(),
            }
            yield self._told("number_found", call.started_at, data, kind="number", words=words)

    def _provenance(self) -> Told:
        """What the INVITE told of the way that the call had come."""
        call, claimed = self._call, self._facts.get("attestation_claimed")
        if call.diversion:
            data = {"diversion": call.diversion, "diverted_from": call.diverted_from}
            words = {"number": call.diverted_from or call.diversion}
            yield self._told("diverted", call.started_at, data, words=words)
        if call.verstat or claimed:
            data = {"verstat": call.verstat, "level": call.attestation, "verified_by": call.attested_by}
            words = {"by": self._word("by", call.attested_by or "other"), "level": call.attestation or "–"}
            words |= {"claimed": claimed or "–"}
            code = f"verstat.{call.verstat or 'claimed'}"
            yield self._told(code, call.started_at, data | {"claimed": claimed}, kind="attestation", words=words)

    def _decision(self) -> Told:
        call = self._call
        data = {
            "decided_by": call.decided_by,
            "fallback_reason": call.fallback_reason,
            "flow_id": str(call.flow_id) if call.flow_id else None,
            "flow": self._around.flow_name,
            "flow_version": call.flow_version,
        }
        words: dict[str, Any] = {"flow": self._around.flow_name or call.flow_id or "–"}
        words["version"] = call.flow_version or "–"
        code = f"decided_{call.decided_by}"
        if call.decided_by == "fallback":
            words["reason"] = self._word("fallback", call.fallback_reason or "plan", reason=call.fallback_reason)
        elif call.decided_by == "none":
            left = call.outcome == "caller_cancelled"
            words["reason"] = self._texts["none.caller_left" if left else "none.unknown"]
        elif call.flow_id is None:
            code = "decided_worker_refusal"
        yield self._told(code, call.started_at, data, kind="decision", words=words)

    def _checks(self) -> Told:
        """Limits, block lists and spam, as far as whoever decided could look at them."""
        at, facts, decided = self._call.started_at, self._facts, self._call.decided_by
        over, blocked, refused = facts.get("over_limit"), facts.get("blocked_by"), facts.get("refused")
        if over:
            limit = self._word("limit", over, limit=over)
            yield self._told("limit_reached", at, {"limit": over}, kind="limits", words={"limit": limit})
        if blocked:
            listed = self._word("list", blocked, list=blocked)
            yield self._told("blocked", at, {"list": blocked}, kind="limits", words={"list": listed})
        if not over and not blocked and not refused and decided != "none":
            code = "limits_passed" if decided == "worker" else "limits_not_asked"
            yield self._told(code, at, {"held": False}, kind="limits")
        if self._call.spam_score is not None:
            rules = facts.get("spam_rules", [])
            listed = ", ".join(f"{rule['rule']} {rule['weight']:+d}" for rule in rules)
            made_of = self._texts["spam.rules"].format(rules=listed) if rules else ""
            data = {"score": self._call.spam_score, "rules": rules}
            yield self._told("spam", at, data, kind="spam", words={"rules": made_of})
        if refused:
            reason = self._word("refused", refused, reason=refused)
            yield self._told("refused", at, {"reason": refused}, kind="refusal", words={"reason": reason})

    # --- its way through the flow ---

    def _steps(self) -> Told:
        """A step's moment is a whole second; none ran before the call began."""
        for step in self._facts.get("trail", []):
            at = max(datetime.fromisoformat(step["at"]), self._call.started_at)
            yield self._told("step_with_result" if "result" in step else "step", at, dict(step), kind="step")

    def _answer(self) -> Told:
        call = self._call
        if call.answered_at:
            yield self._told("answered", call.answered_at, {"after_ms": self._since_start(call.answered_at)})

    def _waits(self) -> Told:
        """Times that have no moment of their own stand where they were over at the latest."""
        call = self._call
        if call.queue_ms is not None:
            when = call.connected_at or call.ended_at
            yield when, self._told("queued", None, {"queue_ms": call.queue_ms}, kind="queue")[1]
        for side, hold_ms in (("caller", call.hold_ms), *(("target", leg.hold_ms) for leg in self._detail.legs)):
            if hold_ms is not None:
                data = {"side": side, "hold_ms": hold_ms}
                words = {"side": self._texts[f"side.{side}"]}
                yield call.ended_at, self._told("held", None, data, kind="hold", words=words)[1]
        for move in self._facts.get("moves", []):
            yield self._told("moved", datetime.fromisoformat(move["at"]), {"at": move["at"]}, kind="move")

    def _sound(self) -> Told:
        """How either side could be heard; nothing where there was too little to judge."""
        sides: list[tuple[str, Call | Leg]] = [("caller", self._call)]
        sides += [("target", leg) for leg in self._detail.legs]
        for side, one in sides:
            media = one.facts.get("media", {})
            data: dict[str, Any] = {"side": side, "mos": one.mos, "r_factor": one.r_factor}
            data |= {"loss_percent": one.loss_percent, "jitter_ms": one.jitter_ms}
            words = {"side": self._texts[f"side.{side}"]}
            if media.get("no_audio_in"):
                yield one.ended_at, self._told("silent", None, data, kind="sound", words=words)[1]
            elif one.mos is not None:
                yield one.ended_at, self._told("sound", None, data, words=words)[1]

    def _legs(self) -> Told:
        last = self._call.started_at
        for leg in self._detail.legs:
            last = leg.started_at or last
            yield self._leg(leg)
        for target in self._detail.attempts_without_leg:
            cause = self._facts.get("target_cause")
            data = {"target_id": str(target), "target": self._around.targets.get(target), "cause": cause}
            words = {"target": self._target(target), "cause": cause or self._texts["cause.unknown"]}
            _, entry = self._told("attempt_without_leg", None, data, kind="leg", words=words)
            yield last, entry

    def _leg(self, leg: Leg) -> tuple[datetime | None, Entry]:
        why = left_because(leg)
        data: dict[str, Any] = {
            "leg_id": str(leg.id),
            "target_id": str(leg.target_id) if leg.target_id else None,
            "target": self._around.targets.get(leg.target_id) if leg.target_id else None,
            "left_because": why,
            "q850_name": q850_name(leg.cause_q850),
        }
        names = ("address", "outcome", "ring_ms", "talk_ms", "sip_status", "cause_q850", "hangup_cause", "hangup_side")
        data |= {name: getattr(leg, name) for name in names}
        rang = "leg.silent" if leg.ring_ms is None else "leg.rang"
        words = {
            "target": self._target(leg.target_id),
            "address": f" ({leg.address})" if leg.address else "",
            "rang": self._texts[rang].format(ring_ms=leg.ring_ms),
            "why": self._word("why", why, outcome=leg.outcome, talk_ms=leg.talk_ms),
            "signals": _bracketed([*_sip(leg.sip_status), *_q850(leg.cause_q850, leg.hangup_cause)]),
        }
        return self._told("leg", leg.started_at, data, words=words)

    def _flow_words(self) -> Told:
        """Consent, tags and variables have no moment of their own."""
        facts, call = self._facts, self._call
        when = call.answered_at or call.started_at
        if consent := facts.get("consent"):
            yield when, self._told(f"consent_{consent}", None, {"consent": consent}, kind="consent")[1]
        end = call.ended_at or when
        if tags := facts.get("tags"):
            words = {"tags": ", ".join(tags)}
            yield end, self._told("tags", None, {"tags": tags}, words=words)[1]
        if variables := facts.get("variables"):
            words = {"variables": ", ".join(f"{name}={value}" for name, value in variables.items())}
            yield end, self._told("variables", None, {"variables": variables}, words=words)[1]

    # --- its end, and what stays of it ---

    def _end(self) -> Told:
        call = self._call
        if call.connected_at:
            data: dict[str, Any] = {"target_id": str(call.target_id) if call.target_id else None}
            data["after_ms"] = self._since_start(call.connected_at)
            yield self._told("connected", call.connected_at, data, words={"target": self._target(call.target_id)})
        if call.outcome == "node_lost":
            yield self._told("end_unknown", call.ended_at, {"outcome": call.outcome}, kind="end")
            return
        data = {"outcome": call.outcome, "side": call.hangup_side, "duration_ms": call.duration_ms}
        data |= {"talk_ms": call.talk_ms, "hangup_cause": call.hangup_cause, "cause_q850": call.cause_q850}
        data |= {"q850_name": q850_name(call.cause_q850), "sip_status": call.sip_status}
        talked = self._texts["talked"].format(talk_ms=call.talk_ms) if call.connected_at else ""
        words = {
            "side": self._texts[f"side.{call.hangup_side}"],
            "duration": self._texts["ms.unknown"]
            if call.duration_ms is None
            else self._texts["ms"].format(ms=call.duration_ms),
            "talk": talked,
            "cause": ", ".join(_q850(call.cause_q850, call.hangup_cause)) or self._texts["cause.unknown"],
            "sip": _bracketed(_sip(call.sip_status)),
        }
        yield self._told("ended", call.ended_at, data, kind="end", words=words)

    def _cost(self) -> Told:
        call = self._call
        if call.cost is not None:
            data = {"amount": str(call.cost), "currency": call.cost_currency, "revision": call.cost_revision}
            yield call.ended_at, self._told("cost", None, data)[1]

    def _recordings(self) -> Told:
        end = self._call.ended_at or self._call.started_at
        for row in self._detail.recordings:
            yield end, self._recording(row)
        if not self._detail.recordings:
            reason = "not_begun" if self._call.should_record else "no_rule"
            words = {"reason": self._texts[f"none_recorded.{reason}"]}
            yield end, self._told("recording_none", None, {"reason": reason}, kind="recording", words=words)[1]

    def _recording(self, row: Recording) -> Entry:
        data: dict[str, Any] = {"segment": row.segment, "state": row.state, "absence_reason": row.absence_reason}
        data |= {"node": row.node, "duration_ms": row.duration_ms, "size_bytes": row.size_bytes}
        data |= {"sha256": row.sha256.hex() if row.sha256 else None}
        reason = self._word("absent", row.absence_reason or "other", reason=row.absence_reason)
        return self._told(f"recording_{row.state}", row.stored_at, data, kind="recording", words={"reason": reason})[1]

    def _events(self) -> Told:
        for event in self._around.events:
            data = {"type": event.type, "revision": event.revision, "position": event.position}
            data["occurred_at"] = event.occurred_at.isoformat()
            yield self._told("event", event.recorded_at, data)

    def _integrations(self) -> Told:
        for one in self._around.told:
            words = {"why": one.why, "count": len(one.requests)}
            yield self._told(one.code, one.settled_at or one.created_at, one.data(), kind="integration", words=words)

    # --- words ---

    def _told(
        self,
        code: str,
        at: datetime | None,
        data: dict[str, Any],
        *,
        kind: str | None = None,
        words: Mapping[str, Any] | None = None,
    ) -> tuple[datetime | None, Entry]:
        """An entry at its moment. ``words`` stand in the sentence where the data alone would not read well."""
        text = self._texts[code].format(**{**data, **(words or {})})
        return at, Entry(at=at, kind=kind or code, text=text, data=data)

    def _word(self, table: str, word: str, **values: Any) -> str:
        found = self._texts.get(f"{table}.{word}") or self._texts[f"{table}.other"]
        return found.format(**values)

    def _target(self, target_id: uuid.UUID | None) -> str:
        if target_id is None:
            return self._texts["target.unknown"]
        return self._around.targets.get(target_id) or str(target_id)

    def _since_start(self, moment: datetime) -> int:
        return max(0, round((moment - self._call.started_at).total_seconds() * 1000))


def _sip(status: int | None) -> list[str]:
    return [f"SIP {status}"] if status else []


def _q850(number: int | None, cause: str | None) -> list[str]:
    """The number of Q.850 with its name, and the switch's own word."""
    if number is None:
        return [cause] if cause else []
    name = q850_name(number)
    return [f"Q.850 {number}" + (f" {name}" if name else "") + (f", {cause}" if cause else "")]


def _bracketed(parts: Sequence[str]) -> str:
    return f" ({'; '.join(parts)})" if parts else ""

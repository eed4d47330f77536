"""A stored call's own figures for Prometheus: outcome, delays, talk time, sound (docs/metrics.md)."""

from __future__ import annotations

from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from ..cdr.model import OUTCOMES, CallFacts, LegFacts
from ..metrics import (
    CALL_ANSWER_SECONDS,
    CALL_MOS,
    CALL_PDD_SECONDS,
    CALL_TALK_SECONDS,
    CALLS,
    CALLS_DECIDED,
    LEG_MOS,
    LEG_PDD_SECONDS,
    LEG_TALK_SECONDS,
    LEGS,
    MOST_TRUNKS,
)

NO_PLAN = "no_plan"
#: What stands for the trunk of a leg that went by none, and of those that have no label of their own.
ADDRESS, OTHER = "address", "other"
_trunks: set[str] = set()


def begin_at_nothing(node: str) -> None:
    """Counters of this node stand at nothing from the start: Prometheus sees a rise from 0 to 1 only so."""
    for outcome in sorted(OUTCOMES):
        CALLS.labels(node, outcome)
    for by in ("worker", "fallback", NO_PLAN, "none"):
        CALLS_DECIDED.labels(node, by)


@lru_cache(maxsize=1024)
def _of(metric: Any, *labels: str) -> Any:
    """One of a metric's children: finding it by its labels costs more than counting."""
    return metric.labels(*labels)


def count_call(node: str, facts: CallFacts) -> None:
    """Count one call; the caller sees to it that each is counted once."""
    _of(CALLS, node, facts.outcome).inc()
    _of(CALLS_DECIDED, node, NO_PLAN if facts.fallback_reason == NO_PLAN else facts.decided_by).inc()
    # From a picture to the very call: an exemplar names it, a label never does.
    call = {"call_id": str(facts.id)}
    if facts.answered_at is not None:
        _of(CALL_ANSWER_SECONDS, node).observe(_seconds(facts.started_at, facts.answered_at), call)
    if facts.pdd_ms is not None:
        _of(CALL_PDD_SECONDS, node).observe(facts.pdd_ms / 1000, call)
    if facts.talk_ms is not None:
        _of(CALL_TALK_SECONDS, node).observe(facts.talk_ms / 1000, call)
    if facts.mos is not None:
        _of(CALL_MOS, node).observe(facts.mos, call)


def count_leg(node: str, leg: LegFacts) -> None:
    """Count one attempt to reach a target; the caller sees to it that each is counted once."""
    trunk, call = trunk_label(leg.trunk), {"call_id": str(leg.call_id)}
    _begin_trunk(node, trunk)
    _of(LEGS, node, trunk, leg.outcome).inc()
    if leg.pdd_ms is not None:
        _of(LEG_PDD_SECONDS, trunk).observe(leg.pdd_ms / 1000, call)
    if leg.talk_ms is not None:
        _of(LEG_TALK_SECONDS, trunk).observe(leg.talk_ms / 1000, call)
    if leg.mos is not None:
        _of(LEG_MOS, trunk).observe(leg.mos, call)


@cache
def _begin_trunk(node: str, trunk: str) -> None:
    """A ratio needs every one of its parts: a trunk on which nothing was ever answered has an ASR of 0, not none."""
    for outcome in sorted(OUTCOMES):
        LEGS.labels(node, trunk, outcome)


def trunk_label(trunk: str | None) -> str:
    """A bounded set, whatever agencies call their trunks and however many they make."""
    if trunk is None:
        return ADDRESS
    if trunk not in _trunks and len(_trunks) >= MOST_TRUNKS:
        return OTHER
    _trunks.add(trunk)
    return trunk


def _seconds(begun: datetime, ended: datetime) -> float:
    return max(0.0, (ended - begun).total_seconds())

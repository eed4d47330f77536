"""A stored call's own figures for Prometheus: outcome, delays, talk time, sound (docs/metrics.md)."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from ..cdr.model import OUTCOMES, CallFacts
from ..metrics import (
    CALL_ANSWER_SECONDS,
    CALL_MOS,
    CALL_PDD_SECONDS,
    CALL_TALK_SECONDS,
    CALLS,
    CALLS_DECIDED,
)

NO_PLAN = "no_plan"


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
    if facts.answered_at is not None:
        _of(CALL_ANSWER_SECONDS, node).observe(_seconds(facts.started_at, facts.answered_at))
    if facts.pdd_ms is not None:
        _of(CALL_PDD_SECONDS, node).observe(facts.pdd_ms / 1000)
    if facts.talk_ms is not None:
        _of(CALL_TALK_SECONDS, node).observe(facts.talk_ms / 1000)
    if facts.mos is not None:
        _of(CALL_MOS, node).observe(facts.mos)


def _seconds(begun: datetime, ended: datetime) -> float:
    return max(0.0, (ended - begun).total_seconds())

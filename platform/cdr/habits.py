"""Which stored calls say something of their caller's habits. Pure; the weighing is `admission/spam.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..admission.spam import Habits, is_short, score
from .model import CallFacts, Stored


def calls_to_note(stored: Sequence[Stored]) -> list[dict[str, Any]]:
    """Calls that were stored for the first time, with a caller: once each, however often their files come. The
    installation's own test calls are nobody's habit."""
    return [
        {"caller": one.facts.caller, "client": str(one.facts.client_id), "is_short": is_short(one.facts.talk_ms)}
        for one in stored
        if isinstance(one.facts, CallFacts)
        and one.changed
        and one.revision == 1
        and one.facts.caller is not None
        and not one.facts.is_test
    ]


def scores_of(noted: Sequence[Any]) -> list[dict[str, Any]]:
    """What the callers' patterns, as `dialtrace_note_callers` tells them, are worth."""
    found = []
    for row in noted:
        weighed = score(Habits(row.calls, row.short_calls, row.clients))
        found.append({"caller": row.caller, "score": weighed.total, "rules": weighed.text})
    return found

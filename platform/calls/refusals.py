"""Calls that are refused on purpose although their number has a flow: block lists and limits. Pure.

A cause is chosen so that the caller's side hears the truth and no carrier takes us for a dead node: who is not wanted
is rejected (603), and where all lines are taken it is busy (486), whichever limit says so (call-setup.md, "The form",
5).
"""

from __future__ import annotations

from collections.abc import Mapping

#: Reason (the word in `dialtrace_refused` and in the call record) → the switch's cause.
REFUSALS_BY_FACTS: Mapping[str, str] = {
    "blocked_number": "CALL_REJECTED",
    "blocked_caller_id": "CALL_REJECTED",
    "client_calls": "USER_BUSY",
    "agency_calls": "USER_BUSY",
    "client_rate": "USER_BUSY",
    "agency_rate": "USER_BUSY",
}


def refusal_by_facts(*, over: str | None, blocked: str | None) -> str | None:
    """The reason to refuse a call by what `dialtrace_decide` found; None: there is none. A word of a newer database
    that this release does not know refuses nobody: a call is let in rather than lost."""
    if blocked is not None and f"blocked_{blocked}" in REFUSALS_BY_FACTS:
        return f"blocked_{blocked}"
    return over if over in REFUSALS_BY_FACTS else None

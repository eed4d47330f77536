"""What is left of a record once its caller is taken out: who called is gone, what happened stays for reports.

Facts are kept by name: one that nobody has put on these lists goes, so that a new one never tells of a person by
mistake. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .model import CallFacts, LegFacts

#: Of a call's facts; of its trail the steps and times, not what the caller said at them.
CALL_FACTS = frozenset(
    {
        "attempts", "legs", "attempt_causes", "refused", "recording_rule", "hangup_disposition", "target_cause",
        "attestation_claimed", "moves", "record_ms", "record_completion", "media", "source", "connected_leg",
        "segments_started", "over_limit", "blocked_by", "spam_score", "spam_rules", "consent", "tags", "trail",
    }
)  # fmt: skip
LEG_FACTS = frozenset({"trunk", "answered_not_connected", "hangup_disposition", "hold_ms", "media"})


def kept_call_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A call's facts without what tells of a person."""
    kept = {name: value for name, value in facts.items() if name in CALL_FACTS}
    if isinstance(trail := kept.get("trail"), list):
        kept["trail"] = [{name: step[name] for name in ("step", "at") if name in step} for step in trail]
    return kept


def kept_leg_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A leg's facts without what tells of a person."""
    return {name: value for name, value in facts.items() if name in LEG_FACTS}


def anonymous_call(call: CallFacts) -> CallFacts:
    """The same call, called by nobody in particular, and without recordings to bring home."""
    return replace(
        call,
        caller=None,
        caller_raw=None,
        caller_name=None,
        sip_call_id=None,
        diversion=None,
        diverted_from=None,
        facts=kept_call_facts(call.facts),
    )


def anonymous_leg(leg: LegFacts) -> LegFacts:
    """The same leg, without what tells of a person."""
    return replace(leg, sip_call_id=None, facts=kept_leg_facts(leg.facts))

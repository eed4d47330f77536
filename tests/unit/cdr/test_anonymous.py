"""What is left of a record without its caller, and how a caller came to be recorded."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dialtrace.cdr.anonymous import anonymous_call, kept_call_facts, kept_leg_facts
from dialtrace.cdr.consent import Notices, consent_of
from dialtrace.cdr.erasure import numbers_of
from dialtrace.cdr.model import CallFacts

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
CALL = CallFacts(
    id=UUID(int=1), started_at=AT, node="node-1", number="+442079460001", outcome="answered", caller="+442079460123",
    caller_raw="+442079460123", caller_name="Jane", sip_call_id="1@x", segments=(1,), should_record=True,
    facts={
        "trail": [{"step": "notice", "at": "2026-03-01T09:30:01+00:00"},
                  {"step": "menu", "at": "2026-03-01T09:30:05+00:00", "result": "4711"}],
        "consent": "given", "variables": {"pin": "4711"}, "network_address": "192.0.2.1", "a_new_fact": "who knows",
        "media": {"packets_in": 3},
    },
)  # fmt: skip
ASKS = Notices(record=True, steps={"notice": {"type": "consent", "notice": "say-1"}})
SAYS = Notices(record=True, steps={"notice": {"type": "announce", "notice": "say-2"}})
PLAIN = Notices(record=True, steps={})


def test_given_a_call_then_nothing_that_nobody_listed_stays():
    left = anonymous_call(CALL)
    assert (left.caller, left.caller_raw, left.caller_name, left.sip_call_id) == (None,) * 4
    assert left.facts == {
        "trail": [
            {"step": "notice", "at": "2026-03-01T09:30:01+00:00"},
            {"step": "menu", "at": "2026-03-01T09:30:05+00:00"},
        ],
        "consent": "given",
        "media": {"packets_in": 3},
    }
    assert (left.number, left.outcome, left.segments) == (CALL.number, CALL.outcome, CALL.segments)
    assert kept_call_facts(left.facts) == left.facts
    assert kept_leg_facts({"media": {}, "reason": "sip:+442079460123"}) == {"media": {}}


@pytest.mark.parametrize("raw", ["+442079460123", "00442079460123", "442079460123", "sip:+442079460123@x"])
def test_given_a_withheld_caller_whose_number_came_all_the_same_then_it_is_known_by_it(raw):
    assert "+442079460123" in numbers_of(replace(CALL, caller=None, caller_raw=raw))
    assert numbers_of(replace(CALL, caller=None, caller_raw="anonymous")) == set()


@pytest.mark.parametrize(
    ("notices", "changes", "wanted"),
    [
        (ASKS, {}, ("ask", "notice", "say-1", "given")),
        (ASKS, {"consent": "refused"}, ("ask", "notice", "say-1", "refused")),
        (ASKS, {"consent": None}, ("ask", "notice", "say-1", "not_answered")),
        (SAYS, {"consent": None}, ("notice", "notice", "say-2", "not_asked")),
        (PLAIN, {"consent": None}, ("none", None, None, "not_asked")),
        (ASKS, {"consent": None, "trail": []}, ("ask", None, None, "not_asked")),
    ],
)
def test_given_what_ran_then_the_proof_says_the_rule_the_notice_and_the_answer(notices, changes, wanted):
    facts = {name: value for name, value in {**CALL.facts, **changes}.items() if value is not None}
    proof = consent_of(replace(CALL, facts=facts), notices)
    assert (proof.rule, proof.step, proof.notice, proof.answer) == wanted
    if proof.step:
        assert proof.played_at == datetime(2026, 3, 1, 9, 30, 1, tzinfo=UTC)
    if "consent" in facts and notices is ASKS:
        assert proof.answered_at == datetime(2026, 3, 1, 9, 30, 5, tzinfo=UTC)


def test_given_a_call_that_was_neither_asked_nor_recorded_then_there_is_nothing_to_prove():
    call = replace(CALL, segments=(), should_record=False, facts={})
    assert consent_of(call, ASKS) is None

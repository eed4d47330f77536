"""Which targets were tried without ever getting a channel."""

from uuid import UUID

import pytest

from dialtrace.cdr.causes import OUTCOME, Q850, SIP_STATUS, outcome_of, sip_status_of
from dialtrace.cdr.model import OUTCOMES, Leg, attempts_without_leg
from dialtrace.cdr.text import clean_text

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def leg(target: UUID) -> Leg:
    values = dict.fromkeys(Leg.__dataclass_fields__)
    return Leg(**values | {"id": target, "call_id": target, "target_id": target, "facts": {}, "revision": 1})


@pytest.mark.parametrize(
    ("legs", "outcome", "expected", "found"),
    [
        ([], "unreachable", 0, [ONE, TWO, THREE]),
        ([TWO], "busy", 1, [ONE, THREE]),
        ([TWO], "answered", 1, [ONE]),
        ([ONE], "caller_cancelled", 1, []),
        ([THREE], "caller_cancelled", 1, [ONE, TWO]),
        ([ONE, TWO, THREE], "no_answer", 3, []),
        ([ONE], "no_answer", 2, []),
        ([], "caller_cancelled", 0, []),
        ([], "node_lost", 0, []),
    ],
)
def test_given_legs_and_an_outcome_then_only_what_was_tried_counts(legs, outcome, expected, found) -> None:
    planned = [ONE, TWO, THREE]

    assert attempts_without_leg(planned, [leg(one) for one in legs], outcome=outcome, legs_expected=expected) == found


def test_given_a_target_that_the_plan_names_twice_then_it_is_told_once() -> None:
    assert attempts_without_leg([ONE, ONE], [], outcome="unreachable", legs_expected=0) == [ONE]


def test_every_cause_leads_to_a_word_of_the_glossary() -> None:
    assert set(OUTCOME.values()) <= OUTCOMES
    assert outcome_of("SOMETHING_NEW") == outcome_of(None) == "system_error"
    assert set(Q850) - set(OUTCOME) == {"CALL_AWARDED_DELIVERED"}


def test_a_cause_without_a_status_of_its_own_is_480() -> None:
    assert sip_status_of("NO_ANSWER") == 480
    assert sip_status_of(None) is None
    assert all(400 <= status < 700 for status in SIP_STATUS.values())


def test_given_long_or_hostile_text_when_cleaning_then_it_is_short_and_visible() -> None:
    assert clean_text("a" * 600) == "a" * 511 + "…"
    assert clean_text("Иван Петров 📞") == "Иван Петров 📞"
    assert clean_text("\x7f\x85\u2066") == "␡��"

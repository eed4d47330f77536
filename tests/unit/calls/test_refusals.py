"""Why a call is refused by its facts, and with which cause."""

import pytest

from dialtrace.calls.refusals import REFUSALS_BY_FACTS, refusal_by_facts
from dialtrace.cdr.causes import SIP_STATUS


@pytest.mark.parametrize(
    ("over", "blocked", "wanted"),
    [
        (None, None, None),
        ("client_calls", None, "client_calls"),
        ("agency_rate", None, "agency_rate"),
        (None, "number", "blocked_number"),
        ("agency_calls", "caller_id", "blocked_caller_id"),
        ("moon_phase", "weather", None),
    ],
)
def test_given_facts_when_judged_then_a_block_comes_before_a_limit_and_unknown_words_refuse_nobody(
    over, blocked, wanted
):
    assert refusal_by_facts(over=over, blocked=blocked) == wanted


def test_given_any_reason_when_refused_then_no_carrier_hears_that_the_node_is_dead():
    assert {SIP_STATUS[cause] for cause in REFUSALS_BY_FACTS.values()} == {486, 603}

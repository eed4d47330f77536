"""What the demonstration says of its webhook."""

from collections import Counter

import pytest

from dialtrace.demo.webhooks import Told, percentile


def told(**values):
    return Told(**{"events": 3, "received": 3, "faults": [], "by_type": Counter(), "ended_s": [0.5, 0.1]} | values)


def test_given_everything_came_then_the_line_balances_and_the_delays_are_told():
    assert told().line().balances
    assert told().as_dict() == {"events": 3, "received": 3, "faults": [], "ended_p50_s": 0.1, "ended_p99_s": 0.5}


@pytest.mark.parametrize("wrong", [{"received": 2}, {"faults": ["1 requests have no right signature"]}])
def test_given_something_is_missing_or_wrong_then_the_line_does_not_balance(wrong):
    assert not told(**wrong).line().balances


def test_given_no_call_has_ended_then_no_delay_is_told():
    assert told(ended_s=[]).as_dict() == {"events": 3, "received": 3, "faults": []}


def test_given_delays_then_a_percentile_is_one_of_them():
    delays = [float(number) for number in range(101)]
    assert (percentile(delays, 0.5), percentile(delays, 0.99), percentile([2.0], 0.99)) == (50.0, 99.0, 2.0)

"""Clean, dirty, leaked: what counts of calls say."""

import pytest

from dialtrace.numbers.model import STATES
from dialtrace.pool.hygiene import NEXT, chance_of_more, is_leaked, judge_quiet


@pytest.mark.parametrize(
    ("calls", "days", "verdict"),
    [
        (0, 1, "wait"),
        (0, 14, "clean"),
        (1, 14, "wait"),
        (1, 40, "clean"),
        (3, 14, "dirty"),
        (2, 1, "dirty"),
        (3, 120, "clean"),
        (9, 180, "dirty"),
        (5, 180, "dirty"),
    ],
)
def test_given_calls_while_nobody_was_shown_the_number_then_it_is_judged(calls, days, verdict):
    assert judge_quiet(calls, days, least_days=14) == verdict


def test_given_a_mean_then_the_chance_of_more_is_poissons():
    assert chance_of_more(0, 1) == 1
    assert chance_of_more(1, 1) == pytest.approx(0.63212, abs=1e-5)
    assert chance_of_more(3, 0.35) == pytest.approx(0.00556, abs=1e-4)


@pytest.mark.parametrize(
    ("orphans", "callers", "others", "number_days", "leaked"),
    [
        (3, 3, 0, 0, True),
        (2, 2, 0, 0, False),
        (9, 1, 0, 0, False),
        (3, 3, 3, 300, True),
        (3, 3, 300, 300, False),
        (9, 9, 300, 300, True),
    ],
)
def test_given_calls_that_no_visit_explains_then_only_more_than_others_get_is_a_leak(
    orphans, callers, others, number_days, leaked
):
    assert is_leaked(orphans, callers, pool_orphans=others, pool_number_days=number_days) is leaked


def test_given_the_states_then_each_says_what_may_follow():
    assert set(NEXT) == set(STATES)
    assert {state for following in NEXT.values() for state in following} <= set(STATES)

"""The best plan: its sum, its bounds, and that it moves from where money is missed least."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.advice.curves import Curve
from dialtrace.advice.moving import MOST_BEYOND, PARTS, Channel, best_plan


def known(mean_spend: float, level: float, power: float) -> Curve:
    """A curve of which nothing is left open."""
    ones = np.ones(50)
    return Curve(mean_spend, level * ones, 0.01 * ones, power * ones, 1e6 * ones)


channels = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.floats(10, 10_000), st.floats(1, 200), st.floats(0.1, 1.0), st.floats(0.8, 2.0)),
    min_size=2,
)


@given(channels, st.sampled_from([0.05, 0.3, 0.5]))
def test_given_any_channels_then_the_sum_stays_and_no_bound_is_passed(
    told: dict[str, tuple[float, float, float, float]], most_change: float
) -> None:
    made = {
        name: Channel(known(now, level, power), now=now, most_spent=now * most)
        for name, (now, level, power, most) in told.items()
    }
    plan = best_plan(made, most_change)
    assert sum(move.then for move in plan.moves.values()) == pytest.approx(sum(one.now for one in made.values()))
    for name, one in made.items():
        then = plan.moves[name].then
        assert one.now * (1 - most_change) - 1e-6 <= then <= one.now * (1 + most_change) + 1e-6
        assert then <= max(one.now, one.most_spent * MOST_BEYOND) + 1e-6
    assert plan.gain.mean >= -1e-9


def test_given_a_channel_that_is_exhausted_then_its_money_goes_where_it_brings_most() -> None:
    made = {
        "exhausted": Channel(known(1000, 40, 0.1), now=1000, most_spent=1500),
        "hungry": Channel(known(1000, 40, 0.9), now=1000, most_spent=1500),
    }
    plan = best_plan(made, 0.3)
    part = 2000 / PARTS
    assert plan.moves["hungry"].then == pytest.approx(1300, abs=part)
    assert plan.moves["exhausted"].then == pytest.approx(700, abs=part)
    assert plan.gain.low > 5
    assert plan.probability == 1.0
    hungry, exhausted = plan.moves["hungry"].next_call_cost, plan.moves["exhausted"].next_call_cost
    assert hungry is not None
    assert exhausted is not None
    assert hungry < exhausted


def test_given_equal_channels_then_nothing_is_moved() -> None:
    made = {name: Channel(known(500, 20, 0.5), now=500, most_spent=800) for name in "ab"}
    plan = best_plan(made, 0.3)
    assert [move.then for move in plan.moves.values()] == [500, 500]
    assert (plan.gain.mean, plan.probability) == (0.0, 0.0)

"""From a curve and a mix to moments."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.loadruns.plan import mixed, moments_of, most_open, plan_calls, shared_out
from dialtrace.loadruns.profile import Profile
from dialtrace.loadruns.tables import Calls, Step

from .test_profile import GOOD


def test_given_an_even_rate_then_calls_come_evenly():
    moments = list(moments_of([Step(for_s=5, from_cps=4.0)], arrivals="even", seed=1))
    assert len(moments) == 20
    assert all(later - earlier == pytest.approx(0.25) for earlier, later in pairwise(moments))


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0.5, 60))
def test_given_a_slope_then_as_many_calls_as_the_area_under_it_and_all_within_it(low, high, seconds):
    moments = list(moments_of([Step(for_s=seconds, from_cps=low, to_cps=high)], arrivals="even", seed=1))
    assert abs(len(moments) - seconds * (low + high) / 2) <= 0.51
    assert moments == sorted(moments)
    assert all(0 <= moment <= seconds + 1e-6 for moment in moments)


def test_given_random_arrivals_then_the_same_seed_repeats_them_and_their_number_is_as_chance_has_it():
    steps = [Step(for_s=200, from_cps=10.0)]
    once, again = (list(moments_of(steps, arrivals="random", seed=7)) for _ in range(2))
    assert once == again
    assert abs(len(once) - 2000) < 5 * 2000**0.5
    gaps = [later - earlier for earlier, later in pairwise(once)]
    mean = sum(gaps) / len(gaps)
    # Of exponentially distributed gaps the variance is the mean's square.
    assert sum((gap - mean) ** 2 for gap in gaps) / len(gaps) == pytest.approx(mean**2, rel=0.2)


def test_given_a_mix_then_its_shares_are_kept_and_none_is_lost():
    kinds = [Calls(name=name, share=share) for name, share in (("a", 70.0), ("b", 20.0), ("c", 10.0))]
    found = Counter(kind.name for kind in mixed(kinds, 137, random.Random(1)))
    assert sum(found.values()) == 137
    assert found["a"] in (95, 96)
    assert found["c"] in (13, 14)


def test_given_a_warm_up_then_it_goes_at_the_first_rate_and_is_marked():
    profile = Profile.read(GOOD.replace("[rate]", "[rate]\nwarm_up_s = 3"), "x")
    plan = plan_calls(profile)
    assert sum(call.warm_up for call in plan) == 6
    assert len(plan) == 26
    assert all(call.warm_up == (call.at_s < 3) for call in plan)


def test_given_two_hosts_then_they_share_each_kind_and_lose_none():
    plan = plan_calls(Profile.read(GOOD, "x"))
    parts = shared_out(plan, ["answered"], 2)
    assert [host for _, host, _ in parts] == [0, 1]
    assert sorted(call.at_s for _, _, own in parts for call in own) == [call.at_s for call in plan]


def test_given_calls_that_stand_then_the_bound_is_what_is_open_at_most():
    plan = plan_calls(Profile.read(GOOD, "x"))  # 2/s for 10 s, 10 s each
    assert most_open(plan, ahead_s=0, linger_s=0) == 20
    assert most_open([], ahead_s=1, linger_s=1) == 0

"""What loss a crowd's pool is to expect: the integral against what is known in closed form."""

import random
from dataclasses import replace
from statistics import fmean

import pytest

from dialtrace.loadtest.visitors_plan import (
    CrowdPlan,
    Stay,
    drawn,
    forecast,
    load_at,
    lost_in_ideal,
    numbers_for,
    rate_at,
)
from dialtrace.pool.sizing import erlang_b

PLAN = CrowdPlan(
    api_url="http://127.0.0.1:1", tokens=("t",), host="shop.example", edge=("127.0.0.1", 5060), sip_port=5099, seed=1,
    first_visitor=0, seconds=600.0, rate=10.0,
)  # fmt: skip


def test_given_a_plan_then_it_is_read_back():
    assert CrowdPlan.read(PLAN.to_json()) == PLAN


def test_given_a_slow_curve_then_the_load_at_its_height_is_that_of_littles_law():
    middle = load_at(PLAN, tail_s=2.0)[int(300 / 0.25)]
    assert middle[0] == pytest.approx(rate_at(PLAN, 300), rel=1e-3)
    assert middle[1] == pytest.approx(10.0 * (PLAN.stay_s + 2.0), rel=0.02)


def test_given_a_fast_curve_then_the_load_lags_behind_the_rate():
    fast = replace(PLAN, seconds=20.0)
    rates, loads = zip(*load_at(fast, tail_s=2.0), strict=True)
    assert loads.index(max(loads)) > rates.index(max(rates))


def test_given_a_loss_then_the_pool_is_the_smallest_that_keeps_it():
    numbers = numbers_for(PLAN, 2.0, 0.01)
    assert forecast(PLAN, 2.0, numbers) <= 0.01 < forecast(PLAN, 2.0, numbers - 1)
    assert forecast(PLAN, 2.0, numbers) < erlang_b(60.0, numbers)


def test_given_visitors_then_an_ideal_pool_loses_those_who_come_while_all_numbers_are_held():
    came = [Stay(0.0, 5.0), Stay(1.0, 1.0), Stay(3.0, 1.0), Stay(3.5, 9.0), Stay(8.0, 1.0)]
    assert lost_in_ideal(came, 2.0, 2) == pytest.approx(2 / 5)
    assert lost_in_ideal(came[::-1], 2.0, 2) == pytest.approx(2 / 5)
    assert lost_in_ideal(came, 2.0, 5) == 0


def test_given_crowds_on_paper_then_they_lose_what_is_forecast():
    plan, chance = replace(PLAN, seconds=240.0, rate=20.0), random.Random(1)
    numbers = numbers_for(plan, 6.0, 0.01)
    lost = fmean(lost_in_ideal(drawn(plan, chance), 6.0, numbers) for _ in range(60))
    assert lost == pytest.approx(forecast(plan, 6.0, numbers), abs=0.0035)


def test_given_several_pools_then_each_has_its_share_of_the_load_and_its_own_numbers():
    apart = replace(PLAN, tokens=("a", "b"))
    assert [load for _, load in load_at(apart, 2.0)] == pytest.approx([load / 2 for _, load in load_at(PLAN, 2.0)])
    came = [Stay(0.0, 5.0, 0), Stay(1.0, 5.0, 1), Stay(2.0, 1.0, 0)]
    assert lost_in_ideal(came, 2.0, 1) == pytest.approx(1 / 3)

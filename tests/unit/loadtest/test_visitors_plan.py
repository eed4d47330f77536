"""What loss a crowd's pool is to expect: the integral against what is known in closed form."""

from dataclasses import replace

import pytest

from dialtrace.loadtest.visitors_plan import CrowdPlan, forecast, load_at, numbers_for, rate_at
from dialtrace.pool.sizing import erlang_b

PLAN = CrowdPlan(
    api_url="http://127.0.0.1:1", token="t", host="shop.example", edge=("127.0.0.1", 5060), sip_port=5099, seed=1,
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

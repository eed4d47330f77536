"""Erlang's formula against the table that every textbook prints, and what follows from it for a pool."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.pool.sizing import (
    Bounds,
    Hour,
    affordable,
    erlang_b,
    forecast,
    needed_now,
    numbers_for,
    wanted_change,
)

#: Offered load in erlang by servers, for a loss of 0.1 %, 1 % and 5 % (the usual table of Erlang B, three digits).
TABLE = {
    0.001: {1: 0.001, 2: 0.0458, 5: 0.762, 10: 3.092, 20: 9.411, 50: 32.512, 100: 75.242},
    0.01: {1: 0.0101, 2: 0.153, 3: 0.455, 5: 1.361, 10: 4.461, 20: 12.031, 50: 37.901, 100: 84.064},
    0.05: {1: 0.0526, 2: 0.381, 5: 2.218, 10: 6.216, 20: 15.249, 50: 44.533, 100: 95.240},
}
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(("loss", "servers", "load"), [(b, n, a) for b, row in TABLE.items() for n, a in row.items()])
def test_given_a_row_of_the_table_then_the_loss_is_the_one_that_it_names(loss, servers, load):
    digit = 0.0005 if load > 0.1 else 0.00005
    assert erlang_b(load - digit, servers) <= loss <= erlang_b(load + digit, servers)
    assert numbers_for(load - digit, loss) == servers


def test_given_the_sizing_rules_in_use_then_their_loss_is_far_from_the_one_they_promise():
    """200 visits an hour of 3 minutes, 10 numbers; and with a tail of 20 minutes."""
    assert erlang_b(10, 10) == pytest.approx(0.2146, abs=0.0005)
    assert numbers_for(10, 0.01) == 18
    assert numbers_for(76.7, 0.01) == 93


@pytest.mark.parametrize(("load", "servers", "loss"), [(0, 0, 1.0), (0, 5, 0.0), (5, 0, 1.0), (1e6, 10, 0.99999)])
def test_given_an_edge_then_the_loss_is_what_it_must_be(load, servers, loss):
    assert erlang_b(load, servers) == pytest.approx(loss, abs=1e-5)


@given(st.floats(0.01, 5000), st.integers(0, 5000))
def test_given_any_load_then_more_numbers_never_lose_more(load, servers):
    assert 0 <= erlang_b(load, servers + 1) <= erlang_b(load, servers) <= 1


@given(st.floats(0.01, 2000), st.sampled_from([0.001, 0.01, 0.05, 0.2]))
def test_given_a_target_then_the_fewest_numbers_that_keep_to_it_are_told(load, loss):
    found = numbers_for(load, loss)
    assert erlang_b(load, found) <= loss < erlang_b(load, found - 1)


def hours(visits_by_hour, *, weeks=2, hold_s=1800.0, lost=0):
    return [
        Hour(MONDAY + timedelta(weeks=week, hours=hour), visits, lost, 0, 0, (visits - lost) * hold_s, 10)
        for week in range(weeks)
        for hour, visits in visits_by_hour.items()
    ]


def test_given_a_week_then_the_busiest_hour_decides():
    made = forecast(hours({9: 20, 33: 40, 40: 10}), numbers=20, loss_target=0.01, tail_s=1200, rest_s=60)
    assert made.worst_hour == 33
    assert made.hold_s == 1800
    assert made.worst_loss == erlang_b(20, 20)
    assert made.advised == numbers_for(20, 0.01)
    assert made.advised_worst_loss <= 0.01
    assert made.loss == pytest.approx((20 * erlang_b(10, 20) + 40 * erlang_b(20, 20) + 10 * erlang_b(5, 20)) / 70)


def test_given_visits_that_were_lost_then_they_count_as_load_and_are_told():
    made = forecast(hours({9: 20}, lost=5), numbers=5, loss_target=0.01, tail_s=1200, rest_s=60)
    assert made.measured_loss == 0.25
    assert made.hours[0].load == 10
    assert made.hours[0].measured_loss == 0.25


def test_given_nothing_seen_then_there_is_no_advice_but_no_fault():
    made = forecast([], numbers=5, loss_target=0.01, tail_s=1200, rest_s=60)
    assert (made.advised, made.worst_hour, made.measured_loss, made.hold_s) == (0, None, None, 1260)


ANY = Bounds(fewest=0, most=None, affordable=None)


@pytest.mark.parametrize(
    ("size", "needed", "bounds", "change"),
    [
        (100, 110, ANY, 10),
        (100, 200, ANY, 20),
        (1000, 2000, ANY, 50),
        (0, 7, ANY, 7),
        (2, 9, ANY, 1),
        (100, 200, Bounds(0, 105, None), 5),
        (100, 200, Bounds(0, None, 103), 3),
        (100, 10, Bounds(0, 90, None), -10),
        (3, 0, Bounds(5, None, None), 1),
        (100, 90, ANY, 0),
        (100, 50, ANY, -10),
        (100, 50, Bounds(95, None, None), 0),
    ],
)
def test_given_a_load_then_the_pool_changes_by_a_step_within_its_bounds(size, needed, bounds, change):
    assert wanted_change(size, needed, bounds, may_shrink=True) == change


def test_given_a_week_that_is_not_known_then_the_pool_does_not_shrink():
    assert wanted_change(100, 5, ANY, may_shrink=False) == 0


def test_given_a_budget_then_it_buys_whole_numbers():
    assert affordable(Decimal("1.50"), Decimal("10")) == 6
    assert affordable(Decimal("1.50"), None) is None


def test_given_a_busy_hour_that_comes_then_the_numbers_are_there_before_it():
    loads = {34: 50.0}
    at = MONDAY + timedelta(hours=33)
    assert needed_now(loads, at, 1.0, 0.01) == numbers_for(50, 0.01)
    assert needed_now(loads, at - timedelta(hours=5), 1.0, 0.01) == numbers_for(1, 0.01)

"""What grows is found, and what only wavers is not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.loadruns.soaking import judge, series_of, slope_of


def series(per_hour, *, noise, count=200, base=100e6, seed=1, step_s=10):
    chance = random.Random(seed)
    return [
        (place * step_s, base + per_hour * place * step_s / 3600 + chance.gauss(0, noise)) for place in range(count)
    ]


def test_given_a_leak_below_the_noise_then_its_slope_is_found():
    slope = slope_of(series(20e6, noise=5e6))
    assert slope.per_hour == pytest.approx(20e6, rel=0.25)
    assert 0 < slope.at_least_per_hour < slope.per_hour


def test_given_noise_alone_then_no_growth_is_certain():
    certain = sum(slope_of(series(0, noise=5e6, seed=seed)).at_least_per_hour > 0 for seed in range(100))
    assert certain <= 4


@given(st.integers(0, 199), st.floats(1e9, 1e12))
def test_given_some_wild_values_then_they_move_nothing_much(place, wild):
    points = series(0, noise=1e5)
    for offset in range(10):
        at = (place + offset * 17) % len(points)
        points[at] = (points[at][0], wild)
    assert abs(slope_of(points).per_hour) < 1e6


def test_given_too_few_points_then_nothing_is_said():
    assert slope_of(series(0, noise=1, count=3)) is None
    assert slope_of([(1.0, 1.0)] * 20) is None


def samples(grow):
    return [
        {
            "at_s": place * 10.0,
            "processes": [
                ["worker", 1, 0.0, 50_000_000 + int(grow * place), 20, 4],
                ["worker", 2, 0.0, 50_000_000, 20, 4],
            ],
            "gauges": {"worker/greenlets": 12 + place % 3, "database/greenlets": 9},
        }
        for place in range(120)
    ]


def test_given_processes_that_stay_then_everything_is_flat():
    found = judge(series_of(samples(0), from_s=0, to_s=2000))
    assert {(one.kind, one.measure) for one in found} == {
        ("worker", "memory_bytes"), ("worker", "files"), ("worker", "threads"), ("worker", "greenlets"),
        ("worker", "processes"), ("database", "greenlets"),
    }  # fmt: skip
    assert all(one.flat for one in found)


def test_given_a_worker_that_leaks_a_third_an_hour_then_its_memory_is_not_flat_and_comes_first():
    found = judge(series_of(samples(40e6 / 360), from_s=0, to_s=2000))
    assert not found[0].flat
    assert (found[0].kind, found[0].measure) == ("worker", "memory_bytes")
    assert found[0].told()["per_hour"] == pytest.approx(40e6, rel=0.05)

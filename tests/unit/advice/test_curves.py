"""Advice on channels whose response is known: the expected gain is right on average, and its interval covers the truth
as often as it says."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from dialtrace.advice.curves import Weeks, learn
from dialtrace.advice.moving import CONFIDENCE, Channel, best_plan

Response = Callable[[float], float]
WEEKS = 26


def power_curve(rng: np.random.Generator) -> Response:
    """Bends by a power, with a part that comes without spend."""
    level, floor, power = rng.uniform(10, 80), rng.choice([0.01, 0.05, 0.15, 0.3, 0.5]), rng.beta(3, 2)
    return lambda x: level * (floor + (1 - floor) * x**power)


def hill_curve(rng: np.random.Generator) -> Response:
    """Is exhausted sooner or later, and brings nothing without spend."""
    level, half = rng.uniform(20, 80), rng.uniform(0.5, 3.0)
    return lambda x: level * (1 + half) * x / (x + half)


def past(rng: np.random.Generator, response: Response, mean: float) -> Weeks:
    """Weeks that vary by spend, by chance, and by what nobody knows."""
    spend = mean * rng.lognormal(0, rng.uniform(0.2, 0.5), WEEKS)
    expected = np.array([response(one / mean) for one in spend])
    size = rng.choice([8, 20, 60])
    calls = rng.negative_binomial(size, size / (size + expected))
    return Weeks(spend.tolist(), calls.tolist())


def gains(worlds: int, seed: int) -> tuple[list[float], list[float], int]:
    """Expected gain and true gain of each world, and how many intervals cover the truth."""
    rng = np.random.default_rng(seed)
    told, true, covered = [], [], 0
    for world in range(worlds):
        make = (power_curve, hill_curve)[world % 2]
        channels, truth = {}, {}
        for name in "abcd":
            mean, response = rng.uniform(300, 3000), make(rng)
            weeks = past(rng, response, mean)
            now = float(np.mean(weeks.spend[-4:]))
            channels[name] = Channel(learn(weeks, rng), now=now, most_spent=max(weeks.spend))
            truth[name] = lambda spend, response=response, mean=mean: response(spend / mean)
        plan = best_plan(channels, 0.3)
        true.append(sum(truth[name](move.then) - truth[name](move.now) for name, move in plan.moves.items()))
        told.append(plan.gain.mean)
        covered += plan.gain.low <= true[-1] <= plan.gain.high
    return told, true, covered


def check(worlds: int, seed: int) -> None:
    told, true, covered = gains(worlds, seed)
    errors = np.array(told) - np.array(true)
    assert abs(errors.mean()) < 3 * errors.std() / math.sqrt(worlds)
    assert np.mean(true) > 5, "where nothing is to be gained nothing is shown"
    share, deviation = covered / worlds, math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / worlds)
    assert abs(share - CONFIDENCE) < 3 * deviation, f"{share:.3f} are covered"


def test_given_channels_whose_response_is_known_then_the_expected_gain_is_right_and_its_interval_honest() -> None:
    check(worlds=100, seed=12)


@pytest.mark.slow
def test_given_many_such_channels_then_it_is_so_within_a_finer_measure() -> None:
    check(worlds=600, seed=13)


def test_given_more_weeks_then_less_is_left_open() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for weeks in (10, 100):
        spend = 1000 * rng.lognormal(0, 0.4, weeks)
        calls = rng.poisson(40 * (spend / 1000) ** 0.6)
        curve = learn(Weeks(spend.tolist(), calls.tolist()), rng)
        low, high = np.quantile(curve.at(1300.0), [0.05, 0.95])
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


def test_given_weeks_without_calls_or_without_spend_then_there_is_a_curve_all_the_same() -> None:
    rng = np.random.default_rng(4)
    silent = learn(Weeks([100.0, 200.0, 0.0, 150.0], [0, 0, 0, 0]), rng)
    assert 0 <= silent.at(100.0).mean() < 1
    paused = learn(Weeks([100.0, 0.0, 120.0, 0.0] * 5, [30, 3, 33, 2] * 5), rng)
    assert paused.at(0.0).mean() < 6 < 20 < paused.at(110.0).mean()

"""Probabilities mean what they say, in a small world whose truth is known (the long form: loadtest/calibration.py)."""

from dialtrace.loadtest.calibration import World, binned, calibrate, tell


def test_given_a_world_with_known_truth_then_calls_stated_at_p_are_right_in_p_of_all_cases():
    world = World(visits=24_000, numbers=24)
    story = tell(world, 7)
    found, prior = calibrate(story, world)
    assert found.calls > 400
    off = sum(one.calls * (one.right - one.stated) for one in found.visits) / sum(one.calls for one in found.visits)
    assert abs(off) < 0.02
    for one in found.visits:
        assert one.off < 0.02 + 3 * one.chance, one
    assert weighted_off(found) < weighted_off(prior) + 0.01


def weighted_off(calibration):
    return sum(one.calls * one.off for one in calibration.visits) / sum(one.calls for one in calibration.visits)


def test_given_a_pool_that_is_short_then_shared_numbers_are_told_less_surely_and_still_truly():
    world = World(visits=24_000, numbers=5)
    story = tell(world, 8)
    assert story.shared > story.visits * 0.1
    found, _ = calibrate(story, world)
    off = sum(one.calls * (one.right - one.stated) for one in found.visits) / sum(one.calls for one in found.visits)
    assert abs(off) < 0.025


def test_given_pairs_then_the_bins_hold_each_once():
    found = binned([(0.05, False), (0.96, True), (1.0, True)])
    assert [(one.calls, one.right) for one in found] == [(1, 0.0), (2, 1.0)]

"""How credit is shared out over touches: the textbook's answers, exact sums, and the same bytes in any order."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.attribution.errors import ModelRefused
from dialtrace.attribution.journeys import Journey, removal_effects
from dialtrace.attribution.models import MODELS, WHOLE, Path, Rules, counted, credits_of, weights

from .worlds import DIRECT, GOOGLE, NOW, VK, YANDEX, touch

LONG = Rules(window_days=90)
#: Google, VK, Yandex, then typed in.
WALK = [touch(20, GOOGLE), touch(10, VK), touch(3, YANDEX), touch(0.1, DIRECT)]


def credits(model, touches, rules=LONG, probability=1.0):
    return credits_of(model, [Path(touches=touches, probability=probability)], NOW, rules)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("first", {GOOGLE: 1.0}),
        ("last", {DIRECT: 1.0}),
        ("last_non_direct", {YANDEX: 1.0}),
        ("linear", {GOOGLE: 0.25, VK: 0.25, YANDEX: 0.25, DIRECT: 0.25}),
        ("position", {GOOGLE: 0.4, VK: 0.1, YANDEX: 0.1, DIRECT: 0.4}),
        ("w_shaped", {GOOGLE: 0.3, VK: 0.05, YANDEX: 0.05, DIRECT: 0.6}),
    ],
)
def test_given_four_touches_then_each_model_gives_the_textbooks_shares(model, expected):
    found = credits(model, WALK)
    assert {key: share / WHOLE for key, share in found.items()} == pytest.approx(expected)


def test_given_the_lead_came_in_between_then_the_w_has_three_equal_tops():
    walk = [WALK[0], WALK[1], touch(3, YANDEX, is_lead=True), WALK[3]]
    assert credits("w_shaped", walk) == {GOOGLE: 300_000, VK: 100_000, YANDEX: 300_000, DIRECT: 300_000}


def test_given_time_decay_then_a_touch_of_one_half_life_before_counts_half():
    found = credits("time_decay", [touch(14, GOOGLE), touch(7, VK)], Rules(window_days=90, half_life_days=7))
    assert found == {GOOGLE: 333_333, VK: 666_667}


def test_given_only_direct_visits_then_last_non_direct_is_direct():
    assert credits("last_non_direct", [touch(3, DIRECT), touch(1, DIRECT)]) == {DIRECT: WHOLE}


def test_given_a_shorter_window_then_older_touches_count_for_nothing():
    assert credits("first", WALK, Rules(window_days=5)) == {YANDEX: WHOLE}
    assert credits("first", WALK[:1], Rules(window_days=5)) == {None: WHOLE}


def test_given_an_impression_then_it_counts_only_where_view_through_is_asked_for_and_within_its_days():
    seen = touch(0.5, VK, kind="impression")
    assert credits("first", [seen, WALK[3]]) == {DIRECT: WHOLE}
    assert credits("first", [seen, WALK[3]], Rules(view_through_days=1)) == {VK: WHOLE}
    assert credits("first", [touch(2, VK, kind="impression"), WALK[3]], Rules(view_through_days=1)) == {DIRECT: WHOLE}


def test_given_two_possible_callers_then_each_has_the_credit_of_his_probability_and_nobody_the_rest():
    paths = [Path(touches=[touch(1, YANDEX)], probability=0.7), Path(touches=[touch(1, VK)], probability=0.2)]
    assert credits_of("last", paths, NOW, LONG) == {YANDEX: 700_000, VK: 200_000, None: 100_000}


def test_given_no_touch_at_all_then_the_whole_call_is_nobodys():
    assert credits_of("linear", [], NOW, LONG) == {None: WHOLE}


def test_given_measured_channels_then_the_data_driven_model_shares_by_what_they_are_worth():
    rules = Rules(window_days=90, channel_weights={"paid": 0.6, "organic": 0.2})
    assert credits("data_driven", [touch(3, GOOGLE), touch(2, YANDEX)], rules) == {GOOGLE: 250_000, YANDEX: 750_000}
    assert credits("data_driven", [touch(3, GOOGLE), touch(2, YANDEX)]) == {GOOGLE: 500_000, YANDEX: 500_000}


@pytest.mark.parametrize(
    "wrong", [{"window_days": 0}, {"window_days": 91}, {"view_through_days": -1}, {"half_life_days": 0}]
)
def test_given_rules_that_no_model_has_then_they_are_refused_by_name(wrong):
    with pytest.raises(ModelRefused, match=next(iter(wrong))):
        Rules(**wrong)


_SOURCES = st.sampled_from([YANDEX, GOOGLE, VK, DIRECT])
_TOUCHES = st.builds(
    lambda days, source, kind, lead: touch(days, source, kind=kind, is_lead=lead),
    st.floats(0, 120), _SOURCES, st.sampled_from(["visit", "impression"]), st.booleans(),
)  # fmt: skip
_PATHS = st.lists(st.lists(_TOUCHES, max_size=12), max_size=3)
_RULES = st.builds(Rules, window_days=st.integers(1, 90), view_through_days=st.integers(0, 30),
                   half_life_days=st.floats(0.05, 60))  # fmt: skip


@given(st.sampled_from(MODELS), _PATHS, _RULES)
def test_given_any_paths_then_every_model_gives_exactly_one_call_away(model, touches, rules):
    paths = [Path(touches=one, probability=0.9 / len(touches)) for one in touches]
    found = credits_of(model, paths, NOW, rules)
    assert sum(found.values()) == WHOLE
    assert all(share > 0 for share in found.values())


@given(st.sampled_from(MODELS), st.lists(_TOUCHES, min_size=1, max_size=8), st.randoms(), _RULES)
def test_given_the_touches_in_any_order_then_the_bytes_are_the_same(model, touches, chance, rules):
    shuffled = list(touches)
    chance.shuffle(shuffled)
    told = [credits(model, one, rules) for one in (touches, shuffled)]
    if len({one.at for one in touches}) == len(touches):
        assert str(told[0]) == str(told[1])


@given(st.sampled_from(MODELS), st.lists(_TOUCHES, min_size=1, max_size=8))
def test_given_touches_that_count_then_their_weights_sum_to_one(model, touches):
    found = counted(touches, NOW, LONG)
    assert sum(weights(model, found, NOW, LONG)) == pytest.approx(1.0 if found else 0.0)
    assert all(NOW - timedelta(days=90) <= one.at <= NOW and one.kind == "visit" for one in found)


def test_given_journeys_then_a_channel_without_which_nobody_calls_is_worth_everything():
    found = removal_effects([Journey(["paid"], 10, 100), Journey(["organic"], 0, 100)])
    assert found == {"organic": 0.0, "paid": 1.0}


def test_given_the_textbooks_chain_then_the_removal_effects_are_its():
    """Three journeys of Anderl and others' example form: C1-C2-C3 calls, C1 does not, C2-C3 does not."""
    found = removal_effects([Journey(["c1", "c2", "c3"], 1, 1), Journey(["c1"], 0, 1), Journey(["c2", "c3"], 0, 1)])
    # Start: c1 2/3, c2 1/3; c1: c2 1/2, nothing 1/2; c2: c3; c3: call 1/2. Whole: (1/3 + 1/3) / 2 = 1/3.
    assert found == pytest.approx({"c1": 0.5, "c2": 1.0, "c3": 1.0})


def test_given_no_calls_then_nothing_is_worth_anything_and_loops_end():
    assert removal_effects([Journey(["a", "b", "a", "b"], 0, 5)]) == {}
    assert json.dumps(removal_effects([Journey(["a", "b", "a"], 1, 5)]))

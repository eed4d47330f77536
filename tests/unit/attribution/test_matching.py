"""Whose call it is: each fact moves the probability the way it must, and they always sum to one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.attribution.curve import GONE, MOST_HOLDERS, PRIOR, curve_of, parts, rate_at, time_in
from dialtrace.attribution.matching import match_call
from dialtrace.attribution.model import Earlier

from .worlds import NOW, call, exposure, visit_of

SPREAD = replace(PRIOR, regions={"": 0.1, "RU-MOW": 0.3, "RU-SPE": 0.2})


def shares(match):
    return {one.visit.id.int: one.probability for one in match.candidates}


def test_given_one_visit_that_looks_at_the_number_then_the_call_is_almost_certainly_its():
    match = match_call(call(), [exposure(1, shown_s=40)], PRIOR)
    assert shares(match)[1] > 0.99
    assert match.candidates[0].why["seen_for_s"] == 40
    assert match.candidates[0].rung == "exclusive"


def test_given_nobody_ever_saw_the_number_then_nobody_is_named():
    assert match_call(call(), [], PRIOR) == match_call(call(), [exposure(1, shown_s=-60)], PRIOR)
    assert match_call(call(), [], PRIOR).nobody == 1.0


def test_given_a_number_that_changed_hands_then_both_holders_are_told_and_the_present_one_leads():
    found = shares(match_call(call(), [exposure(1, shown_s=7200, seen_s=1500), exposure(2, shown_s=30)], PRIOR))
    assert found[2] > 0.9
    assert 0 < found[1] < 0.1


def test_given_a_late_call_to_a_number_that_rests_then_its_last_holder_leads():
    found = shares(
        match_call(call(), [exposure(1, shown_s=90_000, seen_s=86_000), exposure(2, shown_s=7300, seen_s=7200)], PRIOR)
    )
    assert found[2] > found[1] > 0


def test_given_two_share_a_number_then_neither_is_certain_and_the_click_decides():
    both = [exposure(1, shown_s=50, rung="shared"), exposure(2, shown_s=50, rung="shared")]
    even = shares(match_call(call(), both, PRIOR))
    assert even[1] == pytest.approx(even[2])
    clicked = [both[0], replace(both[1], clicked_at=NOW - timedelta(seconds=4))]
    match = match_call(call(), clicked, PRIOR)
    assert shares(match)[2] > 0.98
    assert match.candidates[0].why["clicked_s_ago"] == 4


def test_given_the_caller_is_of_one_visits_region_then_that_visit_gains():
    both = [exposure(1, shown_s=50, region="RU-MOW"), exposure(2, shown_s=50, region="RU-SPE")]
    match = match_call(call(region="RU-SPE"), both, SPREAD)
    assert shares(match)[2] > 3 * shares(match)[1]
    assert match.candidates[0].why["same_region"] is True
    unknown = shares(match_call(call(region=None), both, SPREAD))
    assert unknown[1] == pytest.approx(unknown[2])


def test_given_mobile_visits_call_more_often_then_of_two_the_mobile_one_leads():
    both = [exposure(1, shown_s=50, device="mobile"), exposure(2, shown_s=50, device="desktop")]
    found = shares(match_call(call(), both, replace(PRIOR, devices={"seen:mobile": 1.5, "seen:desktop": 0.5})))
    assert found[1] == pytest.approx(3 * found[2])


def test_given_a_caller_saved_the_number_then_weeks_later_the_call_is_his_first_visits():
    earlier = Earlier(last_at=NOW - timedelta(days=20), holders=((visit_of(7), 0.9),))
    seen = call(is_known_caller=True, earlier=earlier)
    found = shares(match_call(seen, [exposure(1, shown_s=30)], PRIOR))
    assert found[7] > 0.6
    assert found.get(1, 0.0) < 0.35


def test_given_a_known_caller_looks_at_the_site_again_then_the_new_visit_is_his():
    again = [exposure(1, shown_s=40, callers_own=0.95), exposure(2, shown_s=40)]
    assert shares(match_call(call(is_known_caller=True), again, PRIOR))[1] > 0.99


def test_given_a_visitor_called_already_from_another_telephone_then_a_late_caller_gains():
    holders = [exposure(1, shown_s=9000, seen_s=1300), exposure(2, shown_s=300, called_by_other=0.98)]
    before = shares(match_call(call(), [holders[0], replace(holders[1], called_by_other=0.0)], PRIOR))
    assert shares(match_call(call(), holders, PRIOR))[1] > 4 * before[1]


def test_given_more_holders_than_are_looked_at_then_the_oldest_are_nobodys():
    crowd = [exposure(number, shown_s=60 * number, seen_s=60 * number - 30) for number in range(1, MOST_HOLDERS + 5)]
    assert MOST_HOLDERS + 4 not in shares(match_call(call(), crowd, PRIOR))


@st.composite
def _exposures(draw):
    shown = draw(st.floats(0, 90 * 86_400))
    seen = draw(st.floats(0, shown))
    return {
        "shown_s": shown,
        "seen_s": seen,
        "device": draw(st.sampled_from(["mobile", "desktop", None])),
        "region": draw(st.sampled_from(["RU-MOW", "RU-SPE", None])),
        "callers_own": draw(st.floats(0, 1)),
        "called_by_other": draw(st.floats(0, 1)),
        "rung": draw(st.sampled_from(["exclusive", "shared", "source", "static"])),
    }


@given(st.lists(_exposures(), max_size=40), st.booleans(), st.sampled_from(["RU-MOW", "GB", None]), st.booleans())
def test_given_any_exposures_then_the_probabilities_are_some_and_sum_to_one(all_of, known, region, before):
    exposures = [exposure(number, **one) for number, one in enumerate(all_of, 1)]
    earlier = (
        Earlier(last_at=NOW - timedelta(days=2), holders=((visit_of(99), 0.5), (visit_of(98), 0.2))) if before else None
    )
    match = match_call(call(is_known_caller=known or before, region=region, earlier=earlier), exposures, SPREAD)
    told = [one.probability for one in match.candidates]
    assert all(0 <= share <= 1 for share in [*told, match.nobody])
    assert sum(told) + match.nobody == pytest.approx(1.0)
    assert told == sorted(told, reverse=True)
    assert len({one.visit.id for one in match.candidates}) == len(told)


@given(st.permutations([exposure(number, shown_s=100 * number, seen_s=40 * number) for number in range(1, 6)]))
def test_given_the_exposures_in_any_order_then_the_match_is_the_same(shuffled):
    ordered = sorted(shuffled, key=lambda one: one.shown_at)
    assert match_call(call(), shuffled, PRIOR) == match_call(call(), ordered, PRIOR)


@given(st.floats(0, 1e8))
def test_given_a_span_then_its_parts_in_all_stretches_are_the_whole(span_s):
    bounds = (10.0, 60.0, 3600.0)
    assert sum(time_in(bounds, span_s)) == pytest.approx(min(span_s, 3600.0))
    assert (parts(bounds, span_s) == ()) == (span_s > 3600.0)


@given(st.floats(0, 3598.0))
def test_given_a_moment_then_a_span_grows_there_by_the_parts_that_its_rate_is_made_of(after_s):
    bounds = (10.0, 60.0, 3600.0)
    grown = [late - early for late, early in zip(time_in(bounds, after_s + 1), time_in(bounds, after_s), strict=True)]
    share = dict(parts(bounds, after_s + 0.5))
    assert sum(share.values()) == pytest.approx(1.0)
    assert grown == pytest.approx([share.get(index, 0.0) for index in range(3)], abs=0.02)


def test_given_two_holders_within_one_stretch_then_the_one_less_long_gone_is_likelier():
    near, far = (rate_at(GONE, PRIOR.gone, hours * 3600) for hours in (9, 23))
    assert near > 1.5 * far


def test_given_a_curve_is_kept_then_it_is_read_back_and_one_of_other_stretches_is_not():
    kept = replace(SPREAD, stray=1e-6, devices={"mobile": 1.2})
    assert curve_of(kept.as_dict()) == kept
    assert curve_of({**kept.as_dict(), "seen": [1.0], "later": 5}).seen == PRIOR.seen

"""What habits are worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.admission.spam import FEWEST_CALLS, MOST, Habits, is_short, score

counts = st.floats(min_value=0, max_value=10_000, allow_nan=False)


@pytest.mark.parametrize(
    ("habits", "wanted"),
    [
        (Habits(1, 1, 1), 0),
        (Habits(3, 3, 1), 0),
        (Habits(8, 8, 1), 28),
        (Habits(40, 40, 1), 60),
        (Habits(10, 0, 10), 45),
        (Habits(60, 60, 30), 100),
    ],
)
def test_given_habits_when_weighed_then_a_person_stays_low_and_a_machine_gets_high(habits, wanted):
    found = score(habits)
    assert found.total == wanted
    assert sum(points for _, points in found.rules) == wanted


def test_given_a_score_when_written_then_it_says_what_it_is_made_of():
    assert score(Habits(40, 20, 10)).text == "call_rate:35,many_clients:40"
    assert score(Habits(2, 2, 1)).text == ""


@given(counts, counts, counts, counts)
def test_given_any_habits_when_more_is_done_then_no_score_gets_lower_and_none_leaves_its_bounds(
    calls, short, clients, more
):
    less, much = Habits(calls, calls, clients), Habits(calls + more, calls + more, clients + more)
    assert 0 <= score(less).total <= score(much).total <= MOST
    assert score(Habits(calls, min(short, calls), clients)).total <= score(less).total


def test_given_few_calls_when_all_are_short_then_nothing_is_made_of_it():
    assert score(Habits(FEWEST_CALLS - 0.1, FEWEST_CALLS - 0.1, 1)).total == 0


@pytest.mark.parametrize(("talk_ms", "short"), [(None, True), (5_999, True), (6_000, False)])
def test_given_a_call_when_it_was_hardly_talked_then_it_is_short(talk_ms, short):
    assert is_short(talk_ms) is short

"""Identifiers: of their version, sorted by time, and by the order in which a process made them within a millisecond."""

from hypothesis import given
from hypothesis import strategies as st

from dialtrace.ids import _Made, new_id


@given(st.lists(st.integers(0, 2**48 - 1), min_size=1, max_size=20))
def test_given_any_moments_then_each_is_a_uuid_of_version_7_that_tells_its_own(moments):
    for now_ms in moments:
        made = new_id(now_ms=now_ms)
        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert made.int >> 80 == now_ms


def test_given_one_millisecond_then_they_sort_as_they_were_made_and_none_is_made_twice():
    made = [new_id(now_ms=1_764_000_000_123) for _ in range(20_000)]
    assert made == sorted(set(made))


def test_given_no_room_is_left_above_then_it_begins_anew_within_the_millisecond():
    new_id(now_ms=5)
    _Made.random = 2**74 - 1
    made = new_id(now_ms=5)
    assert (made.version, made.int >> 80) == (7, 5)
    assert made.int >> 75 & 1 == 0


def test_given_a_clock_that_went_back_then_ids_go_with_it():
    later, earlier = new_id(now_ms=9), new_id(now_ms=8)
    assert earlier < later

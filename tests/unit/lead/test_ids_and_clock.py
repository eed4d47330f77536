"""Identifiers sort by time; stamps survive the way there and back exactly."""

from hypothesis import given
from hypothesis import strategies as st

from dialtrace.clock import from_microseconds, to_microseconds
from dialtrace.ids import new_id


def test_given_two_moments_when_ids_are_made_then_the_later_sorts_after() -> None:
    assert new_id(now_ms=1_000).bytes < new_id(now_ms=1_001).bytes


def test_given_an_id_when_read_then_version_and_variant_are_those_of_rfc_9562() -> None:
    made = new_id()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


@given(st.integers(0, 4_102_444_800_000_000))
def test_given_a_stamp_when_taken_there_and_back_then_no_microsecond_is_lost(stamp_us: int) -> None:
    assert to_microseconds(from_microseconds(stamp_us)) == stamp_us

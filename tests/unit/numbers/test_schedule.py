"""The day's proofs: the same moments everywhere, spread out, and nothing proven twice or all at once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dialtrace.numbers.model import InService, LastProof
from dialtrace.numbers.schedule import due_numbers, last_slot, never_proven, oldest_proof_s

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=9)


def number(index: int) -> InService:
    return InService(f"+4420794{index:05d}", UUID(int=1), UUID(int=2), UUID(int=100 + index), UUID(int=3))


NUMBERS = [number(index) for index in range(600)]


@given(st.integers(0, 99_999), st.integers(1, 96), st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)))
def test_given_any_moment_then_the_last_slot_is_less_than_a_period_ago_and_stays_until_the_next(index, per_day, moment):
    now, e164 = moment.replace(tzinfo=UTC), number(index).e164
    slot = last_slot(e164, per_day, now)
    assert timedelta(0) <= now - slot <= timedelta(days=1) / per_day
    assert abs(last_slot(e164, per_day, slot + timedelta(seconds=1)) - slot) < timedelta(seconds=0.01)


def test_given_many_numbers_then_no_hour_has_many_more_than_its_share() -> None:
    hours = [last_slot(one.e164, 1, NOW).hour for one in NUMBERS]
    assert all(10 <= hours.count(hour) <= 45 for hour in range(24))


def test_given_a_new_installation_then_nothing_is_due_at_once_and_everything_within_a_day() -> None:
    assert due_numbers(NUMBERS, {}, per_day=1, now=NOW, since=NOW) == []
    tomorrow = NOW + timedelta(days=1)
    assert len(due_numbers(NUMBERS, {}, per_day=1, now=tomorrow, since=NOW)) == len(NUMBERS)


def test_given_numbers_that_missed_their_moment_then_who_waits_longest_is_first() -> None:
    last = {one.number_id: LastProof(LONG_AGO, None) for one in NUMBERS}
    due = due_numbers(NUMBERS, last, per_day=4, now=NOW, since=NOW)
    slots = [last_slot(one.e164, 4, NOW) for one in due]
    assert len(due) == len(NUMBERS)
    assert slots == sorted(slots)


def test_given_a_number_that_was_tried_since_its_moment_then_it_is_not_due_whatever_came_of_it() -> None:
    one = NUMBERS[0]
    tried = last_slot(one.e164, 1, NOW) + timedelta(seconds=1)
    assert due_numbers([one], {one.number_id: LastProof(tried, None)}, per_day=1, now=NOW, since=LONG_AGO) == []


def test_given_some_proofs_then_the_oldest_age_and_the_never_proven_are_told() -> None:
    first, second, third = NUMBERS[:3]
    last = {
        first.number_id: LastProof(NOW, NOW - timedelta(hours=2)),
        second.number_id: LastProof(NOW, NOW - timedelta(hours=5)),
        third.number_id: LastProof(NOW, None),
    }
    numbers = [first, second, third, NUMBERS[3]]
    assert oldest_proof_s(numbers, last, NOW) == 5 * 3600
    assert never_proven(numbers, last) == 2
    assert oldest_proof_s([], {}, NOW) == 0

"""When a job runs again, what may stand in its arguments, and who is gone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.jobs.errors import JobStopped
from dialtrace.jobs.model import Done, Job, Kind, Request
from dialtrace.jobs.silence import Silence


def kind(**options):
    return Kind(name="exports.make", handler=lambda _: Done(), **options)


class TestPauses:
    def test_given_tries_in_a_row_then_the_pause_doubles_up_to_its_bound(self):
        pauses = [kind(first_pause_s=5, longest_pause_s=60).pause_s(attempt, 1.0) for attempt in range(1, 7)]
        assert pauses == [5, 10, 20, 40, 60, 60]

    @given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1))
    def test_given_any_try_and_chance_then_the_pause_lies_in_the_upper_half(self, attempt, chance):
        whole_s = kind().pause_s(attempt, 1.0)
        assert whole_s / 2 <= kind().pause_s(attempt, chance) <= whole_s <= kind().longest_pause_s


class TestArguments:
    @pytest.mark.parametrize(
        "value",
        ["018f0000-0000-7000-8000-0000000000a1", "2026-11-25", "2026-11-25T10:00:00.000Z", "daily", "", 7, True],
    )
    def test_given_ids_dates_and_short_words_then_they_are_taken(self, value):
        Request(name="exports.make", args={"value": value})

    @pytest.mark.parametrize("value", ["+442079460001", "442079460001", "a@b.example", "Jane Doe", "x" * 65, 1.5, None])
    def test_given_what_may_be_a_persons_then_it_is_refused(self, value):
        with pytest.raises(AssertionError, match="value"):
            Request(name="exports.make", args={"value": value})


@pytest.mark.parametrize("name", ["make", "Exports.make", "exports.make.more", "exports make"])
def test_given_a_name_that_is_not_room_and_verb_then_it_is_refused(name):
    with pytest.raises(AssertionError, match=r"room\.verb"):
        Kind(name=name, handler=lambda _: Done())


def test_given_a_process_that_is_to_stop_when_a_long_job_asks_then_it_ends():
    Job(1, "exports.make", 1, {}).go_on()
    with pytest.raises(JobStopped):
        Job(1, "exports.make", 1, {}, lambda: True).go_on()


class Watch:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class TestSilence:
    START = datetime(2026, 11, 25, tzinfo=UTC)

    def test_given_a_sign_that_does_not_change_for_long_enough_then_its_worker_is_gone(self):
        watch = Watch()
        silence = Silence(silent_s=40, monotonic=watch)
        for second in range(0, 60, 10):
            watch.now_s = second
            signs = {1: self.START, 2: self.START + timedelta(seconds=second)}
            assert silence.gone(signs) == ({1: self.START} if second >= 40 else {})

    def test_given_an_outage_in_which_nobody_could_give_a_sign_then_nobody_is_gone(self):
        watch = Watch()
        silence = Silence(silent_s=40, monotonic=watch)
        silence.gone({1: self.START})
        silence.forget()
        watch.now_s = 300
        assert silence.gone({1: self.START}) == {}
        watch.now_s = 339
        assert silence.gone({1: self.START}) == {}
        watch.now_s = 340
        assert silence.gone({1: self.START}) == {1: self.START}

    def test_given_a_worker_that_has_left_then_it_is_forgotten(self):
        watch = Watch()
        silence = Silence(silent_s=40, monotonic=watch)
        silence.gone({1: self.START})
        silence.gone({})
        watch.now_s = 50
        assert silence.gone({1: self.START}) == {}

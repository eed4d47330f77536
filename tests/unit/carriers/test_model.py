"""Rules of carriers and of numbers that go back to them."""

from datetime import timedelta

from dialtrace.carriers.model import pause_after


def test_given_a_carrier_that_does_not_answer_when_asked_again_then_each_pause_is_twice_the_last_up_to_six_hours() -> (
    None
):
    minutes = [pause_after(tries) // timedelta(minutes=1) for tries in (1, 2, 3, 6, 7, 8, 10**6)]
    assert minutes == [5, 10, 20, 160, 320, 360, 360]

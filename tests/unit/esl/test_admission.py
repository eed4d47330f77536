"""Who is served, who waits, who is sent away."""

import gevent

from dialtrace.esl.admission import Admission


def test_given_places_then_all_enter_and_the_next_one_waits_for_one_that_leaves():
    admission = Admission(at_once=2, longest_wait_s=5)
    assert admission.enter()
    assert admission.enter()
    waiting = gevent.spawn(admission.enter)
    gevent.sleep(0)
    assert not waiting.ready()
    admission.leave()
    assert waiting.get(timeout=1) is True


def test_given_no_turn_in_time_then_who_waited_is_told_so():
    admission = Admission(at_once=1, longest_wait_s=0.003)
    admission.enter()
    assert admission.enter() is False
    admission.leave()
    assert admission.enter() is True


def test_given_a_line_that_is_long_enough_then_the_next_would_wait_in_vain():
    admission = Admission(at_once=2, longest_wait_s=5)
    assert not admission.is_full
    waiting = [gevent.spawn(admission.enter) for _ in range(4)]
    gevent.sleep(0)
    assert admission.is_full
    admission.leave()
    gevent.sleep(0.001)
    assert not admission.is_full
    gevent.killall(waiting)


def test_given_a_measured_pace_then_the_line_is_as_long_as_can_be_served_in_time():
    seconds = [0.0]
    admission = Admission(at_once=1, longest_wait_s=0.5, monotonic_s=lambda: seconds[0])
    waiting = [gevent.spawn(admission.enter) for _ in range(2)]
    gevent.sleep(0)
    for _ in range(60):
        seconds[0] += 0.01
        waiting.append(gevent.spawn(admission.enter))
        gevent.sleep(0)
        admission.leave()
        gevent.sleep(0)
    assert admission.longest_line in (49, 50), "100 a second, for half a second"
    gevent.killall(waiting)

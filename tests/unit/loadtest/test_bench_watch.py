"""What the benchmarks take for a machine that stood still."""

import io
import os
import time

import pytest

from dialtrace.loadruns.standstill import Watch, disturbed_share, watching

QUICK_S = 0.0001


def counted(*taken_s, late_s=0.0):
    return [(float(at), late_s, took_s) for at, took_s in enumerate(taken_s)]


def test_given_counts_up_to_three_times_the_quickest_then_nothing_was_disturbed():
    assert disturbed_share(counted(QUICK_S, 2 * QUICK_S, 3 * QUICK_S), QUICK_S) == 0


def test_given_a_count_of_four_times_the_quickest_among_four_then_a_quarter_was():
    assert disturbed_share(counted(QUICK_S, QUICK_S, 4 * QUICK_S, QUICK_S), QUICK_S) == 0.25


def test_given_counts_that_began_late_then_all_were_disturbed_however_quick():
    assert disturbed_share(counted(QUICK_S, QUICK_S, late_s=0.03), QUICK_S) == 1


def test_given_two_cores_then_the_worse_one_counts_and_only_since_the_time_that_is_asked_for():
    watch = Watch()
    watch.read(io.StringIO("1.0 0.0 0.0001\n2.0 0.0 0.0001\n3.0 0.0 0.0001\n"))
    watch.read(io.StringIO("1.0 0.0 0.0001\n2.0 0.0 0.0009\n3.0 0.0 0.0001\n"))
    assert watch.disturbed(0.0) == pytest.approx(1 / 3)
    assert watch.disturbed(2.0) == pytest.approx(1 / 2)
    assert watch.disturbed(2.5) == 0


def test_given_nobody_counted_then_nothing_is_called_disturbed():
    assert Watch().disturbed(0.0) == 0


def test_given_a_core_that_stood_still_then_it_is_told_from_when_to_when_and_others_time_is_joined():
    watch = Watch()
    watch.read(io.StringIO("1.0 0.0 0.0001\n2.5 0.4 0.0001\n3.0 0.002 0.0004\n"))
    watch.read(io.StringIO("2.2 0.0 0.0001\n2.3 0.0 0.3\n"))
    assert watch.stalls() == [(pytest.approx(2.1), pytest.approx(2.6))]


def test_given_an_ordinary_process_then_how_often_it_waited_is_told_apart_from_the_machine():
    watch = Watch()
    watch.read_ordinary(io.StringIO("1.0 0.5 0.0001\n2.0 0.0 0.0001\n3.0 0.03 0.0001\n"))
    assert watch.woken_late(0.0, 0.02) == pytest.approx(2 / 3)
    assert watch.woken_late(1.5, 0.02) == pytest.approx(1 / 2)
    assert (watch.stalls(), watch.disturbed(0.0)) == ([], 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="real-time priority is root's")
def test_given_a_watch_on_this_machine_then_its_cores_are_counted_on_and_a_share_comes_out():
    with watching() as watch:
        began_s = time.monotonic()
        time.sleep(0.3)
        assert 0 <= watch.disturbed(began_s) <= 1
        assert all(samples for samples in watch._samples)

"""What callers saw, from SIPp's log of messages; and the figures that come of it."""

import math

import pytest

from dialtrace.loadruns import figures
from dialtrace.loadruns.plan import PlannedCall
from dialtrace.loadruns.seen import Reader, lost_share

BASE_S = 1_790_000_000.0


def line(at_s, direction, call, cseq, first):
    return f"2026-11-26\t04:00:00.000\t{BASE_S + at_s:.6f}\t{direction}\t{call}.k@load\t{cseq}\t{first}\n"


def answered(call, at_s, setup_s, held_s=1.0):
    end_s = at_s + setup_s + held_s
    return "".join(
        [
            line(at_s, "S", call, "1 INVITE", "INVITE sip:+441632960100@127.0.0.1:5060 SIP/2.0"),
            line(at_s + 0.001, "R", call, "1 INVITE", "SIP/2.0 100 Trying"),
            line(at_s + setup_s / 2, "R", call, "1 INVITE", "SIP/2.0 180 Ringing"),
            line(at_s + setup_s, "R", call, "1 INVITE", "SIP/2.0 200 OK"),
            line(at_s + setup_s, "S", call, "1 ACK", "ACK sip:x@127.0.0.1:5060 SIP/2.0"),
            line(end_s, "S", call, "2 BYE", "BYE sip:x@127.0.0.1:5060 SIP/2.0"),
            line(end_s + 0.01, "R", call, "2 BYE", "SIP/2.0 200 OK"),
        ]
    )


def reader(count, expected=200):
    calls = [PlannedCall("k", float(place), "+447700900001", 1000) for place in range(count)]
    return Reader(calls, tail=".k@load", base_s=BASE_S, expected={"k": expected})


def test_given_an_answered_call_then_its_moments_are_there():
    seen = reader(1)
    seen.feed(answered(1, 0.0, 0.2))
    call = seen.calls[0]
    assert call.good
    assert call.setup_ms == pytest.approx(200, abs=0.01)
    assert call.post_dial_delay_ms == pytest.approx(100, abs=0.01)
    assert call.ended_s == pytest.approx(BASE_S + 1.2)


def test_given_a_stall_of_the_generator_then_the_wait_counts_from_the_planned_moment():
    """Ten calls planned a second apart; all after the third could be sent only at second 8, and were then answered at
    once. Counted from the INVITE nothing is slow: that is the omission."""
    seen = reader(10)
    for place in range(10):
        sent_s = place if place < 3 else max(8.0, place)
        seen.feed(answered(place + 1, sent_s, 0.05))
    told = figures.signalling(seen.calls)
    assert told["setup_sent_ms"]["max"] == pytest.approx(50, abs=0.1)
    assert told["setup_ms"]["max"] == pytest.approx(5050, abs=0.1)
    assert told["late"] == 5


def test_given_lines_in_pieces_and_strange_ones_then_only_whole_ones_of_known_calls_count():
    seen = reader(1)
    seen.feed("nonsense\n" + line(0, "S", 7, "1 INVITE", "INVITE sip:x SIP/2.0") + "a\tb\tc\td\te\tf\tg\n")
    assert seen.calls[0].sent_s is None
    assert figures.signalling(seen.calls)["never_sent"] == 1
    assert not seen.calls[0].good


def test_given_a_refusal_then_its_status_counts_and_a_repeated_invite_is_one_call():
    seen = reader(1, expected=486)
    invite = line(0, "S", 1, "1 INVITE", "INVITE sip:x SIP/2.0")
    seen.feed(invite + invite + line(0.6, "R", 1, "1 INVITE", "SIP/2.0 486 Busy Here"))
    assert seen.calls[0].good
    assert seen.calls[0].repeats == 1
    told = figures.signalling(seen.calls)
    assert told["statuses"] == {"486": 1}
    assert told["asr"] == 0
    assert told["ner"] == 1


def test_given_an_answered_call_without_an_end_then_it_is_no_good_call():
    seen = reader(1)
    seen.feed("".join(answered(1, 0.0, 0.2).splitlines(keepends=True)[:5]))
    assert seen.calls[0].status == 200
    assert not seen.calls[0].good


def test_given_calls_that_hear_nothing_then_they_count_once_they_have_waited_long_enough():
    seen = reader(20)
    for place in range(10):
        seen.feed(answered(place + 1, float(place), 0.1))
    assert lost_share(seen.calls, now_s=BASE_S + 9.5, window_s=5, setup_ms=2000) == (0.0, 5)
    assert lost_share(seen.calls, now_s=BASE_S + 11.5, window_s=5, setup_ms=2000) == (0.0, 5)
    # Numbers 10 to 18 were due and heard nothing for two seconds; those settled in the last five count.
    assert lost_share(seen.calls, now_s=BASE_S + 20.5, window_s=5, setup_ms=2000) == (1.0, 5)


def test_given_few_calls_in_the_window_then_the_last_few_decide():
    seen = reader(20)
    assert lost_share(seen.calls, now_s=BASE_S + 2.5, window_s=1, setup_ms=2000) == (1.0, 1)
    assert lost_share(seen.calls, now_s=BASE_S + 19.5, window_s=1, setup_ms=2000) == (1.0, 5)


def test_given_a_call_that_rings_then_it_may_ring():
    seen = reader(1)
    seen.feed("".join(answered(1, 0.0, 0.2).splitlines(keepends=True)[:3]))
    assert lost_share(seen.calls, now_s=BASE_S + 100, window_s=5, setup_ms=2000) == (0.0, 0)


def test_given_values_then_percentiles_are_values_that_occurred():
    assert figures.percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.0
    assert figures.percentile([1.0, 2.0, 3.0, 4.0], 99) == 4.0
    assert math.isnan(figures.percentile([], 50))
    told = figures.spread([1.0, 6.0, 70.0, 99_999.0])
    assert sum(told["buckets"]) == 4
    assert told["buckets"][-1] == 1


def test_given_seconds_then_what_stands_is_what_was_answered_less_what_ended():
    seen = reader(5)
    for place in range(5):
        seen.feed(answered(place + 1, float(place), 0.1, held_s=2.0))
    rows = figures.by_second(seen.calls, base_s=BASE_S)
    assert [row["sent"] for row in rows[:5]] == [1] * 5
    assert max(row["standing"] for row in rows) == 3
    assert rows[-1]["standing"] in (0, 1)


def sample(at_s, *processes, busy=0):
    return {
        "at_s": at_s,
        "machine": [busy, 0, at_s * 200],
        "free_bytes": 1,
        "processes": [list(one) for one in processes],
    }


def test_given_samples_then_processors_are_what_was_added_and_a_new_process_counts_from_its_birth():
    samples = [
        sample(0, ("worker", 1, 10.0, 100, 5, 1)),
        sample(10, ("worker", 1, 12.0, 300, 6, 1), ("worker", 2, 1.0, 100, 4, 1), busy=1000),
        sample(20, ("worker", 2, 2.0, 100, 4, 1), busy=2000),
    ]
    told = figures.processes(samples, from_s=0, to_s=20)["worker"]
    assert told["processors"] == pytest.approx((2 + 1 + 1) / 20)
    assert told["memory_bytes"] == 400
    assert told["files"] == 10
    assert figures.machine(samples, from_s=0, to_s=20)["busy"] == 0.5


def test_given_a_long_run_then_its_series_are_what_was_used_each_second_and_no_more_rows_than_are_drawn():
    samples = [sample(at_s, ("worker", 1, at_s / 4, 5_000_000, 9, 3)) for at_s in range(2 * figures.MOST_ROWS)]
    rows = figures.process_seconds(samples, base_s=-1)["worker"]
    assert rows[:2] == [[2, 0.25, 5.0], [4, 0.25, 5.0]]
    assert len(rows) == figures.MOST_ROWS

"""The parts of bench_setup.py that decide: the search for a rate, the reading of a trace, the contestants' dialplan."""

import math
import xml.etree.ElementTree as ElementTree
from importlib.resources import files
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.calls.model import Route
from dialtrace.calls.plan import CALL_MARK, make_plan
from dialtrace.loadruns.search import RateSearch
from dialtrace.loadtest.bench_setup_plain import DialplanUnknown, plan_actions, with_contestants
from dialtrace.loadtest.bench_setup_trace import (
    Trial,
    is_lost,
    joined,
    percentile,
    read_trace,
    shares,
    trial_of,
)

INBOUND = files("dialtrace.freeswitch").joinpath("dialplan", "inbound.xml").read_text(encoding="utf-8")
ID = "01a20208-9515-7352-b2b3-c9c72eced3da"


# --- the search ---


def searched(search: RateSearch, limit: float) -> list[float]:
    """The rates that a search tries on something that sustains exactly ``limit``."""
    tried = []
    while (rate := search.next_rate()) is not None:
        tried.append(rate)
        search.record(held=rate <= limit)
    return tried


@given(st.floats(1.5, 150))
def test_given_any_limit_when_searched_then_it_is_found_from_below_within_the_resolution(limit: float) -> None:
    search = RateSearch(first=16, most=200)
    tried = searched(search, limit)
    assert search.held <= limit < search.failed
    assert search.failed / search.held <= search.resolution
    assert len(tried) < 30


def test_given_a_rate_that_failed_once_when_it_holds_then_it_counts_as_held() -> None:
    search = RateSearch(first=16, most=200)
    search.record(held=False)
    assert search.next_rate() == 16
    search.record(held=True)
    assert (search.held, search.failed, search.next_rate()) == (16, math.inf, 24)


def test_given_nothing_that_holds_when_searched_then_it_ends_without_a_rate() -> None:
    search = RateSearch(first=16, most=200)
    assert min(searched(search, 0)) == 1
    assert search.held == 0


def test_given_more_than_may_be_tried_when_searched_then_it_stops_at_the_ceiling_and_says_so() -> None:
    search = RateSearch(first=16, most=100)
    assert searched(search, 1e9) == [16, 24, 36, 54, 81, 100]
    assert search.at_ceiling


def test_given_a_search_that_is_over_when_something_is_recorded_then_that_is_a_mistake() -> None:
    search = RateSearch(first=1, most=1)
    search.record(held=True)
    with pytest.raises(RuntimeError):
        search.record(held=True)


# --- the trace ---


def line(moment: float, direction: str, call: str, cseq: str, first: str) -> str:
    return f"2026-11-22\t06:32:19.79\t{moment:.6f}\t{direction}\t{call}\tCSeq:{cseq}\t{first}\n"


def good_call(call: str, began: float, setup_s: float) -> list[str]:
    return [
        line(began, "S", call, "1 INVITE", "INVITE sip:+44@127.0.0.1 SIP/2.0"),
        line(began + 0.001, "R", call, "1 INVITE", "SIP/2.0 100 Trying"),
        line(began + setup_s, "R", call, "1 INVITE", "SIP/2.0 200 OK"),
        line(began + setup_s, "S", call, "1 ACK", "ACK sip:+44@127.0.0.1 SIP/2.0"),
        line(began + 2, "S", call, "2 BYE", "BYE sip:+44@127.0.0.1 SIP/2.0"),
        line(began + 2.01, "R", call, "2 BYE", "SIP/2.0 200 OK"),
    ]


def test_given_good_calls_when_read_then_each_has_its_set_up_time_and_the_rate_is_sustained() -> None:
    lines = [*good_call("1", 1000.0, 0.0305), *good_call("2", 1000.5, 0.05)]
    trial = trial_of(read_trace(lines), rate=2, asked=2)
    assert trial.setup_ms == pytest.approx((30.5, 50.0))
    assert (trial.good, trial.failed, trial.fault()) == (2, 0, None)


def test_given_repeated_messages_when_read_then_the_first_invite_and_the_first_answer_count() -> None:
    again = [line(1000.5, "S", "1", "1 INVITE", "INVITE sip:x SIP/2.0"), *good_call("1", 1000.0, 0.7)[2:]]
    lines = [*good_call("1", 1000.0, 0.6)[:3], *again]
    assert trial_of(read_trace(lines), rate=1, asked=1).setup_ms == pytest.approx((600.0,))


REFUSED = [*good_call("1", 0, 0.03)[:1], line(0.1, "R", "1", "1 INVITE", "SIP/2.0 480 Temporarily Unavailable")]


@pytest.mark.parametrize(
    ("lines", "asked", "fault"),
    [
        (REFUSED, 1, "1 of 1 calls failed (1 with 480)"),
        (good_call("1", 0, 0.03)[:5], 1, "1 of 1 calls failed"),
        (good_call("1", 0, 0.03), 2, "1 of 2 calls failed"),
        ([], 3, "3 of 3 calls failed"),
        (good_call("1", 0, 0.6), 1, "p99 600 ms"),
        (good_call("1", 0, 0.03) + good_call("2", 2.0, 0.03), 2, "the caller fell behind: 2 calls took 2.0 s"),
    ],
    ids=["refused", "no answer to BYE", "one never sent", "none sent", "slow", "late"],
)
def test_given_something_that_went_wrong_when_judged_then_the_fault_says_what(lines, asked, fault) -> None:
    assert trial_of(read_trace(lines), rate=2, asked=asked).fault() == fault


@pytest.mark.parametrize(
    ("lines", "now", "lost"),
    [
        (good_call("1", 0, 0.03), 9, False),
        (good_call("1", 0, 0.03)[:1], 0.4, False),
        (good_call("1", 0, 0.03)[:1], 0.5, True),
        (good_call("1", 0, 0.6)[:3], 0.7, True),
        (REFUSED, 0.2, True),
    ],
    ids=["good", "waits", "waits for long", "waited for long", "refused"],
)
def test_given_a_trial_that_runs_then_it_is_lost_once_too_many_calls_are_slow(lines, now, lost) -> None:
    assert is_lost(read_trace(lines), asked=99, now_s=now) is lost
    assert not is_lost(read_trace(lines), asked=100, now_s=now), "one call in a hundred may be slow"


def test_given_a_trace_cut_short_when_read_then_the_half_line_is_passed_over() -> None:
    whole = "".join(good_call("1", 0, 0.03))
    calls = read_trace(whole[:-20].splitlines(keepends=True))
    assert [(call.setup_ms is not None, call.ended) for call in calls] == [(True, False)]


def test_given_two_turns_when_joined_then_nothing_is_lost() -> None:
    first = Trial(rate=5, asked=2, good=1, setup_ms=(10.0, 30.0), sending_s=1, refused={"480": 1})
    second = Trial(rate=5, asked=2, good=2, setup_ms=(20.0, 40.0), sending_s=2, refused={"480": 1, "503": 1})
    both = joined([first, second])
    assert (both.asked, both.good, both.setup_ms, both.sending_s) == (4, 3, (10.0, 20.0, 30.0, 40.0), 3)
    assert both.refused == {"480": 2, "503": 1}


@given(st.lists(st.floats(0, 5000), min_size=1), st.floats(0, 100))
def test_given_any_values_then_a_percentile_occurred_and_so_many_are_not_above_it(values, percent) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= len(ordered) * percent / 100


@given(st.lists(st.floats(0, 5000), min_size=1))
def test_given_any_values_then_the_shares_are_of_all_of_them(values) -> None:
    assert sum(share for _, share in shares(sorted(values))) == pytest.approx(1)


def test_given_no_values_then_there_is_no_percentile_and_no_share() -> None:
    assert math.isnan(percentile([], 50))
    assert shares([]) == []


# --- the dialplan ---


def worker_plan() -> str:
    compiled = {
        "version": 1,
        "record": True,
        "steps": [{"type": "ring", "targets": [{"id": ID, "address": "sip:7@127.0.0.1:5070", "ring_timeout_s": 20}]}],
    }
    route = Route(
        agency_id=UUID(ID), client_id=UUID(ID), number_id=UUID(ID), status="active",
        flow_id=UUID(ID), flow_version=1, compiled=compiled,
    )  # fmt: skip
    return make_plan(route, call_id=CALL_MARK, day="20261122", spool="/var/spool/n", decided="worker")


def contexts(text: str) -> dict[str, list[ElementTree.Element]]:
    return {one.get("name", ""): list(one) for one in ElementTree.fromstring(text).iter("context")}


def actions_of(extension: ElementTree.Element) -> list[tuple[str, str]]:
    return [(one.get("application", ""), one.get("data", "")) for one in extension.iter("action")]


@pytest.fixture
def overlay() -> dict[str, list[ElementTree.Element]]:
    actions = plan_actions(worker_plan())
    return contexts(with_contestants(INBOUND, plain="4416", stock="4417", stock_address="127.0.0.1:9", actions=actions))


def test_given_the_packaged_dialplan_then_the_contestants_come_first_and_the_rest_is_as_it_was(overlay) -> None:
    packaged = contexts(INBOUND)
    assert [one.get("name") for one in overlay["inbound"][:2]] == ["bench-plain", "bench-stock"]
    for name, extensions in packaged.items():
        kept = overlay[name][2:] if name == "inbound" else overlay[name]
        assert [ElementTree.tostring(one) for one in kept] == [ElementTree.tostring(one) for one in extensions]


def test_given_the_plain_number_then_it_does_the_work_of_the_worker_path_without_asking(overlay) -> None:
    number = next(one for one in contexts(INBOUND)["inbound"] if one.get("name") == "number")
    asked = {"socket", "sched_transfer", "sched_cancel", "execute_extension"}
    ours = [(name, data.partition(";socket_resume=true;")[0]) for name, data in actions_of(number) if name not in asked]
    planned = [(one.application, one.data.replace(CALL_MARK, "${uuid}")) for one in plan_actions(worker_plan())]
    assert actions_of(overlay["inbound"][0]) == ours + planned
    assert [name for name, _ in planned] == ["multiset", "bridge", "transfer"]
    assert "execute_on_answer=record_session /var/spool/n/recordings/20261122/${uuid}-1.wav" in planned[0][1]


def test_given_the_stock_number_then_it_only_asks_the_stock_server(overlay) -> None:
    assert actions_of(overlay["inbound"][1])[-1] == ("socket", "127.0.0.1:9 async full")
    assert [name for name, _ in actions_of(overlay["inbound"][1])].count("socket") == 1


def test_given_other_numbers_then_the_contestants_do_not_take_them(overlay) -> None:
    fields = [one.find("condition[@field='destination_number']") for one in overlay["inbound"][:2]]
    assert [one.get("expression") for one in fields] == [r"^\+?(4416)$", r"^\+?(4417)$"]


@pytest.mark.parametrize(
    "changed",
    [
        INBOUND.replace('name="number"', 'name="numbers"'),
        INBOUND.replace('<action application="sched_cancel" data="${last_sched_id}"/>', ""),
        INBOUND.replace("[1-9][0-9]{4,14}", "[0-9]+"),
    ],
    ids=["no such extension", "a guard less", "other numbers"],
)
def test_given_a_dialplan_that_has_changed_then_the_benchmark_refuses_to_compare(changed) -> None:
    with pytest.raises(DialplanUnknown):
        with_contestants(changed, plain="4416", stock="4417", stock_address="127.0.0.1:9", actions=[])


def test_given_something_that_is_no_plan_then_it_is_refused() -> None:
    with pytest.raises(DialplanUnknown):
        plan_actions("transfer:fallback XML flow")

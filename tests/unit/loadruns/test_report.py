"""Books, verdicts, comparison and page of one report."""

import copy
import re

import pytest

from dialtrace.loadruns import figures
from dialtrace.loadruns.allow import AllowList
from dialtrace.loadruns.books import against_sipp, balance
from dialtrace.loadruns.books import told as as_told
from dialtrace.loadruns.compare import compare, read_report
from dialtrace.loadruns.errors import NotAllowed, ReportUnknown
from dialtrace.loadruns.generators import Counted
from dialtrace.loadruns.page import page_of
from dialtrace.loadruns.plots import MOST_POINTS, bars, lines, nice_steps
from dialtrace.loadruns.profile import Profile
from dialtrace.loadruns.tables import Limits
from dialtrace.loadruns.verdict import judge
from dialtrace.loadruns.words import told

from .test_profile import GOOD
from .test_seen import BASE_S, answered, reader, sample

PROFILE = Profile.read(GOOD.replace('name = "answered"', 'name = "k"'), "small.toml")


def record(call, **more):
    found = {"sip_call_id": call.call_id, "outcome": "answered", "sip_status": 200, "answered_at": "x"}
    return found | {"recording": "stored"} | more


@pytest.fixture
def calls():
    seen = reader(4)
    for place in range(4):
        seen.feed(answered(place + 1, float(place), 0.1 * (place + 1)))
    return seen.calls


def kept(lines_):
    return {line.what: line.balances for line in lines_}


def test_given_records_of_every_call_then_the_books_balance(calls):
    lines_, differs = balance(PROFILE, calls, {call.call_id: record(call) for call in calls})
    assert all(kept(lines_).values())
    assert differs == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (None, "calls sent / records"),
        ({"outcome": "busy"}, "k: callers got 200 / records say answered"),
        ({"sip_status": 486}, "status of callers / of records"),
        ({"answered_at": None}, "callers got 200 / records with an answer"),
        ({"recording": "absent"}, "connected calls / recordings stored"),
    ],
)
def test_given_one_record_that_is_missing_or_differs_then_a_line_says_so(calls, change, line):
    records = {call.call_id: record(call) for call in calls}
    if change is None:
        del records[calls[0].call_id]
    else:
        records[calls[0].call_id] |= change
    lines_, _ = balance(PROFILE, calls, records)
    assert not kept(lines_)[line]


def test_given_sipps_own_counters_then_they_are_held_against_what_we_read(calls):
    good = Counted(4, 4, 0, {"invited": 4, "answered": 4, "refused": 0})
    assert all(kept(against_sipp(calls, [good])).values())
    assert not all(kept(against_sipp(calls, [Counted(4, 4, 0, {"invited": 3, "answered": 4})])).values())


@pytest.fixture
def report(calls):
    lines_, differs = balance(PROFILE, calls, {call.call_id: record(call) for call in calls})
    counted = Counted(4, 4, 0, {"invited": 4, "answered": 4, "refused": 0})
    stream = dict.fromkeys(("sent", "dropped", "reordered", "duplicates"), 0) | {
        "received": 98, "expected": 100, "lost": 2, "jitter_ms": 1.5,
    }  # fmt: skip
    side = figures.sound([stream], [{"late": 0}])
    samples = [sample(place, ("worker", 1, place / 10, 5_000_000, 9, 3), busy=place * 50) for place in range(10)]
    return {
        "format": 1, "load_run": "small", "about": "<b>about</b>", "version": "0", "began_at": "now", "took_s": 1.0,
        "machine": {"cores": 2, "hosts": {}},
        "system": {"kind": "embedded", "nodes": ["127.0.0.1:5060"], "versions": {}},
        "profile": PROFILE.model_dump(), "stopped": "", "disturbed": 0.0, "calls": {"planned": 4, "warm_up": 0},
        "signalling": figures.signalling(calls), "kinds": figures.by_kind(calls),
        "seconds": figures.by_second(calls, base_s=BASE_S),
        "sound": {"callers": side, "targets": side, "lost_share": 0.02, "jitter_p99_ms": 1.5},
        "floods": {"broken": {"kind": "malformed", "sent": {"empty": 3}, "answers": {"400": 1}}},
        "books": {
            "lines": [as_told(line) for line in lines_],
            "against_sipp": [as_told(line) for line in against_sipp(calls, [counted])],
            "differs": differs,
        },
        "processes": {"here": {
            "machine": figures.machine(samples, from_s=0, to_s=9),
            "kinds": figures.processes(samples, from_s=0, to_s=9),
            "seconds": {"worker": [[0, 0.1, 5.0], [1, 0.2, 5.0]]},
        }},
        "soak": [], "verdicts": [], "kept": True,
    }  # fmt: skip


def test_given_limits_then_each_is_judged_and_what_was_not_measured_is_not_kept(report):
    limits = Limits(setup_p99_ms=300, rtp_lost=0.05, jitter_p99_ms=1.0)
    verdicts = {one.what: one.kept for one in judge(limits, report)}
    assert verdicts["set-up, p99"] is False  # 400 ms
    assert verdicts["RTP lost, worse side"] is True
    assert verdicts["jitter, p99, worse side"] is False
    assert verdicts["books that do not balance"] is True
    report["sound"]["lost_share"] = None
    assert not {one.what: one.kept for one in judge(limits, report)}["RTP lost, worse side"]


def test_given_a_run_that_ended_early_or_books_that_do_not_balance_then_that_is_never_kept(report):
    report["stopped"] = "half of the calls failed"
    report["books"]["lines"][0]["balances"] = False
    judged = {one.what: one.kept for one in judge(Limits(late=1.0), report)}
    assert judged["ended before its time"] is False
    assert judged["books that do not balance"] is False


def test_given_a_report_then_its_page_needs_nothing_else_and_says_what_it_was_told_as_text(report):
    page = page_of(report)
    assert not re.search(r"<script|<link|<img|<iframe|\ssrc=|\shref=|url\(|@import", page)
    assert page.count("<svg") >= 4
    assert "&lt;b&gt;about&lt;/b&gt;" in page
    assert "<b>about</b>" not in page
    assert "2.00%" in page


def test_given_an_earlier_run_then_what_changed_is_told(report, tmp_path):
    before = copy.deepcopy(report)
    before["signalling"]["setup_ms"]["p99"] = 200.0
    rows = {row["what"]: row["change"] for row in compare(before, report)}
    assert rows["set-up p99 ms"] == "+100.0%"
    assert "the profiles differ" not in rows
    assert any("set-up p99" in line for line in told(report, compare(before, report)))
    assert "Against the earlier run" in page_of(report, compare(before, report))
    file = tmp_path / "report.json"
    file.write_text('{"format": 7}')
    with pytest.raises(ReportUnknown, match="another release"):
        read_report(file)
    file.write_text("<html>")
    with pytest.raises(ReportUnknown, match="not the JSON of a load run"):
        read_report(file)


def test_given_a_plot_then_every_point_is_within_it():
    drawn = lines({"a": [(0, 0), (10, 5)], "b": []}, x="s", y="n")
    points = [tuple(map(float, pair.split(","))) for pair in re.search(r'points="([^"]+)"', drawn)[1].split()]
    assert all(0 <= left <= 860 and 0 <= top <= 240 for left, top in points)
    assert "nothing was measured" in lines({"a": []}, x="s", y="n")
    assert bars([10, 20], {"a": [1, 2, 1]}, x="ms", y="%").count("<rect") == 3
    drawn = lines({"a": [(at, 1) for at in range(2 * MOST_POINTS - 1)]}, x="s", y="n")
    assert len(re.search(r'points="([^"]+)"', drawn)[1].split()) == MOST_POINTS
    for most in (0.003, 1, 7, 99.9, 12_345):
        steps = nice_steps(most)
        assert steps[0] == 0
        assert steps[-1] >= most * 0.999
        assert len(steps) <= 8


def test_given_addresses_then_only_this_machine_and_what_is_named_may_be_loaded():
    assert AllowList().holds("127.8.9.1")
    assert not AllowList().holds("10.0.0.1")
    assert not AllowList().holds("example.org")
    assert AllowList.of(["10.0.0.0/24", "192.0.2.1"]).holds("10.0.0.200")
    with pytest.raises(NotAllowed, match=r"node 10\.0\.1\.1.*--allow"):
        AllowList.of(["10.0.0.0/24"]).check([("node", "10.0.1.1"), ("host a", "10.0.0.1")])
    for wrong in ("10.0.0.1/24", "host", "::1"):
        with pytest.raises(NotAllowed, match="give an IPv4 address or network"):
            AllowList.of([wrong])

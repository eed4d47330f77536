"""The telephones' plan says clearly what is wrong with it; their counts are those of SIPp."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dialtrace.demo.books import OUTCOMES
from dialtrace.demo.mix import KINDS, PlannedCall
from dialtrace.demo.phones import Phones, PhonesOfKind
from dialtrace.demo.run import say_who_calls
from dialtrace.demo.sipp import Counts, caller
from dialtrace.demo.stage import SippMissing, choose_callers
from dialtrace.node.phones_counts import Tally
from dialtrace.node.phones_plan import (
    CALL_ENDINGS,
    BadPhonesPlan,
    PhoneCall,
    PhonesPlan,
    PlannedTarget,
    read_plan,
)

CALL = PhoneCall("busy", "+441632960000", "+447700900001", "127.0.0.1", 5060, 250, 3000)
CALLERS = PhonesPlan("127.0.0.1", 5080, "/tmp/counts", 700, 60, calls=(CALL, CALL))
TARGETS = PhonesPlan("127.0.0.1", 5081, "/tmp/counts", 1150, 60, targets=(PlannedTarget("answers", 300),))
BUSY_TARGET = {"kind": "busy", "ring_ms": 0}


def changed(**values: Any) -> str:
    return json.dumps(json.loads(CALLERS.to_json()) | values)


def changed_call(**values: Any) -> str:
    document = json.loads(CALLERS.to_json())
    document["calls"][1] |= values
    return json.dumps(document)


@pytest.mark.parametrize("plan", [CALLERS, TARGETS])
def test_given_a_plan_when_written_and_read_then_it_is_the_same(plan: PhonesPlan) -> None:
    assert read_plan(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "no JSON"),
        ("[]", "the plan: must be an object"),
        (changed(calls="all"), "calls: must be a list"),
        (changed(calls=[]), "neither targets nor calls"),
        (changed(sip_port=0), "sip_port: 0 must be a whole number from 1 to 65535"),
        (changed(sip_port=True), "sip_port: True"),
        (changed(tone_hz="700"), "tone_hz: '700'"),
        (changed(targets=[BUSY_TARGET] * 2), "each kind can be there once"),
        (changed(targets=[BUSY_TARGET]), "use two processes"),
        (changed(targets=["busy"]), "targets[0]: must be an object"),
        (changed_call(kind="loud"), "calls[1].kind: 'loud' must be one of answered, busy"),
        (changed_call(kind=["busy"]), "calls[1].kind: ['busy'] must be one of"),
        (changed_call(number="+44 1632"), "calls[1].number: '+44 1632' must be text without spaces"),
        (changed_call(caller="+44\r\nX-Forged:1"), "calls[1].caller"),
        (changed_call(caller=""), "calls[1].caller"),
        (changed_call(moment_ms=-1), "calls[1].moment_ms: -1"),
    ],
)
def test_given_a_faulty_plan_when_read_then_the_refusal_says_where_and_what(text: str, complaint: str) -> None:
    with pytest.raises(BadPhonesPlan) as refusal:
        read_plan(text)
    assert complaint in str(refusal.value)


def test_given_a_plan_without_a_field_when_read_then_the_refusal_names_it() -> None:
    document = json.loads(CALLERS.to_json())
    del document["calls"][0]["hold_ms"]
    with pytest.raises(BadPhonesPlan, match=r"calls\[0\]\.hold_ms: missing"):
        read_plan(json.dumps(document))


def test_given_every_kind_that_a_demonstration_sends_when_looked_up_then_the_telephones_know_its_end() -> None:
    assert set(KINDS) == set(CALL_ENDINGS) == set(OUTCOMES)


def test_given_calls_that_end_well_badly_and_not_yet_when_counted_then_each_is_in_its_place() -> None:
    tally = Tally(["answered", "busy"])
    for kind in ("answered", "answered", "answered", "busy"):
        tally.begin(kind)
    tally.end("answered", successful=True)
    tally.end("busy", successful=False)
    assert json.loads(tally.line(2.04, done=False)) == {
        "seconds": 2.0,
        "done": False,
        "counts": {
            "answered": {"created": 3, "successful": 1, "failed": 0},
            "busy": {"created": 1, "successful": 0, "failed": 1},
        },
    }


def test_given_a_call_that_ended_when_it_ends_again_then_that_is_a_fault() -> None:
    tally = Tally(["busy"])
    tally.begin("busy")
    tally.end("busy", successful=True)
    with pytest.raises(AssertionError):
        tally.end("busy", successful=True)


def phones_with_counts(folder: Path, text: str) -> PhonesOfKind:
    counts = folder / "counts"
    counts.write_text(text, encoding="utf-8")
    plan = PhonesPlan("127.0.0.1", 5080, str(counts), 700, 60, calls=(CALL,))
    return PhonesOfKind(Phones("callers", folder, plan), "busy")


def line_of(created: int, successful: int, *, kinds: int = 1) -> str:
    tally = Tally(["busy", *(f"other-{index}" for index in range(kinds - 1))])
    for index in range(created):
        tally.begin("busy")
        if index < successful:
            tally.end("busy", successful=True)
    return tally.line(1.0, done=False)


def test_given_a_line_that_is_still_being_written_when_read_then_the_last_whole_one_counts(tmp_path: Path) -> None:
    text = line_of(1, 0) + line_of(3, 2) + line_of(4, 4)[:20]
    assert phones_with_counts(tmp_path, text).counts() == Counts(created=3, successful=2, failed=0)


def test_given_a_long_run_when_read_then_only_the_end_of_the_file_matters(tmp_path: Path) -> None:
    text = line_of(1, 0) * 500 + line_of(9, 8, kinds=5)
    assert phones_with_counts(tmp_path, text).counts() == Counts(created=9, successful=8, failed=0)


def test_given_no_line_yet_when_read_then_nothing_has_happened(tmp_path: Path) -> None:
    phones = phones_with_counts(tmp_path, line_of(1, 1)[:10])
    assert phones.counts() == Counts()
    assert not phones.running


@pytest.mark.parametrize(
    ("wanted", "installed", "chosen"),
    [("auto", True, "sipp"), ("auto", False, "own"), ("own", True, "own"), ("sipp", True, "sipp")],
)
def test_given_a_wish_and_a_machine_when_chosen_then_sipp_places_the_calls_where_it_can(
    monkeypatch: pytest.MonkeyPatch, wanted: str, installed: bool, chosen: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/sipp" if installed else None)
    assert choose_callers(wanted) == chosen


def test_given_no_sipp_when_it_is_asked_for_then_the_refusal_says_how_to_mend_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SippMissing, match="apt-get install sip-tester, or use --callers own"):
        choose_callers("sipp")
    assert say_who_calls("own").startswith("SIPp is not installed: the node's own SIP stack places the calls")


def test_given_calls_with_their_moments_when_sipp_is_prepared_then_each_waits_for_its_own(tmp_path: Path) -> None:
    calls = [(moment_ms, PlannedCall("busy", "+447700900001", "+441632960003")) for moment_ms in (100, 1900)]
    process = caller(
        "c", "busy", tmp_path, tmp_path / "tone", calls, node=("127.0.0.1", 5060), ports=(5080, 61000),
        hold_ms=800, timeout_s=70,
    )  # fmt: skip
    assert (tmp_path / "c.calls.csv").read_text().splitlines() == [
        "SEQUENTIAL",
        "+441632960003;+447700900001;100",
        "+441632960003;+447700900001;1900",
    ]
    assert process.arguments[process.arguments.index("-m") + 1] == "2"

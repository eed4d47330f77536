"""SIPp's log read into dialogs, and records held against it: what differs is told, what agrees is measured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dialtrace.loadtest.agree_log import Dialog, compare, read_dialogs, spread_of

BEGAN = 1_795_600_000.0


def line(offset_s: float, direction: str, cseq: str, first_line: str, call_id: str = "a@caller") -> str:
    told = ("2026-11-25", "10:00:00", f"{BEGAN + offset_s:.6f}", direction, call_id, f"CSeq:{cseq}", first_line)
    return "\t".join(told) + "\n"


ANSWERED = [
    line(0.0, "S", "1 INVITE", "INVITE sip:+441632960200@127.0.0.1 SIP/2.0"),
    line(0.01, "R", "1 INVITE", "SIP/2.0 100 Trying"),
    line(0.2, "R", "1 INVITE", "SIP/2.0 183 Session Progress"),
    line(0.25, "R", "1 INVITE", "SIP/2.0 180 Ringing"),
    line(0.5, "R", "1 INVITE", "SIP/2.0 200 OK"),
    line(0.5, "S", "1 ACK", "ACK sip:x SIP/2.0"),
    line(2.0, "S", "2 BYE", "BYE sip:x SIP/2.0"),
    line(2.5, "S", "2 BYE", "BYE sip:x SIP/2.0"),
    line(2.6, "R", "2 BYE", "SIP/2.0 200 OK"),
    "half a li",
]
LEG = [
    line(0.1, "R", "77 INVITE", "INVITE sip:target@127.0.0.1 SIP/2.0", "b@switch"),
    line(0.11, "S", "77 INVITE", "SIP/2.0 180 Ringing", "b@switch"),
    line(0.45, "S", "77 INVITE", "SIP/2.0 200 OK", "b@switch"),
    line(2.05, "R", "78 BYE", "BYE sip:target@127.0.0.1 SIP/2.0", "b@switch"),
]


def moment(offset_s: float) -> str:
    return datetime.fromtimestamp(BEGAN + offset_s, UTC).isoformat()


def record(**changed: Any) -> dict[str, Any]:
    leg = {
        "sip_call_id": "b@switch", "sip_status": 200, "hangup_side": "caller", "started_at": moment(0.09),
        "ringing_at": moment(0.12), "answered_at": moment(0.46), "ended_at": moment(2.04),
    }  # fmt: skip
    call = {
        "sip_call_id": "a@caller", "sip_status": 200, "hangup_side": "caller", "started_at": moment(0.002),
        "ringing_at": moment(0.19), "answered_at": moment(0.49), "ended_at": moment(2.004), "billed_ms": 1514,
        "legs": [leg],
    }  # fmt: skip
    return call | changed


def agreed(told: dict[str, Any]) -> Any:
    return compare([told], read_dialogs(ANSWERED, calls=True), read_dialogs(LEG, calls=False))


def test_given_a_log_when_reading_then_the_first_of_each_kind_counts() -> None:
    found = read_dialogs(ANSWERED, calls=True)["a@caller"]

    told = [found.began_s, found.ringing_s, found.answered_s, found.ended_s]
    assert told == pytest.approx([BEGAN, BEGAN + 0.2, BEGAN + 0.5, BEGAN + 2.0])
    assert (found.status, found.ended_here, found.cancelled) == (200, True, False)


def test_given_a_refusal_and_a_cancel_when_reading_then_who_ended_it_is_known() -> None:
    refused = [line(0, "S", "1 INVITE", "INVITE x SIP/2.0"), line(1, "R", "1 INVITE", "SIP/2.0 486 Busy Here")]
    given_up = [line(0, "S", "1 INVITE", "INVITE x SIP/2.0"), line(1, "S", "1 CANCEL", "CANCEL x SIP/2.0"),
                line(1.1, "R", "1 INVITE", "SIP/2.0 487 Request Terminated")]  # fmt: skip

    one, other = (read_dialogs(lines, calls=True)["a@caller"] for lines in (refused, given_up))

    assert (one.status, one.ended_here) == (486, False)
    assert (other.status, other.ended_here, other.cancelled, other.ended_s) == (487, True, True, BEGAN + 1)


def test_given_a_true_record_when_comparing_then_nothing_differs_and_each_moment_is_measured() -> None:
    found = agreed(record())

    assert (found.faults, found.calls, found.legs) == ([], 1, 1)
    assert found.apart_ms["start"] == pytest.approx([2], abs=0.1)
    assert found.apart_ms["answer"] == pytest.approx([-10], abs=0.1)
    assert found.apart_ms["billed, caller's end"] == pytest.approx([14], abs=0.1)
    assert found.apart_ms["leg's end"] == pytest.approx([-10], abs=0.1)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"sip_status": 486}, "status"),
        ({"hangup_side": "target"}, "who hung up"),
        ({"answered_at": None}, "answer is there"),
        ({"legs": []}, "dialogs of targets without a leg"),
        ({"sip_call_id": "other"}, "calls without a record"),
    ],
)
def test_given_a_wrong_record_when_comparing_then_it_is_told(changed: dict[str, Any], told: str) -> None:
    assert any(told in fault for fault in agreed(record(**changed)).faults)


def test_given_differences_when_spreading_then_the_share_within_is_that_of_their_size() -> None:
    one = spread_of([-30.0, 1.0, 2.0, 3.0], tolerance_ms=20)

    assert (one.count, one.median, one.most, one.within) == (4, 2.0, 30.0, 0.75)


def test_given_a_dialog_that_never_ended_when_comparing_then_the_end_is_missing() -> None:
    found = compare([record(legs=[])], {"a@caller": Dialog("a@caller", BEGAN, None, BEGAN + 0.5, None, 200)}, {})

    assert any("end is there" in fault for fault in found.faults)


def test_given_a_machine_that_stood_still_between_two_stamps_then_they_are_left_out_and_codes_are_not():
    told = record(started_at=moment(0.3))
    stalls = [(BEGAN - 5.0, BEGAN - 4.0), (BEGAN + 0.115, BEGAN + 0.25), (BEGAN + 9.0, BEGAN + 9.5)]
    calm = compare([told], read_dialogs(ANSWERED, calls=True), read_dialogs(LEG, calls=False))
    found = compare([told], read_dialogs(ANSWERED, calls=True), read_dialogs(LEG, calls=False), stalls)
    assert calm.apart_ms["start"] == [pytest.approx(300, abs=0.1)]
    assert {"start", "set-up (INVITE to 200)"}.isdisjoint(found.apart_ms)
    assert found.apart_ms["leg's end"] == calm.apart_ms["leg's end"]
    # The call's start and ringing, the leg's ringing.
    assert (found.left_out, found.codes, found.faults) == (3, calm.codes, [])

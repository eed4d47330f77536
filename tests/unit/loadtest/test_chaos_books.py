"""The books of a drill: they balance when all is there, and say what is not."""

from typing import Any
from uuid import uuid4

import pytest

from dialtrace.demo.books import Recording
from dialtrace.loadtest.chaos_books import Result, count_up


def cdr(outcome: str = "answered", decided_by: str = "worker", recording: str = "stored") -> dict[str, Any]:
    return {"id": str(uuid4()), "outcome": outcome, "decided_by": decided_by, "recording": recording}


def whole(call: dict[str, Any]) -> Recording:
    return Recording(call["id"], fetched=True, sha256_matches=True, heard_on_both_sides=True)


def closed(cdrs: list[dict[str, Any]], satisfied: dict[str, int], **more: Any) -> Result:
    values: dict[str, Any] = {
        "sent": {"answered": 2, "busy": 1}, "satisfied": satisfied, "cdrs": cdrs, "seconds": 1.0,
        "recordings": [whole(one) for one in cdrs if one["outcome"] == "answered"],
    }  # fmt: skip
    return count_up("drill", **(values | more))


ALL = {"answered": 2, "busy": 1}


def test_given_everything_is_there_then_it_balances_and_says_who_decided() -> None:
    result = closed([cdr(), cdr(decided_by="fallback"), cdr("busy")], ALL)
    assert result.balanced
    assert result.decided == {"worker": 2, "fallback": 1}
    assert result.as_json()["unbalanced"] == []


@pytest.mark.parametrize(
    ("cdrs", "satisfied"),
    [
        ([cdr(), cdr("busy")], ALL),
        ([cdr(), cdr(), cdr("busy")], {"answered": 1, "busy": 1}),
        ([cdr(), cdr(), cdr("busy", decided_by="none")], ALL),
        ([cdr(), cdr("no_answer"), cdr("busy")], ALL),
    ],
    ids=["no CDR", "a caller was let down", "nobody decided", "another outcome"],
)
def test_given_something_missing_then_it_does_not_balance(
    cdrs: list[dict[str, Any]], satisfied: dict[str, int]
) -> None:
    result = closed(cdrs, satisfied)
    assert not result.balanced
    assert result.as_json()["unbalanced"]


def test_given_a_recording_that_differs_then_it_does_not_balance() -> None:
    cdrs = [cdr(), cdr(), cdr("busy")]
    damaged = Recording(cdrs[0]["id"], fetched=True, sha256_matches=False, heard_on_both_sides=True)
    assert not closed(cdrs, ALL, recordings=[damaged, whole(cdrs[1])]).balanced


def test_given_a_fault_beside_the_books_then_it_does_not_balance() -> None:
    assert not closed([cdr(), cdr(), cdr("busy")], ALL, faults=["it was not drained"]).balanced


@pytest.mark.parametrize(("lost", "balanced"), [(1, True), (0, False)])
def test_given_a_node_that_died_then_only_calls_that_stood_on_it_may_have_failed(lost: int, balanced: bool) -> None:
    result = closed([cdr(), cdr("node_lost", decided_by="none"), cdr("busy")], {"answered": 1, "busy": 1}, lost=lost)
    assert result.balanced is balanced


def test_given_a_node_that_died_and_a_recording_left_open_then_it_does_not_balance() -> None:
    cdrs = [cdr(), cdr("node_lost", recording="pending"), cdr("busy")]
    assert not closed(cdrs, {"answered": 1, "busy": 1}, lost=1).balanced


def test_given_calls_that_a_node_refused_then_each_has_a_record_and_nobody_had_to_decide() -> None:
    refused = [cdr("congestion", decided_by="none", recording="none") for _ in range(3)]
    sent = {**ALL, "refused": 3}
    assert closed([cdr(), cdr(), cdr("busy"), *refused], sent, sent=sent).balanced
    assert not closed([cdr(), cdr(), cdr("busy"), *refused[1:]], sent, sent=sent).balanced


def test_given_a_full_disk_then_a_recording_may_be_missing_if_the_ledger_names_the_disk() -> None:
    cdrs = [cdr(), cdr(recording="absent"), cdr("busy")]
    kept, lost = whole(cdrs[0]), Recording(cdrs[1]["id"], False, False, False)
    cut_off = Recording(cdrs[0]["id"], fetched=True, sha256_matches=True, heard_on_both_sides=False)
    for there in (kept, cut_off):
        assert closed(cdrs, ALL, recordings=[there, lost], missed={lost.call_id: "disk_full"}).balanced
    assert not closed(cdrs, ALL, recordings=[kept, lost], missed={lost.call_id: "missing"}).balanced
    assert not closed(cdrs, ALL, recordings=[kept, lost], missed={}).balanced
    assert not closed(cdrs[:2], ALL, recordings=[kept, lost], missed={lost.call_id: "disk_full"}).balanced

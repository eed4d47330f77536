"""The books balance only when every count agrees."""

from dialtrace.demo.books import Recording, as_json, balance


def cdr(call_id: str, outcome: str) -> dict[str, str]:
    return {"id": call_id, "outcome": outcome}


GOOD = Recording("a", fetched=True, sha256_matches=True, heard_on_both_sides=True)


def test_given_equal_counts_when_balanced_then_every_line_balances() -> None:
    lines = balance(
        {"answered": 1, "busy": 1}, {"answered": 1, "busy": 1}, [cdr("a", "answered"), cdr("b", "busy")], [GOOD]
    )
    assert all(line.balances for line in lines)
    assert as_json(lines)["demo"] == "balanced"


def test_given_a_lost_cdr_when_balanced_then_the_books_say_so() -> None:
    lines = balance({"answered": 1, "busy": 1}, {"answered": 1, "busy": 1}, [cdr("a", "answered")], [GOOD])
    assert [line.what for line in lines if not line.balances] == ["calls sent / CDRs", "busy: sent / CDRs busy"]
    assert as_json(lines)["demo"] == "not balanced"


def test_given_the_same_call_twice_when_balanced_then_the_books_say_so() -> None:
    lines = balance({"answered": 2}, {"answered": 2}, [cdr("a", "answered")] * 2, [GOOD, GOOD])
    assert "CDRs / distinct calls" in [line.what for line in lines if not line.balances]


def test_given_a_recording_without_the_target_when_balanced_then_the_books_say_so() -> None:
    deaf = Recording("a", fetched=True, sha256_matches=True, heard_on_both_sides=False)
    lines = balance({"answered": 1}, {"answered": 1}, [cdr("a", "answered")], [deaf])
    assert not lines[-1].balances


def test_given_a_caller_who_was_failed_when_balanced_then_the_books_say_so() -> None:
    lines = balance({"answered": 1}, {}, [cdr("a", "answered")], [GOOD])
    assert not all(line.balances for line in lines)

"""Causes map to SIP and back as in mod_sofia (telecom conventions 2 and 3)."""

import pytest

from dialtrace.node.causes import cause_from_sip, dial_status, phrase, q850, read_cause, reason_header, sip_from_cause


@pytest.mark.parametrize(
    ("status", "cause"),
    [(486, "USER_BUSY"), (480, "NO_USER_RESPONSE"), (408, "RECOVERY_ON_TIMER_EXPIRE"), (604, "NO_ROUTE_DESTINATION"),
     (603, "CALL_REJECTED"), (487, "ORIGINATOR_CANCEL"), (404, "UNALLOCATED_NUMBER"), (499, "NORMAL_UNSPECIFIED")],
)  # fmt: skip
def test_given_a_status_when_it_becomes_a_cause_then_it_is_the_switchs(status: int, cause: str) -> None:
    assert cause_from_sip(status) == cause


@pytest.mark.parametrize(
    ("cause", "status"),
    [("CALL_REJECTED", 603), ("NO_ANSWER", 480), ("UNALLOCATED_NUMBER", 404), ("ALLOTTED_TIMEOUT", 480),
     ("NO_USER_RESPONSE", 408), ("INCOMPATIBLE_DESTINATION", 488), ("NORMAL_TEMPORARY_FAILURE", 503)],
)  # fmt: skip
def test_given_a_cause_when_a_call_is_refused_with_it_then_the_status_is_the_switchs(cause: str, status: int) -> None:
    assert sip_from_cause(cause) == status
    assert phrase(status)


def test_given_the_switchs_own_causes_when_numbered_then_q850_says_normal_clearing_and_reason_says_sip() -> None:
    assert (q850("USER_BUSY"), q850("ALLOTTED_TIMEOUT"), q850("ORIGINATOR_CANCEL")) == (17, 16, 16)
    assert reason_header("USER_BUSY") == 'Q.850;cause=17;text="USER_BUSY"'
    assert reason_header("ALLOTTED_TIMEOUT") == 'SIP;cause=802;text="ALLOTTED_TIMEOUT"'
    assert reason_header("LOSE_RACE") == 'SIP;cause=200;text="Call completed elsewhere"'


@pytest.mark.parametrize(
    ("text", "cause"), [("17", "USER_BUSY"), ("user_busy", "USER_BUSY"), ("gibberish", "NORMAL_CLEARING")]
)
def test_given_a_name_or_number_when_read_then_it_is_a_cause(text: str, cause: str) -> None:
    assert read_cause(text) == cause


def test_given_an_attempts_cause_when_dialstatus_is_written_then_some_have_words_of_their_own() -> None:
    assert [dial_status(c) for c in ("USER_BUSY", "NO_ANSWER", "CALL_REJECTED", "LOSE_RACE")] == [
        "BUSY", "NOANSWER", "DONTCALL", "LOSE_RACE",
    ]  # fmt: skip

"""The table of contracts/11 and the odd values that carriers send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.phone import is_e164, is_withheld, parse_e164


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("8 (999) 000-00-01", "+79990000001"),
        ("79990000001", "+79990000001"),
        ("9990000001", "+79990000001"),
        ("8 10 49 30 000000", "+4930000000"),
        ("8~10 49 30 000000", "+4930000000"),
        ("+7 701 000 00 01", "+77010000001"),
        ("7010000001", "+77010000001"),
        ("8-800-000-00-00", "+78000000000"),
        ("0049 30 123456", "+4930123456"),
        ("+49 30 123456", "+4930123456"),
        ("8\u00a0(999)\u2009000\u201100\u201101", "+79990000001"),
        ("８９９９００００００１", "+79990000001"),
        ("\u202a+7 999 000-00-01\u202c", "+79990000001"),
        ("tel:+7-999-000-00-01;ext=5", "+79990000001"),
        ("sip:%2B79990000001@203.0.113.7:5060;user=phone", "+79990000001"),
        ("sip:89990000001;phone-context=+7@example.test", "+79990000001"),
    ],
)
def test_given_russia_when_a_number_is_written_in_any_usual_way_then_it_is_read(raw, e164):
    assert parse_e164(raw, "RU") == e164


@pytest.mark.parametrize(
    "raw",
    [
        "02", "112", "0890", "anonymous", "Anonymous@anonymous.invalid", "", "   ", "+", "++79990000001", "000-00-01",
        "81080012345678", "+7999", "+799900000011234567", "alice", "7999000000A", "+79990000001\n+79990000002",
        "+89990000001", "7" * 301, None,
    ],
)  # fmt: skip
def test_given_russia_when_it_is_no_number_then_nothing_is_made_up(raw):
    assert parse_e164(raw, "RU") is None


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("8 701 000 00 01", "KZ", "+77010000001"),
        ("020 7946 0001", "GB", "+442079460001"),
        ("819012345678", "JP", "+819012345678"),
        ("+81 90 1234 5678", None, "+819012345678"),
        ("0081 90 1234 5678", None, "+819012345678"),
        ("(415) 555-2671", "US", "+14155552671"),
    ],
)
def test_given_another_region_then_its_own_rules_hold(raw, region, e164):
    assert parse_e164(raw, region) == e164


@pytest.mark.parametrize("raw", ["89990000001", "79990000001", "9990000001", "020 7946 0001"])
def test_given_no_region_when_there_is_no_country_code_then_nothing_is_guessed(raw):
    assert parse_e164(raw) is None


@pytest.mark.parametrize("raw", ["+8613812345678", "+821012345678", "+84912345678"])
def test_given_russia_when_a_plus_is_there_then_an_eight_is_a_country(raw):
    assert parse_e164(raw, "RU") == raw


@pytest.mark.parametrize(
    "raw",
    [None, "", "anonymous", "Anonymous", '"Restricted"', "unavailable", "sip:anonymous@anonymous.invalid",
     "sip:+79990000001@anonymous.invalid", "Private"],
)  # fmt: skip
def test_given_a_caller_who_hides_then_the_number_is_withheld(raw):
    assert is_withheld(raw)


@pytest.mark.parametrize("raw", ["+79990000001", "02", "alice", "sip:79990000001@example.test"])
def test_given_an_odd_but_open_caller_then_the_number_is_not_withheld(raw):
    assert not is_withheld(raw)


@given(st.text(max_size=40), st.sampled_from([None, "RU", "KZ", "GB"]))
def test_given_any_text_then_the_answer_is_e164_or_none(raw, region):
    found = parse_e164(raw, region)
    assert found is None or (is_e164(found) and parse_e164(found) == found)

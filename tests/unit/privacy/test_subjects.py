"""A number is found however it is written, and nothing else is taken for it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.subjects import hint_of, numbers_in, pattern_of

RUSSIAN, BRITISH, SHORT = "+79991234567", "+442079460123", "+37255512345"


@pytest.mark.parametrize(
    "text",
    [
        "+79991234567", "79991234567", "89991234567", "9991234567", "8 (999) 123-45-67", "%2B79991234567",
        "\\u002b79991234567", "0079991234567", "8107 999 123 45 67", "sip:79991234567@carrier",
        '{"digits":79991234567}',
        "tel:+7-999-123-45-67",
    ],
)  # fmt: skip
def test_given_any_spelling_then_it_is_found_and_nothing_of_it_is_left(text):
    assert re.search(pattern_of(RUSSIAN), text)
    assert not re.search("1.{0,3}2.{0,3}3.{0,3}4", re.sub(pattern_of(RUSSIAN), "0", text))


@pytest.mark.parametrize("text", ["179991234567", "799912345670", "1799912345678", "99912345670", "7999123456", ""])
def test_given_another_number_then_it_is_not_found(text):
    assert not re.search(pattern_of(RUSSIAN), text)


def test_given_a_short_national_number_then_it_is_found_with_its_country_only():
    assert re.search(pattern_of("+3725551234"), "3725551234")
    assert not re.search(pattern_of("+3725551234"), "5551234")
    assert re.search(pattern_of("+3725551234"), "05551234")


def test_given_a_text_then_every_number_that_may_be_meant_is_a_candidate():
    found = numbers_in('{"from": "8 (999) 123-45-67", "to": "442079460123", "at": 1795325718709881}')
    assert {RUSSIAN, BRITISH} <= found


@given(st.integers(min_value=2_000_000_000, max_value=9_999_999_999), st.sampled_from(["", "+", "00", "%2B"]))
def test_given_an_international_spelling_then_it_is_its_own_candidate(national, prefix):
    number = f"+1{national}"
    text = f"caller={prefix}1{national}"
    assert re.search(pattern_of(number), text)


def test_given_a_number_then_its_hint_tells_little():
    assert hint_of(RUSSIAN) == "+79…67"

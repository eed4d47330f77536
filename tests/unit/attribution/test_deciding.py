"""What people say of a call, and what the number is bound to, beside what was matched."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.attribution.codes import CODES, code_of, read_code
from dialtrace.attribution.deciding import decide
from dialtrace.attribution.model import NO_SOURCE, Candidate, Correction, Match, Source

from .worlds import GOOGLE, NOW, VK, YANDEX, visit_of

NOBODY = Match(candidates=(), nobody=1.0)


def match(*shares, sources=(YANDEX, GOOGLE, VK)):
    found = tuple(
        Candidate(visit=visit_of(number, source=source), probability=share, rung="exclusive")
        for number, (share, source) in enumerate(zip(shares, sources, strict=False), 1)
    )
    return Match(candidates=found, nobody=1.0 - sum(shares))


def said(kind, *, minutes=0, **more):
    return Correction(kind=kind, said_at=NOW + timedelta(minutes=minutes), **more)


def test_given_a_likely_visit_then_it_is_chosen_with_its_source():
    found = decide(match(0.8, 0.1), NO_SOURCE, None, [])
    assert (found.method, found.visit.id.int, found.probability) == ("visit", 1, 0.8)
    assert (found.source, found.source_probability, found.rung) == (YANDEX, 0.8, "exclusive")


def test_given_candidates_of_one_source_then_the_source_is_surer_than_any_of_them():
    found = decide(match(0.4, 0.35, 0.2, sources=(VK, YANDEX, YANDEX)), NO_SOURCE, None, [])
    assert (found.probability, found.source, found.source_probability) == (0.4, YANDEX, 0.55)


def test_given_nobody_is_likelier_than_any_visit_then_none_is_chosen_and_the_candidates_are_still_told():
    found = decide(match(0.2), NO_SOURCE, None, [])
    assert (found.method, found.visit, found.probability) == ("unknown", None, None)
    assert (found.source, len(found.candidates), found.nobody) == (NO_SOURCE, 1, 0.8)


def test_given_a_static_number_then_its_source_is_certain_and_no_visit_is():
    found = decide(NOBODY, VK, "static", [])
    assert (found.method, found.source, found.source_probability) == ("number", VK, 1.0)
    assert (found.visit, found.probability, found.rung) == (None, None, "static")


def test_given_a_static_number_that_visits_saw_then_both_are_told_each_with_its_own_probability():
    found = decide(match(0.6), VK, None, [])
    assert (found.method, found.source, found.source_probability, found.probability) == ("number", VK, 1.0, 0.6)


def test_given_a_promo_code_then_its_visit_leads_whatever_was_matched():
    found = decide(match(0.9, 0.05), NO_SOURCE, None, [said("promo_code", visit=visit_of(2, source=GOOGLE))])
    assert (found.method, found.visit.id.int, found.source) == ("promo_code", 2, GOOGLE)
    assert found.probability == pytest.approx(0.995)
    assert sum(one.probability for one in found.candidates) + found.nobody == pytest.approx(1, abs=1e-3)


def test_given_a_manual_correction_then_it_decides_and_the_later_one_counts():
    facts = [said("manual", visit=visit_of(5)), said("manual", minutes=1, source=VK)]
    found = decide(match(0.9), NO_SOURCE, None, facts)
    assert (found.method, found.visit, found.source, found.source_probability) == ("manual", None, VK, 1.0)
    assert found.candidates


def test_given_a_correction_is_withdrawn_then_the_match_counts_again():
    facts = [said("manual", visit=visit_of(5)), said("withdrawn", minutes=1)]
    assert decide(match(0.9), NO_SOURCE, None, facts) == decide(match(0.9), NO_SOURCE, None, [])


def test_given_somebody_says_it_belongs_to_no_visit_then_it_does_not():
    found = decide(match(0.9), NO_SOURCE, None, [said("manual")])
    assert (found.method, found.visit, found.source) == ("manual", None, NO_SOURCE)


def test_given_the_caller_names_a_channel_then_visits_of_it_gain_and_the_others_lose():
    found = decide(match(0.45, 0.45), NO_SOURCE, None, [said("self_reported", source=Source(channel="organic"))])
    assert found.visit.id.int == 2
    assert found.probability > 0.8
    assert found.candidates[0].why["caller_says_so"] is True


def test_given_only_the_caller_says_something_then_it_is_told_without_a_probability():
    found = decide(NOBODY, NO_SOURCE, None, [said("self_reported", source=VK)])
    assert (found.method, found.source, found.source_probability) == ("self_reported", VK, None)


@given(st.integers(0, CODES - 1))
def test_given_a_code_then_it_is_read_back_however_it_is_written(index):
    code = code_of(index)
    assert read_code(code) == read_code(f" {code[:3]} {code[3:]}#") == code


@given(st.integers(0, CODES - 1), st.integers(0, 5), st.integers(1, 9))
def test_given_one_wrong_digit_then_it_is_no_code(index, place, off):
    code = code_of(index)
    wrong = code[:place] + str((int(code[place]) + off) % 10) + code[place + 1 :]
    assert read_code(wrong) is None


@given(st.integers(0, CODES - 1), st.integers(0, 4))
def test_given_two_neighbours_in_the_wrong_order_then_it_is_no_code(index, place):
    code = code_of(index)
    wrong = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert (read_code(wrong) is None) == (wrong != code)


@pytest.mark.parametrize("text", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦"])
def test_given_what_is_no_code_then_it_names_nobody(text):
    assert read_code(text) is None

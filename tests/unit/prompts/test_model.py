"""Texts and their names."""

import re

import pytest

from dialtrace.prompts.errors import NameFaulty, TextFaulty
from dialtrace.prompts.model import (
    LONGEST_TEXT,
    MOST_POSITIONS,
    Say,
    apology,
    checked_name,
    content_names,
    position,
    prompt_name,
    standard_prompts,
    waiting,
)


def test_given_the_same_text_when_named_twice_then_the_name_is_one_and_tells_nothing_of_it():
    name = prompt_name("ru", None, "Вы позвонили в стоматологию")
    assert name == prompt_name("ru", "", "Вы позвонили в стоматологию") == Say("Вы позвонили в стоматологию", "ru").name
    assert re.fullmatch(r"say-[0-9a-f]{32}", name)


@pytest.mark.parametrize("other", [("en", "", "One"), ("ru", "f3", "One"), ("ru", "", "One.")])
def test_given_another_language_voice_or_text_when_named_then_the_name_differs(other):
    assert prompt_name(*other) != prompt_name("ru", "", "One")


@pytest.mark.parametrize(
    "values",
    [
        ("", "en"), ("  ", "en"), ("two\nlines", "en"), ("bell\x07", "en"), ("x" * (LONGEST_TEXT + 1), "en"),
        ("Bonjour", "fr"), ("Hello", "en", "../en"), ("Hello", "en", "-w"), ("Hello", "en", "En"),
    ],
)  # fmt: skip
def test_given_what_cannot_be_said_when_made_a_text_then_it_is_refused(values):
    with pytest.raises(TextFaulty):
        Say(*values)


def test_given_a_plan_when_searched_then_each_rendered_text_is_found_once():
    one, two = Say("One", "en").name, Say("Два", "ru").name
    plan = f"m:~:playback:/s/prompts/{one}.wav~playback:/s/prompts/notice.wav~bridge:[a=/s/{two}.wav]x/{one}"
    assert content_names(plan) == [one, two]


@pytest.mark.parametrize("name", ["", "say-anything", "Notice", "../notice", "a" * 65, "notice.wav", "-notice"])
def test_given_a_name_that_is_not_an_operators_when_checked_then_it_is_refused(name):
    with pytest.raises(NameFaulty):
        checked_name(name)


def test_given_the_standard_prompts_then_both_languages_have_an_apology_a_wait_and_every_place():
    found = {say.name for say in standard_prompts()}
    assert len(found) == 2 * (2 + MOST_POSITIONS)
    assert {apology("ru").name, waiting("en").name} <= found
    assert position(MOST_POSITIONS, "en").name in found


@pytest.mark.parametrize("place", [0, MOST_POSITIONS + 1])
def test_given_a_place_without_a_sentence_when_asked_then_it_is_refused(place):
    with pytest.raises(ValueError, match="places"):
        position(place, "en")

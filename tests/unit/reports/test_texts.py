"""Titles of reports are said in every language."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from babel.messages.pofile import read_po

from dialtrace.reports.texts import LANGUAGES, Language, all_titles, say

OTHERS = [one for one in LANGUAGES if one != "en"]


@pytest.mark.parametrize("language", OTHERS)
def test_given_every_title_then_it_is_said_in_each_language_and_nothing_is_left_over(language: Language) -> None:
    with (files("dialtrace.reports") / "texts" / f"{language}.po").open("rb") as source:
        said = {message.id: message for message in read_po(source, locale=language) if message.id}
    assert said.keys() == set(all_titles())
    assert list(said) == sorted(said)
    assert [one for one, message in said.items() if not message.string or message.fuzzy] == []


def test_given_a_title_when_said_then_it_is_in_the_readers_words() -> None:
    assert (say("Missed", "ru"), say("Missed", "en")) == ("Пропущенные", "Missed")
    russian = {say(one, "ru") for one in all_titles()} - {"ROI", "ROAS"}
    assert all(re.search("[а-яё]", one, re.IGNORECASE) for one in russian)

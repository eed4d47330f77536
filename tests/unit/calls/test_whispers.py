"""What a target is told of where its caller comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.calls.whispers import LONGEST_WORDS, check_no_places, check_places, spoken, told, told_name
from dialtrace.prompts.model import LONGEST_TEXT, Say

TEXT = "A call from {source|our website}, campaign {campaign}."


@pytest.mark.parametrize(
    ("source", "campaign", "said"),
    [
        ("google", "spring_sale-2026", "A call from google, campaign spring sale 2026."),
        ("google", None, "A call from google, campaign unknown."),
        (None, "Весна", "A call from our website, campaign Весна."),
        (None, None, "A call from our website, campaign unknown."),
        ("___", "", "A call from our website, campaign unknown."),
        ("{campaign}", None, "A call from campaign, campaign unknown."),
    ],
)
def test_given_a_source_then_the_sentence_says_it_as_words_and_otherwise_what_its_owner_wrote(source, campaign, said):
    assert told(TEXT, "en", source=source, campaign=campaign) == said


def test_given_russian_and_nothing_known_then_the_language_has_a_word_for_it():
    assert told("Источник: {source}", "ru") == "Источник: неизвестно"


@pytest.mark.parametrize("text", ["{keyword}", "{source", "source}", "{source|}", "{{source}}", "{source}" * 5])
def test_given_braces_that_are_no_places_then_they_are_refused(text):
    with pytest.raises(ValueError, match="may hold"):
        check_places(text)


def test_given_a_place_outside_a_whisper_then_it_is_refused():
    assert check_no_places("Press 1 {really}") == "Press 1 {really}"
    with pytest.raises(ValueError, match="whisper only"):
        check_no_places("From {source}")


@given(
    st.text(max_size=200), st.text(max_size=200) | st.none(), st.sampled_from(["en", "ru"]),
    st.integers(0, LONGEST_TEXT - len(TEXT)),
)  # fmt: skip
def test_given_anything_that_a_page_may_claim_then_it_can_be_said_and_has_one_name(source, campaign, language, more):
    text = check_places("x" * more + TEXT)
    said = told(text, language, source=source, campaign=campaign)
    assert Say(said, language).name == told_name(text, language, "", source=source, campaign=campaign)
    words = spoken(source)
    assert words is None or (0 < len(words) <= LONGEST_WORDS and words.isprintable())

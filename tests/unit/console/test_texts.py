"""Both languages are complete, no text is left over, and no template says anything past the catalogue."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from dialtrace.console.gathering import gathered, kept, renewed
from dialtrace.console.texts import LANGUAGES, Speech

OTHERS = [one for one in LANGUAGES if one != "en"]
TEMPLATES = sorted(one.name for one in (files("dialtrace.console") / "templates").iterdir())
PLACE = re.compile(r"%\(\w+\)s|%%")
#: What is said alike in every language.
NAMES = {"·", "–", "*", "(MOS)"}


def strings(message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


@pytest.mark.parametrize("language", OTHERS)
def test_given_every_text_then_it_is_said_in_each_language_and_nothing_is_left_over(language: str) -> None:
    said = {message.id: message for message in kept(language) if message.id}
    wanted = {message.id for message in gathered() if message.id}
    assert {one for one in wanted if one not in said or not all(strings(said[one]))} == set(), (
        "make texts, and translate"
    )
    assert said.keys() - wanted == set(), "make texts removes what is no longer said"
    assert not [message.id for message in said.values() if message.fuzzy]


@pytest.mark.parametrize("language", OTHERS)
def test_given_a_text_with_places_for_values_then_each_language_has_the_same(language: str) -> None:
    for message in kept(language):
        if message.id:
            told = message.id if isinstance(message.id, str) else message.id[1]
            for said in strings(message):
                assert sorted(PLACE.findall(said)) == sorted(PLACE.findall(told)), told


@pytest.mark.parametrize("language", OTHERS)
def test_given_the_catalogue_then_it_is_as_make_texts_leaves_it(language: str) -> None:
    path = files("dialtrace.console") / "texts" / f"{language}.po"
    assert path.read_text(encoding="utf-8") == renewed(language)


class Words(HTMLParser):
    """The text of a template, and what its attributes say to people."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style", "code", "pre"}:
            self._in.append(tag)
        self.found += [
            value or "" for name, value in attributes if name in {"title", "alt", "aria-label", "placeholder"}
        ]

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if not self._in:
            self.found.append(data)


@pytest.mark.parametrize("name", TEMPLATES)
def test_given_a_template_then_it_says_nothing_that_cannot_be_translated(name: str) -> None:
    text = (files("dialtrace.console") / "templates" / name).read_text(encoding="utf-8")
    bare = re.sub(r"\{% set \w+ %\}.*?\{% endset %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    left = [word for one in Words(bare).found for word in one.split() if word not in NAMES]
    assert not [word for word in left if re.search(r"[A-Za-z]{2}", word)]


def test_given_numbers_money_and_moments_then_each_language_writes_them_its_own_way() -> None:
    english, russian = Speech("en", "Europe/London"), Speech("ru", "Europe/Moscow")
    assert (english.number(12345.5), russian.number(12345.5)) == ("12,345.5", "12\u00a0345,5")
    assert (english.money("1234.50", "EUR"), russian.money("1234.50", "EUR")) == ("€1,234.50", "1\u00a0234,50\u00a0€")
    moment = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    assert english.moment(moment) == "2 Jul 2026, 00:30:00"
    assert russian.moment(moment) == "2 июл. 2026, 02:30:00"
    assert (english.share(0.125, 1), russian.share(0.5)) == ("12.5%", "50\u00a0%")
    assert [english.span(ms) for ms in (0, 61_400, 3_729_000, None)] == ["0:00", "1:01", "1:02:09", "–"]
    assert [russian.count("%(num)s call", "%(num)s calls", one) for one in (1, 3, 5, 21)] == [
        "1 звонок", "3 звонка", "5 звонков", "21 звонок",
    ]  # fmt: skip

"""Whispers that tell a target where its caller comes from: texts with `{source}` and `{campaign}` in them. Pure.

A sentence is rendered whole, ahead, once for each source and campaign that callers come from: put together of pieces it
would sound like a railway station, and not at all in Russian. Where nobody knows, or the sound is not made yet, what
the owner wrote behind a bar is said (`{campaign|no campaign}`), else a word of the language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..prompts.model import LONGEST_TEXT, prompt_name

#: Of a source or campaign, in characters. Nobody listens for longer before he may talk.
LONGEST_WORDS = 60
MOST_PLACES = 4
_PLACE = re.compile(r"\{(source|campaign)(?:\|([^{}|]{1,60}))?\}")
_UNKNOWN = {"en": "unknown", "ru": "неизвестно"}
#: What stands between the words of a campaign's name and is not to be read out.
_BETWEEN = re.compile(r"[\s_+|/\\-]+")


def has_places(text: str) -> bool:
    """Whether the text says something else to each source."""
    return _PLACE.search(text) is not None


def check_places(text: str) -> str:
    """The text, if every brace in it belongs to a place. Raises ValueError with the rule."""
    found = _PLACE.findall(text)
    if re.search(r"[{}]", _PLACE.sub("", text)):
        raise ValueError(
            "may hold {source} and {campaign}, each with what is said where it is not known, such as "
            "{campaign|no campaign}, and no other braces"
        )
    if len(found) > MOST_PLACES:
        raise ValueError(f"may hold {MOST_PLACES} places at most")
    return text


def check_no_places(text: str) -> str:
    """The text, if it holds no place. Raises ValueError."""
    if has_places(text):
        raise ValueError("may tell source and campaign in a whisper only")
    return text


def spoken(value: str | None) -> str | None:
    """A source or campaign as it is read out; None if there is nothing to read."""
    if value is None:
        return None
    words = _BETWEEN.sub(" ", "".join(sign for sign in value if sign.isprintable() and sign not in "{}")).strip()
    return words[:LONGEST_WORDS].rstrip() if any(sign.isalnum() for sign in words[:LONGEST_WORDS]) else None


def told(text: str, language: str, *, source: str | None = None, campaign: str | None = None) -> str:
    """What is said to a target. Without source and campaign: what is said where nobody knows."""
    known = {"source": spoken(source), "campaign": spoken(campaign)}
    if len(said := _filled(text, language, known)) > LONGEST_TEXT:
        said = _filled(text, language, {})
    return said[:LONGEST_TEXT]


def _filled(text: str, language: str, known: Mapping[str, str | None]) -> str:
    return _PLACE.sub(lambda place: known.get(place[1]) or place[2] or _UNKNOWN[language], text)


def told_name(text: str, language: str, voice: str, *, source: str | None, campaign: str | None) -> str:
    """The name of that sound's file."""
    return prompt_name(language, voice, told(text, language, source=source, campaign=campaign))

"""What a page is told: which number to look for, and what to show instead, in the words of swap.js. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberFormat

from .rules import Choice, Place

AS_FOUND = "as_found"


@dataclass(frozen=True)
class PlaceShown:
    """A place and what it shows, for each choice in its order: a number in E.164, None: the real one stays.
    ``waiting``: choices (by place in the list) whose number is asked for when such a page is seen."""

    place: Place
    choices: tuple[Choice, ...]
    numbers: tuple[str | None, ...]
    waiting: frozenset[int] = frozenset()


def place_document(shown: PlaceShown) -> dict[str, Any]:
    """What the page is told of one place. Numbers have a blank after the country code, so that the page knows where
    the national number begins. ``text`` is told where a number may stand in another form than the one it replaces."""
    shows = []
    real = [spaced(number) for number in shown.place.numbers]
    for at, (choice, number) in enumerate(zip(shown.choices, shown.numbers, strict=True)):
        one: dict[str, Any] = {"pages": choice.pages, "number": None if number is None else spaced(number)}
        if number is not None and not (shown.place.format == AS_FOUND and all(_alike(one["number"], r) for r in real)):
            one["text"] = formatted(number, shown.place.format)
        if at in shown.waiting:
            one["ask"] = True
        shows.append(one)
    return {
        "name": shown.place.name,
        "numbers": real,
        "selectors": shown.place.selectors,
        "as_found": shown.place.format == AS_FOUND,
        "shows": shows,
    }


def spaced(e164: str) -> str:
    """`+44 2079460000`. No country's code begins with another's (E.164, annex A)."""
    for end in (2, 3, 4):
        if int(e164[1:end]) in COUNTRY_CODE_TO_REGION_CODE:
            return f"{e164[:end]} {e164[end:]}"
    return e164


def _alike(number: str, other: str) -> bool:
    """Whether the digits of one fit into the shape of the other: one country's, and as many."""
    return len(number) == len(other) and number.partition(" ")[0] == other.partition(" ")[0]


@lru_cache(maxsize=16_384)
def formatted(e164: str, form: str) -> str:
    """As the place writes it. A pattern with another count of digits than the number has cannot hold it; then, and
    where the shape of what is found cannot either, the number is written for callers from anywhere."""
    number = phonenumbers.parse(e164, None)
    if form == "national":
        return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    if "#" in form:
        national = spaced(e164).partition(" ")[2]
        if form.count("#") == len(national):
            digits = iter(national)
            return "".join(next(digits) if sign == "#" else sign for sign in form)
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)

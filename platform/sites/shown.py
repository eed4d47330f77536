"""What a page is told: which number to look for, and what to show instead, in the words of swap.js. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumberFormat

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
    the national number begins."""
    shows = []
    for at, (choice, number) in enumerate(zip(shown.choices, shown.numbers, strict=True)):
        one: dict[str, Any] = {"pages": choice.pages, "number": None if number is None else spaced(number)}
        if number is not None:
            one["text"] = formatted(number, shown.place.format)
        if at in shown.waiting:
            one["ask"] = True
        shows.append(one)
    return {
        "name": shown.place.name,
        "numbers": [spaced(number) for number in shown.place.numbers],
        "selectors": shown.place.selectors,
        "as_found": shown.place.format == AS_FOUND,
        "shows": shows,
    }


def spaced(e164: str) -> str:
    """`+44 2079460000`."""
    number = phonenumbers.parse(e164, None)
    return f"+{number.country_code} {e164[1 + len(str(number.country_code)) :]}"


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

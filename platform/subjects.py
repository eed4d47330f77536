"""A person whom a request is about, known by telephone number: its spellings, and what an eraser is told and tells.

Every room that holds something of callers offers a :class:`Holder`, which `services` registers; `privacy` calls them
in turn and knows none of them. Level 1: no SQL and no other room, so that any may use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import phonenumbers

from .phone import is_e164, parse_e164

#: What stands in a text where a number stood: valid in a JSON string, and as a JSON number too.
REPLACEMENT = "0"
#: A national number this long is looked for without its country: a shorter one would be found in anything.
_LONG_ENOUGH = 9
_PLUS_SEVEN_TRUNK = "8"
_BETWEEN = r"[ ().\-]*"
_RUN = re.compile(r"(?<![0-9])[0-9](?:[ ().\-]{0,3}[0-9]){4,18}(?![0-9])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One person as one agency (or one client of it) knows them. ``before``: what began later is not concerned.
    ``key`` is the agency's keyed hash of the number; ``request_id`` names the calls in `subject_calls` too."""

    agency_id: UUID
    client_id: UUID | None
    request_id: UUID
    number: str
    key: bytes
    before: datetime

    @property
    def pattern(self) -> str:
        return pattern_of(self.number)


class Tally(Protocol):
    """Notes what was done, inside the very transaction that did it, so that a receipt is right after a crash too."""

    def note(self, connection: Any, what: str, count: int, *, objects: Sequence[str] = ()) -> None:
        """``what`` is a word of the receipt; ``objects``: names of objects that are gone (their hashes are told)."""
        ...


class Holder(Protocol):
    """What a room holds of callers. Both methods may be repeated after a crash at any point."""

    def erase(self, subject: Subject, tally: Tally) -> None:
        """Everything that `subject_calls` lists for the request, and whatever else names the number."""
        ...

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Files for the person: name and contents. What the tables hold is exported without it."""
        ...


def pattern_of(number: str) -> str:
    """A regular expression, for Python and PostgreSQL alike, that finds an E.164 number however it is written: with or
    without plus, with `00`, `810` or a trunk prefix, national, with blanks and brackets, in JSON, URL-encoded."""
    assert is_e164(number), "a subject's number is E.164"
    parsed = phonenumbers.parse(number, None)
    country = str(parsed.country_code)
    national = number[1 + len(country) :]
    abroad = f"(?:(?:00|810|011){_BETWEEN})?{_spaced(country)}{_BETWEEN}(?:{_BETWEEN}\\(?0\\)?{_BETWEEN})?"
    trunk = f"(?:0|{_PLUS_SEVEN_TRUNK}){_BETWEEN}"
    before = f"(?:{abroad}|{trunk})" + ("?" if len(national) >= _LONG_ENOUGH else "")
    return rf"\+?(?<![0-9]){before}{_spaced(national)}(?![0-9])"


def _spaced(digits: str) -> str:
    return _BETWEEN.join(digits)


def numbers_in(text: str) -> set[str]:
    """Every E.164 number that somebody may have meant in a text: candidates, to be looked up under their hashes."""
    found: set[str] = set()
    for run in _RUN.findall(text):
        digits = re.sub(r"[^0-9]", "", run)
        for region in (None, "RU"):
            for spelling in (digits, "+" + digits):
                if (number := parse_e164(spelling, region)) is not None:
                    found.add(number)
    return found


def hint_of(number: str) -> str:
    """A number that people recognise who know it, and others do not."""
    return f"{number[:3]}…{number[-2:]}"

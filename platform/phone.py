"""Telephone numbers: what somebody typed, or a carrier sent, to E.164, and back to nothing where it is none.

Accepts what is *possible* by length (libphonenumber's advice: patterns change with its metadata). Short codes are not
E.164. The raw text is kept by whoever asks. Pure; level 0.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

#: Regions of the +7 plan, whose trunk prefix 8 and international prefix 810 need rules of their own.
PLUS_SEVEN = frozenset({"RU", "KZ"})
#: What carriers and switches write instead of a number that the caller does not show (RFC 3323 and practice).
WITHHELD = frozenset(
    {"", "anonymous", "unavailable", "restricted", "private", "withheld", "unknown", "asserted", "blocked", "none"}
)
LONGEST_INPUT = 300

_URI = re.compile(r"\s*(?:(?P<tel>tel)|sips?):(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
#: What nearly all carriers send.
_PLAIN = re.compile(r"\+?[0-9]+", re.ASCII)
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
# Separators beside Unicode's spaces, dashes and invisible marks; "8~10" is how +7 writes its second dial tone.
_SEPARATORS = frozenset("()[]./~\t")


def is_e164(text: str) -> bool:
    """Whether this is a number in the one form that we store."""
    return _E164.fullmatch(text) is not None


def is_withheld(raw: str | None) -> bool:
    """Whether a caller's number was held back (or never sent), as opposed to written oddly."""
    if raw is None:
        return True
    if _PLAIN.fullmatch(raw):
        return False
    user, _, host = _without_scheme(raw).partition("@")
    return user.strip().strip('"').casefold() in WITHHELD or host.casefold() == "anonymous.invalid"


def parse_e164(raw: str | None, region: str | None = None) -> str | None:
    """The number in E.164, or None where the text is none: withheld, a short code, letters, a wrong length.

    ``region`` (ISO 3166, such as RU) says how to read what has no country code; without it only ``+`` and ``00`` forms
    are read, for a guess would be wrong for somebody.
    """
    digits = _digits(raw) if raw is not None and len(raw) <= LONGEST_INPUT else None
    if digits is None:
        return None
    if digits.startswith("+"):
        return _possible(digits, None)
    if region in PLUS_SEVEN:
        if digits.startswith("8108") and len(digits) == 14:
            # International freephone: passed on as it is, never normalised.
            return None
        plus = _plus_seven(digits)
        return _possible(plus, None) if plus is not None else _possible(digits, region)
    if digits.startswith("00"):
        return _possible("+" + digits[2:], None)
    return _possible(digits, region) if region is not None else None


def _without_scheme(raw: str) -> str:
    """`tel:` and `sip:` gone; percent signs mean something only in a URI."""
    match = _URI.fullmatch(raw)
    return raw.strip() if match is None else unquote(match["rest"]).strip()


def _digits(raw: str) -> str | None:
    """ASCII digits, with a plus before them where one was written; None if anything else is in the text."""
    if _PLAIN.fullmatch(raw):
        return raw
    user = _without_scheme(raw).partition("@")[0].partition(";")[0]
    kept = []
    for character in unicodedata.normalize("NFKC", user):
        if character.isdecimal():
            kept.append(str(unicodedata.decimal(character)))
        elif character == "+" and not kept:
            kept.append(character)
        elif character not in _SEPARATORS and unicodedata.category(character) not in {"Zs", "Pd", "Cf"}:
            return None
    return "".join(kept) or None


def _plus_seven(digits: str) -> str | None:
    """What Russia and Kazakhstan write without a plus, or None where their rules say nothing."""
    if digits.startswith("810"):
        return "+" + digits[3:]
    if digits.startswith("00"):
        return "+" + digits[2:]
    if len(digits) == 11 and digits[0] in "78":
        return "+7" + digits[1:]
    if len(digits) == 10 and digits[0] in "34789":
        return "+7" + digits
    return None


def _possible(digits: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(digits, region)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    if number.italian_leading_zero or number.extension:
        e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    else:
        # The same, at a tenth of the cost: every call has one.
        e164 = f"+{number.country_code}{number.national_number}"
    return e164 if is_e164(e164) else None


def country_of(e164: str) -> str | None:
    """The country of a number in E.164 (ISO 3166, two letters); None where it has none or cannot be told."""
    try:
        region: str | None = phonenumbers.region_code_for_number(phonenumbers.parse(e164, None))
    except NumberParseException:
        return None
    return region if region is not None and len(region) == 2 and region.isalpha() else None

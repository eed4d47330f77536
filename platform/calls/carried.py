"""Sources and campaigns on their way through a call's variables, where only words are safe. Pure.

What is a word already goes as it is; any other text goes as `@` and its base64, in the alphabet of addresses, so that
the switch can take it for nothing but a value.
"""

from __future__ import annotations

import base64
import binascii
import re

#: More than a person reads in a list, less than a variable may hold.
LONGEST = 120
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_CODED = re.compile(r"@[A-Za-z0-9_-]{1,700}")


def carried(text: str | None) -> str | None:
    """As a variable's value."""
    if not text:
        return None
    kept = text[:LONGEST]
    if _WORD.fullmatch(kept):
        return kept
    return "@" + base64.urlsafe_b64encode(kept.encode("utf-8", "replace")).decode("ascii").rstrip("=")


def read_carried(value: str | None) -> str | None:
    """The text of such a value; None where it is none."""
    if value is None:
        return None
    if _WORD.fullmatch(value):
        return value
    if not _CODED.fullmatch(value):
        return None
    coded = value[1:]
    try:
        text = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if 1 <= len(text) <= LONGEST and text.isprintable() else None

"""Reads telephone numbers as switches and callers write them. Pure; no country is assumed."""

import re

from .text import clean_text

_WITHHELD = frozenset({"anonymous", "unavailable", "restricted", "private", "unknown", "blocked", "withheld"})


def caller_e164(raw: str | None) -> str | None:
    """A caller's number in E.164 when it is written internationally (`+`, `00` or bare); None if not, or withheld."""
    text = re.sub(r"[\s().-]", "", raw or "")
    if text.lower() in _WITHHELD:
        return None
    match = re.fullmatch(r"(?:\+|00)?([1-9][0-9]{6,14})", text, re.ASCII)
    return "+" + match[1] if match else None


def dialled_e164(raw: str) -> str:
    """The dialled number in E.164 where it can be read so (the dialplan's own rule), the text as received otherwise."""
    match = re.fullmatch(r"\+?([1-9][0-9]{4,14})", raw, re.ASCII)
    return "+" + match[1] if match else clean_text(raw, limit=64)

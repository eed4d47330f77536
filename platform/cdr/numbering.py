"""Reads telephone numbers as carriers and dialplans write them. Pure; no country is assumed."""

import re

from ..phone import is_withheld, parse_e164
from .text import clean_text

#: International without its plus, as many trunks send it: shorter ones may be national, and eleven digits that begin
#: with 8 are as likely a Russian number with its trunk prefix as one of +8x (reference/contracts/11).
_BARE_INTERNATIONAL = re.compile(r"(?!8[0-9]{10}$)[1-9][0-9]{10,14}", re.ASCII)


def caller_e164(raw: str | None) -> str | None:
    """A caller's number in E.164 when it is written internationally (`+`, `00` or bare); None if not, or withheld."""
    if raw is None or is_withheld(raw):
        return None
    return parse_e164(raw) or (parse_e164("+" + raw) if _BARE_INTERNATIONAL.fullmatch(raw) else None)


def dialled_e164(raw: str) -> str:
    """The dialled number in E.164 where it can be read so (the dialplan's own rule), the text as received otherwise."""
    match = re.fullmatch(r"\+?([1-9][0-9]{4,14})", raw, re.ASCII)
    return "+" + match[1] if match else clean_text(raw, limit=64)


_DIVERTED = re.compile(r"<?(?:sips?:|tel:)([^@;>\s]{1,64})")


def diverted_number(header: str | None) -> str | None:
    """The number that a `Diversion` header names (RFC 5806), in E.164 where it is written internationally."""
    found = _DIVERTED.search(header or "")
    return caller_e164(found[1]) if found else None

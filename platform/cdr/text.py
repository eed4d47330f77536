"""Text that a caller or a far switch chose, made fit to be kept: nothing is hidden, nothing can harm.

PostgreSQL refuses NUL, its jsonb refuses lone surrogates, terminals obey control characters. Each of them is replaced
by a sign that can be seen, so that a strange name stays recognisable as strange. Pure; knows nothing of CDRs.
"""

import re

MAX_TEXT_CHARACTERS = 512
_UNFIT = re.compile("[\x00-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def clean_text(value: str, *, limit: int = MAX_TEXT_CHARACTERS) -> str:
    """``value`` with control characters, lone surrogates and direction overrides made visible, cut at ``limit``."""
    # Nearly all is plain: told without looking at each sign.
    cleaned = value if value.isascii() and value.isprintable() else _UNFIT.sub(_visible, value)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"

"""What may be sent to a switch, as whitelists.

Each function returns the value, or raises :class:`UnsafeValue`, which says what was wrong and echoes at most 40
characters of its repr. Free text (names, keywords, notes) has no way into a dial string or a variable: it stays in
the database under the call's id.
"""

from __future__ import annotations

import re
import unicodedata

from .errors import UnsafeValue

_PHONE = re.compile(r"\+?[0-9]{3,15}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,1023}")
# Printable ASCII without quotes and dollars; a backslash only as \s, the inline dialplan's space.
# Written as a loop over runs: a choice at every character takes ten times as long.
_PROGRAM = re.compile(r"[ !#%&(-\[\]-~]*(?:(?:\\|\\{4})s[ !#%&(-\[\]-~]*)*")
# Control characters of every kind (C0, DEL, C1), line and paragraph separators, and lone surrogates.
_HOSTILE = {"Cc", "Zl", "Zp", "Cs"}
_PLAIN_ASCII = re.compile(r"[ -~]*")


def refusal(what: str, value: object) -> UnsafeValue:
    """The error for a value that is not ``what``."""
    return UnsafeValue(f"not {what}: {repr(value)[:40]}")


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise refusal(what, value)
    return value


def phone_digits(value: str) -> str:
    """A telephone number: 3 to 15 ASCII digits, with or without a leading plus."""
    return _matching(_PHONE, value, "a telephone number")


def identifier(value: str) -> str:
    """An id of our own making: 1 to 64 of ``A-Z a-z 0-9 _ -``."""
    return _matching(_IDENTIFIER, value, "an identifier")


def call_uuid(value: str) -> str:
    """A channel's UUID, lower-cased."""
    return _matching(_UUID, value, "a call UUID").lower()


def variable_name(value: str) -> str:
    """A channel variable's name."""
    return _matching(_VARIABLE, value, "a variable name")


def server_path(value: str) -> str:
    """An absolute path on the switch's machine, of plain characters and without ``..``."""
    if ".." in _matching(_PATH, value, "a path on the switch").split("/"):
        raise refusal("a path on the switch", value)
    return value


def program_text(value: str) -> str:
    """Something the switch will interpret (a plan, a dial string, a variable's value), made by us from safe parts.

    Printable ASCII without ``'``, ``"`` and ``$``, and ``\\`` only as ``\\s``, or as ``\\\\\\\\s`` in what is unescaped
    twice more: nothing can be expanded, quoted or unescaped into a control character (FreeSWITCH switch_utils.c,
    cleanup_separated_string).
    """
    return _matching(_PROGRAM, value, "text the switch may interpret")


def plain_text(value: str) -> str:
    """One line of text: no control character, no line or paragraph separator, nothing that UTF-8 cannot hold."""
    if not isinstance(value, str):
        raise refusal("one line of text", value)
    if _PLAIN_ASCII.fullmatch(value) is None and any(unicodedata.category(one) in _HOSTILE for one in value):
        raise refusal("one line of text", value)
    return value


def printable(value: str) -> str:
    """A hostile value made fit for a database or a screen: each unfit character becomes U+FFFD. Never raises."""
    if _PLAIN_ASCII.fullmatch(value) is not None:
        return value
    return "".join("\ufffd" if unicodedata.category(one) in _HOSTILE else one for one in value)

"""How FreeSWITCH cuts and fills strings: separated lists, truth, and variables in braces. Pure.

Sources: ``switch_utils.c`` (separate_string_char_delim, cleanup_separated_string), ``switch_channel.c``
(switch_channel_expand_variables_check). API calls in braces are never made: the node behaves as a switch with
``api-expansion`` off, which puts a refusal in their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: Only so, or with a variable in it, is a text looked through at all (switch_utils.h, switch_string_has_escaped_data).
_ESCAPED = re.compile(r"\\[\\nst']")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "s": " "}
_TRUE = frozenset({"yes", "on", "true", "t", "enabled", "active", "allow"})
API_REFUSED = "<API Execute Permission Denied>"
MAX_DEPTH = 16


def truth(text: str | None) -> bool:
    """Whether FreeSWITCH takes the text for yes."""
    if not text:
        return False
    lowered = text.strip().lower()
    if lowered.lstrip("-").isdigit():
        return int(lowered) != 0
    return lowered in _TRUE


def separate(text: str, delimiter: str, limit: int = 128) -> list[str]:
    """Cut at the delimiter, at most ``limit`` pieces: what follows is dropped, as the switch does without a word.

    Quotes ``'…'`` protect the delimiter, a backslash the character after it. For a space as delimiter runs of it count
    as one (separate_string_blank_delim).
    """
    pieces = _cut_at_blanks(text, limit) if delimiter == " " else _cut(text, delimiter, limit)
    return [_clean(piece, "" if delimiter == " " else delimiter) for piece in pieces]


def _cut(text: str, delimiter: str, limit: int) -> list[str]:
    pieces: list[str] = []
    start = at = 0
    quoted = False
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 1
        elif character == "'" and (quoted or "'" in text[at + 1 :]):
            quoted = not quoted
        elif character == delimiter and not quoted:
            pieces.append(text[start:at])
            start = at + 1
            if len(pieces) == limit:
                return pieces
        at += 1
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def _cut_at_blanks(text: str, limit: int) -> list[str]:
    pieces: list[str] = []
    at = 0
    while at < len(text) and len(pieces) < limit:
        while at < len(text) and text[at] == " ":
            at += 1
        start, quoted = at, False
        while at < len(text) and (quoted or text[at] != " "):
            if text[at] == "\\":
                at += 1
            elif text[at] == "'" and (quoted or "'" in text[at + 1 :]):
                quoted = not quoted
            at += 1
        if start < len(text):
            pieces.append(text[start : min(at, len(text))])
    return pieces


def _clean(piece: str, delimiter: str) -> str:
    """Strip quotes, escapes and outer spaces from one piece."""
    out: list[str] = []
    keep = 0
    quoted = False
    at = len(piece) - len(piece.lstrip(" "))
    while at < len(piece):
        character = piece[at]
        after = piece[at + 1] if at + 1 < len(piece) else ""
        if character == "\\" and after and (after in "'\"\\" or after == delimiter or after in _ESCAPES):
            out.append(_ESCAPES.get(after, after))
            keep = len(out)
            at += 1
        elif character == "'" and (quoted or "'" in piece[at + 1 :]):
            quoted = not quoted
            keep = max(keep, len(out))
        else:
            out.append(character)
            if character != " " or quoted:
                keep = len(out)
        at += 1
    return "".join(out[:keep])


def expand(text: str, lookup: Callable[[str], str | None], depth: int = 0) -> str:
    """Fill ``${name}`` and ``${name:offset:length}`` from ``lookup``; unknown names become empty.

    Values are expanded too, as the switch does, to a depth of ``MAX_DEPTH``. A backslash before ``$`` keeps it; two of
    them become one, and one before a quote goes with it.
    """
    if "${" not in text and not _ESCAPED.search(text):
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("\\$", at):
            out.append("$")
            at += 2
        elif text.startswith("\\\\", at):
            out.append("\\")
            at += 2
        elif text.startswith("\\'", at):
            at += 2
        elif text.startswith("${", at):
            end = _closing(text, at + 2)
            if end < 0:
                out.append(text[at:])
                break
            out.append(_value(text[at + 2 : end], lookup, depth))
            at = end + 1
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


def _closing(text: str, start: int) -> int:
    open_braces = 1
    for at in range(start, len(text)):
        if text[at] == "{":
            open_braces += 1
        elif text[at] == "}":
            open_braces -= 1
            if not open_braces:
                return at
    return -1


def _value(inside: str, lookup: Callable[[str], str | None], depth: int) -> str:
    if depth >= MAX_DEPTH:
        return ""
    name = expand(inside, lookup, depth + 1)
    if " " in name or "(" in name:
        return API_REFUSED
    name, *cut = name.split(":")
    value = expand(lookup(name) or "", lookup, depth + 1)
    return _slice(value, cut)


def _slice(value: str, cut: list[str]) -> str:
    numbers = [int(part) for part in cut if part.lstrip("-").isdigit()]
    if not numbers:
        return value
    offset = numbers[0] if numbers[0] >= 0 else max(0, len(value) + numbers[0])
    return value[offset:][: numbers[1]] if len(numbers) > 1 and numbers[1] > 0 else value[offset:]

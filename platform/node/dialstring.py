"""Dial strings: ``{for all}[for this leg]sofia/profile/uri``, ``,`` for together, ``|`` for in turn. Pure.

Source: ``switch_ivr_originate.c`` and ``switch_event.c`` (switch_event_create_brackets); reference freeswitch 4.1.
Enterprise originate (``:_:``) and other endpoints than sofia are refused with a clear error.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import BadDialString
from .syntax import separate

MAX_LEGS = 128


@dataclass(frozen=True, slots=True)
class Leg:
    """One attempt: whom to call (``user``, ``host``, ``port``) with which variables."""

    target: str
    user: str
    host: str
    port: int
    profile: str
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class DialString:
    variables: dict[str, str]
    turns: tuple[tuple[Leg, ...], ...]


def parse(text: str) -> DialString:
    """Read a dial string; raises :class:`BadDialString`."""
    rest = text.strip()
    variables: dict[str, str] = {}
    while rest.startswith("{"):
        block, rest = _block(rest, "{", "}")
        variables |= read_variables(block)
    if ":_:" in rest:
        raise BadDialString(f"this node does not run enterprise originate (:_:): {text!r:.120}")
    turns = []
    for turn in _split(rest, "|"):
        legs = tuple(_leg(piece) for piece in _split(turn, ",") if piece.strip())
        if legs:
            turns.append(legs)
    if not turns or sum(map(len, turns)) > MAX_LEGS:
        raise BadDialString(f"a dial string names 1 to {MAX_LEGS} legs: {text!r:.120}")
    return DialString(variables, tuple(turns))


def read_variables(block: str) -> dict[str, str]:
    """The inside of one bracket: ``a=b,c=d``, or ``^^;a=b;c=d`` with another separator."""
    delimiter = ","
    if block.startswith("^^") and len(block) > 2:
        delimiter, block = block[2], block[3:]
    found = {}
    for piece in separate(block, delimiter):
        name, equals, value = piece.partition("=")
        if equals and name.strip():
            found[name.strip()] = value
    return found


def _block(text: str, opening: str, closing: str) -> tuple[str, str]:
    quoted = False
    for at, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif character == closing and not quoted:
            return text[1:at], text[at + 1 :].lstrip()
    raise BadDialString(f"{opening} is never closed: {text!r:.120}")


def _split(text: str, delimiter: str) -> list[str]:
    """Cut at the delimiter outside of brackets."""
    pieces, start, depth = [], 0, 0
    for at, character in enumerate(text):
        if character == "[":
            depth += 1
        elif character == "]":
            depth = max(0, depth - 1)
        elif character == delimiter and not depth:
            pieces.append(text[start:at])
            start = at + 1
    return [*pieces, text[start:]]


def _leg(piece: str) -> Leg:
    rest = piece.strip()
    variables: dict[str, str] = {}
    while rest.startswith("["):
        block, rest = _block(rest, "[", "]")
        variables |= read_variables(block)
    endpoint, _, after = rest.partition("/")
    profile, _, target = after.partition("/")
    if endpoint != "sofia" or not target:
        raise BadDialString(f"this node dials sofia/<profile>/<uri> only: {piece!r:.120}")
    if profile == "gateway":
        # A gateway is known only when it is dialled: the attempt then fails, the dial string does not.
        return Leg(target, target.rpartition("/")[2], "", 0, profile, variables)
    user, host, port = _uri(target)
    return Leg(target, user, host, port, profile, variables)


def _uri(target: str) -> tuple[str, str, int]:
    bare = target.removeprefix("sip:").partition(";")[0].partition("?")[0]
    user, at, where = bare.rpartition("@")
    host, colon, port = where.partition(":")
    if not at or not host or (colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise BadDialString(f"not a SIP address (user@host or user@host:port): {target!r:.120}")
    return user, host, int(port) if colon else 5060

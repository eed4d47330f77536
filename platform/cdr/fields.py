"""Reads single fields out of a switch's JSON CDR and believes none of them: every value is checked on the way out.

All variables are text in a CDR; "0" as a stamp means that it never happened, a list is `ARRAY::a|:b`
(reference/call-setup.md, "What the CDR files hold"). Pure.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from ..clock import from_microseconds
from .text import clean_text

_WORD_CHARACTERS = 64
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_UUID_CHARACTERS = 36
_NUMBER_CHARACTERS = 32
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: Most stamps of a file are of what never happened.
_NEVER = ("0", "")
_STAMP_CHARACTERS = 16
#: 2001 to 2100: a stamp outside is a clock that was never set, or not a stamp.
_STAMPS_US = range(978_307_200_000_000, 4_102_444_800_000_000)


@lru_cache(maxsize=8192)
def _uuid_of(text: str) -> uuid.UUID | None:
    return uuid.UUID(text) if _UUID.fullmatch(text) else None


def as_uuid(value: object) -> uuid.UUID | None:
    """A UUID in its usual spelling, or None. A call's own stand in its files many times, its tenant's in every file."""
    return _uuid_of(value) if isinstance(value, str) and len(value) == _UUID_CHARACTERS else None


def as_stamp(value: object) -> datetime | None:
    """Microseconds since 1970 as a moment; None for zero, nonsense and what lies outside 2001 to 2100."""
    if isinstance(value, str):
        return _stamp_of(value)
    return _stamp_of(str(value)) if isinstance(value, int) and not isinstance(value, bool) else None


@lru_cache(maxsize=4096)
def _stamp_of(text: str) -> datetime | None:
    """One moment stands in a call's files up to ten times: as a variable, in each profile, in the legs' files."""
    if text in _NEVER or not text.isascii() or not text.isdecimal() or len(text) > _STAMP_CHARACTERS:
        return None
    stamp_us = int(text)
    return from_microseconds(stamp_us) if stamp_us in _STAMPS_US else None


def as_number(value: object) -> int | float | None:
    """A finite number that was written as text or as JSON; whole ones as int."""
    if isinstance(value, str):
        return _number_of(value) if len(value) <= _NUMBER_CHARACTERS else None
    return _finite(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


@lru_cache(maxsize=4096)
def _number_of(text: str) -> int | float | None:
    """Most counters of most calls are one of a few."""
    return _finite(text)


def _finite(value: float | str) -> int | float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or abs(number) > 2**53:
        return None
    return int(number) if number.is_integer() else number


@lru_cache(maxsize=4096)
def _word_of(text: str) -> str | None:
    """Causes, dispositions, codecs: the same few in every file."""
    return text if _WORD.fullmatch(text) else None


def as_list(value: object) -> list[str]:
    """`ARRAY::a|:b` → [a, b]; a value by itself → [value]; nothing → []."""
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    if not isinstance(value, str) or not value:
        return []
    return value[len("ARRAY::") :].split("|:") if value.startswith("ARRAY::") else [value]


def as_mapping(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


class Fields:
    """The variables of one CDR, and the caller profiles beside them."""

    def __init__(self, cdr: Mapping[str, Any]) -> None:
        self.cdr = cdr
        self.variables = as_mapping(cdr.get("variables"))
        flow = cdr.get("callflow")
        self.profiles = [as_mapping(entry) for entry in flow] if isinstance(flow, list) else []

    def text(self, name: str, *, limit: int = 512) -> str | None:
        """The variable, cleaned; None if it is absent or empty."""
        value = self.variables.get(name)
        return clean_text(value, limit=limit) if isinstance(value, str) and value else None

    def word(self, name: str) -> str | None:
        """A word of the switch or of ours (a cause, a disposition): letters, digits, `_`, `-`, `.`, `:` only."""
        value = self.variables.get(name)
        return _word_of(value) if isinstance(value, str) and len(value) <= _WORD_CHARACTERS else None

    def uuid(self, name: str) -> uuid.UUID | None:
        value = self.variables.get(name)
        return as_uuid(value) if value else None

    def stamp(self, name: str) -> datetime | None:
        value = self.variables.get(name)
        return _stamp_of(value) if type(value) is str else as_stamp(value)

    def number(self, name: str) -> int | float | None:
        value = self.variables.get(name)
        return as_number(value) if value is not None else None

    def integer(self, name: str) -> int | None:
        value = self.number(name)
        return value if isinstance(value, int) and abs(value) < 2**31 else None

    def list(self, name: str) -> list[str]:
        return as_list(self.variables.get(name))

    @cached_property
    def _names(self) -> str:
        return "\n".join(self.variables)

    def named(self, prefix: str) -> Sequence[str]:
        """Names of variables that begin so, of hundreds; most files have none."""
        return [name for name in self.variables if name.startswith(prefix)] if prefix in self._names else []

    @cached_property
    def applications(self) -> set[str]:
        """Names of the applications that ran on the channel."""
        ran = as_mapping(self.cdr.get("app_log")).get("applications")
        names = [as_mapping(entry).get("app_name") for entry in ran] if isinstance(ran, list) else []
        return {name for name in names if isinstance(name, str)}

    def caller_profile(self, name: str) -> str | None:
        """A field of the first caller profile: what came with the INVITE, before any transfer of ours."""
        for entry in reversed(self.profiles):
            value = as_mapping(entry.get("caller_profile")).get(name)
            if isinstance(value, str) and value:
                return value
        return None

    def earliest_time(self, name: str) -> datetime | None:
        """The earliest moment of this name in any profile: a transfer makes a new profile without the bridge's time."""
        found = [as_stamp(as_mapping(entry.get("times")).get(name)) for entry in self.profiles]
        return min((moment for moment in found if moment), default=None)

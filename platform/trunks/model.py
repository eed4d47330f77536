"""Trunks: who carries calls to telephone numbers, for how much, and in which order. Values and rules, no I/O.

A trunk knows us by our address. One that asks for a password (digest) is refused in this release: a password must never
stand in a dial string, from where it would get into records, events and logs (docs/howto/limits-and-trunks.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from uuid import UUID

from .errors import ValueRefused

Authentication = Literal["address", "digest"]
NumberForm = Literal["e164", "digits"]

MOST_PREFIXES = 20_000
MOST_CALLS = 100_000
LOWEST_PRIORITY = 10_000

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
# The same whitelist as a target's host: it becomes part of a dial string.
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_DIAL_PREFIX = re.compile(r"[0-9*]{0,16}", re.ASCII)
_PREFIX = re.compile(r"\+(?:[1-9][0-9]{0,13})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_PRICE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkValues:
    """What the operator says of a trunk. ``costs``: prefix (``+`` alone: anywhere) → price of a minute as a decimal
    text; a number that no prefix begins is not carried. ``max_calls`` holds on each node; None: as many as come."""

    name: str
    host: str
    port: int | None = None
    authentication: Authentication = "address"
    dial_prefix: str = ""
    number_form: NumberForm = "e164"
    priority: int = 100
    max_calls: int | None = None
    currency: str = "USD"
    costs: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk(TrunkValues):
    """A trunk as it is kept."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    version: int


def check_trunk(values: TrunkValues) -> TrunkValues:
    """Raises ValueRefused for the first value that is not usable."""
    for name, good, rule in _rules(values):
        if not good:
            raise ValueRefused(name, rule)
    for prefix, price in values.costs.items():
        if not _PREFIX.fullmatch(prefix):
            raise ValueRefused("costs", f"{prefix[:20]!r} is not + and up to 14 digits, such as +4420")
        if not _is_price(price):
            raise ValueRefused("costs", f"the price of {prefix} must be a decimal text such as 0.0125")
    return values


def _rules(values: TrunkValues) -> list[tuple[str, Any, str]]:
    return [
        ("name", _NAME.fullmatch(values.name), "must be 1 to 32 small letters, digits and -, a letter first"),
        ("host", _HOST.fullmatch(values.host), "must be a host name or an IPv4 address"),
        ("port", values.port is None or 0 < values.port < 65_536, "must be 1 to 65535, or null"),
        # Until a password can be given to a switch without standing in a dial string, and so in records and events.
        ("authentication", values.authentication == "address", "must be address: this release gives no password"),
        ("dial_prefix", _DIAL_PREFIX.fullmatch(values.dial_prefix), "must be at most 16 digits"),
        ("number_form", values.number_form in ("e164", "digits"), "must be e164 or digits"),
        ("priority", 0 <= values.priority <= LOWEST_PRIORITY, f"must be 0 to {LOWEST_PRIORITY}"),
        (
            "max_calls",
            values.max_calls is None or 0 <= values.max_calls <= MOST_CALLS,
            f"must be 0 to {MOST_CALLS}, or null for no limit",
        ),
        ("currency", _CURRENCY.fullmatch(values.currency), "must be three capital letters, such as USD"),
        ("costs", len(values.costs) <= MOST_PREFIXES, f"must have at most {MOST_PREFIXES} prefixes"),
    ]


def _is_price(text: object) -> bool:
    if not isinstance(text, str) or not _PRICE.fullmatch(text):
        return False
    try:
        return Decimal(text) >= 0
    except InvalidOperation:
        return False

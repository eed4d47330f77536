"""Trunks: who carries calls to telephone numbers, for how much, and in which order. Values and rules, no I/O.

A trunk knows us by our address, or by a user name and a password (digest). The password never stands in a dial string,
from where it would get into records, events and logs: it is sealed in the database, and each node's monitor writes it
into the gateways of its switch (docs/howto/limits-and-trunks.md).
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
MOST_CALLS_PER_S = 10_000
LOWEST_PRIORITY = 10_000

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
# The same whitelist as a target's host: it becomes part of a dial string.
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_DIAL_PREFIX = re.compile(r"[0-9*]{0,16}", re.ASCII)
_PREFIX = re.compile(r"\+(?:[1-9][0-9]{0,13})?", re.ASCII)
_USERNAME = re.compile(r"[A-Za-z0-9._+@=-]{1,64}", re.ASCII)
# What a carrier may hand out. `$${` would be expanded as the switch reads its files, and at a colon it cuts the
# password off (sofia_reg.c, sofia_reg_handle_sip_r_challenge); all else was tried on it (tests/contract).
_PASSWORD = re.compile(r"(?!.*\$\$\{)[!-9;-~]{1,128}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_PRICE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkValues:
    """What the operator says of a trunk. ``costs``: prefix (``+`` alone: anywhere) → price of a minute as a decimal
    text; a number that no prefix begins is not carried. ``max_calls`` (at a time) and ``max_calls_per_s`` hold on each
    node; None: as many as come. ``username`` goes with digest authentication; its password is no value of a trunk."""

    name: str
    host: str
    port: int | None = None
    authentication: Authentication = "address"
    username: str = ""
    dial_prefix: str = ""
    number_form: NumberForm = "e164"
    priority: int = 100
    max_calls: int | None = None
    max_calls_per_s: int | None = None
    currency: str = "USD"
    costs: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk(TrunkValues):
    """A trunk as it is kept."""

    id: UUID
    has_password: bool
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
        ("authentication", values.authentication in ("address", "digest"), "must be address or digest"),
        *_username_rules(values),
        ("dial_prefix", _DIAL_PREFIX.fullmatch(values.dial_prefix), "must be at most 16 digits"),
        ("number_form", values.number_form in ("e164", "digits"), "must be e164 or digits"),
        ("priority", 0 <= values.priority <= LOWEST_PRIORITY, f"must be 0 to {LOWEST_PRIORITY}"),
        (
            "max_calls",
            values.max_calls is None or 0 <= values.max_calls <= MOST_CALLS,
            f"must be 0 to {MOST_CALLS}, or null for no limit",
        ),
        (
            "max_calls_per_s",
            values.max_calls_per_s is None or 1 <= values.max_calls_per_s <= MOST_CALLS_PER_S,
            f"must be 1 to {MOST_CALLS_PER_S}, or null for no limit",
        ),
        ("currency", _CURRENCY.fullmatch(values.currency), "must be three capital letters, such as USD"),
        ("costs", len(values.costs) <= MOST_PREFIXES, f"must have at most {MOST_PREFIXES} prefixes"),
    ]


def _username_rules(values: TrunkValues) -> list[tuple[str, Any, str]]:
    if values.authentication == "digest":
        rule = "must be 1 to 64 letters, digits and . _ + @ = -: digest needs one"
        return [("username", _USERNAME.fullmatch(values.username), rule)]
    return [("username", not values.username, "must be empty: the trunk knows us by our address")]


def check_password(password: str) -> str:
    """Raises ValueRefused, which does not show it."""
    if not _PASSWORD.fullmatch(password):
        raise ValueRefused("password", "must be 1 to 128 visible ASCII characters without blanks, colons and $${")
    return password


def purpose_of(trunk_id: UUID) -> str:
    """What a trunk's password is sealed for."""
    return f"trunk {trunk_id} password"


def _is_price(text: object) -> bool:
    if not isinstance(text, str) or not _PRICE.fullmatch(text):
        return False
    try:
        return Decimal(text) >= 0
    except InvalidOperation:
        return False

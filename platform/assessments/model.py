"""What people and their systems say of a call once it is over: tags, a note, a score, what it is worth, the sale.

It stands beside the record and never changes it. Pure: values and rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .errors import ValueRefused

MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 50, 60, 4000
#: Twelve digits before the point and four behind it: what the table holds.
MOST_AMOUNT = Decimal("999999999999.9999")
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT_DIGITS = 4


@dataclass(frozen=True)
class Money:
    """An exact amount."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Sale:
    """What was sold because of the call. ``reference``: the asker's own name for it."""

    amount: Decimal
    currency: str
    sold_at: datetime | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Assessment:
    """All that is said of one call. ``version`` 0: nothing yet."""

    call_id: UUID
    client_id: UUID
    tags: Sequence[str] = ()
    note: str | None = None
    score: int | None = None
    value: Money | None = None
    sale: Sale | None = None
    version: int = 0
    updated_at: datetime | None = None


#: What a merge patch may name.
CHANGEABLE = ("tags", "note", "score", "value", "sale")


def merged(before: Assessment, patch: Mapping[str, Any]) -> dict[str, Any]:
    """The members after a merge patch (RFC 7396): what it does not name stays, inside of values too. Raises
    ValueRefused."""
    made: dict[str, Any] = {name: getattr(before, name) for name in CHANGEABLE}
    for name, sent in patch.items():
        if name in {"value", "sale"} and sent is not None:
            made[name] = _merged_value(name, made[name], sent)
        else:
            made[name] = sent
    return {**made, "tags": checked_tags(made["tags"] or ()), "note": checked_note(made["note"])}


def _merged_value(name: str, before: Money | Sale | None, patch: Mapping[str, Any]) -> Money | Sale:
    kind: type[Money | Sale] = Money if name == "value" else Sale
    had = {field.name: getattr(before, field.name) for field in fields(kind)} if before is not None else {}
    values = {**had, **patch}
    for member in ("amount", "currency"):
        if values.get(member) is None:
            raise ValueRefused(f"{name}/{member}", "is required")
    check_money(name, values["amount"], values["currency"])
    return kind(**values)


def check_money(name: str, amount: Decimal, currency: str) -> None:
    """Raises ValueRefused."""
    if not amount.is_finite() or abs(amount) > MOST_AMOUNT:
        raise ValueRefused(f"{name}/amount", f"must lie between -{MOST_AMOUNT} and {MOST_AMOUNT}")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _AMOUNT_DIGITS:
        raise ValueRefused(f"{name}/amount", f"has at most {_AMOUNT_DIGITS} digits behind the point")
    if not _CURRENCY.fullmatch(currency):
        raise ValueRefused(f"{name}/currency", "must be three capital letters (ISO 4217), such as GBP")


def checked_tags(tags: Sequence[str]) -> list[str]:
    """Each once, in the order in which they were named. Raises ValueRefused."""
    found = list(dict.fromkeys(tag.strip() for tag in tags))
    if len(found) > MOST_TAGS:
        raise ValueRefused("tags", f"are {MOST_TAGS} at most")
    if any(not tag or len(tag) > LONGEST_TAG or not tag.isprintable() for tag in found):
        raise ValueRefused("tags", f"have 1 to {LONGEST_TAG} printable characters each")
    return found


def checked_note(note: str | None) -> str | None:
    """Raises ValueRefused."""
    if note is not None and len(note) > LONGEST_NOTE:
        raise ValueRefused("note", f"has {LONGEST_NOTE} characters at most")
    return note or None

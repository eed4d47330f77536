"""Prices, accounts and movements of money as values, and the rules that need no database. Money is a Decimal with at
most six places; rounding happens once, at the end of a multiplication, by the book's own rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from .errors import ValueRefused

Side = Literal["client", "agency"]
Mode = Literal["prepaid", "postpaid"]
Rounding = Literal["half_up", "half_even", "up", "down"]
EntryKind = Literal["calls", "month", "payment", "credit", "correction"]

#: Priced with each call.
MINUTE, SPAM_CHECK = "minute", "spam_check"
#: Stocks: what is there on a day, priced by the month.
NUMBER, STORAGE, SEAT = "number_month", "recording_gb_month", "seat_month"
#: What we count a day; everything else is reported (`POST …/usage`).
DELIVERY = "webhook_delivery"
STOCKS = (NUMBER, STORAGE, SEAT)
MINIMUM = "monthly_minimum"
GIGABYTE = 1_000_000_000

PLACES = 6
MOST_AMOUNT = Decimal("99999999999.999999")
MOST_RATES, MOST_PACKAGES = 20_000, 200
_METER = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
_PREFIX = re.compile(r"(\+([1-9][0-9]{0,13})?)?", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,99}", re.ASCII)


def money_text(amount: Decimal) -> str:
    """Exactly, without an exponent; at least two places and no zeros beyond."""
    text = f"{amount.normalize():f}" if amount else "0"
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"


def round_money(exact: Fraction, places: int, rounding: str) -> Decimal:
    """An amount of at least 0, rounded to so many places."""
    scaled = exact * 10**places
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * rest - scaled.denominator
    up = {
        "down": False,
        "up": rest > 0,
        "half_up": twice >= 0,
        "half_even": twice > 0 or (twice == 0 and whole % 2 == 1),
    }[rounding]
    return Decimal(whole + int(up)).scaleb(-places)


def first_of(day: date) -> date:
    """The month that a day belongs to, named by its first day."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def days_of(month: date) -> int:
    return (next_month(month) - month).days


def local_day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


def check_amount(field_name: str, amount: Decimal, *, least: Decimal = Decimal(0)) -> Decimal:
    """Raises ValueRefused."""
    if not amount.is_finite() or abs(amount) > MOST_AMOUNT or amount < least:
        raise ValueRefused(field_name, f"must be between {least} and {MOST_AMOUNT}")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        raise ValueRefused(field_name, f"has more than {PLACES} decimal places")
    return amount


def check_currency(currency: str) -> str:
    """Raises ValueRefused."""
    if not re.fullmatch("[A-Z]{3}", currency, re.ASCII):
        raise ValueRefused("currency", "must be three capital letters (ISO 4217), such as GBP")
    return currency


def check_meter(field_name: str, meter: str) -> str:
    """Raises ValueRefused."""
    if not _METER.fullmatch(meter):
        raise ValueRefused(field_name, "must be 1 to 64 lower-case letters, digits, dots, dashes and underscores")
    return meter


def check_reference(reference: str) -> str:
    """Raises ValueRefused. References of our own begin with a word and a colon that nobody else may use."""
    if not _REFERENCE.fullmatch(reference):
        raise ValueRefused("reference", "must be 1 to 100 letters, digits, blanks and ._:/-")
    if reference.startswith("dialtrace:"):
        raise ValueRefused("reference", "must not begin with dialtrace:, which the platform's own begin with")
    return reference


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The price of one meter. ``amount``: of a minute, of a month of a stock, of a piece. ``prefix``: of the number
    that was dialled; the longest that fits counts. ``setup``: of each call on top. ``minimum``: what a call that costs
    anything costs at least. Seconds are rounded up to ``initial_s`` and then to steps of ``increment_s``.
    ``proration`` of a stock: daily: by the days on which it was there; whole: the month's highest count, in full."""

    meter: str
    amount: Decimal
    direction: str = ""
    prefix: str = ""
    setup: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)
    initial_s: int = 60
    increment_s: int = 60
    proration: Literal["daily", "whole"] = "daily"
    package: str | None = None


@dataclass(frozen=True, kw_only=True)
class Package:
    """What is free in a calendar month: minutes of calls, or pieces."""

    name: str
    quantity: int


@dataclass(frozen=True, kw_only=True)
class NewEdition:
    """Prices from a moment on."""

    valid_from: datetime
    places: int = 4
    rounding: Rounding = "half_up"
    monthly_minimum: Decimal = Decimal(0)
    rates: Sequence[Rate] = ()
    packages: Sequence[Package] = ()


@dataclass(frozen=True, kw_only=True)
class Edition(NewEdition):
    """An edition as it is kept."""

    book_id: UUID
    edition: int
    made_at: datetime


def check_edition(new: NewEdition) -> None:
    """Raises ValueRefused."""
    if len(new.rates) > MOST_RATES:
        raise ValueRefused("rates", f"has more than {MOST_RATES} rates")
    if len(new.packages) > MOST_PACKAGES:
        raise ValueRefused("packages", f"has more than {MOST_PACKAGES} packages")
    check_amount("monthly_minimum", new.monthly_minimum)
    names = {package.name for package in new.packages}
    if len(names) < len(new.packages):
        raise ValueRefused("packages", "names a package twice")
    seen: set[tuple[str, str, str]] = set()
    kinds: dict[str, set[bool]] = {}
    for place, rate in enumerate(new.rates):
        _check_rate(f"rates/{place}", rate)
        key = (rate.meter, rate.direction, rate.prefix)
        if key in seen:
            raise ValueRefused(f"rates/{place}", "is there twice: meter, direction and prefix name one rate")
        seen.add(key)
        if rate.package is not None:
            if rate.package not in names:
                raise ValueRefused(f"rates/{place}/package", "names no package of this edition")
            kinds.setdefault(rate.package, set()).add(rate.meter == MINUTE)
    for name, found in kinds.items():
        if len(found) > 1:
            raise ValueRefused("packages", f"{name} is used for minutes and for pieces: make it two")


def _check_rate(where: str, rate: Rate) -> None:
    check_meter(f"{where}/meter", rate.meter)
    if rate.meter == MINIMUM:
        raise ValueRefused(f"{where}/meter", "is no meter: the edition's own monthly_minimum says it")
    if (rate.meter == MINUTE) != (rate.direction in {"inbound", "outbound"}):
        raise ValueRefused(f"{where}/direction", "must be inbound or outbound for minutes, and empty otherwise")
    if not _PREFIX.fullmatch(rate.prefix):
        raise ValueRefused(f"{where}/prefix", "must be empty, or + and up to 14 digits, such as +4420")
    if rate.prefix and rate.meter not in {MINUTE, NUMBER}:
        raise ValueRefused(f"{where}/prefix", "must be empty: only minutes and numbers have prefixes")
    for name in ("amount", "setup", "minimum"):
        check_amount(f"{where}/{name}", getattr(rate, name))
    if not 0 <= rate.initial_s <= 3600 or not 1 <= rate.increment_s <= 3600:
        raise ValueRefused(f"{where}/initial_s", "must be 0 to 3600 s, and increment_s 1 to 3600 s")


@dataclass(frozen=True, kw_only=True)
class Book:
    """A price book. ``edition``: the last one; 0: it has no prices yet."""

    id: UUID
    agency_id: UUID
    side: Side
    name: str
    currency: str
    edition: int
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, kw_only=True)
class AccountValues:
    """What may be said of an account. ``alarms``: balances; falling below one is told. ``lowest_balance``: below it a
    prepaid account is overdue; a postpaid one is overdue when a statement is not paid ``due_days`` after it was made.
    ``grace_days`` later ``then_action`` follows."""

    price_book_id: UUID | None = None
    mode: Mode = "postpaid"
    lowest_balance: Decimal = Decimal(0)
    alarms: Sequence[Decimal] = ()
    due_days: int = 14
    grace_days: int = 14
    then_action: Literal["keep", "suspend"] = "keep"


@dataclass(frozen=True, kw_only=True)
class Account(AccountValues):
    """Who pays: a client its agency, or (``client_id`` None) the agency the operator. ``balance``: what it has; what it
    owes is below 0."""

    agency_id: UUID
    scope_id: UUID
    client_id: UUID | None
    currency: str
    time_zone: str
    state: Literal["good", "overdue", "stopped"]
    state_at: datetime
    balance: Decimal
    entries: int
    metered_until: date
    closed_until: date
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def side(self) -> Side:
        return "agency" if self.client_id is None else "client"


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """A movement of money: payments and credits are above 0, charges below."""

    scope_id: UUID
    kind: EntryKind
    day: date
    amount: Decimal
    currency: str
    reference: str
    batch: UUID | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry(NewEntry):
    """A movement as it stands in the ledger. ``balance``: after it."""

    place: int
    client_id: UUID | None
    balance: Decimal
    posted_at: datetime


@dataclass(frozen=True, kw_only=True)
class Rerating:
    """Calls that were asked to be rated anew, and what came of it. ``difference``: side → currency → decimal text."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    side: str
    price_book_id: UUID | None
    from_at: datetime
    until_at: datetime
    dry_run: bool
    state: str
    calls: int
    changed: int
    difference: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fault: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a statement or of a day: what was used and what it costs. ``price`` None: the book has none for it."""

    meter: str
    direction: str = ""
    prefix: str | None = ""
    price: Decimal | None = None
    count: int = 0
    quantity: Decimal = Decimal(0)
    free: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        """As a ledger's entry keeps it: numbers that must stay exact are texts."""
        return {
            "meter": self.meter,
            "direction": self.direction,
            "prefix": self.prefix,
            "price": None if self.price is None else money_text(self.price),
            "count": self.count,
            "quantity": f"{self.quantity.normalize():f}",
            "free": f"{self.free.normalize():f}",
            "amount": money_text(self.amount),
        }


def line_of(kept: Mapping[str, Any]) -> Line:
    """A line as an entry of the ledger keeps it."""
    price = kept["price"]
    return Line(
        meter=kept["meter"],
        direction=kept["direction"],
        prefix=kept["prefix"],
        price=None if price is None else Decimal(price),
        count=int(kept["count"]),
        quantity=Decimal(str(kept["quantity"])),
        free=Decimal(str(kept["free"])),
        amount=Decimal(kept["amount"]),
    )


def add_lines(lines: Sequence[Line]) -> list[Line]:
    """Lines of the same meter, direction, prefix and price as one, in a fixed order."""
    found: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        key = (line.meter, line.direction, line.prefix or "", line.price is None, line.price or Decimal(0))
        other = found.get(key)
        found[key] = (
            line
            if other is None
            else Line(
                meter=line.meter,
                direction=line.direction,
                prefix=line.prefix,
                price=line.price,
                count=line.count + other.count,
                quantity=line.quantity + other.quantity,
                free=line.free + other.free,
                amount=line.amount + other.amount,
            )
        )
    return [found[key] for key in sorted(found)]

"""What a month comes to: lines of stocks and pieces, and the statement that tells everything. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .model import (
    DELIVERY,
    MINIMUM,
    MINUTE,
    NUMBER,
    SPAM_CHECK,
    STOCKS,
    Edition,
    Entry,
    Line,
    Rate,
    add_lines,
    days_of,
    first_of,
    line_of,
    money_text,
    next_month,
    round_money,
)


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What was there of a meter in a month: the sum over its days, and the most on one day."""

    meter: str
    prefix: str = ""
    days: Decimal
    most: Decimal


def month_lines(
    edition: Edition, month: date, numbers: Sequence[Stock], used: Sequence[Mapping[str, Any]]
) -> list[Line]:
    """Lines of what is charged by the month. ``numbers``: by the prefix of their rate; ``used``: rows of day, meter and
    quantity. What the edition has no price for stands there with none, at nothing."""
    left = {package.name: Fraction(package.quantity) for package in edition.packages}
    stocks = [*numbers, *(_stock(meter, used) for meter in sorted({row["meter"] for row in used}) if meter in STOCKS)]
    lines = [_stock_line(edition, month, stock, left) for stock in stocks]
    for meter in sorted({row["meter"] for row in used} - set(STOCKS)):
        quantity = sum((row["quantity"] for row in used if row["meter"] == meter), Decimal(0))
        lines.append(_priced(edition, meter, "", Fraction(quantity), left))
    return [line for line in lines if line.quantity]


def _stock(meter: str, used: Sequence[Mapping[str, Any]]) -> Stock:
    counts = [row["quantity"] for row in used if row["meter"] == meter]
    return Stock(meter=meter, days=sum(counts, Decimal(0)), most=max(counts))


def _rate(edition: Edition, meter: str, prefix: str) -> Rate | None:
    return next((rate for rate in edition.rates if rate.meter == meter and rate.prefix == prefix), None)


def _stock_line(edition: Edition, month: date, stock: Stock, left: dict[str, Fraction]) -> Line:
    rate = _rate(edition, stock.meter, stock.prefix)
    whole = rate is not None and rate.proration == "whole"
    quantity = Fraction(stock.most) if whole else Fraction(stock.days) / days_of(month)
    return _priced(edition, stock.meter, stock.prefix, quantity, left)


def _priced(edition: Edition, meter: str, prefix: str, quantity: Fraction, left: dict[str, Fraction]) -> Line:
    rate = _rate(edition, meter, prefix)
    free = Fraction(0)
    if rate is not None and rate.package is not None:
        free = min(quantity, left[rate.package])
        left[rate.package] -= free
    amount = Decimal(0)
    if rate is not None and quantity > free:
        amount = round_money(Fraction(rate.amount) * (quantity - free), edition.places, edition.rounding)
    return Line(
        meter=meter,
        prefix=prefix if rate is not None else None,
        price=None if rate is None else rate.amount,
        count=1,
        # To be read; the amount was made of the exact one.
        quantity=round_money(quantity, 6, "half_up"),
        free=round_money(free, 6, "half_up"),
        amount=amount,
    )


def top_up(edition: Edition, charged: Decimal) -> list[Line]:
    """What is missing to the least that a month costs."""
    if charged >= edition.monthly_minimum:
        return []
    missing = edition.monthly_minimum - charged
    return [Line(meter=MINIMUM, price=edition.monthly_minimum, count=1, quantity=Decimal(1), amount=missing)]


def lines_of(entries: Sequence[Entry]) -> list[Line]:
    """The lines of entries, alike ones as one; what was reversed entirely is gone."""
    found = add_lines([line_of(one) for entry in entries for one in entry.lines])
    return [line for line in found if line.count or line.quantity or line.amount]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a statement is made of. ``entries``: those that none has told yet; ``is_open``: the month goes on."""

    month: date
    currency: str
    time_zone: str
    agency: Mapping[str, str]
    client: Mapping[str, str] | None
    opening_balance: Decimal
    entries: Sequence[Entry]
    more_lines: Sequence[Line] = ()
    is_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement's sums, and its document: plain JSON in which every amount is a decimal text."""

    total: Decimal
    closing_balance: Decimal
    document: Mapping[str, Any]


def compose(told: Told) -> Statement:
    """The statement of a month: opening balance, lines, what came late of earlier months, payments, closing balance."""
    ends = next_month(told.month)
    charges = [one for one in told.entries if one.kind in {"calls", "month"}]
    own = [one for one in charges if told.month <= one.day < ends]
    late = [one for one in charges if one.day < told.month]
    lines = add_lines([*lines_of(own), *told.more_lines])
    payments = [one for one in told.entries if one.kind not in {"calls", "month"}]
    more = sum((line.amount for line in told.more_lines), Decimal(0))
    total = more - sum((one.amount for one in charges), Decimal(0))
    paid = sum((one.amount for one in payments), Decimal(0))
    closing = told.opening_balance + paid - total
    document = {
        "month": f"{told.month:%Y-%m}",
        "is_open": told.is_open,
        "currency": told.currency,
        "time_zone": told.time_zone,
        "agency": dict(told.agency),
        "client": None if told.client is None else dict(told.client),
        "opening_balance": money_text(told.opening_balance),
        "lines": [line.as_json() for line in lines],
        "late": [
            {"month": f"{month:%Y-%m}", "lines": [line.as_json() for line in lines_of(of_month)]}
            for month, of_month in _by_month(late)
        ],
        "payments": [
            {
                "day": one.day.isoformat(),
                "kind": one.kind,
                "amount": money_text(one.amount),
                "reference": one.reference,
                "note": one.note,
            }
            for one in payments
        ],
        "unpriced": sum(line.count for line in lines if line.price is None),
        "total": money_text(total),
        "paid": money_text(paid),
        "closing_balance": money_text(closing),
    }
    return Statement(total=total, closing_balance=closing, document=document)


def _by_month(entries: Sequence[Entry]) -> list[tuple[date, list[Entry]]]:
    found: dict[date, list[Entry]] = {}
    for entry in entries:
        found.setdefault(first_of(entry.day), []).append(entry)
    return sorted(found.items())


def usage_by_day(
    entries: Sequence[Entry], used: Sequence[Mapping[str, Any]], *, from_day: date, until_day: date
) -> list[dict[str, Any]]:
    """Days with what was used on them: lines of calls with their amounts, and counts of everything else."""
    days: dict[date, dict[str, Any]] = {}
    for day in sorted({entry.day for entry in entries} | {row["day"] for row in used}):
        if from_day <= day < until_day:
            of_day = [entry for entry in entries if entry.day == day and entry.kind == "calls"]
            lines = lines_of(of_day)
            days[day] = {
                "day": day.isoformat(),
                "calls": [line.as_json() for line in lines],
                "amount": money_text(sum((line.amount for line in lines), Decimal(0))),
                "used": [
                    {"meter": row["meter"], "quantity": f"{row['quantity'].normalize():f}"}
                    for row in used
                    if row["day"] == day
                ],
            }
    return list(days.values())


#: How lines are named to people.
NAMES: Mapping[str, Mapping[str, str]] = {
    "en": {
        f"{MINUTE}.inbound": "Minutes of incoming calls",
        f"{MINUTE}.outbound": "Minutes of forwarded calls",
        SPAM_CHECK: "Spam checks",
        NUMBER: "Numbers, months",
        "recording_gb_month": "Recording storage, GB months",
        "seat_month": "Seats, months",
        DELIVERY: "Webhook messages",
        "transcription_minute": "Minutes transcribed",
        MINIMUM: "Up to the monthly minimum",
    },
    "ru": {
        f"{MINUTE}.inbound": "Минуты входящих звонков",
        f"{MINUTE}.outbound": "Минуты переадресации",
        SPAM_CHECK: "Проверки на спам",
        NUMBER: "Номера, месяцы",
        "recording_gb_month": "Хранение записей, ГБ-месяцы",
        "seat_month": "Рабочие места, месяцы",
        DELIVERY: "Сообщения вебхуков",
        "transcription_minute": "Минуты расшифровки",
        MINIMUM: "Доплата до минимума",
    },
}


def name_of(line: Mapping[str, Any], language: str) -> str:
    """What a line is called; a meter that somebody has made is called as it is."""
    key = f"{line['meter']}.{line['direction']}" if line["direction"] else line["meter"]
    name = NAMES[language].get(key, line["meter"])
    return f"{name} {line['prefix']}" if line["prefix"] else name


def minutes_text(line: Mapping[str, Any], member: str) -> str:
    """A quantity as people read it: seconds of calls as minutes."""
    value = Decimal(str(line[member]))
    if line["meter"] == MINUTE:
        return f"{round_money(Fraction(value) / 60, 2, 'half_up'):f}" if value >= 0 else f"{value / 60:.2f}"
    return f"{value.normalize():f}"

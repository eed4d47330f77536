"""A file of advertising spend, as systems export it: CSV, whatever its columns are called. Pure.

Every line is read before any is sent, so that a fault is told with its line and nothing is half taken.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import DialtraceError
from .reports.dictionary import SOURCE_DIMENSIONS

COUNTS = ("impressions", "clicks")
FIELDS = ("day", *SOURCE_DIMENSIONS, *COUNTS, "cost", "currency")
MOST_FAULTS = 20
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
#: Blanks that spreadsheets put between thousands.
_BLANKS = re.compile("[\\s\u00a0\u202f]")


class SpendFileRefused(DialtraceError):
    """The file cannot be taken; the message names the lines."""


def parse_mapping(told: Iterable[str]) -> dict[str, str]:
    """`day=Date`, … as field → column. Raises SpendFileRefused."""
    found: dict[str, str] = {}
    for one in told:
        name, separator, column = one.partition("=")
        if not separator or name not in FIELDS or not column:
            raise SpendFileRefused(f"{one!r} is not FIELD=COLUMN; the fields are {', '.join(FIELDS)}")
        found[name] = column
    return found


def read_spend(
    lines: Iterable[str],
    *,
    columns: Mapping[str, str],
    fixed: Mapping[str, str],
    delimiter: str = ",",
    date_format: str = "%Y-%m-%d",
    decimal_comma: bool = False,
) -> list[dict[str, Any]]:
    """Rows for POST /v1/spend. ``columns``: field → column; a field that is not named is looked for under its own name.
    ``fixed``: field → the same value for every line. Raises SpendFileRefused with up to twenty faults."""
    reader = csv.DictReader(lines, delimiter=delimiter)
    header = list(reader.fieldnames or ())
    if header:
        header[0] = header[0].removeprefix("\ufeff")
        reader.fieldnames = header
    places = {name: columns.get(name, name) for name in FIELDS if name not in fixed}
    needed = {*columns, "day", "cost"}
    missing = [column for name, column in places.items() if column not in header and name in needed]
    if missing:
        raise SpendFileRefused(f"there is no column {', '.join(missing)}; there are {', '.join(header) or 'none'}")
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    seen: dict[tuple[str | None, ...], int] = {}
    for line in reader:
        told = {name: (line.get(column) or "").strip() for name, column in places.items()} | dict(fixed)
        try:
            row = _row(told, date_format, decimal_comma=decimal_comma)
            key = tuple(row.get(name) for name in ("day", *SOURCE_DIMENSIONS, "currency"))
            if key in seen:
                raise SpendFileRefused(f"tells of the same day and advertising as line {seen[key]}")
            seen[key] = reader.line_num
            rows.append(row)
        except SpendFileRefused as fault:
            faults.append(f"line {reader.line_num}: {fault}")
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        raise SpendFileRefused("; ".join(faults))
    if not rows:
        raise SpendFileRefused("the file has no rows")
    return rows


def _row(told: Mapping[str, str], date_format: str, *, decimal_comma: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"day": _day(told.get("day", ""), date_format).isoformat()}
    row |= {name: told[name] for name in SOURCE_DIMENSIONS if told.get(name)}
    if "channel" not in row and "source" not in row:
        raise SpendFileRefused("names neither a channel nor a source (--set source=google?)")
    for name in COUNTS:
        row[name] = _whole(name, told.get(name, ""), decimal_comma=decimal_comma)
    row["cost"] = format(_decimal("cost", told.get("cost", ""), decimal_comma=decimal_comma), "f")
    currency = told.get("currency", "").upper()
    if not re.fullmatch("[A-Z]{3}", currency):
        raise SpendFileRefused(f"{currency or 'nothing'} is no currency (--set currency=EUR?)")
    row["currency"] = currency
    return row


def _day(text: str, date_format: str) -> date:
    try:
        return datetime.strptime(text, date_format).date()  # noqa: DTZ007 (a day has no zone)
    except ValueError:
        raise SpendFileRefused(f"{text or 'nothing'} is no day of the form {date_format} (--date-format)") from None


def _decimal(name: str, text: str, *, decimal_comma: bool) -> Decimal:
    plain = _BLANKS.sub("", text)
    plain = plain.replace(".", "").replace(",", ".") if decimal_comma else plain.replace(",", "")
    try:
        if not _NUMBER.fullmatch(plain):
            raise InvalidOperation
        return Decimal(plain)
    except InvalidOperation:
        raise SpendFileRefused(f"{name} {text or 'nothing'} is no number") from None


def _whole(name: str, text: str, *, decimal_comma: bool) -> int:
    number = _decimal(name, text, decimal_comma=decimal_comma) if text else Decimal(0)
    if number != int(number):
        raise SpendFileRefused(f"{name} {text} is no whole number")
    return int(number)

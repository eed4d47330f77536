"""Months, and what stands in the way of one's going. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

from .errors import MonthUnknown

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
#: Names follow from this, so that a run that was killed is repeated over its own traces.
_NAMES = UUID("01990000-0000-7000-8000-00000000a4c1")

#: What a month may wait for, in words that say how to mend it.
OBSTACLES: Mapping[str, str] = {
    "young": "it ended less than 31 days ago; late facts may still revise it",
    "recordings": "recordings of its calls are kept (a rule of retention deletes them)",
    "erasures": "requests of persons to be erased are under way (they end by themselves)",
    "holds": "records of it are under a legal hold (lift it, or wait)",
}


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. ``month`` None: the default one, which takes what has no month."""

    parent: str
    month: date | None
    row_estimate: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RetiredMonth:
    """A month of one table that has gone (``retired_at``), or is on its way; ``part`` counts what came late."""

    parent: str
    month: date
    part: int
    row_count: int | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way of a month's going, and how often."""

    what: str
    how_many: int

    def __str__(self) -> str:
        return f"{OBSTACLES.get(self.what, self.what)}: {self.how_many}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """One Parquet file of one agency, as it stands in the store."""

    name: str
    parent: str
    row_count: int
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedTable:
    """One agency's rows of a table and month that has gone; ``name``: in the store."""

    month: date
    table: str
    part: int
    name: str
    row_count: int
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A table's rows in a month, and what changes with each of them."""

    row_count: int
    mark: int


def parse_month(text: str) -> date:
    """The first day of a month written 2026-11. Raises MonthUnknown."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise MonthUnknown(f"{text!r}: {MonthUnknown.__doc__}")
    return date(int(found[1]), int(found[2]), 1)


def month_text(month: date) -> str:
    return f"{month:%Y-%m}"


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def begins_at(month: date) -> datetime:
    """Its first moment, UTC."""
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def is_due(month: date, now: datetime, keep_months: int) -> bool:
    """Whether a month has been kept for as many whole months after its own; 0 keeps all for ever."""
    if keep_months < 1:
        return False
    age = (now.year - month.year) * 12 + now.month - month.month
    return age > keep_months


def due_months(months: Sequence[date], now: datetime, keep_months: int) -> list[date]:
    """The oldest first, each once."""
    return sorted({month for month in months if is_due(month, now, keep_months)})


def folder_of(agency_id: UUID, month: date, part: int) -> str:
    """Where a part of an agency's month stands; `dialtrace_retire_month` knows these names."""
    return f"{agency_id}/archive/{month_text(month)}/{part}"


def object_id(agency_id: UUID, name: str) -> UUID:
    """The id of a file's row in `export_objects`: the same for the same file."""
    return uuid5(_NAMES, f"{agency_id}/{name}")

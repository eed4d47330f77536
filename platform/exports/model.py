"""Exports and their schedules as values: the span of a run, the hour of the next, the names of objects. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from .errors import ValueRefused

Every = Literal["daily", "weekly", "monthly"]
State = Literal["waiting", "running", "done", "failed"]

#: A run begins so long after its span has ended: transactions of its last moments have committed by then.
SETTLE = timedelta(minutes=5)
#: A record that was revised later than its own run is looked for so far back.
LATE = timedelta(days=35)
ON_DEMAND_KEPT = timedelta(days=7)
SCHEDULED_KEPT = timedelta(days=90)
LONGEST_SPAN = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExport:
    """What is asked for. ``client_id`` None: a file for each client of the agency. ``filters``: of calls, by the names
    of GET /v1/calls."""

    client_id: UUID | None
    content: str
    format: str
    from_at: datetime
    until_at: datetime
    filters: Mapping[str, Any] = field(default_factory=dict)
    bom: bool = False
    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.until_at <= self.from_at:
            raise ValueRefused("until", "must lie after `from`")
        if self.until_at - self.from_at > LONGEST_SPAN:
            raise ValueRefused("until", f"at most {LONGEST_SPAN.days} days at a time")
        if self.bom and self.format != "csv":
            raise ValueRefused("bom", "only a CSV may begin with one")
        if self.filters and self.content != "calls":
            raise ValueRefused("filters", "are for calls only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export as it is kept. ``late_since``: revisions since then of earlier calls are in it too."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    schedule_id: UUID | None
    content: str
    format: str
    from_at: datetime
    until_at: datetime
    late_since: datetime | None
    filters: Mapping[str, Any]
    bom: bool
    columns: tuple[str, ...] | None
    state: State
    cut_at: datetime | None
    row_count: int | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime

    @property
    def folder(self) -> str:
        """Where its objects are: the same at every try, so that a retried job makes no second file."""
        if self.schedule_id is None:
            return f"exports/{self.agency_id}/{self.id}"
        return f"exports/{self.agency_id}/{self.schedule_id}/{self.until_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    def file_name(self, client_id: UUID | None) -> str:
        """A client's file, or the one of what belongs to no client."""
        return f"{client_id or 'agency'}.{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One file of an export."""

    name: str
    client_id: UUID | None
    row_count: int
    size_bytes: int
    sha256: bytes
    #: The store in which it stands; empty: the installation's.
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleValues:
    """What a schedule says. ``hour`` is local in ``time_zone``; ``weekday`` 1 (Monday) to 7, ``day`` 1 to 28."""

    client_id: UUID | None
    name: str
    content: str
    format: str
    every: Every
    hour: int
    weekday: int | None
    day: int | None
    time_zone: str
    bom: bool
    enabled: bool

    def __post_init__(self) -> None:
        if (self.weekday is not None) != (self.every == "weekly"):
            raise ValueRefused("weekday", "belongs to `weekly`, which needs it")
        if (self.day is not None) != (self.every == "monthly"):
            raise ValueRefused("day", "belongs to `monthly`, which needs it")
        if self.bom and self.format != "csv":
            raise ValueRefused("bom", "only a CSV may begin with one")
        zone_of(self.time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSchedule:
    """A schedule as it is kept. ``covered_until``: where the span of the next run begins."""

    agency_id: UUID
    id: UUID
    values: ScheduleValues
    covered_until: datetime
    last_cut_at: datetime | None
    next_run_at: datetime
    last_export_id: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int


def zone_of(name: str) -> ZoneInfo:
    """Raises ValueRefused."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueRefused("time_zone", f"{name[:64]!r} is no IANA time zone") from None


def next_run(values: ScheduleValues, after: datetime) -> datetime:
    """The first moment after ``after`` at which a span ends, in UTC. An hour that the clocks skip comes when they have
    been put forward; of one that comes twice, the first."""
    zone = zone_of(values.time_zone)
    day = after.astimezone(zone).date() - timedelta(days=1)
    while True:
        moment = datetime.combine(day, time(values.hour), zone).astimezone(UTC)
        if moment > after and _falls_on(values, day):
            return moment
        day += timedelta(days=1)


def span_before(values: ScheduleValues, end: datetime) -> datetime:
    """Where the span begins that ends at ``end``, for a schedule's first run."""
    zone = zone_of(values.time_zone)
    day = end.astimezone(zone).date()
    while True:
        moment = datetime.combine(day, time(values.hour), zone).astimezone(UTC)
        if moment < end and _falls_on(values, day):
            return moment
        day -= timedelta(days=1)


def _falls_on(values: ScheduleValues, day: date) -> bool:
    if values.every == "weekly":
        return day.isoweekday() == values.weekday
    return values.every == "daily" or day.day == values.day


def run_id(schedule_id: UUID, until_at: datetime) -> UUID:
    """A run's export is the same however often it is begun."""
    return uuid5(schedule_id, until_at.astimezone(UTC).isoformat())


def object_id(export_id: UUID, name: str) -> UUID:
    """A file's row is the same however often it is written."""
    return uuid5(export_id, name)

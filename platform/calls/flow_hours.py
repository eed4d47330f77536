"""Hours, dates and time zones in flow documents, as their owners write them, and as minutes and dates. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, model_validator

from ..tenancy.errors import ValueRefused
from ..tenancy.model import check_time_zone
from .flow_values import Day, Strict


def _zone(name: str) -> str:
    try:
        return check_time_zone(name)
    except ValueRefused:
        raise ValueError("must be a time zone's name such as Europe/Moscow") from None


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day of the calendar, such as 2026-12-31") from None
    return text


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a local day and time, such as 2026-12-31T18:00") from None
    return text


def _rising(span: list[str]) -> list[str]:
    if span[0] >= span[1]:
        raise ValueError("must end after it begins; write hours over midnight as two: until 24:00, and from 00:00")
    return span


ZoneName = Annotated[str, Field(strict=True, max_length=64, examples=["Europe/Moscow"]), AfterValidator(_zone)]
LocalDay = Annotated[
    str, Field(strict=True, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", examples=["2026-12-31"]), AfterValidator(_day)
]
LocalMoment = Annotated[
    str,
    Field(strict=True, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$", examples=["2026-12-31T18:00"]),
    AfterValidator(_moment),
]
Time = Annotated[str, Field(strict=True, pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", examples=["09:00"])]
Hours = Annotated[list[Time], Field(min_length=2, max_length=2), AfterValidator(_rising)]
DayHours = Annotated[list[Hours], Field(max_length=10)]
Weekly = dict[Day, DayHours]


class WorkingHours(Strict):
    """A date with hours of its own; none: closed all day."""

    date: LocalDay
    hours: DayHours = Field(default_factory=list)


class Override(Strict):
    """Open or closed from one local moment until another."""

    from_: LocalMoment = Field(alias="from")
    until: LocalMoment
    open: StrictBool

    @model_validator(mode="after")
    def _rises(self) -> Override:
        if self.from_ >= self.until:
            raise ValueError("must end after it begins")
        return self


class OpenHours(Strict):
    """When somebody is there. The first override that holds decides, else a holiday, else the week. A day that is left
    out is closed."""

    time_zone: ZoneName | None = Field(default=None, description="IANA name; else the client's.")
    weekly: Weekly
    holidays: list[WorkingHours] = Field(default_factory=list, max_length=200)
    overrides: list[Override] = Field(default_factory=list, max_length=100)


def twice(holidays: Sequence[WorkingHours]) -> Iterator[tuple[int, str]]:
    """Dates that come twice, of which the second would never hold: which one, and the date."""
    seen: set[str] = set()
    for place, holiday in enumerate(holidays):
        if holiday.date in seen:
            yield place, holiday.date
        seen.add(holiday.date)


def minutes_of(hours: list[list[str]]) -> list[tuple[int, int]]:
    """The hours of a day in minutes since midnight."""
    return [(_minutes(begins), _minutes(ends)) for begins, ends in hours]


def _minutes(time: str) -> int:
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)

"""Subscriptions of reports as values: who gets which report, when, in which form. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import LinkInvalid, SubscriptionRefused
from .named import KINDS, Kind, days_of
from .texts import LANGUAGES, Language

FileForm = Literal["pdf", "xlsx"]
FILE_FORMS: tuple[FileForm, ...] = ("pdf", "xlsx")
#: Of one agency.
MOST_SUBSCRIPTIONS = 1_000
_TOKEN = re.compile(r"dr_([0-9a-f]{32})_([0-9a-f]{32})_([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionValues:
    """What is asked for. ``client_id`` None: all clients of the agency. ``hour``: where the person is (``time_zone``);
    weekly on Mondays, monthly on the first day. ``language`` None: the person's own. ``files``: attached too."""

    user_id: UUID
    client_id: UUID | None
    kind: Kind
    hour: int = 8
    time_zone: str = "UTC"
    language: Language | None = None
    files: tuple[FileForm, ...] = ()
    enabled: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SubscriptionRefused("kind", f"is one of {', '.join(KINDS)}")
        if not 0 <= self.hour <= 23:
            raise SubscriptionRefused("hour", "is from 0 to 23")
        if self.language is not None and self.language not in LANGUAGES:
            raise SubscriptionRefused("language", f"is one of {', '.join(LANGUAGES)}")
        if len(set(self.files)) < len(self.files) or not set(self.files) <= set(FILE_FORMS):
            raise SubscriptionRefused("files", f"are some of {', '.join(FILE_FORMS)}, each once")
        zone_of(self.time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One as it is kept. ``secret`` opens nothing but the way out: it stands in every letter."""

    agency_id: UUID
    id: UUID
    values: SubscriptionValues
    secret: str
    next_at: datetime
    last_sent_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int

    def __repr__(self) -> str:
        return f"Subscription({self.id})"


def zone_of(name: str) -> ZoneInfo:
    """Raises SubscriptionRefused."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SubscriptionRefused("time_zone", "is no IANA name such as Europe/Berlin") from None


def next_at(values: SubscriptionValues, after: datetime) -> datetime:
    """The next letter's moment. An hour that the clocks leave out is the moment at which they do."""
    zone = zone_of(values.time_zone)
    day = after.astimezone(zone).date()
    while True:
        if days_of(values.kind, day)[0] == day:
            found = datetime.combine(day, time(values.hour), tzinfo=zone).astimezone(UTC)
            if found > after:
                return found
        day += timedelta(days=1)


def day_told(kind: Kind, at: datetime, zone: str) -> date:
    """A day of the last day, week or month that is over there."""
    return days_of(kind, at.astimezone(ZoneInfo(zone)).date())[0] - timedelta(days=1)


def way_out(agency_id: UUID, subscription_id: UUID, secret: str) -> str:
    """What the link of a letter carries: by it, and by nothing else, a subscription ends without signing in."""
    return f"dr_{agency_id.hex}_{subscription_id.hex}_{secret}"


def parse_way_out(text: str) -> tuple[UUID, UUID, str]:
    """Agency, subscription, secret. Raises LinkInvalid."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise LinkInvalid
    return UUID(found[1]), UUID(found[2]), found[3]


def changed(values: SubscriptionValues, patch: Mapping[str, object]) -> SubscriptionValues:
    """A merge patch; the person stays. Raises SubscriptionRefused."""
    told = {name: getattr(values, name) for name in SubscriptionValues.__dataclass_fields__} | dict(patch)
    told["files"] = tuple(told["files"] or ())
    return SubscriptionValues(**told)

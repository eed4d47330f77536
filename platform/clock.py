"""Time as a value that is handed in, so that rules can be tested at any hour (STYLE 4)."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What a room may ask about time."""

    def now(self) -> datetime:
        """The current moment, aware, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never steps back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()


class FixedClock:
    """A clock that stands still until it is moved; for tests and replays."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic_s(self) -> float:
        return self.elapsed_s


def from_microseconds(stamp_us: int) -> datetime:
    """A switch's stamp (microseconds since 1970, UTC) as an aware datetime, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=stamp_us)


def to_microseconds(moment: datetime) -> int:
    """The inverse of :func:`from_microseconds`, without a float in between."""
    delta = moment.astimezone(UTC) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment_text(moment: datetime) -> str:
    """RFC 3339 in UTC: with microseconds where there are any, with milliseconds otherwise."""
    utc = moment.astimezone(UTC)
    precision = "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return utc.isoformat(timespec=precision).replace("+00:00", "Z")

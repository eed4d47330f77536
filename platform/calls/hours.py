"""When a flow goes one way and when another: opening hours, and the moments at which they change. Pure.

Hours are local to a time zone; moments are UTC. A plan that is made ahead holds from one such moment to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .compiled import CompiledCondition, CompiledFlow, CompiledSchedule

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)


def is_open(step: CompiledSchedule, now: datetime) -> bool:
    """Whether the step's hours hold at this moment."""
    local = _local(now, step.time_zone)
    for override in step.overrides:
        if override.begins <= local < override.ends:
            return override.open
    day = local.date()
    spans = step.holidays[day] if day in step.holidays else step.weekly.get(DAYS[day.weekday()], [])  # type: ignore[call-overload]
    minute = local.hour * 60 + local.minute
    return any(begins <= minute < ends for begins, ends in spans)


def weekday(now: datetime, time_zone: str) -> str:
    """``mon`` to ``sun``, where the client is."""
    return DAYS[_local(now, time_zone).weekday()]


def hour(now: datetime, time_zone: str) -> int:
    """0 to 23, where the client is."""
    return _local(now, time_zone).hour


def changes(flow: CompiledFlow, since: datetime, until: datetime) -> list[datetime]:
    """Every moment within the span at which a step of the flow might decide otherwise than just before, in order; none
    for a flow that does not look at the clock."""
    found: set[datetime] = set()
    for step in flow.steps.values():
        if isinstance(step, CompiledSchedule):
            found.update(_of_schedule(step, since, until))
        elif isinstance(step, CompiledCondition):
            facts = {test.fact for test in step.when}
            if facts & {"hour", "weekday"}:
                found.update(_every(60 if "hour" in facts else 1440, flow.time_zone, since, until))
    return sorted(moment for moment in found if since < moment < until)


def _of_schedule(step: CompiledSchedule, since: datetime, until: datetime) -> Iterator[datetime]:
    for day in _days(since, until):
        spans = step.holidays[day] if day in step.holidays else step.weekly.get(DAYS[day.weekday()], [])  # type: ignore[call-overload]
        for minute in {0, *(edge for span in spans for edge in span)}:
            yield from _moments(datetime.combine(day, time()) + timedelta(minutes=minute), step.time_zone)
    for override in step.overrides:
        for edge in (override.begins, override.ends):
            yield from _moments(edge, step.time_zone)
    yield from _clock_changes(step.time_zone, since, until)


def _every(minutes: int, time_zone: str, since: datetime, until: datetime) -> Iterator[datetime]:
    for day in _days(since, until):
        for minute in range(0, 1440, minutes):
            yield from _moments(datetime.combine(day, time()) + timedelta(minutes=minute), time_zone)
    yield from _clock_changes(time_zone, since, until)


def _days(since: datetime, until: datetime) -> Iterator[date]:
    """Every date that is somewhere on earth within the span."""
    day = since.date() - _DAY
    while day <= until.date() + _DAY:
        yield day
        day += _DAY


def _moments(local: datetime, time_zone: str) -> Iterator[datetime]:
    """A local time that the clocks show twice is two moments."""
    zone = ZoneInfo(time_zone)
    for fold in (0, 1):
        yield local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _clock_changes(time_zone: str, since: datetime, until: datetime) -> Iterator[datetime]:
    """Clocks are put forward and back at a quarter of an hour; on such a day every quarter may be the one."""
    zone, moment = ZoneInfo(time_zone), since.replace(minute=0, second=0, microsecond=0)
    while moment < until:
        if moment.astimezone(zone).utcoffset() != (moment + _DAY).astimezone(zone).utcoffset():
            yield from (moment + n * _QUARTER for n in range(97))
        moment += _DAY


def _local(now: datetime, time_zone: str) -> datetime:
    return now.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)

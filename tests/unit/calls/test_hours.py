"""Opening hours, and every moment at which they change: local to a time zone, clocks that go forward and back too."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.calls.compiled import CompiledSchedule, read_compiled
from dialtrace.calls.hours import DAYS, changes, hour, is_open, weekday


def schedule(*, zone="Europe/Moscow", weekly=None, holidays=None, overrides=()):
    return CompiledSchedule.model_validate(
        {
            "type": "schedule", "time_zone": zone, "weekly": weekly or {}, "holidays": holidays or {},
            "overrides": list(overrides), "open": None, "closed": None,
        }
    )  # fmt: skip


def flow(step, **others):
    steps = {"hours": step.model_dump(mode="json"), **others}
    return read_compiled(
        {
            "version": 2, "record": False, "language": "en", "time_zone": "Asia/Kathmandu", "entry": "hours",
            "steps": steps, "backup": None, "apology": None, "needs": [], "prompts": [],
        }
    )  # fmt: skip


def local(text, zone="Europe/Moscow"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


OFFICE = schedule(
    weekly={"wed": [[540, 1080]], "thu": [[0, 60], [600, 1440]]},
    holidays={date(2026, 1, 14): [], date(2026, 1, 13): [[600, 660]]},
    overrides=[
        {"begins": "2026-01-21T17:00", "ends": "2026-01-21T20:00", "open": True},
        {"begins": "2026-01-21T09:00", "ends": "2026-01-22T00:00", "open": False},
    ],
)


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-01-07T08:59:59", False), ("2026-01-07T09:00", True), ("2026-01-07T17:59:59", True),
        ("2026-01-07T18:00", False), ("2026-01-08T00:30", True), ("2026-01-08T01:00", False),
        ("2026-01-08T23:59:59", True), ("2026-01-09T00:00", False),
        ("2026-01-14T12:00", False), ("2026-01-13T10:30", True), ("2026-01-13T11:00", False),
        ("2026-01-21T12:00", False), ("2026-01-21T17:00", True), ("2026-01-21T19:59:59", True),
        ("2026-01-21T20:00", False),
    ],
)  # fmt: skip
def test_given_a_week_holidays_and_overrides_then_the_first_override_decides_then_the_holiday_then_the_week(
    moment, open_
):
    assert is_open(OFFICE, local(moment)) is open_


def test_given_a_moment_then_the_clients_own_day_and_hour_are_told():
    assert weekday(datetime(2026, 1, 6, 22, tzinfo=UTC), "Europe/Moscow") == "wed"
    assert hour(datetime(2026, 1, 6, 22, tzinfo=UTC), "Europe/Moscow") == 1


def test_given_a_flow_that_does_not_look_at_the_clock_then_nothing_changes():
    one = read_compiled({"version": 1, "record": False, "steps": [{"type": "hangup", "cause": "busy"}]})
    assert changes(one, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 9, tzinfo=UTC)) == []


minutes = st.integers(0, 1440)
spans = st.lists(st.tuples(minutes, minutes).map(sorted), max_size=2)
schedules = st.builds(
    schedule,
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    weekly=st.dictionaries(st.sampled_from(DAYS), spans),
    holidays=st.dictionaries(st.sampled_from([date(2026, 3, 29), date(2026, 10, 25), date(2026, 10, 4)]), spans),
    overrides=st.lists(st.just({"begins": "2026-10-25T01:17", "ends": "2026-10-25T02:33", "open": True}), max_size=1),
)
#: Weeks in which clocks are put forward or back somewhere among these.
weeks = st.sampled_from([datetime(2026, 3, 8), datetime(2026, 3, 29), datetime(2026, 10, 4), datetime(2026, 10, 24),
                         datetime(2026, 11, 1)]).map(lambda day: day.replace(tzinfo=UTC))  # fmt: skip


@given(one=schedules, since=weeks, minute=st.integers(0, 2 * 1440))
def test_given_any_hours_then_between_two_of_the_moments_that_are_told_nothing_changes(one, since, minute):
    told = changes(flow(one), since, since + timedelta(days=2))
    moment = since + timedelta(minutes=minute)
    last = max([since, *(one for one in told if one <= moment)])
    assert is_open(one, moment) is is_open(one, last)


def test_given_a_condition_on_the_hour_then_every_hour_of_the_clients_clock_is_told():
    by_hour = {
        "type": "condition", "when": [{"fact": "hour", "test": "at_least", "value": 9}], "then": None,
        "otherwise": None,
    }  # fmt: skip
    since = datetime(2026, 1, 7, tzinfo=UTC)
    told = changes(flow(schedule(zone="UTC"), ask=by_hour), since, since + timedelta(hours=3))
    assert [one.strftime("%H:%M") for one in told] == ["00:15", "01:15", "02:15"]

"""Which span a run covers and when the next one is, over days with and without a change of the clocks."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.exports.errors import ValueRefused
from dialtrace.exports.model import NewExport, ScheduleValues, next_run, run_id, span_before


def schedule(**changed):
    values = {
        "client_id": None, "name": "x", "content": "calls", "format": "csv", "every": "daily", "hour": 0,
        "weekday": None, "day": None, "time_zone": "Europe/Berlin", "bom": False, "enabled": True,
    }  # fmt: skip
    return ScheduleValues(**values | changed)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


class TestNextRun:
    def test_given_the_day_on_which_the_clocks_go_back_then_its_span_has_25_hours(self):
        begins = next_run(schedule(), utc(2026, 10, 24, 21))
        ends = next_run(schedule(), begins)
        assert (begins, ends) == (utc(2026, 10, 24, 22), utc(2026, 10, 25, 23))
        assert ends - begins == timedelta(hours=25)

    def test_given_an_hour_that_the_clocks_skip_then_it_runs_once_that_day(self):
        skipped = schedule(hour=2)
        first = next_run(skipped, utc(2026, 3, 28, 12))
        assert first == utc(2026, 3, 29, 1)
        assert next_run(skipped, first) == utc(2026, 3, 30, 0)

    def test_given_an_hour_that_comes_twice_then_it_runs_once_that_day(self):
        twice = schedule(hour=2)
        first = next_run(twice, utc(2026, 10, 24, 12))
        assert (first, next_run(twice, first)) == (utc(2026, 10, 25, 0), utc(2026, 10, 26, 1))

    def test_given_yekaterinburg_then_midnight_is_19_in_utc(self):
        assert next_run(schedule(time_zone="Asia/Yekaterinburg"), utc(2026, 11, 3, 12)) == utc(2026, 11, 3, 19)

    def test_given_a_weekday_or_a_day_of_the_month_then_it_runs_on_that(self):
        monday = schedule(every="weekly", weekday=1, hour=4)
        assert next_run(monday, utc(2026, 11, 3, 12)) == utc(2026, 11, 9, 3)
        first = schedule(every="monthly", day=1, hour=4)
        assert next_run(first, utc(2026, 11, 3, 12)) == utc(2026, 12, 1, 3)

    @given(
        after=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
        hour=st.integers(0, 23),
        zone=st.sampled_from(["Europe/Berlin", "Asia/Yekaterinburg", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
        how=st.sampled_from([("daily", None, None), ("weekly", 7, None), ("monthly", None, 28)]),
    )
    def test_given_any_moment_then_spans_meet_without_gap_or_overlap(self, after, hour, zone, how):
        every, weekday, day = how
        values = schedule(hour=hour, time_zone=zone, every=every, weekday=weekday, day=day)
        end = next_run(values, after.replace(tzinfo=UTC))
        assert end > after.replace(tzinfo=UTC)
        assert next_run(values, span_before(values, end)) == end


class TestValues:
    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"every": "weekly"}, "weekday"), ({"weekday": 1}, "weekday"), ({"every": "monthly"}, "day"),
            ({"day": 1}, "day"), ({"time_zone": "Mars/Olympus"}, "time_zone"),
            ({"bom": True, "format": "ndjson"}, "bom"),
        ],
    )  # fmt: skip
    def test_given_values_that_contradict_then_the_field_is_named(self, changed, field):
        with pytest.raises(ValueRefused, match=field):
            schedule(**changed)

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"until_at": utc(2026, 11, 1)}, "until"), ({"until_at": utc(2028, 11, 1)}, "until"),
            ({"content": "audit", "filters": {"node": "n"}}, "filters"), ({"format": "parquet", "bom": True}, "bom"),
        ],
    )  # fmt: skip
    def test_given_an_export_that_cannot_be_then_the_field_is_named(self, changed, field):
        values = {
            "client_id": None, "content": "calls", "format": "csv", "from_at": utc(2026, 11, 1),
            "until_at": utc(2026, 12, 1),
        }  # fmt: skip
        with pytest.raises(ValueRefused, match=field):
            NewExport(**values | changed)


def test_given_a_run_begun_twice_then_it_is_one_export():
    one = uuid4()
    assert run_id(one, utc(2026, 11, 3)) == run_id(one, utc(2026, 11, 3)) != run_id(one, utc(2026, 11, 4))

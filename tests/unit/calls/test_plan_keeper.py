"""The fallback plan files: their text, their places, and what becomes of them when routes change."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dialtrace.calls.model import Route
from dialtrace.calls.plan_file import plan_file, plan_path
from dialtrace.calls.routes import RouteChanges
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.workers.plan_keeper import PlanFiles, PlanKeeper

NUMBER = "+74955550101"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
FLOW = {
    "version": 1,
    "record": True,
    "steps": [
        {"type": "announce", "prompt": {"kind": "file", "name": "notice"}},
        {"type": "ring", "targets": [{"id": str(UUID(int=9)), "address": "sip:1@10.0.0.1", "ring_timeout_s": 5}]},
    ],
}
ROUTE = Route(UUID(int=1), UUID(int=2), UUID(int=3), "active", UUID(int=4), 1, FLOW)


class Routes:
    """Answers like the database: everything for a keeper without a mark, afterwards what a test put in ``changed``."""

    def __init__(self, **everything):
        self.everything = {"+" + digits.lstrip("n"): route for digits, route in everything.items()}
        self.changed = {}
        self.asked = []
        self.away = False

    def __call__(self, since):
        self.asked.append(since)
        if self.away:
            raise DatabaseUnavailable
        return RouteChanges(str(len(self.asked)), dict(self.everything if since is None else self.changed))


class Seconds:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def keeper(spool, routes, clock=None):
    return PlanKeeper(node="n1", spool=spool, routes_changed=routes, find_sounds=dict, monotonic_s=clock or Seconds())


def files(spool):
    return sorted(str(path.relative_to(spool / "plans")) for path in spool.glob("plans/**/*") if path.is_file())


def test_given_a_route_then_its_file_has_a_plan_for_a_call_that_enters_and_one_that_only_rings():
    header, ring, start = plan_file(ROUTE, spool="/s", now=NOW).splitlines()
    assert header == "dialtrace-plans 2"
    since, until, kind, plan = start.split(" ")
    assert (since, kind) == ("0", "start")
    assert int(until) > 4_000_000_000
    assert "playback:/s/prompts/notice.wav" in plan
    assert "record_session:/s/recordings/@DAY@/@CALL@-1.wav" in plan
    assert "dialtrace_decided=fallback" in plan
    assert ring.split(" ")[2] == "ring"
    assert "playback" not in ring


def test_given_a_suspended_number_then_its_file_refuses_and_a_released_one_has_none():
    assert "hangup:SUBSCRIBER_ABSENT" in plan_file(replace(ROUTE, status="suspended"), spool="/s", now=NOW)
    assert plan_file(replace(ROUTE, status="released"), spool="/s", now=NOW) is None


@pytest.mark.parametrize("e164", ["", "+12", "+1234567890123456", "../../etc/passwd", "+7495555010a", "+²²²²²"])
def test_given_something_that_is_no_number_then_it_has_no_place(e164):
    with pytest.raises(ValueError):
        plan_path(e164)


def test_given_the_first_look_then_every_route_has_its_file_and_strangers_are_gone(tmp_path):
    stranger = tmp_path / "plans" / "999" / "74955550999.plan"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("old")
    keeper(tmp_path, Routes(n74955550101=ROUTE, n74955550102=replace(ROUTE, status="released"))).follow()
    assert files(tmp_path) == ["101/74955550101.plan"]


def test_given_files_that_no_number_of_ours_can_have_then_they_stay_and_stop_nothing(tmp_path):
    for name in ("123", "¹²³¹²³", "12345678901234567890"):
        (tmp_path / "plans" / "123").mkdir(parents=True, exist_ok=True)
        (tmp_path / "plans" / "123" / f"{name}.plan").write_text("somebody's")
    routes = Routes(n74955550101=ROUTE)
    one = keeper(tmp_path, routes)
    one.follow()
    one.follow()
    assert routes.asked == [None, "1"]
    assert len(files(tmp_path)) == 4


def test_given_changes_then_only_they_are_written_and_the_next_question_has_the_mark(tmp_path):
    routes = Routes(n74955550101=ROUTE, n74955550102=ROUTE)
    one = keeper(tmp_path, routes)
    one.follow()
    untouched = (tmp_path / "plans/102/74955550102.plan").stat().st_mtime_ns
    routes.changed = {NUMBER: replace(ROUTE, flow_version=2), "+74955550102": ROUTE}
    one.follow()
    assert routes.asked == [None, "1"]
    assert "flow_version=2" in (tmp_path / "plans/101/74955550101.plan").read_text()
    assert (tmp_path / "plans/102/74955550102.plan").stat().st_mtime_ns == untouched
    routes.changed = {NUMBER: replace(ROUTE, status="released")}
    one.follow()
    assert files(tmp_path) == ["102/74955550102.plan"]


def test_given_a_database_away_then_the_files_stay_and_afterwards_everything_is_asked_anew(tmp_path):
    routes = Routes(n74955550101=ROUTE)
    one = keeper(tmp_path, routes)
    one.follow()
    routes.away = True
    one.follow()
    assert files(tmp_path) == ["101/74955550101.plan"]
    routes.away = False
    one.follow()
    assert routes.asked == [None, "1", None]


def test_given_a_file_that_somebody_deleted_then_the_next_full_look_mends_it(tmp_path):
    routes, clock = Routes(n74955550101=ROUTE), Seconds()
    one = keeper(tmp_path, routes, clock)
    one.follow()
    (tmp_path / "plans/101/74955550101.plan").unlink()
    one.follow()
    assert files(tmp_path) == []
    clock.now_s += 3600
    one.follow()
    assert files(tmp_path) == ["101/74955550101.plan"]


def test_given_a_route_that_cannot_be_read_then_its_old_file_stays_and_the_others_are_written(tmp_path):
    routes = Routes(n74955550101=ROUTE)
    one = keeper(tmp_path, routes)
    one.follow()
    before = (tmp_path / "plans/101/74955550101.plan").read_text()
    routes.changed = {NUMBER: replace(ROUTE, compiled={"version": 9}), "+74955550102": ROUTE}
    one.follow()
    assert (tmp_path / "plans/101/74955550101.plan").read_text() == before
    assert files(tmp_path) == ["101/74955550101.plan", "102/74955550102.plan"]


def test_given_a_disk_that_refuses_then_the_keeper_goes_on_and_tries_everything_again(tmp_path):
    (tmp_path / "plans").write_text("in the way")
    routes = Routes(n74955550101=ROUTE)
    one = keeper(tmp_path, routes)
    one.follow()
    (tmp_path / "plans").unlink()
    one.follow()
    assert files(tmp_path) == ["101/74955550101.plan"]
    assert routes.asked == [None, None]


def test_given_a_file_when_replaced_then_nothing_half_written_is_ever_in_its_place(tmp_path):
    kept = PlanFiles(tmp_path)
    assert kept.put(NUMBER, "one\n") == "written"
    assert kept.put(NUMBER, "one\n") is None
    inode = (tmp_path / "plans/101/74955550101.plan").stat().st_ino
    assert kept.put(NUMBER, "two\n") == "written"
    assert (tmp_path / "plans/101/74955550101.plan").stat().st_ino != inode
    assert kept.put(NUMBER, None) == "removed"
    assert kept.put(NUMBER, None) is None
    assert files(tmp_path) == []

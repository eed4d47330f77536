"""Fallback plan files: spans of the days ahead, lines for every point, and a size that is bounded."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from dialtrace.calls.compiled import read_compiled
from dialtrace.calls.model import Route
from dialtrace.calls.plan_file import MOST_FILE_BYTES, NEVER_S, plan_file
from dialtrace.calls.whispers import told_name

NOW = datetime(2026, 1, 7, 15, 30, tzinfo=UTC)  # a Wednesday
TONE = {"kind": "tone", "frequency_hz": 440, "duration_ms": 400}
DESK = {"id": str(UUID(int=9)), "address": "sip:1@10.0.0.1", "ring_timeout_s": 5}
RING = {
    "type": "ring", "targets": [DESK], "strategy": "in_turn", "sticky_days": None, "progress_timeout_s": None,
    "whisper": None, "accept_digit": None, "otherwise": None,
}  # fmt: skip
OFFICE = {
    "type": "schedule", "time_zone": "Europe/Moscow", "weekly": {"wed": [[540, 1080]], "thu": [[540, 1080]]},
    "holidays": {"2026-01-08": []}, "overrides": [], "open": "desk", "closed": "shut",
}  # fmt: skip
SHUT = {"type": "hangup", "cause": "unavailable"}


def menu(choices, otherwise=None):
    return {
        "type": "menu", "prompt": TONE, "choices": choices, "timeout_s": 5, "retries": 0, "invalid_prompt": None,
        "otherwise": otherwise,
    }  # fmt: skip


def lines(steps, *, now=NOW, record=True, **more):
    compiled = {
        "version": 2, "record": record, "language": "en", "time_zone": "Europe/Moscow", "entry": next(iter(steps)),
        "steps": steps, "backup": None, "apology": None, "needs": [], "prompts": [], **more,
    }  # fmt: skip
    read_compiled(compiled)
    route = Route(UUID(int=1), UUID(int=2), UUID(int=3), "active", UUID(int=4), 1, compiled)
    header, *found = plan_file(route, spool="/s", now=now).splitlines()
    assert header == "dialtrace-plans 2"
    return [line.split(" ") for line in found]


def spans(found, point):
    return [
        (datetime.fromtimestamp(int(since), UTC).strftime("%d %H:%M"), "bridge" in plan)
        for since, _, one, plan in found
        if one == point
    ]


def test_given_opening_hours_then_each_span_of_the_days_ahead_has_its_plan_and_neighbours_that_are_alike_are_one():
    found = lines({"hours": OFFICE, "desk": RING, "shut": SHUT})
    assert spans(found, "start") == [
        ("07 00:00", False), ("07 06:00", True), ("07 15:00", False), ("14 06:00", True), ("14 15:00", False),
    ]  # fmt: skip
    since, until = int(found[1][0]), int(found[-1][1])
    assert until - since == timedelta(days=8).total_seconds()
    assert [line[:3] for line in found if line[2] == "ring"] == [["0", str(NEVER_S), "ring"]]


def test_given_the_same_day_then_the_file_is_the_same_and_on_the_next_it_has_moved_on():
    steps = {"hours": OFFICE, "desk": RING, "shut": SHUT}
    assert lines(steps, now=NOW.replace(hour=0, minute=0)) == lines(steps, now=NOW.replace(hour=23, minute=59))
    moved = lines(steps, now=NOW + timedelta(days=1))
    assert int(moved[-1][1]) - int(lines(steps)[-1][1]) == 86_400


def test_given_a_flow_that_does_not_look_at_the_clock_then_its_plans_never_end():
    found = lines({"m": menu({"1": "desk", "2": "shut"}), "desk": RING, "shut": SHUT})
    assert [line[:3] for line in found] == [
        ["0", str(NEVER_S), point] for point in ("ring", "start", "m=1", "m=2", "m")
    ]


def test_given_a_flow_that_asks_for_a_code_then_the_digits_are_kept_although_nobody_knows_them_yet():
    code = {
        "type": "code", "prompt": TONE, "length": 6, "variable": "promo_code", "timeout_s": 5, "retries": 0,
        "invalid_prompt": None, "next": "desk", "otherwise": "shut",
    }  # fmt: skip
    plans = {point: plan for _, _, point, plan in lines({"ask": code, "desk": RING, "shut": SHUT})}
    assert list(plans) == ["ring", "start", "ask=@digits6", "ask"]
    assert (
        "dialtrace_v_promo_code=@DIGITS@;dialtrace_variables=@VARIABLES@promo_code@@DIGITS@;" in plans["ask=@digits6"]
    )
    assert "bridge" in plans["ask=@digits6"]
    assert "SUBSCRIBER_ABSENT" in plans["ask"]


def test_given_a_whisper_that_tells_sources_then_its_plans_wait_for_what_the_call_brings():
    general = told_name("From {source}.", "en", "", source=None, campaign=None)
    whisper = {"kind": "told", "text": "From {source}.", "language": "en", "voice": "", "name": general}
    steps = {"m": menu({"1": "desk"}), "desk": {**RING, "whisper": whisper}}
    plans = {point: plan for _, _, point, plan in lines(steps)}
    mark = f"/s/prompts/@SAID:{general}@.wav"
    assert mark in plans["m=1"]
    assert "dialtrace_said" not in plans["start"] + plans["m=1"]
    known = {point: plan for _, _, point, plan in lines(steps, source="google")}
    own = told_name("From {source}.", "en", "", source="google", campaign=None)
    assert f"dialtrace_said={general}:{own}" in known["start"]
    assert f"dialtrace_said={general}:{own}" in known["m=1"]
    assert mark in known["m=1"]


def test_given_a_flow_that_asks_for_consent_then_the_line_for_everybody_is_that_of_those_who_refused():
    consent = {
        "type": "consent", "prompt": TONE, "refuse_digit": "9", "timeout_s": 3, "next": "m", "otherwise": "m",
    }  # fmt: skip
    found = lines(
        {"ask": consent, "m": menu({"1": "on"}), "on": {"type": "record", "on": True, "next": "desk"}, "desk": RING}
    )
    by_point = {line[2]: line[3] for line in found}
    assert "record_session" not in by_point["m=1"]
    assert "record_session:/s/recordings/@DAY@/@CALL@-@SEG1@.wav" in by_point["m=1/given"]
    assert "m=1/none" not in by_point, "of whom nobody asked nothing is recorded either"
    assert "dialtrace_consent=refused" in by_point["ask=9"]
    assert "dialtrace_consent=given" in by_point["ask/none"]


def test_given_a_call_that_rang_in_vain_before_its_menu_then_its_plan_knows_that_the_end_is_one_in_vain():
    found = lines({"desk": {**RING, "otherwise": "m"}, "m": menu({"1": None})})
    assert {line[2]: line[3].rsplit("~", 1)[1] for line in found}["m=1"] == r"transfer:finish\sXML\sflow"
    alone = lines({"m": menu({"1": None, "2": "desk"}), "desk": RING})
    assert {line[2]: line[3].rsplit("~", 1)[1] for line in alone}["m=1"] == "hangup:NORMAL_CLEARING"


def test_given_a_flow_longer_than_a_plan_then_the_file_has_the_point_at_which_it_goes_on():
    names = [f"say-{n}" for n in range(80)]
    steps = {
        name: {"type": "announce", "prompt": TONE, "next": after}
        for name, after in zip(names, [*names[1:], None], strict=True)
    }
    found = lines(steps)
    assert [line[2] for line in found][:2] == ["ring", "start"]
    (cut,) = [line[2] for line in found][2:]
    assert cut.endswith("=@begin")
    assert f"dialtrace_step={cut.removesuffix('=@begin')};dialtrace_result=@begin" in found[1][3]


def test_given_more_points_than_a_file_may_hold_then_what_matters_most_is_there():
    many = {f"{n}": "desk" for n in range(1, 31)}
    targets = [{**DESK, "id": str(UUID(int=n))} for n in range(100, 120)]
    names = [f"m-{n}" for n in range(15)]
    steps = {
        name: menu(many, after) for name, after in zip(names, [*names[1:], "hours"], strict=True)
    } | {"hours": OFFICE, "desk": {**RING, "targets": targets, "otherwise": "hours"}, "shut": SHUT}  # fmt: skip
    found = lines(steps)
    assert [line[2] for line in found[:2]] == ["ring", "start"]
    assert 0.9 * MOST_FILE_BYTES < sum(len(" ".join(line)) + 1 for line in found) <= MOST_FILE_BYTES

"""A call's path through its flow, read from variables that anybody may have filled with anything."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dialtrace.cdr.fields import Fields
from dialtrace.cdr.flow_facts import MAX_STEPS, MAX_TAGS, MAX_VARIABLES, is_test, queue_ms, read_flow_facts


def read(**variables: Any) -> dict[str, Any]:
    return read_flow_facts(Fields({"variables": variables}))


def test_given_no_flow_variables_when_read_then_there_are_no_facts() -> None:
    assert read(dialtrace_step="1", dialtrace_result="7", dialtrace_agency="x") == {}


def test_given_a_trail_when_read_then_each_step_has_its_moment_and_the_last_question_its_answer() -> None:
    found = read(
        dialtrace_trail="welcome@1795325719,menu=1@1795325722,f2.menu@1795325730,desk@1795325735",
        dialtrace_step="f2.menu",
        dialtrace_result="target:01990000-0000-7000-8000-0000000000e1",
    )
    assert found["trail"] == [
        {"step": "welcome", "at": "2026-11-22T05:35:19+00:00"},
        {"step": "menu", "at": "2026-11-22T05:35:22+00:00", "result": "1"},
        {
            "step": "f2.menu",
            "at": "2026-11-22T05:35:30+00:00",
            "result": "target:01990000-0000-7000-8000-0000000000e1",
        },
        {"step": "desk", "at": "2026-11-22T05:35:35+00:00"},
    ]


def test_given_a_trail_that_plans_added_to_then_the_switchs_own_log_says_when() -> None:
    log = [
        {"app_name": "push", "app_data": "dialtrace_trail=menu@1795325719", "app_stamp": "1795325722500000"},
        {"app_name": "set", "app_data": "dialtrace_trail=desk@1795325719", "app_stamp": "1795325799000000"},
        {"app_name": "push", "app_data": "dialtrace_trail=nothing", "app_stamp": "soon"},
        "nonsense",
    ]
    variables = {"dialtrace_trail": "ARRAY::welcome@1795325719|:menu@1795325719|:menu=1@1795325730,desk@1795325730"}
    found = read_flow_facts(Fields({"variables": variables, "app_log": {"applications": log}}))
    assert [(step["step"], step.get("result"), step["at"][17:]) for step in found["trail"]] == [
        ("welcome", None, "19+00:00"),
        ("menu", None, "22.500000+00:00"),
        ("menu", "1", "30+00:00"),
        ("desk", None, "30+00:00"),
    ]


@pytest.mark.parametrize("result", ["timeout", "wait", "@begin"])
def test_given_a_wait_that_the_caller_ended_then_what_it_was_to_bring_is_no_result(result: str) -> None:
    found = read(dialtrace_trail="queue@1795325719", dialtrace_step="queue", dialtrace_result=result)
    assert found["trail"] == [{"step": "queue", "at": "2026-11-22T05:35:19+00:00"}]


@pytest.mark.parametrize(
    "trail",
    ["a", "a@", "@1795325719", "A@1795325719", "a@1", "a@99999999999", "a b@1795325719", "a@1795325719\x00", "a@0x12"],
)
def test_given_a_step_that_is_none_when_read_then_it_is_dropped(trail: str) -> None:
    assert read(dialtrace_trail=trail) == {}


def test_given_a_result_that_is_no_word_when_read_then_the_step_has_none() -> None:
    found = read(dialtrace_trail="menu@1795325719", dialtrace_step="menu", dialtrace_result="a b\n<script>")
    assert found == {"trail": [{"step": "menu", "at": "2026-11-22T05:35:19+00:00"}]}


@pytest.mark.parametrize(("said", "kept"), [("given", "given"), ("refused", "refused"), ("yes", None), ("", None)])
def test_given_an_answer_to_the_consent_gate_then_only_the_two_words_are_kept(said: str, kept: str | None) -> None:
    assert read(dialtrace_consent=said).get("consent") == kept


def test_given_tags_and_own_variables_when_read_then_they_are_cleaned_and_each_is_there_once() -> None:
    found = read(
        dialtrace_tags="vip, sales,vip,two words,новый",
        dialtrace_v_basket="large\r\nX: 1",
        dialtrace_v_empty="",
        dialtrace_v_Bad="x",
        dialtrace_v_list=["x"],
        dialtrace_segments="2",
    )
    assert found == {"tags": ["vip", "sales", "новый"], "variables": {"basket": "large␍␊X: 1"}, "segments_started": 2}


def test_given_limits_and_spam_when_read_then_score_rules_and_the_limit_are_there() -> None:
    found = read(
        dialtrace_spam="70", dialtrace_spam_rules="rate:40,anonymous:30,Bad:1,x", dialtrace_over="client_calls",
        dialtrace_blocked="caller_id",
    )  # fmt: skip
    assert found == {
        "over_limit": "client_calls",
        "blocked_by": "caller_id",
        "spam_rules": [{"rule": "rate", "weight": 40}, {"rule": "anonymous", "weight": 30}],
    }


def test_given_more_than_any_flow_writes_when_read_then_every_list_is_bounded() -> None:
    found = read(
        dialtrace_trail=",".join(f"s{index}@1795325719" for index in range(900)),
        dialtrace_tags=",".join(f"t{index}" for index in range(900)),
        **{f"dialtrace_v_n{index}": "x" * 5000 for index in range(900)},
    )
    assert (len(found["trail"]), len(found["tags"]), len(found["variables"])) == (MAX_STEPS, MAX_TAGS, MAX_VARIABLES)
    assert all(len(value) == 128 for value in found["variables"].values())


@pytest.mark.parametrize(("mark", "test"), [("true", True), ("false", False), ("", False), (None, False)])
def test_given_the_dialplans_mark_then_only_its_own_word_makes_a_test_call(mark: str | None, test: bool) -> None:
    assert is_test(Fields({"variables": {"dialtrace_test": mark}})) is test


def at(second: float) -> datetime:
    return datetime.fromtimestamp(1_795_325_700 + second, UTC)


def waited(trail: list[tuple[str, float]], *, connected: float | None, ended: float = 100, **queues: str) -> int | None:
    told = [{"step": step, "at": at(second).isoformat()} for step, second in trail]
    variables = {f"dialtrace_q_{name.replace('_', '-')}": value for name, value in queues.items()}
    return queue_ms(
        Fields({"variables": variables}), told, connected=None if connected is None else at(connected), ended=at(ended)
    )


def test_given_a_queue_when_its_end_comes_then_the_wait_is_over_with_whatever_came_first() -> None:
    offered = [("menu", 1), ("wait-1", 5), ("wait-1", 20), ("wait-1", 26)]

    assert waited(offered, connected=30.5, wait_1="yes") == 25_500
    assert waited(offered, connected=None, ended=40, wait_1="yes") == 35_000
    assert waited([*offered, ("sorry", 33)], connected=None, ended=40, wait_1="yes") == 28_000
    assert waited([*offered, ("desk", 33)], connected=60, wait_1="yes") == 28_000


def test_given_several_queues_when_counting_then_their_waits_are_added_and_other_waits_are_not() -> None:
    trail = [("first", 0), ("ask", 10), ("second", 12), ("second", 20)]

    assert waited(trail, connected=22, first="yes", second="yes") == 20_000
    assert waited(trail, connected=22, second="yes") == 10_000
    assert waited(trail, connected=22) is None


def test_given_a_caller_who_queues_again_after_talking_then_the_talk_is_no_wait() -> None:
    assert waited([("first", 0), ("desk", 5), ("second", 60)], connected=7, ended=70, first="y", second="y") == 15_000


def test_given_a_step_that_opens_a_plan_when_the_switch_logged_it_then_its_moment_is_the_switchs() -> None:
    told = "^^;dialtrace_agency=x;dialtrace_trail=wait@1795325719;dialtrace_attempts=y"
    ran = [{"app_name": "multiset", "app_data": told, "app_stamp": "1795325719512345"}]
    fields = Fields({"variables": {"dialtrace_trail": "wait@1795325719"}, "app_log": {"applications": ran}})

    assert read_flow_facts(fields)["trail"] == [{"step": "wait", "at": "2026-11-22T05:35:19.512345+00:00"}]

"""Plans: what the switch is told to do, and that nothing else can ever be in it."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.calls.compiled import read_compiled
from dialtrace.calls.errors import PlanRefused, RouteUnreadable
from dialtrace.calls.model import Facts, Route
from dialtrace.calls.plan import CALL_MARK, DAY_MARK, MOST_ACTIONS, RING_ONLY, Plan, handed_over, make_plan
from dialtrace.db.tables import OPERATOR_AGENCY, OPERATOR_CLIENT
from dialtrace.node.syntax import expand, separate

AGENCY, CLIENT, NUMBER, FLOW, FIRST, SECOND = (UUID(int=n) for n in range(1, 7))
FACTS = Facts(now=datetime(2026, 1, 2, tzinfo=UTC))
CALL = "0b7ae4a0-1111-4222-8333-444455556666"
TONE = {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": 440, "duration_ms": 400}}
SAFE = re.compile(r"m:~:(?:[ -!#%&(-\[\]-~]|\\s)*")


def rung(*targets):
    return {
        "type": "ring",
        "targets": [{"id": str(t), "address": f"sip:{t.int}@10.0.0.1:5070", "ring_timeout_s": 15} for t in targets],
    }


def route(*steps, record=False, status="active", compiled=...):
    flow = {"version": 1, "record": record, "steps": list(steps)} if compiled is ... else compiled
    return Route(AGENCY, CLIENT, NUMBER, status, FLOW, 3, flow)


def plan_of(one, *, call_id=CALL, day="20260102", point="start", decided="worker", facts=FACTS):
    return make_plan(one, call_id=call_id, day=day, spool="/var/spool/n1", decided=decided, point=point, facts=facts)


def actions(plan):
    assert plan.startswith("m:~:")
    return [tuple(part.partition(":")[::2]) for part in plan.removeprefix("m:~:").split("~")]


def facts(plan):
    found = {}
    for application, data in actions(plan):
        if application == "multiset":
            found.update(pair.split("=", 1) for pair in data.removeprefix("^^;").split(";"))
    return found


LEG = (
    "[leg_timeout=15,dialtrace_target={target},dialtrace_agency={agency},dialtrace_client={client}]"
    "sofia/external/{user}@10.0.0.1:5070"
)


def leg(target):
    return LEG.format(target=target, agency=AGENCY, client=CLIENT, user=target.int)


def test_given_two_targets_then_they_ring_in_turn_and_the_end_says_why_nobody_answered():
    plan = plan_of(route(rung(FIRST, SECOND)))
    assert [one for one in actions(plan) if one[0] not in ("multiset", "push")] == [
        ("bridge", leg(FIRST)),
        ("bridge", leg(SECOND)),
        ("transfer", r"finish\sXML\sflow"),
    ]


def test_given_any_flow_then_the_first_action_tells_the_record_plane_all_it_needs():
    plan = plan_of(route(rung(FIRST, SECOND), record=True))
    application, opening = actions(plan)[0]
    assert application == "multiset"
    assert opening.startswith(
        f"^^;dialtrace_agency={AGENCY};dialtrace_client={CLIENT};dialtrace_number={NUMBER};dialtrace_flow={FLOW};"
        f"dialtrace_flow_version=3;dialtrace_decided=worker;dialtrace_record=yes;dialtrace_segments=1;"
        f"dialtrace_recordings={CALL}-1.wav;dialtrace_trail=step-1@1767312000;dialtrace_attempts={FIRST},{SECOND};"
        "dialtrace_rung=yes;"
    )


def test_given_recording_without_announcement_then_it_starts_with_the_answer_and_not_before():
    plan = plan_of(route(rung(FIRST), record=True))
    found = facts(plan)
    assert found["RECORD_STEREO"] == "true"
    assert found["execute_on_answer"] == rf"record_session\s/var/spool/n1/recordings/20260102/{CALL}-1.wav"
    assert not {"record_session", "answer"} & {application for application, _ in actions(plan)}


def test_given_recording_and_an_announcement_then_the_notice_itself_is_recorded():
    plan = plan_of(route(TONE, rung(FIRST), record=True))
    assert [one for one in actions(plan) if one[0] not in ("multiset", "push")][:4] == [
        ("answer", ""),
        ("record_session", f"/var/spool/n1/recordings/20260102/{CALL}-1.wav"),
        ("playback", "tone_stream://%(400,0,440)"),
        ("bridge", leg(FIRST)),
    ]
    assert "execute_on_answer" not in facts(plan)


def test_given_an_announcement_after_the_targets_then_the_call_is_answered_there_once():
    plan = plan_of(route(rung(FIRST), TONE, TONE, record=True))
    applications = [application for application, _ in actions(plan) if application not in ("multiset", "push")]
    assert applications == ["bridge", "answer", "playback", "playback", "transfer"]
    assert "execute_on_answer" in facts(plan)


def test_given_no_recording_then_nothing_records_and_the_facts_say_so():
    found = facts(plan_of(route(TONE, rung(FIRST))))
    assert found["dialtrace_record"] == "no"
    assert not {"dialtrace_recordings", "RECORD_STEREO", "execute_on_answer"} & set(found)


def test_given_targets_then_failures_go_on_and_early_media_is_no_answer():
    found = facts(plan_of(route(rung(FIRST))))
    assert found["continue_on_fail"] == found["hangup_after_bridge"] == found["ignore_early_media"] == "true"
    assert found["ringback"] == found["transfer_ringback"] == "%(1000,4000,425)"
    assert int(found["call_timeout"]) > 15


def test_given_a_file_prompt_then_it_is_taken_from_the_nodes_spool():
    step = {"type": "announce", "prompt": {"kind": "file", "name": "notice-en"}}
    assert ("playback", "/var/spool/n1/prompts/notice-en.wav") in actions(plan_of(route(step)))


def test_given_only_an_announcement_then_the_plan_still_ends_on_purpose():
    assert actions(plan_of(route(TONE)))[-1] == ("hangup", "NORMAL_CLEARING")


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        ("busy", "USER_BUSY"),
        ("no_answer", "NO_ANSWER"),
        ("rejected", "CALL_REJECTED"),
        ("unavailable", "SUBSCRIBER_ABSENT"),
        ("not_found", "UNALLOCATED_NUMBER"),
        ("normal", "NORMAL_CLEARING"),
    ],
)
def test_given_a_hangup_step_then_the_plan_ends_with_its_cause_and_nothing_after(cause, name):
    plan = plan_of(route(rung(FIRST), {"type": "hangup", "cause": cause}))
    assert [one for one in actions(plan) if one[0] not in ("multiset", "push")][-2:] == [
        ("bridge", leg(FIRST)),
        ("hangup", name),
    ]


def test_given_a_number_nobody_has_then_it_is_refused_as_unallocated_and_belongs_to_the_operator():
    plan = plan_of(None)
    assert actions(plan)[-1] == ("hangup", "UNALLOCATED_NUMBER")
    assert facts(plan) == {
        "dialtrace_agency": OPERATOR_AGENCY,
        "dialtrace_client": OPERATOR_CLIENT,
        "dialtrace_decided": "worker",
        "dialtrace_refused": "unknown",
        "dialtrace_record": "no",
    }


def test_given_a_released_number_then_its_last_holder_is_not_named():
    plan = plan_of(route(rung(FIRST), status="released"))
    assert actions(plan)[-1] == ("hangup", "UNALLOCATED_NUMBER")
    assert facts(plan)["dialtrace_refused"] == "released"
    assert str(AGENCY) not in plan
    assert str(NUMBER) not in plan


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (route(rung(FIRST), status="suspended"), "suspended"),
        (route(compiled=None), "no_flow"),
        (route(rung(FIRST), status="someday"), "no_flow"),
    ],
)
def test_given_a_number_that_cannot_take_calls_now_then_callers_hear_so_and_its_owner_gets_the_record(one, reason):
    plan = plan_of(one)
    assert actions(plan)[-1] == ("hangup", "SUBSCRIBER_ABSENT")
    assert facts(plan)["dialtrace_refused"] == reason
    assert facts(plan)["dialtrace_number"] == str(NUMBER)


def test_given_a_fallback_plan_then_it_holds_the_marks_that_the_script_replaces():
    plan = plan_of(route(TONE, rung(FIRST), record=True), call_id=CALL_MARK, day=DAY_MARK, decided="fallback")
    assert f"record_session:/var/spool/n1/recordings/{DAY_MARK}/{CALL_MARK}-1.wav" in plan
    assert facts(plan)["dialtrace_recordings"] == f"{CALL_MARK}-1.wav"
    assert facts(plan)["dialtrace_decided"] == "fallback"
    assert " " not in plan


def test_given_a_call_that_was_inside_a_flow_then_the_ring_plan_announces_and_records_nothing_anew():
    plan = plan_of(route(TONE, rung(FIRST), TONE, record=True), point=RING_ONLY)
    assert [one for one in actions(plan) if one[0] not in ("multiset", "push")] == [
        ("bridge", leg(FIRST)),
        ("transfer", r"finish\sXML\sflow"),
    ]
    assert not {"dialtrace_record", "dialtrace_recordings", "execute_on_answer"} & set(facts(plan))


def test_given_a_call_whose_plan_had_no_more_room_then_the_next_one_begins_at_that_step():
    one = route(TONE, rung(FIRST), rung(SECOND))
    plan = plan_of(one, point="step-3=@begin")
    assert [data for application, data in actions(plan) if application == "bridge"] == [leg(SECOND)]


@pytest.mark.parametrize("point", ["step-9", "step-3", "²", "x;y=z", "-1", "=", "step-2=5"])
def test_given_a_point_that_makes_no_sense_then_the_targets_ring(point):
    plan = plan_of(route(TONE, rung(FIRST), rung(SECOND)), point=point)
    assert [application for application, _ in actions(plan) if application not in ("multiset", "push")] == [
        "bridge",
        "bridge",
        "transfer",
    ]


def test_given_a_flow_without_targets_when_only_ringing_then_the_plan_still_ends_on_purpose():
    assert actions(plan_of(route(TONE), point=RING_ONLY))[-1] == ("hangup", "NORMAL_CLEARING")


def test_given_the_largest_flow_then_its_plan_is_within_what_the_switch_runs():
    steps = [TONE] * 19 + [rung(*[FIRST] * 20)]
    assert len(actions(plan_of(route(*steps, record=True)))) <= MOST_ACTIONS


def test_given_a_published_flow_of_a_newer_release_then_no_plan_is_made():
    with pytest.raises(RouteUnreadable):
        plan_of(route(compiled={"version": 9}))


@pytest.mark.parametrize(
    ("where", "value"),
    [("call_id", "x"), ("call_id", CALL.upper()), ("day", "today"), ("spool", "/a b"), ("spool", "relative")],
)
def test_given_a_hostile_fact_then_no_plan_is_made(where, value):
    arguments = {"call_id": CALL, "day": "20260102", "spool": "/s", "decided": "worker", where: value}
    with pytest.raises(PlanRefused):
        make_plan(route(rung(FIRST)), **arguments)


@pytest.mark.parametrize("data", ["a'b", 'a"b', "a\\b", "a\\sb", "${x}", "$x", "a~b", "a\nb", "a\rb", "a\x7fb", "é"])
def test_given_a_forbidden_character_then_the_builder_refuses_it(data):
    with pytest.raises(PlanRefused):
        Plan().add("playback", data)
    with pytest.raises(PlanRefused):
        Plan().add_facts([("x", data)])
    with pytest.raises(PlanRefused):
        Plan().add_variables([("x", data)])


@pytest.mark.parametrize("value", ["a;b=c", "a b", "", "a=b"])
def test_given_a_fact_that_would_set_another_variable_then_the_builder_refuses_it(value):
    with pytest.raises(PlanRefused):
        Plan().add_facts([("x", value)])


def test_given_one_action_too_many_then_the_builder_refuses_it():
    plan = Plan()
    for _ in range(MOST_ACTIONS):
        plan.add("answer")
    with pytest.raises(PlanRefused, match="100"):
        plan.add("answer")


def test_given_more_text_than_the_switch_was_seen_to_run_then_there_is_no_plan():
    plan = Plan()
    for _ in range(10):
        plan.add("playback", "x" * 2000)
    with pytest.raises(PlanRefused, match="14000"):
        str(plan)


def test_given_no_action_then_there_is_no_plan():
    with pytest.raises(PlanRefused):
        str(Plan())


@given(application=st.text(max_size=12), data=st.text(max_size=40))
def test_given_any_text_then_what_leaves_the_builder_is_one_safe_action(application, data):
    plan = Plan()
    try:
        plan.add(application, data)
        text = str(plan)
    except PlanRefused:
        return
    assert SAFE.fullmatch(text)
    assert text.count("~") == 1
    assert " " not in text.removeprefix("m:~:")


steps = st.lists(
    st.one_of(
        st.builds(
            lambda hz, ms: {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": hz, "duration_ms": ms}},
            st.integers(50, 3400),
            st.integers(10, 60_000),
        ),
        st.builds(
            lambda name: {"type": "announce", "prompt": {"kind": "file", "name": name}},
            st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,63}\Z"),
        ),
        st.builds(
            lambda users: {
                "type": "ring",
                "targets": [
                    {"id": str(FIRST), "address": f"sip:{user}@{host}", "ring_timeout_s": seconds}
                    for user, host, seconds in users
                ],
            },
            st.lists(
                st.tuples(
                    st.from_regex(r"\A[A-Za-z0-9_.+-]{1,8}\Z"),
                    st.sampled_from(["a.b", "10.0.0.1:99"]),
                    st.integers(1, 300),
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        st.builds(lambda cause: {"type": "hangup", "cause": cause}, st.sampled_from(["busy", "normal", "rejected"])),
    ),
    min_size=1,
    max_size=6,
)


@given(steps=steps, record=st.booleans(), point=st.one_of(st.just("start"), st.text(max_size=4)))
def test_given_any_flow_that_is_accepted_then_its_plan_is_safe_bounded_and_ends_on_purpose(steps, record, point):
    one = route(*steps, record=record)
    read_compiled(one.compiled)
    plan = plan_of(one, point=point)
    assert SAFE.fullmatch(plan)
    assert 1 < len(actions(plan)) <= MOST_ACTIONS
    assert actions(plan)[0][0] == "multiset"
    assert actions(plan)[-1][0] in ("hangup", "transfer")


def test_given_a_plan_that_opens_with_variables_when_it_is_handed_over_then_the_switch_holds_both_and_the_rest():
    plan = plan_of(route(TONE, rung(FIRST), record=True))
    application, argument = handed_over(plan)
    assert application == "multiset"
    # What the switch does with it: the argument is expanded, cut, and each value expanded again.
    pieces = separate(expand(argument.removeprefix("^^;"), {}.get), ";")
    held = {name: expand(value, {}.get) for name, _, value in (piece.partition("=") for piece in pieces)}
    rest = held.pop("dialtrace_plan")
    assert held.pop("asks") == ""
    opening, *actions_left = actions(plan)
    assert actions(rest) == actions_left
    assert held == dict(
        one.replace(r"\s", " ").partition("=")[::2] for one in opening[1].removeprefix("^^;").split(";")
    )
    assert handed_over("m:~:hangup:USER_BUSY") == ("set", "dialtrace_plan=m:~:hangup:USER_BUSY")
